"""Loss and metrics as Keras' `compile` understands them, computed without writing to variables."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from unittest import mock

import keras
import numpy as np
import tensorflow as tf
from keras.src.trainers.compile_utils import CompileLoss, CompileMetrics

from helpers.replicas.agreement import (
    Labels,
    check_outputs,
    check_targets,
    inputs_told,
    names_of,
    targets_told,
    weights_told,
)
from helpers.replicas.tracing import RefusedError, all_variables, to_numpy

# Losses and metrics that are means over examples: how many are judged at a time does not matter.
MEANS = {
    *("mean_squared_error", "mean_absolute_error", "mean_absolute_percentage_error"),
    *("mean_squared_logarithmic_error", "huber", "log_cosh", "kl_divergence", "poisson"),
    *("binary_crossentropy", "binary_focal_crossentropy", "categorical_crossentropy"),
    *("categorical_focal_crossentropy", "sparse_categorical_crossentropy", "hinge"),
    *("squared_hinge", "categorical_hinge", "cosine_similarity", "binary_accuracy"),
    *("categorical_accuracy", "sparse_categorical_accuracy", "accuracy"),
    *("top_k_categorical_accuracy", "sparse_top_k_categorical_accuracy"),
}
# Those among them that as metrics broadcast targets of shape (n,) and outputs of (n, 1) to (n, n):
# then how many are judged at a time does matter.
BROADCAST = {"hinge", "squared_hinge", "categorical_hinge", "kl_divergence", "poisson"}


class Compiled:
    """The loss and the metrics of a model, as `compile` makes them.

    Args:
        model: The template.
        settings: ``loss``, ``loss_weights``, ``metrics`` and ``weighted_metrics``.
        example: (x, y, sample_weight) of a few examples, from which Keras sees their kinds.

    Raises:
        ValueError: Keras cannot make sense of them.
    """

    def __init__(self, model: keras.Model, settings: dict, example: tuple):
        names = getattr(model, "output_names", None)
        loss, weights = settings["loss"], settings["loss_weights"]
        self.model, self.user_loss = model, loss
        self.loss_function = loss and CompileLoss(loss, weights, output_names=names)
        self.metrics = CompileMetrics(
            settings["metrics"], settings["weighted_metrics"], output_names=names
        )
        y_pred = self.agree(example, "x")
        flat = keras.tree.flatten(y_pred)
        self.masks = any(getattr(one, "_keras_mask", None) is not None for one in flat)
        _, y, _ = example
        ranks = [[len(one.shape) for one in keras.tree.flatten(nested)] for nested in (y, y_pred)]
        self.broadcasts = ranks[0] != ranks[1]
        self.labels = Labels(getattr(self.loss_function, "_flat_losses", None), y_pred)
        self.parts = [*self._tracked, *self.metrics.metrics]
        self.variables = [one for metric in self.parts for one in metric.variables]

    def agree(self, example: tuple, name: str):
        """Compute loss and metrics of a few examples, and return the outputs.

        Keras builds both where it sees the first; what does not fit is told by its name. Of inputs
        alone it computes the outputs.
        """
        (x, *judged), (of_x, of_y, of_weight) = example, names_of(name)
        model = self.model
        values = [(one, one.value) for one in all_variables(model)]
        with inputs_told(model, x, of_x), keras.StatelessScope(values):
            y_pred = outputs_of(model, x, training=False)
        if not judged:
            return y_pred
        y, weight = judged
        if self.loss_function:
            check_targets(self.user_loss, y, of_y)
            check_outputs(self.user_loss, self.loss_function.output_names, y_pred)
            with targets_told(self.user_loss, y, y_pred, of_y):
                self.loss_function(y, y_pred)
            if weight is not None:
                with weights_told(weight, y, of_weight):
                    self.loss_function(y, y_pred, weight)
        if not self.metrics.built:
            self.metrics.build(y, y_pred)
        if self.metrics.metrics:
            with targets_told(self.user_loss, y, y_pred, of_y):
                self.metrics.update_state(y, y_pred)
        for one in (*self._tracked, self.metrics):
            one.reset_state()
        return y_pred

    @property
    def _tracked(self) -> list[keras.Metric]:
        """The means of the losses of several outputs, which Keras keeps as metrics."""
        return self.loss_function.metrics if self.loss_function else []

    @property
    def names(self) -> list[str]:
        """The names of what a history holds, the loss first."""
        results = self.metrics.result() if self.metrics.metrics else {}
        return ["loss", *(metric.name for metric in self._tracked), *_flat_results(results)]

    def start(self, replicas: int) -> list[np.ndarray]:
        """Return the state of the metrics before the first batch, stacked."""
        found = []
        for metric in self.parts:
            fresh = [to_numpy(one) for one in metric.variables]
            with keras.StatelessScope() as scope:
                metric.reset_state()
            for variable, value in zip(metric.variables, fresh, strict=True):
                reset = scope.get_current_value(variable)
                value = value if reset is None else to_numpy(reset)
                found.append(np.repeat(np.asarray(value)[None], replicas, axis=0))
        return found

    def loss(self, y, y_pred, weight) -> tf.Tensor:
        """Return a batch's loss with all penalties; called in a stateless scope."""
        parts = []
        if self.loss_function:
            parts.append(self.loss_function(y, y_pred, weight))
            if parts[0].shape.rank:
                raise RefusedError(
                    "`loss` must give one number a batch. Received: one that gives shape "
                    f"{tuple(parts[0].shape)}, as with reduction='none'"
                )
        parts += [tf.reduce_sum(tf.cast(one, tf.float32)) for one in self.model.losses]
        if not parts:
            raise RefusedError("`loss` must be given, or the model add one. Received: loss=None")
        return parts[0] if len(parts) == 1 else keras.ops.sum(parts)

    def update(self, y, y_pred, weight) -> None:
        """Update the metrics, in a stateless scope."""
        if self.metrics.metrics:
            with _mappable_accuracies(self.metrics.metrics):
                self.metrics.update_state(y, y_pred, weight)

    def results(self) -> list[tf.Tensor]:
        """Return what the metrics have come to, in the order of `names`, without the loss."""
        found = [metric.result() for metric in self._tracked]
        if self.metrics.metrics:
            found += _flat_results(self.metrics.result()).values()
        return found

    @property
    def is_mean(self) -> bool:
        """Whether all are means over examples, whatever their number in a batch."""
        # Losses of several outputs are tracked as means over batches, of whatever size.
        if self.masks or self._tracked:
            return False
        losses = [one.loss for one in getattr(self.loss_function, "_flat_losses", None) or []]
        if not all(_is_mean_loss(one) for one in losses):
            return False
        return all(_is_mean_metric(one, self.broadcasts) for one in self.metrics.metrics)

    def is_better_high(self, name: str) -> bool:
        """Return whether high is good of what a history holds under a name, as far as is known."""
        bare = name.removeprefix("val_")
        metrics = self.metrics.metrics
        rising = [one.name for one in metrics if getattr(one, "_direction", None) == "up"]
        return any(bare == one or bare.endswith(f"_{one}") for one in rising)


