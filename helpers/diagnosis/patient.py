"""What is examined: a compiled model and its data, checked, with what several examinations need."""

from collections.abc import Iterator
from functools import cached_property

import keras
import numpy as np

from helpers.checks import as_reals, check_model

Array = np.ndarray
FEWEST = 16  # examples below which shares and correlations say nothing
LARGEST_SAMPLE = 512  # examples of a pass; a share is then known to 0.02 or so
NUMBERS_OF_A_SAMPLE = 2_000_000  # and fewer of large examples, so that a pass fits the memory
KINDS = {
    "sparse_categorical_crossentropy": "sparse",
    "categorical_crossentropy": "categorical",
    "categorical_focal_crossentropy": "categorical",
    "binary_crossentropy": "binary",
    "binary_focal_crossentropy": "binary",
    "mean_squared_error": "number",
    "mean_absolute_error": "number",
    "huber": "number",
    "log_cosh": "number",
}


class Patient:
    """A model and its data.

    Attributes:
        model: Compiled, one input and one output.
        x, y: Training examples and their labels, as arrays.
        validation: A pair of arrays, or None.
        batch_size: Of the trials.
        rows: Of a sample of the examples, in random order.
        kind: Of the loss: sparse, categorical, binary, number or other.
        from_logits: Whether the loss applies softmax or sigmoid itself.
        activation: Name of the last layer's activation, or "" where it has none to tell.
    """

    def __init__(self, model, x, y, *, validation_data, batch_size, seed):
        _check_model(model)
        self.model, self.batch_size = model, int(batch_size)
        self.x, self.y = _checked_pair(x, y, "x", "y")
        self.validation = None
        if validation_data is not None:
            if not isinstance(validation_data, tuple | list) or len(validation_data) != 2:
                raise ValueError(
                    "`validation_data` must be a pair (x, y). "
                    f"Received: {type(validation_data).__name__}"
                )
            self.validation = _checked_pair(*validation_data, "validation x", "validation y")
        self.rng = np.random.default_rng(seed)
        most = max(32, NUMBERS_OF_A_SAMPLE // max(1, int(np.prod(self.x.shape[1:]))))
        self.rows = self.rng.permutation(len(self.x))[: min(LARGEST_SAMPLE, most)]
        self.kind, self.from_logits = _kind_of_loss(model)
        self.activation = _last_activation(model)
        _check_fits(model, self.x, "x")
        if self.validation is not None:
            _check_fits(model, self.validation[0], "validation x")

    @cached_property
    def outputs(self) -> Array:
        """Outputs for the sample in inference mode."""
        return self.predict(self.x[self.rows])

    @property
    def trained(self) -> bool:
        """Whether the model's optimizer has made a step."""
        return int(self.model.optimizer.iterations) > 0

    @property
    def classifies(self) -> bool:
        """Whether each label is one class of several."""
        return self.kind in ("sparse", "categorical", "binary")

    def parts(self) -> Iterator[tuple[str, Array, Array]]:
        """Yield what the data are called, inputs and labels: to train on, and to validate on."""
        yield "", self.x, self.y
        if self.validation is not None:
            yield "validation ", *self.validation

    def predict(self, x: Array, *, training: bool = False) -> Array:
        """Return the outputs, batch by batch, without Keras' progress or compiled functions."""
        size = self.batch_size if training else LARGEST_SAMPLE
        parts = [
            self.model(x[start : start + size], training=training)
            for start in range(0, len(x), size)
        ]
        return np.concatenate([keras.ops.convert_to_numpy(part) for part in parts])

    def labels(self, y: Array) -> Array:
        """Return labels as integer classes, one for each answer."""
        if self.kind == "categorical":
            return y.argmax(axis=-1).ravel()
        return np.rint(y).astype(int).ravel()

    def probabilities(self, outputs: Array) -> Array:
        """Return outputs as probabilities of classes, shape (answers, classes)."""
        outputs = outputs.astype(float)
        if self.kind == "binary":
            one = 1 / (1 + np.exp(-outputs)) if self.from_logits else outputs
            return np.stack([1 - one.ravel(), one.ravel()], axis=-1)
        if self.from_logits:
            powers = np.exp(outputs - outputs.max(axis=-1, keepdims=True))
            outputs = powers / powers.sum(axis=-1, keepdims=True)
        return outputs.reshape(-1, outputs.shape[-1])

    def loss(self, x: Array, y: Array, *, training: bool = False) -> tuple[float, float]:
        """Return the loss of the data, and the penalties that come on top."""
        outputs, data, penalty, size = None, 0.0, 0.0, LARGEST_SAMPLE
        size = self.batch_size if training else size
        for start in range(0, len(x), size):
            part = slice(start, start + size)
            outputs = self.model(x[part], training=training)
            total = float(self.model.compute_loss(x=x[part], y=y[part], y_pred=outputs))
            penalty = float(sum(map(float, self.model.losses)))
            data += (total - penalty) * len(x[part]) / len(x)
        return data, penalty

    def guessing(self) -> float:
        """Return the loss of whoever knows the shares of the classes and nothing else."""
        if self.kind == "number":
            return float(np.var(self.y.astype(float)))
        labels = self.labels(self.y)
        shares = np.unique(labels, return_counts=True)[1] / len(labels)
        return float(-np.sum(shares * np.log(shares)))


def _check_model(model) -> None:
    check_model(model)
    if not model.variables:
        raise ValueError(f"`model` must have weights. Received: {model.name!r}, which has none")
    if getattr(model, "optimizer", None) is None or getattr(model, "loss", None) is None:
        raise ValueError(
            "`model` must be compiled with an optimizer and a loss. "
            f"Received: {model.name!r}, which is not"
        )
    for name in ("inputs", "outputs"):
        found = getattr(model, name, None)
        if found is not None and len(found) != 1:
            raise ValueError(
                f"`model` must have one input and one output. Received: {len(found)} {name}"
            )
    if isinstance(model.loss, dict | list | tuple):
        raise ValueError(
            "`model` must be compiled with one loss. "
            f"Received: a {type(model.loss).__name__} of losses"
        )


def _checked_pair(x, y, *names: str) -> tuple[Array, Array]:
    pair = []
    for value, name in zip((x, y), names, strict=True):
        if not hasattr(value, "__array__") and not isinstance(value, list | tuple):
            raise TypeError(
                f"`{name}` must be an array; take one from a generator or a data set first. "
                f"Received: {type(value).__name__}"
            )
        array = as_reals(name, value, kinds="biuf", dtype=None)
        if not array.ndim:
            raise ValueError(f"`{name}` must have an axis of examples. Received: shape=()")
        pair.append(array)
    if len(pair[0]) != len(pair[1]) or len(pair[0]) < FEWEST:
        raise ValueError(
            f"`{names[0]}` and `{names[1]}` must hold equally many examples, at least {FEWEST}. "
            f"Received: {len(pair[0])} and {len(pair[1])}"
        )
    return pair[0], pair[1]


def _check_fits(model: keras.Model, x: Array, name: str) -> None:
    shape = tuple(getattr(model, "input_shape", None) or ())
    wanted, given = shape[1:], x.shape[1:]
    alike = len(wanted) == len(given) and all(
        a in (None, b) for a, b in zip(wanted, given, strict=False)
    )
    if shape and not alike:
        raise ValueError(f"`{name}` must have the shape {shape}. Received: {x.shape}")


def _kind_of_loss(model: keras.Model) -> tuple[str, bool]:
    loss = keras.losses.get(model.loss)
    options = getattr(loss, "_fn_kwargs", {})
    name = getattr(getattr(loss, "fn", loss), "__name__", "")
    return KINDS.get(name, "other"), bool(options.get("from_logits", False))


def _last_activation(model: keras.Model) -> str:
    last = [layer for layer in model.layers if "Dropout" not in type(layer).__name__][-1]
    if isinstance(last, keras.Model):
        return _last_activation(last)
    if isinstance(last, keras.layers.Softmax | keras.layers.ReLU):
        return type(last).__name__.lower()
    return getattr(getattr(last, "activation", None), "__name__", "")
