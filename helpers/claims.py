"""Measured statements and their verdicts.

A claim is an object: an id, a statement, what was measured, and a verdict. `check` judges an exact
fact, `compare` two arrays of paired replicas; `record` keeps a plain figure. Each displays itself
as a box (HTML), as one line of text, and as a JSON record under `MIME`, which is the only channel
through which results leave a notebook. `summary` lists the claims of a chapter.
"""

import math
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from helpers._claim_box import claim_box, claims_table

MIME = "application/vnd.dnnbook.record+json"
GLUE_PREFIX = "application/papermill.record/"  # scrapbook's convention, which myst-nb reads
SCHEMA = 1
HOLDS, CONTRADICTED, INCONCLUSIVE = "holds", "contradicted", "inconclusive"
VERDICT_PHRASES = {HOLDS: "holds", CONTRADICTED: "is contradicted", INCONCLUSIVE: "is inconclusive"}

Scale = Literal["difference", "ratio"]


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One statement, measured.

    Attributes:
        id: Unique over the book: the chapter's name, a hyphen, and words.
        statement: The sentence that is judged.
        verdict: ``"holds"``, ``"contradicted"`` or ``"inconclusive"``.
        method: ``"exact"`` or ``"paired t"``.
        scale: ``"difference"`` or ``"ratio"`` of a comparison, None of an exact fact.
        effect, low, high: Mean difference or ratio of geometric means, and its interval.
        confidence: Coverage of the interval.
        replicas: Number of pairs behind it; 0 for an exact fact.
        unit: Unit of the effect, as text.
        observed: What an exact check saw.
    """

    id: str
    statement: str
    verdict: str
    method: str
    scale: Scale | None = None
    effect: float | None = None
    low: float | None = None
    high: float | None = None
    confidence: float | None = None
    replicas: int = 0
    unit: str = ""
    observed: int | float | str | None = None

    @property
    def effect_text(self) -> str:
        """The effect with its interval, or what was observed, in words."""
        if self.method == "exact":
            return "" if self.observed is None else _number(self.observed)
        interval = f"{_number(self.effect)} [{_number(self.low)}, {_number(self.high)}]"
        return f"× {interval}" if self.scale == "ratio" else f"{interval} {self.unit}".rstrip()

    def to_record(self) -> dict:
        """Return the claim as strict JSON: numbers that are not finite become None."""
        record = {"schema": SCHEMA, "kind": "claim", **asdict(self)}
        return {key: _finite_or_none(value) for key, value in record.items()}

    def __str__(self) -> str:
        replicas = f" ({self.replicas} replicas)" if self.replicas else ""
        return f"{self.id}: {self.verdict}{replicas}"


class _Ledger:
    """The claims of the notebook that is running, by id."""

    def __init__(self):
        self.claims: dict[str, Claim] = {}

    def add(self, claim: Claim) -> None:
        known = self.claims.get(claim.id)
        # The same statement again is its cell run again, as people do in JupyterLab.
        if known is not None and known.statement != claim.statement:
            raise ValueError(
                f"`id` must be unique. Received: id={claim.id!r} for {claim.statement!r}, "
                f"but it already stands for {known.statement!r}"
            )
        self.claims[claim.id] = claim


_ledger = _Ledger()


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
        ValueError: The id is malformed or taken, the statement is empty, or `observed` is NaN.
        TypeError: `holds` is not a truth value.

    Example:
        >>> claim = check("gradients-product", "2 × 3 is 6.", 2 * 3 == 6, observed=2 * 3)
        gradients-product: holds
    """
    _check_names(id, statement)
    if not isinstance(holds, bool | np.bool_):
        raise TypeError(f"`holds` must be True or False. Received: holds={holds!r}")
    claim = Claim(
        id=id,
        statement=statement,
        verdict=HOLDS if holds else CONTRADICTED,
        method="exact",
        observed=_plain(observed, "observed"),
    )
    return _publish_claim(claim)


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

    Example:
        >>> claim = compare("gradients-order", "b exceeds a.", [3.0, 4.0, 5.0], [1.0, 2.0, 2.0])
        gradients-order: holds (3 replicas)
        >>> claim.effect_text
        '2.33 [0.899, 3.77]'
    """
    _check_names(id, statement)
    differences = _paired_differences(larger, smaller, scale)
    effect, low, high = mean_interval(differences, confidence=confidence)
    verdict = HOLDS if low > 0 else CONTRADICTED if high < 0 else INCONCLUSIVE
    if scale == "ratio":
        with np.errstate(over="ignore"):  # beyond 1e308 a factor is infinite, and says so
            effect, low, high = np.exp([effect, low, high])
    claim = Claim(
        id=id,
        statement=statement,
        verdict=verdict,
        method="paired t",
        scale=scale,
        effect=float(effect),
        low=float(low),
        high=float(high),
        confidence=confidence,
        replicas=len(differences),
        unit=unit,
    )
    return _publish_claim(claim)


def record(name: str, value: int | str | ArrayLike, *, tolerance: float = 0.1) -> None:
    """Keep a figure: for the prose under its name, for a batch, and for nbval.

    Args:
        name: What the prose calls it: lower case with hyphens, unique in the notebook.
        value: A number, a short text, or numbers over replicas, whose mean and 95% interval are
            kept.
        tolerance: How far another machine's value may be, relative to this one; 0 for exact.

    Raises:
        ValueError: The name is malformed, the value missing, empty or NaN, or the tolerance
            negative.

    Example:
        >>> record("final-loss", [0.21, 0.23, 0.22])
    """
    _check_id(name, "name")
    if not (isinstance(tolerance, int | float) and 0 <= tolerance < math.inf):
        raise ValueError(f"`tolerance` must be 0 or more. Received: tolerance={tolerance!r}")
    figure = {"low": None, "high": None, "replicas": 0}
    if value is None:
        raise ValueError("`value` must be a number, a text, or numbers. Received: value=None")
    if isinstance(value, str) or np.ndim(value) == 0:
        figure["value"] = _plain(value, "value")
    else:
        values = _sample(value, "value")
        figure["replicas"] = len(values)
        figure["value"] = float(values[0])
        if len(values) > 1:
            figure["value"], figure["low"], figure["high"] = mean_interval(values)
    body = {"schema": SCHEMA, "kind": "figure", "name": name, "unit": "", "tolerance": tolerance}
    body |= {key: _finite_or_none(item) for key, item in figure.items()}
    _publish_glue(name, repr(figure["value"]), body)  # the prose may say "inf", JSON may not


def summary(chapter: str) -> None:
    """Display the table of a chapter's claims, in the order they were measured.

    Args:
        chapter: The chapter's name, with which its ids begin.

    Raises:
        ValueError: The chapter has no claims yet.
    """
    claims = [claim for id, claim in _ledger.claims.items() if id.startswith(f"{chapter}-")]
    if not claims:
        raise ValueError(f"No claim of this chapter was measured. Received: chapter={chapter!r}")
    counts = {
        verdict: sum(claim.verdict == verdict for claim in claims)
        for verdict in (HOLDS, CONTRADICTED, INCONCLUSIVE)
    }
    line = f"{chapter}: " + ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
    body = {
        "schema": SCHEMA,
        "kind": "summary",
        "chapter": chapter,
        "claims": [claim.id for claim in claims],
    }
    _display({"text/plain": line, "text/html": claims_table(claims), MIME: body})


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

    values = _sample(values, "values")
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


def _paired_differences(larger, smaller, scale: Scale) -> np.ndarray:
    """Return the differences of the pairs, of their logarithms where the scale is a ratio."""
    larger, smaller = _sample(larger, "larger"), _sample(smaller, "smaller")
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


def _sample(values: ArrayLike, name: str) -> np.ndarray:
    sample = np.asarray(values, dtype=np.float64)
    if sample.ndim != 1 or sample.size == 0:
        raise ValueError(f"`{name}` must have shape (replicas,). Received: shape={sample.shape}")
    if not np.isfinite(sample).all():
        raise ValueError(f"`{name}` must be finite. Received: {sample}")
    return sample


def _check_names(id: str, statement: str) -> None:
    _check_id(id, "id")
    if "-" not in id:
        raise ValueError(
            f"`id` must begin with its chapter's name and a hyphen. Received: id={id!r}"
        )
    if not isinstance(statement, str) or not statement.strip():
        raise ValueError(f"`statement` must be a sentence. Received: statement={statement!r}")


def _check_id(id: str, argument: str) -> None:
    words = id.split("-") if isinstance(id, str) else []
    if not words or not all(word.isalnum() and word == word.lower() for word in words):
        raise ValueError(
            f"`{argument}` must be lower-case words joined by hyphens. Received: {argument}={id!r}"
        )


def _plain(value, argument: str) -> int | float | str | None:
    """Return a scalar as Python's own type; NaN is refused."""
    if value is None or isinstance(value, str | int):
        return value
    value = np.asarray(value)
    if value.ndim or value.dtype.kind not in "biuf":
        raise ValueError(f"`{argument}` must be a number or a text. Received: {value!r}")
    if np.isnan(value):
        raise ValueError(f"`{argument}` must not be NaN. Received: {value!r}")
    return value.item()