def outputs_of(model: keras.Model, x, *, training: bool):
    """Return what a model, whose call need not take `training`, makes of inputs."""
    if getattr(model, "_call_has_training_arg", True):
        return model(x, training=training)
    return model(x)


def _is_mean_loss(loss: keras.Loss) -> bool:
    function = getattr(loss, "fn", None)
    options = getattr(loss, "_fn_kwargs", {})
    return (
        isinstance(loss, keras.losses.Loss)
        and loss.reduction in ("sum_over_batch_size", "mean")
        and type(loss).__module__.startswith("keras.")
        and getattr(function, "__name__", "") in MEANS
        and getattr(function, "__module__", "").startswith("keras.")
        and options.get("ignore_class") is None
    )


def _is_mean_metric(metric: keras.Metric, broadcasts: bool) -> bool:
    if not type(metric).__module__.startswith("keras."):
        return False
    function = getattr(metric, "_fn", None)
    if function is None:  # counts of hits and their like
        return True
    name = getattr(function, "__name__", "")
    named = name in MEANS and not (broadcasts and name in BROADCAST)
    return named and getattr(function, "__module__", "").startswith("keras.")


def _flat_results(results: dict) -> dict:
    """Return results in which a dictionary is spread out, as a history does it."""
    flat = {}
    for name, value in results.items():
        flat |= value if isinstance(value, dict) else {name: value}
    return flat


@contextmanager
def _mappable_accuracies(metrics: Sequence[keras.Metric]) -> Iterator[None]:
    """Let accuracies take TensorFlow's argmax while they are traced.

    That of Keras takes a detour through bits, which can only be looped over, not mapped.
    """
    with ExitStack() as stack:
        for metric in metrics:
            replaced = FAST.get(getattr(metric, "_fn", None))
            if replaced is not None:
                stack.enter_context(mock.patch.object(metric, "_fn", replaced))
        yield


def _sparse_accuracy(y, y_pred):
    y, y_pred = tf.convert_to_tensor(y), tf.convert_to_tensor(y_pred)
    if len(y.shape) == len(y_pred.shape) and y.shape[-1] == 1:
        y = tf.squeeze(y, -1)
    right = tf.equal(tf.cast(tf.argmax(y_pred, axis=-1), y.dtype), y)
    return tf.cast(right, keras.config.floatx())


def _one_hot_accuracy(y, y_pred):
    right = tf.equal(tf.argmax(y_pred, axis=-1), tf.argmax(y, axis=-1))
    return tf.cast(right, keras.config.floatx())


FAST: dict[Callable, Callable] = {
    keras.metrics.sparse_categorical_accuracy: _sparse_accuracy,
    keras.metrics.categorical_accuracy: _one_hot_accuracy,
}
