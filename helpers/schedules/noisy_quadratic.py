"""Gradient descent on a parabola under noisy gradients: why a rate should fall, without chance."""

from typing import NamedTuple

import numpy as np

from helpers.schedules.checks import Array, Schedule, check_count, check_not_negative


class Descent(NamedTuple):
    """What is expected of a noisy descent, each of shape (steps + 1,): before the first step, ….

    Attributes:
        mean: The mean of the parameter w; the minimum is at 0.
        variance: Its variance.
        loss: The expected loss, (mean² + variance) / 2.
    """

    mean: Array
    variance: Array
    loss: Array


def noisy_descent(
    schedule: Schedule, *, steps: int, start: float = 1.0, noise: float = 1.0
) -> Descent:
    """Return mean, variance and expected loss of stochastic gradient descent on f(w) = w² / 2.

        w ← w − η(t) (w + ξ),   ξ of mean 0 and standard deviation σ, independent of all before
        E[w] ← (1 − η) E[w],   Var[w] ← (1 − η)² Var[w] + η² σ²

    Both recurrences are exact, whatever the distribution of ξ. At a constant rate in (0, 2) the
    variance tends to σ² η / (2 − η): the loss has a floor that only a lower rate lowers.

    Args:
        schedule: The learning rate as a function of an array of steps.
        steps: Number of steps, at least 1.
        start: w before the first step.
        noise: σ, 0 or more.

    Returns:
        The `Descent`.

    Raises:
        TypeError: An argument is of the wrong kind.
        ValueError: An argument is out of its range.

    Example:
        >>> noisy_descent(lambda t: 0.5 + 0 * t, steps=2, noise=1.0).variance
        array([0.    , 0.25  , 0.3125])
    """
    check_count(1, steps=steps)
    check_not_negative(noise=noise)
    means, variances = [float(start)], [0.0]
    for rate in schedule(np.arange(steps)):
        means.append((1 - rate) * means[-1])
        variances.append((1 - rate) ** 2 * variances[-1] + rate**2 * noise**2)
    mean, variance = np.array(means), np.array(variances)
    return Descent(mean, variance, (mean**2 + variance) / 2)
