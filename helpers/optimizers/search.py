"""Rates: how far from the best one may be, and which is best for a path."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from helpers.checks import as_reals, check_count
from helpers.optimizers.optimizer import Array, Optimizer
from helpers.optimizers.surfaces import Surface
from helpers.optimizers.trajectories import trajectory


class GoodRange(NamedTuple):
    """Where the loss is good enough, each of shape (replicas,).

    Attributes:
        low: The lowest rate of the range.
        high: The highest.
        decades: Its width, log₁₀ (high / low).
        inside: Whether both ends lie inside of the rates that were tried.
    """

    low: Array
    high: Array
    decades: Array
    inside: Array


def good_range(rates: Sequence[float], losses: Array, *, level: float | Array) -> GoodRange:
    """Return the range of rates around each replica's best whose loss is at most a common level.

        loss(η) ≤ level   for all η in [low, high]

    Between two rates the logarithm of the loss is taken as linear in the logarithm of the rate. A
    common level makes the ranges of several optimizers comparable: a width around each one's own
    best would praise those that are bad everywhere.

    Args:
        rates: Shape (rates,), above 0 and increasing, at least 2.
        losses: Shape (rates, replicas), above 0 and finite: that of guessing where one diverged.
        level: Above 0, a number or shape (replicas,).

    Returns:
        The ranges. One that reaches the end of the rates may go on beyond: `inside` is False. Where
        no rate gets below the level the width is 0.

    Raises:
        TypeError: An argument holds what is no real numbers.
        ValueError: A shape or a value is not as it must be.

    Example:
        >>> found = good_range([0.01, 0.1, 1.0], [[16.0], [1.0], [16.0]], level=4.0)
        >>> found.low.round(4), found.high.round(4), found.decades, found.inside
        (array([0.0316]), array([0.3162]), array([1.]), array([ True]))
    """
    rates, losses = _checked(rates, losses)
    level = as_reals("level", level)
    if level.shape not in ((), losses.shape[1:]) or not (level > 0).all():
        raise ValueError(
            f"`level` must be above 0, one number or {losses.shape[1]}. Received: level={level}"
        )
    x = np.log10(rates)
    # How far each loss lies above what is allowed, replica by replica.
    above = np.log(losses) - np.log(level)
    ends = np.array([[_reach(x, y, -1), _reach(x, y, 1)] for y in above.T])
    low, high = ends.T
    inside = (low > x[0]) & (high < x[-1])
    return GoodRange(10**low, 10**high, high - low, inside)


def _reach(x: Array, above: Array, way: int) -> float:
    """Return how far one can go from the lowest point until the curve rises above 0."""
    here = int(above.argmin())
    while above[here] <= 0 and 0 <= here + way < len(x):
        if above[here + way] > 0:
            share = -above[here] / (above[here + way] - above[here])
            return float(x[here] + share * (x[here + way] - x[here]))
        here += way
    return float(x[here])


def search_path(
    make: Callable[[float], Optimizer], surface: Surface, *, rates: Sequence[float], steps: int
) -> tuple[float, Array]:
    """Descend at each of several rates, and keep the path whose second half is lowest.

    The mean height over half of the steps is small where a path comes down *and* stays there; the
    last point alone would reward one that passes the minimum by luck.

    Args:
        make: From a rate to an optimizer.
        surface: What is descended on, from its own start.
        rates: Shape (rates,), above 0, at least 1.
        steps: Number of steps, at least 1.

    Returns:
        The rate, and the path of shape (steps + 1, 2). Of equals the lowest rate is kept.

    Raises:
        TypeError: An argument is of the wrong kind.
        ValueError: An argument is out of its range.

    Example:
        >>> from helpers.optimizers.momentum import sgd
        >>> from helpers.optimizers.surfaces import elongated_bowl
        >>> rate, path = search_path(sgd, elongated_bowl(4.0), rates=[0.1, 0.4, 0.6], steps=20)
        >>> rate, path.shape
        (0.4, (21, 2))
    """
    check_count(1, steps=steps)
    if not len(rates):
        raise ValueError("`rates` must not be empty. Received: none")
    paths, heights = [], []
    for rate in sorted(rates):
        path = trajectory(make(float(rate)), surface.gradient, start=surface.start, steps=steps)
        with np.errstate(all="ignore"):  # a path that diverged
            height = float(surface.value(path[-(steps // 2) - 1 :]).mean())
        heights.append(height if np.isfinite(height) else np.inf)
        paths.append(path)
    best = int(np.argmin(heights))
    return float(sorted(rates)[best]), paths[best]


def _checked(rates: Sequence[float], losses: Array) -> tuple[Array, Array]:
    rates, losses = as_reals("rates", rates), as_reals("losses", losses)
    good = rates.ndim == 1 and len(rates) > 1 and np.isfinite(rates).all()
    if not good or rates[0] <= 0 or (np.diff(rates) <= 0).any():
        raise ValueError(
            "`rates` must be two or more numbers above 0, finite and increasing. "
            f"Received: rates={rates.tolist()}"
        )
    if losses.ndim != 2 or len(losses) != len(rates) or not losses.size:
        raise ValueError(
            f"`losses` must have shape ({len(rates)}, replicas). Received: {losses.shape}"
        )
    if not ((losses > 0) & np.isfinite(losses)).all():
        raise ValueError(
            "`losses` must be above 0 and finite. "
            f"Received: from {losses.min():g} to {losses.max():g}"
        )
    return rates, losses
