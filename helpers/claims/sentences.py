"""What a claim says: one sentence for each verdict, with the effect as readers feel it."""

import math
import re
from dataclasses import dataclass, fields

from helpers.claims.claim import (
    CONTRADICTED,
    HOLDS,
    INCONCLUSIVE,
    SAME,
    interval_text,
    number_text,
)

# Shares as they are said; what lies near none of them is said in percent.
SHARES = {
    0.01: "a hundredth",
    0.02: "a fiftieth",
    1 / 30: "a thirtieth",
    0.05: "a twentieth",
    1 / 15: "a fifteenth",
    0.1: "a tenth",
    0.125: "an eighth",
    1 / 6: "a sixth",
    0.2: "a fifth",
    0.25: "a quarter",
    1 / 3: "a third",
    0.4: "two fifths",
    0.5: "half",
    0.6: "three fifths",
    2 / 3: "two thirds",
    0.75: "three quarters",
    0.8: "four fifths",
    0.9: "nine tenths",
    0.95: "nineteen twentieths",
    0.99: "ninety-nine hundredths",
}
NEAR = 0.06, 0.12  # how far, relatively, a share and its rest may be from how they are said
SAID_DIGITS = 2  # more would claim what intervals deny
LEFT_OVER = re.compile(r"TODO|FIXME|XXX|\.\.\.|…|lorem", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Says:
    """A claim's sentences, written before anyone knows which of them will stand.

    In curly braces a sentence may name the effect:

    ``{effect}``
        With its interval, as the evidence has it.
    ``{less}``
        Of a ratio: by what share the smaller lies below the larger, as "a quarter".
    ``{more}``
        Of a ratio: by what share the larger exceeds the smaller; from twice on, as "2.4 times".
    ``{less_percent}``, ``{more_percent}``
        The same in percent, for tables, whose rows should be in one unit: "25%".
    ``{times}``
        Of a ratio: the larger divided by the smaller, as "1.2".
    ``{difference}``
        Of a difference: its size and unit, without sign.
    ``{range}``
        The interval of what is said, as "1.1 to 1.4".

    Attributes:
        holds, contradicted: Where the interval lies on one side.
        same: Where all of it lies within the margin: no difference that matters.
        unclear: Where it does not tell.
    """

    holds: str
    contradicted: str
    same: str
    unclear: str

    def sentence(self, verdict: str, effect: dict[str, str]) -> str:
        """Return the sentence of a verdict, with the effect in its words."""
        return getattr(self, FIELDS[verdict]).format_map(effect)

    def check(self, id: str, effect: dict[str, str]) -> None:
        """Refuse sentences that are missing, alike, unfinished, or that name another effect.

        Raises:
            ValueError: One of them is.
            TypeError: One is no text.
        """
        texts = {field.name: getattr(self, field.name) for field in fields(self)}
        for name, text in texts.items():
            if not isinstance(text, str):
                raise TypeError(f"`says` of {id} must hold texts. Received: {name}={text!r}")
            if not text.strip() or LEFT_OVER.search(text) or "`" in text:
                raise ValueError(
                    f"`says` of {id} must hold a finished sentence for each verdict, without "
                    f"backticks. Received: {name}={text!r}"
                )
            named = set(re.findall(r"\{([^{}]*)\}", text))
            if not named <= set(effect) or re.search(r"[{}]", re.sub(r"\{[^{}]*\}", "", text)):
                raise ValueError(
                    f"`says` of {id} may name {', '.join('{' + one + '}' for one in effect)}. "
                    f"Received: {name}={text!r}"
                )
        alike = [name for name in texts if list(texts.values()).count(texts[name]) > 1]
        if alike:
            raise ValueError(
                f"`says` of {id} must say something else for each verdict. "
                f"Received: {', '.join(alike)}={texts[alike[0]]!r}"
            )


FIELDS = {HOLDS: "holds", CONTRADICTED: "contradicted", SAME: "same", INCONCLUSIVE: "unclear"}


def effect_words(
    effect: float, low: float, high: float, *, scale: str, unit: str = ""
) -> dict[str, str]:
    """Return the words in which sentences may name an effect.

    Args:
        effect: A ratio above 0, or a difference.
        low: Lower end of its interval.
        high: Upper end.
        scale: ``"ratio"`` or ``"difference"``.
        unit: Of a difference.

    Example:
        >>> effect_words(1.34, 1.1, 1.6, scale="ratio")["less"]
        'a quarter'
        >>> effect_words(1 / 3, 0.25, 0.5, scale="ratio")["range"]
        '2.0 to 4.0'
    """
    text = interval_text(effect, low, high, scale, unit)
    if scale == "difference":
        ends = (low, high) if effect >= 0 else (-high, -low)
        size = f"{number_text(abs(effect), SAID_DIGITS)} {unit}".rstrip()
        return {"effect": text, "difference": size, "range": _range_text(*ends)}
    turned = effect < 1
    ratio = _inverse(effect) if turned else effect
    ends = (_inverse(high), _inverse(low)) if turned else (low, high)
    times = number_text(ratio, SAID_DIGITS)
    return {
        "effect": text,
        "less": share_text(1 - 1 / ratio),
        "more": share_text(ratio - 1) if ratio < 1.95 else f"{times} times",
        "less_percent": _percent(1 - 1 / ratio),
        "more_percent": _percent(ratio - 1) if ratio < 1.95 else f"{times} times",
        "times": times,
        "range": _range_text(*ends),
    }


def _percent(share: float) -> str:
    return f"{100 * share:.{SAID_DIGITS}g}%" if share < 0.995 else "more than 99%"


def _inverse(ratio: float) -> float:
    return 1 / ratio if ratio > 0 else math.inf


def _range_text(low: float, high: float) -> str:
    return f"{number_text(low, SAID_DIGITS)} to {number_text(high, SAID_DIGITS)}"


def aside(verdict: str, second: str, sentence: str) -> str:
    """Return what a sentence adds where a second run came to another verdict.

    Args:
        verdict: Of the first run.
        second: Of the second.
        sentence: What the claim says of the second run's effect.

    >>> aside("holds", "holds", "A ends lower"), aside("holds", "inconclusive", "who knows")
    ('', '; a second run cannot tell')
    >>> aside("inconclusive", "holds", "A ends a third lower")
    '; a second run found: A ends a third lower'
    >>> aside("contradicted", "holds", "A ends a third lower")
    '; a second run found the opposite: A ends a third lower'
    """
    if second == verdict:
        return ""
    if second == INCONCLUSIVE:
        return "; a second run cannot tell"
    opposite = " the opposite" if {verdict, second} == {HOLDS, CONTRADICTED} else ""
    return f"; a second run found{opposite}: {sentence}"


def share_text(share: float) -> str:
    """Return a share of a whole in words, where words are right for it and for what is left.

    Example:
        >>> share_text(0.24), share_text(0.003), share_text(0.86), share_text(0.55)
        ('a quarter', 'less than a hundredth', '86%', '55%')
    """
    if share < 0.0075:
        return "less than a hundredth"
    if share > 0.9925:
        return "more than ninety-nine hundredths"
    nearest = min(SHARES, key=lambda known: abs(math.log(known / share)))
    rest = (1 - nearest) / (1 - share)
    if abs(math.log(nearest / share)) < NEAR[0] and abs(rest - 1) < NEAR[1]:
        return SHARES[nearest]
    return _percent(share)
