"""Paths that optimizers take, and what a path says: its steps, its detours, its oscillation."""

from collections.abc import Callable

import numpy as np

from helpers.optimizers.optimizer import Array, Optimizer, as_reals, check_count


def trajectory(
    optimizer: Optimizer,
    gradient_function: Callable[[Array], Array],
    *,
    start: float | Array,
    steps: int,
) -> Array:
    """Return the path that an optimizer takes, from its start on.

        θ₀ = start,   θₜ₊₁ = update(∇f(θₜ), …)

    Args:
        optimizer: One of this package.
        gradient_function: From θ to the gradient there, in the same shape; a surface's `gradient`.
        start: θ₀, any shape: shape (n, 2) descends from n points at once.
        steps: Number of steps, 0 or more.

    Returns:
        Shape (steps + 1, *start.shape). A path that diverges ends in infinities or NaN.

    Raises:
        TypeError: `steps` is no integer, or `start` holds what is no real numbers.
        ValueError: `steps` is negative, or a gradient has another shape than `start`.

    Example:
        >>> from helpers.optimizers.momentum import sgd
        >>> trajectory(sgd(0.25), lambda theta: 2 * theta, start=8.0, steps=3)
        array([8., 4., 2., 1.])
    """
    check_count(0, steps=steps)
    theta = as_reals("start", start)
    state, path = optimizer.init(theta), [theta]
    with np.errstate(all="ignore"):
        for _ in range(steps):
            theta, state = optimizer.update(gradient_function(theta), state, theta)
            path.append(theta)
    return np.stack(path)


def step_lengths(path: Array) -> Array:
    """Return the length of each step, ‖θₜ₊₁ − θₜ‖.

    Args:
        path: Shape (steps + 1, ..., dims): time first, coordinates last.

    Returns:
        Shape (steps, ...).

    Raises:
        TypeError: `path` holds what is no real numbers.
        ValueError: `path` has fewer than two axes or one point only.

    Example:
        >>> step_lengths([[0, 0], [3, 4], [3, 5]])
        array([5., 1.])
    """
    with np.errstate(over="ignore"):  # on a path that diverged
        return np.linalg.norm(_moves(path), axis=-1)


def total_variation(path: Array) -> Array:
    """Return how far each coordinate has travelled, to and fro, Σₜ |θₜ₊₁ − θₜ|.

    It equals |θ_T − θ₀| where the coordinate never turned back, and exceeds it where it did.

    Args:
        path: Shape (steps + 1, ..., dims): time first, coordinates last.

    Returns:
        Shape (..., dims).

    Raises:
        TypeError: `path` holds what is no real numbers.
        ValueError: `path` has fewer than two axes or one point only.

    Example:
        >>> total_variation([[0, 2], [3, -1], [1, 1]])  # 3 + 2, 3 + 2
        array([5., 5.])
    """
    return np.abs(_moves(path)).sum(axis=0)


def reversals(path: Array) -> Array:
    """Return how often each coordinate turned back: sign changes from one step to the next.

    Steps that leave the coordinate where it was are passed over.

    Args:
        path: Shape (steps + 1, ..., dims): time first, coordinates last.

    Returns:
        Integers, shape (..., dims).

    Raises:
        TypeError: `path` holds what is no real numbers.
        ValueError: `path` has fewer than two axes or one point only.

    Example:
        >>> reversals([[0, 0], [1, 1], [0, 1], [1, 2]])
        array([2, 0])
    """
    return _sign_changes(np.sign(_moves(path)))


def crossings(path: Array, target: float | Array = 0.0) -> Array:
    """Return how often each coordinate passed its target: overshoots, if that is the minimum.

    Points on the target itself are passed over.

    Args:
        path: Shape (steps + 1, ..., dims): time first, coordinates last.
        target: What is passed, broadcast against a point.

    Returns:
        Integers, shape (..., dims).

    Raises:
        TypeError: An argument holds what is no real numbers.
        ValueError: `path` has fewer than two axes or one point only.

    Example:
        >>> crossings([[3, 3], [-1, 2], [0, 1], [1, 0]])
        array([2, 0])
    """
    return _sign_changes(np.sign(_path(path) - as_reals("target", target)))


def _sign_changes(signs: Array) -> Array:
    """Count along the first axis, zeros passed over."""
    last, count = np.zeros(signs.shape[1:]), np.zeros(signs.shape[1:], dtype=int)
    for sign in signs:
        count = count + (sign * last < 0)
        last = np.where(sign == 0, last, sign)
    return count


def _moves(path: Array) -> Array:
    with np.errstate(all="ignore"):  # a path that diverged: infinity less infinity
        return np.diff(_path(path), axis=0)


def _path(path: Array) -> Array:
    path = as_reals("path", path)
    if path.ndim < 2 or len(path) < 2:
        raise ValueError(
            "`path` must have shape (steps + 1, ..., dims) with at least one step. "
            f"Received: {path.shape}"
        )
    return path
