"""Sharpness-aware minimization, of a Keras model or of stacked perceptrons."""

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from helpers.checks import as_reals, check_count, check_positive
from helpers.numerics import batch_order

Array = np.ndarray


@keras.saving.register_keras_serializable(package="dnnbook")
class SAM(keras.Sequential):
    """A `Sequential` whose `fit` takes each batch's gradient a step of ρ uphill.

    Attributes:
        rho: Length of the step uphill, 0 or more; with 0 this is the optimizer as it is.

    Reference:
        Foret et al. (2021), Sharpness-aware minimization for efficiently improving generalization.
    """

    rho = 0.1

    def gradients(self, x, y):
        """Return a batch's predictions, loss and gradients, scaled where precision is mixed."""
        with tf.GradientTape() as tape:
            answers = self(x, training=True)
            loss = self.compute_loss(x, y, answers)
            scaled = self.optimizer.scale_loss(loss)
        found = tape.gradient(scaled, [w.value for w in self.trainable_variables])
        return answers, loss, [tf.convert_to_tensor(g) for g in found]  # an embedding's has slices

    def train_step(self, data):
        """Go uphill, take the gradient there, come back, and go down along it."""
        x, y = data
        answers, loss, here = self.gradients(x, y)
        scale = self.rho / (tf.linalg.global_norm(here) + 1e-12)
        start = [tf.identity(w.value) for w in self.trainable_variables]
        for w, g in zip(self.trainable_variables, here, strict=True):
            w.assign_add(scale * g)
        _, _, there = self.gradients(x, y)
        for w, old in zip(self.trainable_variables, start, strict=True):
            w.assign(old)
        self.optimizer.apply(there, self.trainable_variables)
        for metric in self.metrics:
            mean = loss, tf.shape(x)[0]  # the last batch may be smaller
            metric.update_state(*(mean if metric.name == "loss" else (y, answers)))
        return self.get_metrics_result()

    def get_config(self):
        """Return what a saved model is made again from."""
        return super().get_config() | {"rho": self.rho}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Return the model of a configuration."""
        config = dict(config)
        rho = config.pop("rho")
        model = super().from_config(config, custom_objects)
        model.rho = rho
        return model


def fit_sam(
    weights: Sequence[Array],
    x: Array,
    y: Array,
    rows: Array,
    *,
    rho: Sequence[float],
    learning_rate: float,
    epochs: int,
    batch_size: int,
    seeds: Sequence[int],
) -> list[Array]:
    """Train ReLU perceptrons with Adam on the gradient that stands a step of ρ uphill.

        e = ρ g(w) / ‖g(w)‖,   w ← Adam(w, g(w + e))

    With ρ = 0 this is Adam. Each batch's two gradients are of that same batch.

    Args:
        weights: Kernel, bias, kernel, bias …, each with a leading axis of replicas.
        x: Examples, flattened to shape (n, inputs).
        y: Labels, shape (n,).
        rows: Each replica's own training examples, shape (replicas, m).
        rho: ρ of each replica, 0 or more.
        learning_rate: Adam's.
        epochs: Passes over the training examples.
        batch_size: Examples a step.
        seeds: Of each replica's order of examples, as in `fit_replicas`.

    Returns:
        The trained weights, in the same form.

    Raises:
        TypeError: An argument is of the wrong kind.
        ValueError: `rho` is negative or not finite, or it or `seeds` not as many as the replicas;
            or a number is out of its range.

    Reference:
        Foret et al. (2021), Sharpness-aware minimization for efficiently improving generalization.
    """
    radius = as_reals("rho", rho, dtype=np.float32)
    check_positive(learning_rate=learning_rate)
    check_count(1, epochs=epochs, batch_size=batch_size)
    rows = np.asarray(rows)
    if radius.shape != (len(rows),) or not ((radius >= 0) & (radius < np.inf)).all():
        raise ValueError(
            f"`rho` must be {len(rows)} numbers of 0 or more, one for each replica. "
            f"Received: rho={rho}"
        )
    if len(seeds) != len(rows):
        raise ValueError(
            f"`seeds` must be {len(rows)}, one for each replica. Received: seeds={seeds}"
        )
    variables = [keras.Variable(one) for one in weights]
    x, y = np.asarray(x), np.asarray(y)  # a shuffled Series would be read by its labels
    x = x.astype(variables[0].dtype, copy=False) if x.dtype.kind == "f" else x
    adam = keras.optimizers.Adam(learning_rate)
    adam.build(variables)
    step = tf.function(
        lambda xs, ys: sam_step(variables, adam, radius, xs, ys), reduce_retracing=True
    )
    for epoch in range(epochs):
        orders = [batch_order(seed, epoch, rows.shape[1]) for seed in seeds]
        mixed = np.take_along_axis(rows, np.stack(orders), axis=1)
        for start in range(0, rows.shape[1], batch_size):
            batch = mixed[:, start : start + batch_size]
            step(tf.constant(x[batch]), tf.constant(y[batch]))
    return [one.numpy() for one in variables]


def perceptron(weights: Sequence, x):
    """Return the logits of stacked ReLU perceptrons, shape (replicas, n, classes).

    Args:
        weights: Kernel, bias, kernel, bias …, each with a leading axis of replicas.
        x: Shape (replicas, n, inputs), or (n, inputs) for all.
    """
    for number in range(0, len(weights), 2):
        x = keras.ops.matmul(x, weights[number]) + weights[number + 1][:, None]
        x = keras.ops.relu(x) if number < len(weights) - 2 else x
    return x


def sam_step(variables, adam, radius, x, y) -> None:
    """Take one step of SAM: uphill, the gradient there, back, and down along it."""
    gradients = own_gradients(variables, x, y)
    axes = [tuple(range(1, len(g.shape))) for g in gradients]
    squares = [tf.reduce_sum(g**2, axis) for g, axis in zip(gradients, axes, strict=True)]
    scale = radius / (tf.sqrt(tf.add_n(squares)) + 1e-12)
    uphill = [g * tf.reshape(scale, (-1,) + (1,) * (len(g.shape) - 1)) for g in gradients]
    there = [v + e for v, e in zip(variables, uphill, strict=True)]
    adam.apply(own_gradients(there, x, y), variables)


def own_gradients(weights, x, y) -> list:
    """Return each replica's own gradient: the losses are added, and share no weight."""
    weights = [tf.convert_to_tensor(one) for one in weights]
    with tf.GradientTape() as tape:
        tape.watch(weights)
        logits = perceptron(weights, x)
        losses = keras.losses.sparse_categorical_crossentropy(y, logits, from_logits=True)
        loss = tf.reduce_sum(tf.reduce_mean(losses, axis=1))
    return tape.gradient(loss, weights)
