"""Measured arms, and the claims that are judged over them."""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from helpers.checks import as_real
from helpers.claims.answering import Question
from helpers.claims.arriving import time_ratio
from helpers.claims.checks import checked_sample
from helpers.claims.claim import Claim, Scale
from helpers.claims.confirming import design_of
from helpers.claims.intervals import paired_differences
from helpers.claims.resampling import Resampled, resampled_interval
from helpers.claims.sentences import Says


class Judged(Mapping):
    """What was measured: arm → values over replicas, shape (replicas,). Its methods judge claims.

    Each takes the sentences for the verdicts and a margin, the least effect that matters. If all of
    the interval lies within the margin, there is no difference that matters, whatever its sign;
    else the claim holds if all of it lies on the side that the statement names, is contradicted if
    all of it lies on the other, and cannot be told otherwise.
    """

    def __init__(
        self,
        values: Mapping[str, np.ndarray],
        *,
        data: str,
        scope: str,
        judge_share: float,
        tried: Mapping[str, Sequence[float]],
        design: object,
        clock: bool = False,
    ):
        self._clock = clock
        self._values, self.scope, self.data, self.tried = dict(values), scope, data, dict(tried)
        self._judge_share, self._design = judge_share, design

    def __getitem__(self, arm: str) -> np.ndarray:
        return self._values[arm].copy()

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def beside(self, **values: np.ndarray) -> "Judged":
        """Return the same with values that were measured elsewhere, to be compared with these.

        Args:
            **values: Name → shape (replicas,), as errors on the tune sets.

        Raises:
            ValueError: A name is taken, or values are not as many as the replicas, or not finite.
            TypeError: Values are no numbers.
        """
        count = len(next(iter(self._values.values())))
        for name, own in values.items():
            if name in self._values or len(checked_sample(own, name)) != count:
                raise ValueError(
                    f"values beside others need a new name and shape ({count},). "
                    f"Received: {name}, shape={np.shape(own)}"
                )
        more = {name: checked_sample(own, name) for name, own in values.items()}
        return Judged(
            self._values | more,
            data=self.data,
            scope=self.scope,
            judge_share=self._judge_share,
            tried=self.tried,
            design=[self._design, sorted(values)],
            clock=self._clock,
        )

    def compare(
        self,
        id: str,
        statement: str,
        *,
        larger: str,
        smaller: str,
        margin: float,
        says: Says,
        scale: Scale = "ratio",
        unit: str = "",
        confidence: float = 0.95,
        elsewhere: Mapping[str, str] = MappingProxyType({}),
    ) -> Claim:
        """Judge whether one arm's values exceed another's, replica by replica.

        The interval is that of `resampled_interval` for the differences of the pairs; where the
        scale is a ratio, of their logarithms. `helpers.claims.compare` is for two arrays at hand:
        it knows no draws and no margin, and by default takes differences.

        Args:
            id: Unique name, ``"<chapter>-<words>"``, lower case with hyphens.
            statement: The sentence that is judged; it says that `larger` exceeds `smaller`.
            larger: Name of an arm.
            smaller: Name of another.
            margin: What matters: a difference above 0 in the unit, or a ratio above 1.
            says: The sentences for each verdict.
            scale: ``"ratio"`` for positive quantities, or ``"difference"``.
            unit: Unit of the difference, as text.
            confidence: Coverage of the interval, in (0, 1).
            elsewhere: Design → the other verdict that the book's run of it was seen to have on
                another kind of processor, which only rounds otherwise. The evidence tells it.

        Returns:
            The `Claim`, which has displayed itself.

        Raises:
            ValueError: The id is malformed or taken, an arm is unknown or compared with itself, the
                margin is none, a sentence is missing or names an effect that there is not, a ratio
                is asked of values that are not positive, or `elsewhere` holds what is no verdict.
            TypeError: `margin` or `confidence` is no number, `says` no `Says`, or a sentence no
                text.
        """
        asked = Question(
            id=id, statement=statement, says=says, scale=scale, margin=margin, unit=unit,
            confidence=confidence, elsewhere=elsewhere,
        )  # fmt: skip
        one, other = self._pair(larger=larger, smaller=smaller)
        found = self._mean(paired_differences(one, other, scale), confidence)
        return self._answer(asked, found, "resampled t", [larger, smaller])

    def compare_times(
        self,
        id: str,
        statement: str,
        *,
        later: str,
        sooner: str,
        horizon: float,
        margin: float,
        says: Says,
        confidence: float = 0.95,
        elsewhere: Mapping[str, str] = MappingProxyType({}),
    ) -> Claim:
        """Judge whether one arm takes longer than another to get somewhere.

        The values are times, infinite where it did not happen within the horizon; no time is made
        up for those. The effect is the factor by which `later` takes longer, see `time_ratio`.

        Args:
            id: Unique name, ``"<chapter>-<words>"``, lower case with hyphens.
            statement: The sentence that is judged; it says that `later` takes longer.
            later: Name of an arm.
            sooner: Name of another.
            horizon: How long was looked, in the unit of the times.
            margin: The least factor that matters, above 1.
            says: The sentences for each verdict.
            confidence: Coverage of the interval, in (0, 1).
            elsewhere: As in `compare`.

        Returns:
            The `Claim`, which has displayed itself.

        Raises:
            ValueError, TypeError: As `compare` and `time_ratio` say.
        """
        asked = Question(
            id=id, statement=statement, says=says, scale="ratio", margin=margin, unit="",
            confidence=confidence, elsewhere=elsewhere,
        )  # fmt: skip
        one, other = self._pair(later=later, sooner=sooner)
        found = time_ratio(
            one, other, horizon=horizon, judge_share=self._judge_share, confidence=confidence
        )
        return self._answer(asked, found, "log-rank", [later, sooner], horizon)

    def predict(
        self,
        id: str,
        statement: str,
        *,
        of: str,
        prediction: float,
        rival: float,
        margin: float,
        says: Says,
        scale: Scale = "ratio",
        unit: str = "",
        confidence: float = 0.95,
        elsewhere: Mapping[str, str] = MappingProxyType({}),
    ) -> Claim:
        """Judge whether a prediction comes closer to what was measured than its strongest rival.

        The prediction is a number that is given; nothing is predicted here, as `predict` of models
        and replicas does.

        How far a number is off is |measured − number|, or where the scale is a ratio the factor
        between the two. The effect is by how much, or how many times, the rival is further off.

        Args:
            id: Unique name, ``"<chapter>-<words>"``, lower case with hyphens.
            statement: The sentence that is judged; it says that the prediction comes closer.
            of: Name of the arm whose values it predicts.
            prediction: The number that a theory gives.
            rival: What somebody without the theory would say, as 1 for "nothing changes".
            margin: By how much closer matters, as in `compare`.
            says: The sentences for each verdict.
            scale: ``"ratio"`` for positive quantities, or ``"difference"``.
            unit: Unit of the difference, as text.
            confidence: Coverage of the interval, in (0, 1).
            elsewhere: As in `compare`.

        Returns:
            The `Claim`, which has displayed itself.

        Raises:
            ValueError: As in `compare`; or prediction and rival are one number, or not finite.
            TypeError: As in `compare`; or one of them is no number.
        """
        asked = Question(
            id=id, statement=statement, says=says, scale=scale, margin=margin, unit=unit,
            confidence=confidence, elsewhere=elsewhere,
        )  # fmt: skip
        (values,) = self._pair(of=of)
        numbers = as_real("prediction", prediction), as_real("rival", rival)
        if not np.isfinite(numbers).all() or prediction == rival:
            raise ValueError(
                "`prediction` and `rival` must be two finite numbers that differ. "
                f"Received: prediction={prediction}, rival={rival}"
            )
        off = [
            np.abs(paired_differences(values, np.full(len(values), float(number)), scale))
            for number in (rival, prediction)
        ]
        found = self._mean(off[0] - off[1], confidence)
        return self._answer(asked, found, "resampled t", [of], prediction, rival)

    def _pair(self, **arms: str) -> list[np.ndarray]:
        """Return the values of arms by their names, which differ."""
        for argument, arm in arms.items():
            if arm not in list(self._values):  # a list is no name either, and says so
                raise ValueError(
                    f"`{argument}` must be one of {', '.join(map(repr, self._values))}. "
                    f"Received: {arm!r}"
                )
        if len(set(arms.values())) < len(arms):
            one = next(iter(arms.values()))
            raise ValueError(f"an arm is not compared with itself. Received: {one!r} twice")
        return [self._values[arm] for arm in arms.values()]

    def _mean(self, differences: np.ndarray, confidence: float) -> Resampled:
        return resampled_interval(differences, judge_share=self._judge_share, confidence=confidence)

    def _answer(
        self, asked: Question, found: Resampled, method: str, arms: list[str], *numbers: float
    ) -> Claim:
        """Return the claim of what was found; method, arms and numbers belong to its design."""
        written = [asked.statement, method, [*arms, *numbers], asked.scale, asked.margin]
        return asked.answer(
            found,
            design_of([self._design, *written, asked.unit, asked.confidence]),
            method="clock" if self._clock else method,
            replicas=len(next(iter(self._values.values()))),
            scope=self.scope,
            tried={arm: self.tried[arm] for arm in arms if arm in self.tried},
        )
