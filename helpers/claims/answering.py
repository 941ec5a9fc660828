"""A question, as it stands before anyone has looked, and the claim that what was found makes."""

from collections.abc import Mapping
from dataclasses import dataclass

from helpers.claims.checks import check_names
from helpers.claims.claim import Claim, Scale
from helpers.claims.confirming import repeated, status_of
from helpers.claims.intervals import decide, least_difference, on_scale
from helpers.claims.publishing import publish_claim
from helpers.claims.resampling import Resampled
from helpers.claims.sentences import FIELDS, Says, aside, effect_words


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is asked of arms, with the sentences for each answer.

    Attributes:
        id, statement, says, scale, margin, unit, confidence, elsewhere: As in `Judged.compare`,
            which says what is raised.
    """

    id: str
    statement: str
    says: Says
    scale: Scale
    margin: float
    unit: str
    confidence: float
    elsewhere: Mapping[str, str]

    def __post_init__(self):
        check_names(self.id, self.statement)
        if not isinstance(self.says, Says):
            raise TypeError(f"`says` must be a `Says`. Received: says={self.says!r}")
        known = isinstance(self.elsewhere, Mapping) and all(
            verdict in list(FIELDS) for verdict in self.elsewhere.values()
        )
        if not known:
            raise ValueError(
                f"`elsewhere` must map designs to verdicts: {', '.join(FIELDS)}. "
                f"Received: {self.elsewhere!r}"
            )
        least_difference(self.margin, self.scale)  # refuses what is no margin

    def words(self, effect: float, low: float, high: float) -> dict[str, str]:
        """Return the words in which sentences may name an effect."""
        return effect_words(effect, low, high, scale=self.scale, unit=self.unit)

    def answer(self, found: Resampled, design: str, **evidence) -> Claim:
        """Return the claim, published.

        Args:
            found: A mean difference and its interval, of logarithms where the scale is a ratio.
            design: Of the claim.
            **evidence: More of what a `Claim` holds: method, replicas, scope, tried.

        Raises:
            ValueError, TypeError: A sentence is missing or names an effect that there is not.
        """
        verdict = decide(found.low, found.high, least_difference(self.margin, self.scale))
        effect, low, high = on_scale(found[:3], self.scale)
        words = self.words(effect, low, high)
        self.says.check(self.id, words)
        second = repeated(self.id, design)
        return publish_claim(
            Claim(
                id=self.id,
                statement=self.statement,
                verdict=verdict,
                scale=self.scale,
                effect=effect,
                low=low,
                high=high,
                confidence=self.confidence,
                unit=self.unit,
                margin=float(self.margin),
                p_value=found.p_value,
                sentence=self.says.sentence(verdict, words) + self._aside(verdict, second),
                variants={name: self.says.sentence(name, words) for name in FIELDS},
                design=design,
                status=status_of(verdict, second),
                repeated=second,
                elsewhere=self.elsewhere.get(design, ""),
                **evidence,
            )
        )

    def _aside(self, verdict: str, second: Mapping[str, str | float]) -> str:
        """Return what the sentence adds where the second run came to another verdict."""
        if not second:
            return ""
        words = self.words(*(second[name] for name in ("effect", "low", "high")))
        return aside(verdict, second["verdict"], self.says.sentence(second["verdict"], words))
