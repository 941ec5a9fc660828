"""Times until something happens, of which some end before it does: ratios without made-up times."""

import math
from bisect import bisect_left

import numpy as np
from numpy.typing import ArrayLike

from helpers.checks import as_real, as_reals, check_inside, check_positive, check_shares
from helpers.claims.resampling import Resampled

NEVER = math.inf


def first_at_most(values: ArrayLike, target: float) -> np.ndarray:
    """Return when each replica first reaches a target, from 1 on; infinite where it never does.

    Args:
        values: Shape (replicas, epochs), as a loss after each epoch; NaN reaches nothing.
        target: What has to be reached, or fallen below.

    Returns:
        Shape (replicas,), float64.

    Raises:
        ValueError: `values` has another shape, or the target is not finite.
        TypeError: They are no numbers.

    Example:
        >>> first_at_most([[0.9, 0.4, 0.2], [0.9, 0.8, 0.7]], 0.5)
        array([ 2., inf])
    """
    values = as_reals("values", values)
    if values.ndim != 2 or not values.size:
        raise ValueError(
            f"`values` must have shape (replicas, epochs). Received: shape={values.shape}"
        )
    if not math.isfinite(as_real("target", target)):
        raise ValueError(f"`target` must be finite. Received: target={target}")
    reached = values <= target
    return np.where(reached.any(1), reached.argmax(1) + 1.0, NEVER)


def time_ratio(
    later: ArrayLike,
    sooner: ArrayLike,
    *,
    horizon: float,
    judge_share: float = 0.0,
    confidence: float = 0.95,
) -> Resampled:
    """Return by which factor one arm takes longer than another, with an interval.

    A factor belongs to the interval if the log-rank test does not tell `later` from `sooner`
    stretched by it; the estimate is the factor for which the two arms are closest. The test knows
    that a time beyond the horizon was not seen: such a replica counts as waiting until then. It
    takes the arms as independent. Where replicas share a draw, this is wider than need be.

    Args:
        later: Times, shape (replicas,); infinite where it did not happen within the horizon.
        sooner: The same of the other arm, as many.
        horizon: How long was looked; no time that was seen exceeds it.
        judge_share: How far draws from one pool overlap, as in `resampled_interval`.
        confidence: Coverage of the interval, in (0, 1).

    Returns:
        Logarithms of estimate and ends, which reach no further than the horizon can tell, and the
        p-value of equal times.

    Raises:
        ValueError: Times are not as many, not positive, NaN, beyond the horizon, or all infinite;
            or a number is out of range.
        TypeError: They are no numbers.

    Reference:
        Mantel (1966), Evaluation of survival data and two new rank order statistics; Wei (1992),
        The accelerated failure time model.

    Example:
        >>> found = time_ratio([8, 9, 9, np.inf], [4, 4, 5, 5], horizon=10)
        >>> bool(found.low > 0)
        True
    """
    from scipy import stats

    later, sooner = _checked_pair(later, sooner, horizon)
    check_inside(confidence=confidence)
    check_shares(judge_share=judge_share)
    shrink = math.sqrt(1 + len(later) * judge_share / (1 - judge_share))
    limit = stats.norm.isf((1 - confidence) / 2)
    steps = _steps(later, sooner, horizon)
    between = np.sqrt(steps[1:] * steps[:-1])  # the test's statistic changes at the steps alone

    def falls_below(least: float) -> int:
        """Return the first place where the statistic does; it falls as `sooner` is stretched."""
        return bisect_left(
            range(len(between)),
            True,
            key=lambda i: _score(later, between[i] * sooner, horizon, between[i]) / shrink < least,
        )

    low, first, last, high = (steps[falls_below(least)] for least in (limit, 1e-9, -1e-9, -limit))
    p_value = 2 * stats.norm.sf(abs(_score(later, sooner, horizon, 1.0)) / shrink)
    ends = np.log([math.sqrt(first * last), low, high])
    return Resampled(*ends.tolist(), float(p_value))


def _steps(later: np.ndarray, sooner: np.ndarray, horizon: float) -> np.ndarray:
    """Return the factors at which an order of times changes, as far as the horizon can tell."""
    seen = [times[np.isfinite(times)] for times in (later, sooner)]
    reach = horizon / min(map(min, filter(len, seen)))
    ratios = np.divide.outer(np.r_[seen[0], horizon], np.r_[seen[1], horizon]).ravel()
    return np.unique(np.r_[1 / reach, ratios[(1 / reach < ratios) & (ratios < reach)], reach])


def _score(later: np.ndarray, sooner: np.ndarray, horizon: float, factor: float) -> float:
    """Return the log-rank statistic, positive where `later` is."""
    from scipy import stats

    one, other = (
        stats.CensoredData(times[np.isfinite(times)], right=np.full(np.isinf(times).sum(), until))
        for times, until in ((later, horizon), (sooner, factor * horizon))
    )
    with np.errstate(invalid="ignore"):  # nothing happens while both arms are watched
        score = -float(stats.logrank(one, other).statistic)
    return score if math.isfinite(score) else 0.0


def _checked_pair(later: ArrayLike, sooner: ArrayLike, horizon: float) -> tuple[np.ndarray, ...]:
    """Return the times of both arms, of which at least one was seen."""
    check_positive(horizon=horizon)
    later, sooner = _checked(later, "later", horizon), _checked(sooner, "sooner", horizon)
    if len(later) != len(sooner):
        raise ValueError(
            f"both arms must have a time for each replica. Received: {len(later)} and {len(sooner)}"
        )
    if not np.isfinite([later, sooner]).any():
        raise ValueError("at least one replica must have arrived. Received: none of either arm")
    return later, sooner


def _checked(times: ArrayLike, name: str, horizon: float) -> np.ndarray:
    times = as_reals(name, times)
    if times.ndim != 1 or len(times) < 2:
        raise ValueError(
            f"`{name}` must have shape (replicas,), at least 2. Received: shape={times.shape}"
        )
    late = np.isfinite(times) & (times > horizon)
    if not (times > 0).all() or late.any():
        raise ValueError(
            f"`{name}` must hold times above 0 and up to the horizon, {horizon:g}, or infinity. "
            f"Received: {times}"
        )
    return times
