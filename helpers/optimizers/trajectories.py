"""Paths that optimizers take."""

from collections.abc import Callable

import numpy as np

from helpers.checks import as_reals, check_count
from helpers.optimizers.optimizer import Array, Optimizer


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
