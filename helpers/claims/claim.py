"""What a claim is: a statement, what was measured, and a verdict."""

import math
from dataclasses import asdict, dataclass
from typing import Literal

SCHEMA = 1
HOLDS, CONTRADICTED, INCONCLUSIVE = "holds", "contradicted", "inconclusive"
VERDICT_PHRASES = {HOLDS: "holds", CONTRADICTED: "is contradicted", INCONCLUSIVE: "is inconclusive"}

SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")

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
            if isinstance(self.observed, float):
                return f"{self.observed:.3g}"
            return "" if self.observed is None else f"{self.observed}"
        interval = f"{number_text(self.effect)} [{number_text(self.low)}, {number_text(self.high)}]"
        return f"× {interval}" if self.scale == "ratio" else f"{interval} {self.unit}".rstrip()

    def to_record(self) -> dict:
        """Return the claim as strict JSON: numbers that are not finite become None."""
        record = {"schema": SCHEMA, "kind": "claim", **asdict(self)}
        return {key: finite_or_none(value) for key, value in record.items()}

    def __str__(self) -> str:
        replicas = f" ({self.replicas} replicas)" if self.replicas else ""
        return f"{self.id}: {self.verdict}{replicas}"


def number_text(value: float | int | str, digits: int = 3) -> str:
    """Return a float to some significant digits as books print it, other values in full.

    Example:
        >>> number_text(6.81e-13), number_text(14561.2), number_text(0.0306), number_text(2)
        ('6.81 × 10⁻¹³', '14,600', '0.0306', '2')
    """
    if not isinstance(value, float) or not math.isfinite(value):
        return f"{value}"
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    if -4 < int(exponent) < 6:
        return f"{float(f'{mantissa}e{exponent}'):,.{max(digits - 1 - int(exponent), 0)}f}"
    return f"{mantissa} × 10{str(int(exponent)).translate(SUPERSCRIPTS)}"


def finite_or_none(value):
    """Return a number as strict JSON knows it: None where it is not finite."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
