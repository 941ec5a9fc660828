"""Softmax regression with an ℓ1 penalty, by subgradient or proximal steps, many λ at once."""

from collections.abc import Sequence

import numpy as np

from helpers.regularization.penalties import check_strengths, soft_threshold

Array = np.ndarray


def train_sparse(
    x: Array,
    y: Array,
    *,
    classes: int,
    strengths: Sequence[float],
    proximal: bool,
    learning_rate: float,
    epochs: int,
    batch_size: int,
    replicas: int,
    seed: int,
) -> Array:
    """Train softmax regression on cross-entropy + λ‖W‖₁, for several λ and replicas together.

    Subgradient steps add λ sign(w) to the gradient. Proximal steps leave the penalty out of the
    gradient, and move each weight by ηλ towards 0 afterwards, where it stops.

    Args:
        x: Examples, shape (n, ...); they are flattened.
        y: Labels, shape (n,).
        classes: Number of classes.
        strengths: λ, each 0 or more.
        proximal: Whether steps are proximal.
        learning_rate: η, above 0.
        epochs: Number of passes over the examples.
        batch_size: Examples a step.
        replicas: Number of trainings for each λ; they differ in initial weights and batch order,
            which are the same for every λ and for both kinds of step.
        seed: Replica k uses seed + k.

    Returns:
        Kernels, shape (strengths, replicas, features, classes).

    Raises:
        ValueError: A count is below 1, a number is out of range, or there is no strength.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(60, 4))
        >>> kernels = train_sparse(x, (x[:, 0] > 0).astype(int), classes=2, strengths=[0, 9],
        ...                        proximal=True, learning_rate=0.1, epochs=5, batch_size=10,
        ...                        replicas=3, seed=0)
        >>> kernels.shape, (kernels == 0).mean(axis=(1, 2, 3)).tolist()
        ((2, 3, 4, 2), [0.0, 1.0])
    """
    _check(strengths, replicas, epochs, batch_size, learning_rate)
    x = np.asarray(x, np.float32).reshape(len(x), -1)
    one_hot = np.eye(classes, dtype=np.float32)[y]
    rngs = [np.random.default_rng(seed + k) for k in range(replicas)]
    deviation = x.shape[1] ** -0.5
    start = [rng.normal(0, deviation, (x.shape[1], classes)) for rng in rngs]
    kernels = np.repeat(np.stack(start).astype(np.float32)[None], len(strengths), axis=0)
    pull = np.reshape(np.asarray(strengths, np.float32), (-1, 1, 1, 1))
    for _ in range(epochs):
        order = np.stack([rng.permutation(len(x)) for rng in rngs])
        for first in range(0, len(x), batch_size):
            batch = order[:, first : first + batch_size]
            gradient = _gradient(kernels, x[batch], one_hot[batch])
            if proximal:
                moved = kernels - learning_rate * gradient
                kernels = soft_threshold(moved, learning_rate * pull)
            else:
                kernels = kernels - learning_rate * (gradient + pull * np.sign(kernels))
    return kernels


def _gradient(kernels: Array, x: Array, one_hot: Array) -> Array:
    """Return the cross-entropy's gradient, xᵀ(softmax(xW) − y) / n, for each kernel."""
    logits = x @ kernels
    logits -= logits.max(axis=-1, keepdims=True)
    p = np.exp(logits)
    p /= p.sum(axis=-1, keepdims=True)
    return np.swapaxes(x, -1, -2) @ (p - one_hot) / x.shape[-2]


def _check(strengths, replicas, epochs, batch_size, learning_rate) -> None:
    check_strengths(**{f"strengths[{i}]": value for i, value in enumerate(strengths)})
    if len(strengths) == 0 or min(replicas, epochs, batch_size) < 1 or not learning_rate > 0:
        raise ValueError(
            "`strengths` must not be empty, `replicas`, `epochs` and `batch_size` must be at "
            "least 1, and `learning_rate` above 0. "
            f"Received: strengths={list(strengths)}, replicas={replicas}, epochs={epochs}, "
            f"batch_size={batch_size}, learning_rate={learning_rate}"
        )
