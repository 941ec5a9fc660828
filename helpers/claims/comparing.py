"""Claims about what is at hand: an exact fact, and two arrays over paired replicas."""

import numpy as np
from numpy.typing import ArrayLike

from helpers.claims.checks import check_names, plain_scalar
from helpers.claims.claim import CONTRADICTED, HOLDS, Claim, Scale
from helpers.claims.intervals import mean_interval, on_scale, paired_differences, side_of
from helpers.claims.publishing import publish_claim


def check(
    id: str, statement: str, holds: bool, *, observed: int | float | str | None = None
) -> Claim:
    """Judge an exact fact: it holds or it is contradicted.

    Args:
        id: Unique name, ``"<chapter>-<words>"``, lower case with hyphens.
        statement: The sentence that is judged.
        holds: Whether it is true.
        observed: What was seen, for the box: a number or a short text.

    Returns:
        The `Claim`, which has displayed itself.

    Raises:
        ValueError: The id is malformed or taken, the statement is empty, or `observed` is NaN or
            neither a number nor a text.
        TypeError: `holds` is not a truth value.

    Example:
        >>> claim = check("gradients-product", "2 × 3 is 6.", 2 * 3 == 6, observed=2 * 3)
        gradients-product: holds
    """
    check_names(id, statement)
    if not isinstance(holds, bool | np.bool_):
        raise TypeError(f"`holds` must be True or False. Received: holds={holds!r}")
    claim = Claim(
        id=id,
        statement=statement,
        verdict=HOLDS if holds else CONTRADICTED,
        method="exact",
        observed=plain_scalar(observed, "observed"),
    )
    return publish_claim(claim)


def compare(
    id: str,
    statement: str,
    larger: ArrayLike,
    smaller: ArrayLike,
    *,
    scale: Scale = "difference",
    unit: str = "",
    confidence: float = 0.95,
) -> Claim:
    """Judge whether one quantity exceeds another, over paired replicas.

    This is for two arrays at hand. Arms over draws are compared by `Judged.compare`, which knows
    that draws overlap, has a margin and so a fourth verdict, and by default takes ratios.

    The interval is Student's for the mean of the pairs' differences,

        mean(d) ± t · s / √n,   d = larger − smaller,

    or for the ratio of geometric means, the same with d = log(larger) − log(smaller). The claim
    holds if the whole interval lies above 0 (a ratio: above 1), is contradicted if it lies below,
    and is inconclusive otherwise.

    Args:
        id: Unique name, ``"<chapter>-<words>"``, lower case with hyphens.
        statement: The sentence that is judged; it says that `larger` exceeds `smaller`.
        larger: Shape (replicas,), at least 2.
        smaller: Shape (replicas,); entry k of both comes from the same seed.
        scale: ``"difference"``, or ``"ratio"`` for positive quantities over orders of magnitude.
        unit: Unit of the difference, as text.
        confidence: Coverage of the interval, in (0, 1).

    Returns:
        The `Claim`, which has displayed itself.

    Raises:
        ValueError: The id is malformed or taken, the statement is empty, a sample is empty, single
            or not finite, the lengths differ, a ratio is asked of values that are not positive, or
            `scale` or `confidence` is out of range.
        TypeError: Samples are no numbers, or `confidence` is none.

    Example:
        >>> claim = compare("gradients-order", "b exceeds a.", [3.0, 4.0, 5.0], [1.0, 2.0, 2.0])
        gradients-order: holds (3 replicas)
        >>> claim.effect_text
        '2.33 [0.899, 3.77]'
    """
    check_names(id, statement)
    differences = paired_differences(larger, smaller, scale)
    ends = mean_interval(differences, confidence=confidence)
    verdict = side_of(*ends[1:])
    effect, low, high = on_scale(ends, scale)
    claim = Claim(
        id=id,
        statement=statement,
        verdict=verdict,
        method="paired t",
        scale=scale,
        effect=effect,
        low=low,
        high=high,
        confidence=confidence,
        replicas=len(differences),
        unit=unit,
    )
    return publish_claim(claim)
