"""Intervals over replicas that draw their examples from one pool."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from helpers.checks import as_reals, check_inside, check_shares
from helpers.claims.checks import checked_sample


class Resampled(NamedTuple):
    """A mean over overlapping draws.

    Attributes:
        mean: Over replicas.
        low, high: Ends of its interval.
        p_value: Two-sided, of a mean of 0.
    """

    mean: float
    low: float
    high: float
    p_value: float


def resampled_interval(
    values: ArrayLike, *, judge_share: float, confidence: float = 0.95
) -> Resampled:
    """Return the mean over replicas whose sets were drawn from one pool, and an interval for it.

    Draws from one pool share examples, and so do what they give: their spread says too little
    about other draws of such data. If two replicas' values correlate by ρ, the variance of their
    mean is not s²/n but

        s² (1/n + ρ / (1 − ρ)),

    and ρ is close to the share of the pool that judges, the chance that an example which judges
    one replica judges another too. With all other examples in training this is the correction of
    Nadeau and Bengio (2003).

    Args:
        values: Shape (replicas,), at least 2, finite.
        judge_share: Examples that judge, divided by those of the pool, in [0, 1).
        confidence: Coverage of the interval, in (0, 1).

    Raises:
        ValueError: The sample is shorter than 2 or not finite, or a number is out of range.
        TypeError: They are no numbers.

    Reference:
        Nadeau and Bengio (2003), Inference for the generalization error.

    Example:
        >>> found = resampled_interval([1.0, 2.0, 3.0], judge_share=0.2)
        >>> round(found.mean, 3), round(found.low, 2), round(found.high, 2)
        (2.0, -1.29, 5.29)
    """
    from scipy.special import stdtr, stdtrit  # Student's t; scipy.stats takes 0.4 s to import

    values = checked_sample(values, "values")
    if len(values) < 2:
        raise ValueError(
            f"`values` must hold at least 2 replicas: one has no spread. Received: {len(values)}"
        )
    check_inside(confidence=confidence)
    check_shares(judge_share=judge_share)
    if values.min() == values.max():  # the rounding of a mean would show as spread
        mean = float(values[0])
        return Resampled(mean, mean, mean, 1.0 if mean == 0 else 0.0)
    # Squares of numbers below 1e-162 vanish and above 1e154 overflow: reckon with numbers near 1.
    _, exponent = np.frexp(np.abs(values).max())
    values = np.ldexp(values, -exponent)
    mean, freedom = values.mean(), len(values) - 1
    error = values.std(ddof=1) * math.sqrt(1 / len(values) + judge_share / (1 - judge_share))
    reach = -stdtrit(freedom, (1 - confidence) / 2) * error
    p_value = 2 * stdtr(freedom, -abs(mean) / error)
    with np.errstate(over="ignore"):
        ends = np.ldexp([mean, mean - reach, mean + reach], exponent)
    return Resampled(*ends.tolist(), float(p_value))


def kept_after_correction(p_values: ArrayLike, *, rate: float = 0.05) -> np.ndarray:
    """Return which of many verdicts stay when chance is counted, after Benjamini and Hochberg.

    Args:
        p_values: Shape (n,), each in [0, 1].
        rate: Of false ones among those that stay.

    Raises:
        ValueError: `p_values` has another shape, or one is out of range.
        TypeError: They are no numbers.

    Reference:
        Benjamini and Hochberg (1995), Controlling the false discovery rate.

    Example:
        >>> kept_after_correction([0.001, 0.02, 0.9]).tolist()
        [True, True, False]
    """
    from scipy import stats

    values = as_reals("p_values", p_values)
    if values.ndim != 1 or ((values < 0) | (values > 1) | np.isnan(values)).any():
        raise ValueError(f"`p_values` must have shape (n,), each in [0, 1]. Received: {p_values}")
    return stats.false_discovery_control(values) <= rate if len(values) else values.astype(bool)