def _finite_or_none(value):
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _number(value: float | int | str) -> str:
    """Return a number to three significant digits, integers and texts in full."""
    if isinstance(value, str | int):
        return f"{value}"
    return f"{value:.3g}"


def _publish_claim(claim: Claim) -> Claim:
    _ledger.add(claim)
    _display({"text/plain": str(claim), "text/html": claim_box(claim), MIME: claim.to_record()})
    part = {"schema": SCHEMA, "kind": "part", "of": claim.id}
    verdict = VERDICT_PHRASES[claim.verdict]
    _publish_glue(f"{claim.id}-verdict", repr(verdict), part | {"part": "verdict"})
    if claim.effect_text:
        _publish_glue(f"{claim.id}-effect", repr(claim.effect_text), part | {"part": "effect"})
    return claim


def _publish_glue(name: str, text: str, body: dict) -> None:
    """Display nothing to the eye, and keep `text` under `name` for the prose's {glue} roles."""
    _display(
        {GLUE_PREFIX + "text/plain": text, GLUE_PREFIX + MIME: body},
        metadata={"scrapbook": {"name": name, "mime_prefix": GLUE_PREFIX}},
    )


def _display(bundle: dict, *, metadata: dict | None = None) -> None:
    """Show a MIME bundle in a notebook; elsewhere print its text, if it has one for the eye."""
    from IPython import get_ipython
    from IPython.display import display

    if get_ipython() is not None:
        display(bundle, raw=True, metadata=metadata)
    elif "text/plain" in bundle:
        print(bundle["text/plain"])
