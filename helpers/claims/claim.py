"""What a claim is: a statement, what was measured, and a verdict."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Literal

SCHEMA = 1
HOLDS, CONTRADICTED, INCONCLUSIVE = "holds", "contradicted", "inconclusive"
SAME = "no difference"
VERDICT_PHRASES = {
    HOLDS: "holds",
    CONTRADICTED: "is contradicted",
    INCONCLUSIVE: "is inconclusive",
    SAME: "makes no difference that matters",
}

SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")

Scale = Literal["difference", "ratio"]


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One statement, measured.

    Attributes:
        id: Unique over the book: the chapter's name, a hyphen, and words.
        statement: The sentence that is judged.
        verdict: ``"holds"``, ``"contradicted"``, ``"inconclusive"`` or ``"no difference"``, which
            is one that does not matter.
        method: ``"exact"``, ``"paired t"``, ``"resampled t"``, ``"log-rank"``, or ``"clock"``
            where seconds were compared.
        scale: ``"difference"`` or ``"ratio"`` of a comparison, None of an exact fact.
        effect, low, high: Mean difference or ratio of geometric means, and its interval.
        confidence: Coverage of the interval.
        replicas: Number of pairs behind it; 0 for an exact fact.
        unit: Unit of the effect, as text.
        observed: What an exact check saw.
        margin: The least effect that matters, where the claim names one.
        p_value: Of no effect at all, where it was computed.
        sentence: What the verdict says, in words.
        variants: The sentences of all verdicts.
        scope: What the verdict speaks about.
        design: A name for what was written down before the run: statement, arms, margin, scope,
            grid, draws, the measure's name, the `design` of replicas or what was `frozen`.
        tried: Arm → the settings that were tried for it.
        status: ``"confirmed"``, ``"not confirmed"``, ``"open twice"`` or ``"exploratory"``.
        repeated: What the confirming run found: ``verdict``, ``effect``, ``low`` and ``high``.
        elsewhere: The other verdict that the book's run of this design had on another kind of
            processor, by its rounding.
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
    margin: float | None = None
    p_value: float | None = None
    sentence: str = ""
    variants: Mapping[str, str] = field(default_factory=dict)
    scope: str = ""
    design: str = ""
    tried: Mapping[str, Sequence[float]] = field(default_factory=dict)
    status: str = ""
    repeated: Mapping[str, str | float] = field(default_factory=dict)
    elsewhere: str = ""

    @property
    def effect_text(self) -> str:
        """The effect with its interval, or what was observed, in words."""
        if self.method == "exact":
            return "" if self.observed is None else number_text(self.observed)
        return interval_text(self.effect, self.low, self.high, self.scale, self.unit)

    @property
    def repeated_text(self) -> str:
        """The effect of the confirming run with its interval, if it was run."""
        if not self.repeated:
            return ""
        ends = (self.repeated[name] for name in ("effect", "low", "high"))
        return interval_text(*ends, self.scale, self.unit)

    def to_record(self) -> dict:
        """Return the claim as strict JSON: numbers that are not finite become None, wherever."""
        record = {"schema": SCHEMA, "kind": "claim", **asdict(self)}
        return {
            key: finite_or_none(value)
            for key, value in record.items()
            if key not in OF_JUDGED or value not in (None, "", {})
        }

    def __str__(self) -> str:
        replicas = f" ({self.replicas} replicas)" if self.replicas else ""
        return f"{self.id}: {self.verdict}{replicas}"


# What only claims have that are judged over draws.
OF_JUDGED = (
    *("margin", "p_value", "sentence", "variants", "scope", "tried", "design", "status"),
    *("repeated", "elsewhere"),
)


def interval_text(
    effect: float | None, low: float | None, high: float | None, scale: str | None, unit: str
) -> str:
    """Return an effect with its interval, as the book, the terminal and the report print it.

    Example:
        >>> interval_text(1.5, 1.25, 2.0, "ratio", "")
        '× 1.50 [1.25, 2.00]'
    """
    interval = f"{number_text(effect)} [{number_text(low)}, {number_text(high)}]"
    return f"× {interval}" if scale == "ratio" else f"{interval} {unit}".rstrip()


def number_text(value: float | int | str | None, digits: int = 3) -> str:
    """Return a float to some significant digits as books print it, other values in full.

    None is what a record holds in place of a number that is not finite.

    Example:
        >>> number_text(6.81e-13), number_text(14561.2), number_text(0.0306), number_text(2)
        ('6.81 × 10⁻¹³', '14,600', '0.0306', '2')
    """
    if value is None:
        return "not finite"
    if not isinstance(value, float) or not math.isfinite(value):
        return f"{value}"
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    if -4 < int(exponent) < 6:
        return f"{float(f'{mantissa}e{exponent}'):,.{max(digits - 1 - int(exponent), 0)}f}"
    return f"{mantissa} × 10{str(int(exponent)).translate(SUPERSCRIPTS)}"


def finite_or_none(value):
    """Return what strict JSON knows: None in place of each number that is not finite."""
    if isinstance(value, Mapping):
        return {name: finite_or_none(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [finite_or_none(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
