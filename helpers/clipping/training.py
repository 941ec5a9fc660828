"""Training a recurrent net with each of several thresholds, and without any."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from helpers.clipping.clip import Array, Gradients, clip_by_global_norm
from helpers.clipping.recurrence import predict_sequences, recurrent_gradients
from helpers.clipping.tasks import SequenceTask

Clip = Callable[[Gradients, float], list[Array]]


class ClippedTraining(NamedTuple):
    """How trainings went, for each threshold and replica.

    Attributes:
        loss: Mean squared error of each step's batch before the step, shape (thresholds, replicas,
            steps).
        norms: Norm of the whole gradient before clipping, the same shape.
        val_loss: Mean squared error after each epoch, shape (thresholds, replicas, epochs).
        weights: As they ended, each of shape (thresholds, replicas, ...).
    """

    loss: Array
    norms: Array
    val_loss: Array
    weights: tuple[Array, ...]


def train_clipped(
    weights: Sequence[Array],
    task: SequenceTask,
    *,
    thresholds: Sequence[float],
    learning_rate: float,
    epochs: int,
    batch_size: int = 32,
    seed: int = 0,
    clip: Clip = clip_by_global_norm,
) -> ClippedTraining:
    """Train ReLU nets by plain gradient descent, once with each threshold, all at once.

        θ ← θ − η clip(∇J, c)

    All thresholds start from the same weights and meet the same batches, so they are paired;
    replica k's batches are those of `fit_replicas` with seed + k.

    Args:
        weights: U, W, b, v and c to start from, each with a leading axis of replicas.
        task: The sequences and targets.
        thresholds: Each c, above 0; infinity means no clipping.
        learning_rate: η, above 0.
        epochs: Passes over the training sequences, at least 1.
        batch_size: Sequences a step, at least 1; the last batch of an epoch may be smaller.
        seed: At least 0.
        clip: `clip_by_global_norm`, `clip_by_norm` or `clip_by_value`.

    Returns:
        The `ClippedTraining`. What diverged is NaN or infinite in it, without a warning.

    Raises:
        ValueError: A number is out of range, or the shapes do not fit.
    """
    thresholds = np.asarray(thresholds, dtype=np.float64)
    _check_training(thresholds, learning_rate, epochs, batch_size)
    arms, replicas = len(thresholds), len(weights[0])
    weights = [np.concatenate([np.asarray(weight)] * arms) for weight in weights]
    limits = np.repeat(thresholds, replicas)
    steps, valid = [], []
    for epoch in range(epochs):
        order = np.tile(_orders(seed, epoch, replicas, len(task.x_train)), (arms, 1))
        for start in range(0, order.shape[1], batch_size):
            batch = order[:, start : start + batch_size]
            loss, gradients = recurrent_gradients(weights, task.x_train[batch], task.y_train[batch])
            steps.append((loss, _norms(gradients)))
            _descend(weights, gradients, limits, learning_rate=learning_rate, clip=clip)
        valid.append(_mean_squared_error(weights, task.x_valid, task.y_valid))
    loss, norms = np.moveaxis(np.array(steps), 0, -1)
    arrays = [loss, norms, np.stack(valid, axis=-1), *weights]
    parts = [array.reshape(arms, replicas, *array.shape[1:]) for array in arrays]
    return ClippedTraining(*parts[:3], tuple(parts[3:]))


def _descend(weights, gradients, limits, *, learning_rate: float, clip: Clip) -> None:
    """Move every replica's weights by its own clipped gradient, in place."""
    with np.errstate(all="ignore"):
        for replica, limit in enumerate(limits):
            own = [gradient[replica] for gradient in gradients]
            own = own if np.isinf(limit) else clip(own, limit)
            for weight, gradient in zip(weights, own, strict=True):
                weight[replica] -= weight.dtype.type(learning_rate) * gradient


def _norms(gradients: list[Array]) -> Array:
    """Return each replica's norm, in float64, where squares of float32 cannot overflow."""
    flat = np.concatenate([array.reshape(len(array), -1) for array in gradients], axis=1)
    return np.linalg.norm(flat.astype(np.float64), axis=1)


def _orders(seed: int, epoch: int, replicas: int, examples: int) -> Array:
    """Return the order in which each replica meets the examples, as `fit_replicas` draws it."""
    return np.stack(
        [np.random.default_rng((seed + k, epoch)).permutation(examples) for k in range(replicas)]
    )


def _mean_squared_error(weights: list[Array], x: Array, y: Array) -> Array:
    with np.errstate(all="ignore"):
        return np.mean(np.square(predict_sequences(weights, x[None]) - y), axis=1)


def _check_training(thresholds: Array, learning_rate: float, epochs: int, batch_size: int) -> None:
    if thresholds.ndim != 1 or not thresholds.size or not np.all(thresholds > 0):
        raise ValueError(
            "`thresholds` must hold at least one number, all above 0. "
            f"Received: thresholds={thresholds.tolist()}"
        )
    if not 0 < learning_rate < np.inf or min(epochs, batch_size) < 1:
        raise ValueError(
            "`learning_rate` must be above 0 and finite, `epochs` and `batch_size` at least 1. "
            f"Received: learning_rate={learning_rate}, epochs={epochs}, batch_size={batch_size}"
        )
