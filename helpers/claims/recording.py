"""What a chapter keeps besides its verdicts: plain figures, and the table of its claims."""

import numpy as np
from numpy.typing import ArrayLike

from helpers.checks import check_count, check_not_negative
from helpers.claims.box import claims_table
from helpers.claims.checks import check_id, checked_sample, plain_scalar
from helpers.claims.claim import (
    CONTRADICTED,
    HOLDS,
    INCONCLUSIVE,
    SAME,
    SCHEMA,
    Claim,
    finite_or_none,
    number_text,
)
from helpers.claims.intervals import mean_interval
from helpers.claims.publishing import MIME, display_bundle, publish_glue, published
from helpers.claims.resampling import kept_after_correction


def record(
    name: str,
    value: int | str | ArrayLike,
    *,
    tolerance: float = 0.1,
    digits: int | None = None,
) -> None:
    """Keep a figure: for the prose under its name, for a batch, and for nbval.

    Args:
        name: What the prose calls it: lower case with hyphens, unique in the notebook.
        value: A number, a short text, or numbers over replicas, whose mean and 95% interval are
            kept.
        tolerance: How far another machine's value may be, relative to this one; 0 for exact.
        digits: Significant digits in which the prose gets the value ready to read, as
            6.8 × 10⁻¹³; by default the prose formats it.

    Raises:
        ValueError: The name is malformed, the value missing, empty or NaN, the tolerance
            negative, or `digits` below 1.
        TypeError: Values over replicas or the tolerance are no numbers, or `digits` no integer.

    Example:
        >>> record("final-loss", [0.21, 0.23, 0.22])
    """
    check_id(name, "name")
    check_not_negative(tolerance=tolerance)
    check_count(1, digits=1 if digits is None else digits)
    figure = {"low": None, "high": None, "replicas": 0}
    if value is None:
        raise ValueError("`value` must be a number, a text, or numbers. Received: value=None")
    if not isinstance(value, list | tuple) and np.ndim(value) == 0:
        figure["value"] = plain_scalar(value, "value")
    else:
        values = checked_sample(value, "value")
        figure["replicas"] = len(values)
        figure["value"] = float(values[0])
        if len(values) > 1:
            figure["value"], figure["low"], figure["high"] = mean_interval(values)
    body = {"schema": SCHEMA, "kind": "figure", "name": name, "unit": ""}
    body |= {"tolerance": np.asarray(tolerance).item()}  # JSON knows no numbers of NumPy
    body |= {key: finite_or_none(item) for key, item in figure.items()}
    text = figure["value"] if digits is None else number_text(figure["value"], digits)
    publish_glue(name, repr(text), body)  # the prose may say "inf", JSON may not


def summary(chapter: str, *, dropped: int = 0) -> None:
    """Display the table of a chapter's claims, in the order they were measured.

    Args:
        chapter: The chapter's name, with which its ids begin.
        dropped: Questions that were asked once and are asked no more. Whoever drops the dull ones
            must go on counting them: they count as if they had shown nothing.

    Raises:
        ValueError: The chapter has no claims yet, or `dropped` is negative.
        TypeError: `dropped` is no integer.
    """
    check_count(0, dropped=dropped)
    claims = published(chapter)
    if not claims:
        raise ValueError(f"No claim of this chapter was measured. Received: chapter={chapter!r}")
    counts = {
        verdict: sum(claim.verdict == verdict for claim in claims)
        for verdict in (HOLDS, CONTRADICTED, INCONCLUSIVE)
    }
    if any(claim.verdict == SAME for claim in claims):
        counts[SAME] = sum(claim.verdict == SAME for claim in claims)
    line = f"{chapter}: " + ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
    note = "; ".join(filter(None, (_chance(claims, dropped), _turning(claims))))
    line += f"; {note}" if note else ""
    body = {
        "schema": SCHEMA,
        "kind": "summary",
        "chapter": chapter,
        "claims": [claim.id for claim in claims],
    }
    display_bundle({"text/plain": line, "text/html": claims_table(claims, note), MIME: body})


def _chance(claims: list[Claim], dropped: int) -> str:
    """Say which decided verdicts fall when it is counted that there are many."""
    tested = [claim for claim in claims if claim.p_value is not None]
    kept = kept_after_correction([claim.p_value for claim in tested] + [1.0] * dropped)
    pairs = zip(tested, kept[: len(tested)], strict=True)
    decided = [pair for pair in pairs if is_decided(pair[0])]
    if not decided:
        return ""
    fall = [claim.id for claim, stays in decided if not stays]
    are = "is" if dropped == 1 else "are"
    return (
        f"{len(fall)} of {len(decided)} decided verdicts fall when it is counted "
        f"that {len(tested) + dropped} questions were asked"
        + (f", {dropped} of which {are} asked no more" if dropped else "")
        + " (Benjamini and Hochberg)"
        + (f": {', '.join(fall)}" if fall else "")
    )


def _turning(claims: list[Claim]) -> str:
    """Say which verdicts another kind of processor turned, by its rounding alone."""
    turn = [claim.id for claim in claims if claim.elsewhere]
    if not turn:
        return ""
    return f"rounded as another kind of processor does, these turned: {', '.join(turn)}"


def is_decided(claim: Claim) -> bool:
    """Return whether a claim's verdict names a side."""
    return claim.verdict in (HOLDS, CONTRADICTED)
