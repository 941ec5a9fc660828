"""Intervals of differences, and the verdicts that they give."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from helpers.checks import as_real
from helpers.claims.checks import checked_sample
from helpers.claims.claim import CONTRADICTED, HOLDS, INCONCLUSIVE, SAME, Scale
from helpers.claims.resampling import resampled_interval


def mean_interval(values: ArrayLike, *, confidence: float = 0.95) -> tuple[float, ...]:
    """Return the mean of a sample and Student's interval for it.

    Args:
        values: Shape (n,), n ≥ 2, finite.
        confidence: Coverage of the interval, in (0, 1).

    Returns:
        ``(mean, low, high)``. A sample without spread has an interval of width 0.

    Raises:
        ValueError: The sample is shorter than 2 or not finite, or `confidence` is out of range.
        TypeError: They are no numbers.

    Example:
        >>> mean, low, high = mean_interval([1.0, 2.0, 3.0])
        >>> mean, round(low, 3), round(high, 3)
        (2.0, -0.484, 4.484)
    """
    return tuple(resampled_interval(values, judge_share=0.0, confidence=confidence)[:3])


def on_scale(ends: Sequence[float], scale: Scale) -> list[float]:
    """Return effect and interval of differences as ratios, where they are of logarithms."""
    with np.errstate(over="ignore"):  # beyond 1e308 a factor is infinite, and says so
        return (np.exp(ends) if scale == "ratio" else np.asarray(ends)).tolist()


def side_of(low: float, high: float) -> str:
    """Return the verdict of an interval for a difference by the side of 0 on which it lies."""
    return HOLDS if low > 0 else CONTRADICTED if high < 0 else INCONCLUSIVE


def decide(low: float, high: float, least: float) -> str:
    """Return the verdict of an interval for a difference.

    Args:
        low: Its lower end.
        high: Its upper end.
        least: The least difference that matters, above 0.

    Example:
        >>> decide(0.3, 0.5, 0.1), decide(-0.05, 0.08, 0.1), decide(0.01, 0.09, 0.1)
        ('holds', 'no difference', 'no difference')
        >>> decide(-0.3, 0.2, 0.1), decide(-0.3, -0.05, 0.1)
        ('inconclusive', 'contradicted')
    """
    if -least <= low and high <= least:
        return SAME
    return side_of(low, high)


def least_difference(margin: float, scale: Scale) -> float:
    """Return a margin as a difference, of logarithms where the scale is a ratio."""
    none = 1.0 if scale == "ratio" else 0.0
    if not none < as_real("margin", margin) < np.inf:
        raise ValueError(
            f"`margin` must be above {none:g}: the least {scale} that matters. "
            f"Received: margin={margin!r}"
        )
    return float(np.log(margin)) if scale == "ratio" else float(margin)


def paired_differences(larger, smaller, scale: Scale) -> np.ndarray:
    """Return the differences of the pairs, of their logarithms where the scale is a ratio."""
    larger, smaller = checked_sample(larger, "larger"), checked_sample(smaller, "smaller")
    if len(larger) != len(smaller):
        raise ValueError(
            "`larger` and `smaller` must be equally long, a pair for each replica. "
            f"Received: lengths {len(larger)} and {len(smaller)}"
        )
    if len(larger) < 2:
        raise ValueError(
            f"a comparison needs at least 2 replicas: one has no spread. Received: {len(larger)}"
        )
    if scale not in ("difference", "ratio"):
        raise ValueError(f'`scale` must be "difference" or "ratio". Received: scale={scale!r}')
    if scale == "difference":
        return larger - smaller
    if min(larger.min(), smaller.min()) <= 0:
        raise ValueError(
            "a ratio needs positive values. "
            f"Received: smallest {larger.min():g} and {smaller.min():g}"
        )
    return np.log(larger) - np.log(smaller)
