"""Two learners that are equally good, on pools without end: what intervals really cover."""

from collections.abc import Sequence

import numpy as np

from helpers.claims.resampling import resampled_interval

FEATURES, APART = 5, 0.35  # of each learner; the distance of its classes from the middle


def simulated_differences(
    rng: np.random.Generator,
    *,
    examples: int = 300,
    draws: int = 8,
    sizes: Sequence[int] = (180, 60),
    better: float = 0.0,
) -> np.ndarray:
    """Return differences of two learners' losses over draws from one pool that is made up.

    Each learner sees its own half of the features and asks which class's mean is nearer. The halves
    are alike by symmetry, so that the true difference is 0, but for `better`.

    Args:
        rng: Source of the pool and of the draws.
        examples: Of the pool.
        draws: Replicas, each with sets of its own.
        sizes: Examples that train, and examples that judge.
        better: By how much the second learner's classes lie further apart.

    Returns:
        Logistic loss of the first learner minus that of the second, shape (draws,).
    """
    y = rng.integers(0, 2, examples)
    signs = 2 * y - 1
    shift = np.r_[np.full(FEATURES, APART), np.full(FEATURES, APART + better)]
    x = rng.normal(size=(examples, 2 * FEATURES)) + shift * signs[:, None]
    found = []
    for _ in range(draws):
        order = rng.permutation(examples)
        train, judge = order[: sizes[0]], order[-sizes[1] :]
        halves = slice(0, FEATURES), slice(FEATURES, None)
        one, other = (_loss(x[:, half], y, signs, train, judge) for half in halves)
        found.append(one - other)
    return np.array(found)


def _loss(x, y, signs, train, judge) -> float:
    means = [x[train][y[train] == label].mean(0) for label in (0, 1)]
    scores = (x[judge] - sum(means) / 2) @ (means[1] - means[0])
    return float(np.log1p(np.exp(-signs[judge] * scores)).mean())


def simulated_coverage(
    *, draws: int, judge_share: float, pools: int, seed: int = 0, confidence: float = 0.95
) -> float:
    """Return how often the interval over draws contains the true difference of 0.

    Args:
        draws: Replicas from each pool, of which a fifth judges.
        judge_share: What the interval is told about that; 0 makes it Student's.
        pools: How many are simulated.
        seed: Of the simulation.
        confidence: Nominal coverage.

    Example:
        >>> simulated_coverage(draws=8, judge_share=0.2, pools=100) > 0.85
        True
    """
    rng = np.random.default_rng(seed)
    found = [
        resampled_interval(
            simulated_differences(rng, draws=draws),
            judge_share=judge_share,
            confidence=confidence,
        )
        for _ in range(pools)
    ]
    return float(np.mean([one.low <= 0 <= one.high for one in found]))
