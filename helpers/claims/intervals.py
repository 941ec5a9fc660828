"""Student's interval for a mean, and the differences of pairs that it is asked about."""

import numpy as np
from numpy.typing import ArrayLike

from helpers.claims.checks import checked_sample
from helpers.claims.claim import Scale


def mean_interval(values: ArrayLike, *, confidence: float = 0.95) -> tuple[float, ...]:
    """Return the mean of a sample and Student's interval for it.

    Args:
        values: Shape (n,), n ≥ 2, finite.
        confidence: Coverage of the interval, in (0, 1).

    Returns:
        ``(mean, low, high)``. A sample without spread has an interval of width 0.

    Raises:
        ValueError: The sample is shorter than 2 or not finite, or `confidence` is out of range.

    Example:
        >>> mean, low, high = mean_interval([1.0, 2.0, 3.0])
        >>> mean, round(low, 3), round(high, 3)
        (2.0, -0.484, 4.484)
    """
    from scipy import stats

    values = checked_sample(values, "values")
    if len(values) < 2:
        raise ValueError(
            f"`values` must hold at least 2 replicas: one has no spread. Received: {len(values)}"
        )
    if not 0 < confidence < 1:
        raise ValueError(f"`confidence` must be in (0, 1). Received: confidence={confidence}")
    if values.min() == values.max():  # the rounding of a mean would show as spread
        return (float(values[0]),) * 3
    # Squares of numbers below 1e-162 vanish and above 1e154 overflow: reckon with numbers near 1.
    _, exponent = np.frexp(np.abs(values).max())
    values = np.ldexp(values, -exponent)
    mean, reach = values.mean(), stats.t.isf((1 - confidence) / 2, len(values) - 1)
    reach *= stats.sem(values)
    with np.errstate(over="ignore"):
        ends = np.ldexp([mean, mean - reach, mean + reach], exponent)
    return tuple(ends.tolist())


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
