"""A task with long dependencies: add two numbers that stand far apart in a sequence."""

from typing import NamedTuple

import numpy as np

from helpers.clipping.clip import Array


class SequenceTask(NamedTuple):
    """Sequences with one target number each; `fit_replicas` takes it as its data.

    Attributes:
        x_train, x_valid: Sequences, float32, shape (n, steps, features).
        y_train, y_valid: Targets, float32, shape (n,).
    """

    x_train: Array
    y_train: Array
    x_valid: Array
    y_valid: Array


def adding_problem(
    *, steps: int = 20, train_size: int = 2000, valid_size: int = 500, seed: int = 0
) -> SequenceTask:
    """Return sequences of random numbers of which two are marked, with those two's sum as target.

        xₜ = (uₜ, mₜ),   uₜ ~ U(0, 1),   y = Σₜ mₜ uₜ

    One mark (mₜ = 1) falls in the first half of the steps, the other in the second. Whoever always
    answers 1 has a mean squared error of 1/6, the variance of a sum of two uniform numbers.

    Args:
        steps: Length of a sequence, at least 2.
        train_size: Number of training sequences, at least 1.
        valid_size: Number of validation sequences, at least 1.
        seed: Seed of the draw, at least 0.

    Raises:
        ValueError: A number is too small.

    Example:
        >>> task = adding_problem(steps=4, train_size=3, valid_size=1)
        >>> task.x_train.shape, task.x_train[:, :, 1].sum(axis=1).tolist()
        ((3, 4, 2), [2.0, 2.0, 2.0])

    Reference:
        Hochreiter and Schmidhuber (1997), Long short-term memory.
    """
    if steps < 2 or min(train_size, valid_size) < 1:
        raise ValueError(
            "`steps` must be at least 2, `train_size` and `valid_size` at least 1. Received: "
            f"steps={steps}, train_size={train_size}, valid_size={valid_size}"
        )
    rng, n = np.random.default_rng(seed), train_size + valid_size
    numbers, marks = rng.random((n, steps)), np.zeros((n, steps))
    marks[np.arange(n), rng.integers(0, steps // 2, n)] = 1
    marks[np.arange(n), rng.integers(steps // 2, steps, n)] = 1
    x = np.stack([numbers, marks], axis=-1).astype(np.float32)
    y = np.sum(numbers * marks, axis=1).astype(np.float32)
    return SequenceTask(x[:train_size], y[:train_size], x[train_size:], y[train_size:])


def explained_share(loss: Array, y: Array) -> Array:
    """Return how much of the targets' variance a model explains, 0 where training diverged.

        max(0, 1 − J / Var y)

    Unlike the loss it is a number even where the loss is NaN or infinite, so that trainings that
    diverged can be compared with others: they explain nothing.

    Args:
        loss: Mean squared errors, any shape.
        y: The targets that they were measured on, shape (n,), not all alike.

    Returns:
        Shape of `loss`, in [0, 1].

    Raises:
        ValueError: A loss is negative, or the targets do not vary.

    Example:
        >>> explained_share(np.array([0.0, 0.5, 7.0, np.nan]), np.array([-1.0, 1.0])).tolist()
        [1.0, 0.5, 0.0, 0.0]
    """
    loss, variance = np.asarray(loss, dtype=np.float64), np.var(y, dtype=np.float64)
    if np.any(loss < 0):
        raise ValueError(f"`loss` must be 0 or more. Received: loss={np.nanmin(loss)}")
    if not 0 < variance < np.inf:
        raise ValueError(f"`y` must be finite and vary. Received: variance={variance}")
    return np.maximum(0.0, 1 - np.where(np.isfinite(loss), loss, np.inf) / variance)
