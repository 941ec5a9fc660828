"""Claims that speak: judged on images that nobody tuned on, or over what replicas showed."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from helpers.checks import as_real, as_reals
from helpers.claims.arriving import time_ratio
from helpers.claims.checks import check_arms, check_draws, check_names, checked_sample
from helpers.claims.claim import SAME, Claim, Scale
from helpers.claims.confirming import design_of, repeated, status_of
from helpers.claims.intervals import on_scale, paired_differences, side_of
from helpers.claims.publishing import publish_claim
from helpers.claims.resampling import Resampled, resampled_interval
from helpers.claims.sentences import FIELDS, Says, aside, effect_words


class Trained(Protocol):
    """What is judged: replicas, as `helpers.replicas` trains them."""

    history: Mapping[str, np.ndarray]

    def __len__(self) -> int: ...

    def evaluate(self, x, y, *, rows) -> dict[str, np.ndarray]:
        """Return loss and metrics of each replica on rows of its own."""


class Drawn(Protocol):
    """The draws that they were trained on, as `helpers.data` makes them."""

    name: str
    x: np.ndarray
    y: np.ndarray
    judge_share: float

    def __len__(self) -> int: ...

    def open_judge(self) -> np.ndarray:
        """Return the rows that judge, once."""


Settings = Mapping[str, Sequence[float]] | Sequence[float]
Measure = str | Callable[[Trained, np.ndarray, np.ndarray, np.ndarray], np.ndarray]


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
        check_names(id, statement)
        one, other = self._pair(larger=larger, smaller=smaller)
        least = _least(margin, scale)
        found = self._mean(paired_differences(one, other, scale), confidence)
        return self._judge(
            id, statement, found, least, says, method="resampled t", scale=scale, margin=margin,
            unit=unit, confidence=confidence, arms=[larger, smaller], elsewhere=elsewhere,
        )  # fmt: skip

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
        check_names(id, statement)
        one, other = self._pair(later=later, sooner=sooner)
        least = _least(margin, "ratio")
        found = time_ratio(
            one, other, horizon=horizon, judge_share=self._judge_share, confidence=confidence
        )
        return self._judge(
            id, statement, found, least, says, method="log-rank", scale="ratio", margin=margin,
            unit="", confidence=confidence, arms=[later, sooner], numbers=[horizon],
            elsewhere=elsewhere,
        )  # fmt: skip

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
        check_names(id, statement)
        (values,) = self._pair(of=of)
        least = _least(margin, scale)
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
        return self._judge(
            id, statement, self._mean(off[0] - off[1], confidence), least, says,
            method="resampled t", scale=scale, margin=margin, unit=unit, confidence=confidence,
            arms=[of], numbers=[prediction, rival], elsewhere=elsewhere,
        )  # fmt: skip

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

    def _judge(
        self, id: str, statement: str, found: Resampled, least: float, says: Says, *,
        method: str, scale: Scale, margin: float, unit: str, confidence: float,
        elsewhere: Mapping[str, str], arms: list[str], numbers: Sequence[float] = (),
    ) -> Claim:  # fmt: skip
        if not isinstance(elsewhere, Mapping) or not all(
            one in list(FIELDS) for one in elsewhere.values()
        ):
            raise ValueError(
                f"`elsewhere` must map designs to verdicts: {', '.join(FIELDS)}. "
                f"Received: {elsewhere!r}"
            )
        if not isinstance(says, Says):
            raise TypeError(f"`says` must be a `Says`. Received: says={says!r}")
        verdict = decide(found.low, found.high, least)
        effect, low, high = on_scale(found[:3], scale)
        words = effect_words(effect, low, high, scale=scale, unit=unit)
        says.check(id, words)
        asked = [statement, method, [*arms, *numbers], scale, margin, unit, confidence]
        design = design_of([self._design, *asked])
        second = repeated(id, design)
        sentence = says.sentence(verdict, words)
        if second:
            ends = [second[name] for name in ("effect", "low", "high")]
            again = effect_words(*ends, scale=scale, unit=unit)
            sentence += aside(verdict, second["verdict"], says.sentence(second["verdict"], again))
        return publish_claim(
            Claim(
                id=id,
                statement=statement,
                verdict=verdict,
                method="clock" if self._clock else method,
                scale=scale,
                effect=effect,
                low=low,
                high=high,
                confidence=confidence,
                replicas=len(next(iter(self._values.values()))),
                unit=unit,
                margin=float(margin),
                p_value=found.p_value,
                sentence=sentence,
                variants={name: says.sentence(name, words) for name in FIELDS},
                scope=self.scope,
                tried={arm: self.tried[arm] for arm in arms if arm in self.tried},
                design=design,
                status=status_of(verdict, second),
                repeated=second,
                elsewhere=elsewhere.get(design, ""),
            )
        )


def observe(
    arms: Mapping[str, ArrayLike],
    *,
    on: Drawn | str,
    scope: str,
    frozen: object,
    grid: Settings = (),
    tried: Mapping[str, Sequence[float]] | None = None,
    clock: bool = False,
) -> Judged:
    """Take what replicas showed outside of the judge sets: norms, times, counts.

    Args:
        arms: Name → values, shape (replicas,), as many for each arm. Infinity is a time that did
            not come.
        on: The draws that the replicas came from, which overlap; or the name of the data set,
            where the replicas share no draw, as for random weights.
        scope: What a verdict speaks about, for its box.
        frozen: All that decides the values and was fixed before the run, as JSON data.
        grid: The settings from which each arm's search began, if any: part of what is frozen.
        tried: Arm → the settings that were tried in the end, for the box; `grid` if not given.
        clock: Whether the values are seconds that this machine took. Another machine has to come
            to the same verdict, and not to the same effect.

    Returns:
        The `Judged`, whose methods judge claims.

    Raises:
        ValueError: There are no arms, they differ in length, a value is NaN, or `scope` is empty.
        TypeError: Arms or `on` are of the wrong kind, values are no numbers, or `frozen` is no JSON
            data.

    Example:
        >>> seen = observe({"a": [1.0, 1.1]}, on="digits", scope="random nets", frozen={"depth": 9})
        >>> len(seen)
        1
    """
    _check_scope(scope)
    check_arms(arms)
    if not isinstance(on, str):
        check_draws("on", on)
    values = {name: _checked_values(own, name) for name, own in arms.items()}
    lengths = {name: len(own) for name, own in values.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"each arm must have a value for each replica. Received: {lengths}")
    design = {"scope": scope, "frozen": frozen, "grid": _tried(grid, arms), "on": repr(on)}
    design_of(design)  # which must be possible
    return Judged(
        values,
        data=on if isinstance(on, str) else on.name,
        scope=scope,
        judge_share=0.0 if isinstance(on, str) else on.judge_share,
        tried=_tried(grid if tried is None else tried, arms),
        design=design,
        clock=clock,
    )


def judge(
    draws: Drawn | Mapping[str, Drawn],
    arms: Mapping[str, Trained],
    *,
    measure: Measure = "loss",
    scope: str,
    grid: Settings = (),
    tried: Mapping[str, Sequence[float]] | None = None,
) -> Judged:
    """Measure trained arms on the judge sets of their draws, which are opened by this, once.

    Args:
        draws: What the arms were trained and tuned on; or arm → its own, as many for each.
        arms: Name → replicas, one for each draw.
        measure: Name of a loss or metric that the replicas report; or a function of (replicas, x,
            y, rows) that returns shape (replicas,). The design holds its name.
        scope: What a verdict speaks about, for its box: data, nets, what each arm was given.
        grid: The settings from which each arm's search began, if any: part of what is frozen.
        tried: Arm → the settings that were tried in the end, for the box; `grid` if not given.

    Returns:
        The `Judged`, whose methods judge claims.

    Raises:
        ValueError: There are no arms, an arm has another number of replicas, or a measure is
            unknown; the judge sets stay closed then. Or what was measured is not one number for
            each replica, or NaN.
        TypeError: Draws, an arm or a measure is of the wrong kind, a measure has no name of its
            own, or a design is no JSON data; the judge sets stay closed then.
        RuntimeError: The judge sets were opened before.
    """
    check_arms(arms)
    _check_scope(scope)
    own = _draws_of(draws, arms)
    count = len(own[next(iter(arms))])
    for name, trained in arms.items():
        _check_trained(name, trained, len(own[name]), count)
        _check_measure(measure, trained)
    different = {id(one): one for one in own.values()}
    design = {
        "measure": measure if isinstance(measure, str) else measure.__name__,
        "scope": scope,
        "grid": _tried(grid, arms),
        "arms": {name: getattr(trained, "design", None) for name, trained in arms.items()},
        "draws": sorted(repr(one) for one in different.values()),
    }
    design_of(design)  # which must be possible
    settings = _tried(grid if tried is None else tried, arms)
    # What can be refused has been: from here on the images are seen, and judge no more.
    rows = {key: one.open_judge() for key, one in different.items()}
    values = {
        name: _measured(name, trained, own[name], rows[id(own[name])], measure)
        for name, trained in arms.items()
    }
    return Judged(
        values,
        data=own[next(iter(arms))].name,
        scope=scope,
        judge_share=max(one.judge_share for one in different.values()),
        tried=settings,
        design=design,
    )


def _draws_of(draws, arms: Mapping) -> dict[str, Drawn]:
    """Return the draws of each arm."""
    if not isinstance(draws, Mapping):
        draws = dict.fromkeys(arms, draws)
    if set(draws) != set(arms):
        raise ValueError(f"`draws` must name the arms {sorted(arms)}. Received: {sorted(draws)}")
    for one in draws.values():
        check_draws("draws", one)
    return dict(draws)


def _check_trained(name: str, trained: Trained, draws: int, count: int) -> None:
    """Refuse an arm that is no replicas, or not one for each draw."""
    if not hasattr(trained, "history"):
        raise TypeError(
            "each arm must be replicas, as `fit_replicas` returns them; of values that were "
            f"measured, take `observe`. Received: {name!r}: {type(trained).__name__}"
        )
    if len(trained) != count or draws != count:
        raise ValueError(
            f"each arm must have a replica for each of {count} draws. "
            f"Received: {len(trained)} replicas and {draws} draws of {name!r}"
        )


def _check_measure(measure: Measure, trained: Trained) -> None:
    """Refuse a measure that replicas do not report, or one without a name of its own."""
    if not isinstance(measure, str):
        if not callable(measure) or getattr(measure, "__name__", "<lambda>") == "<lambda>":
            raise TypeError(
                "`measure` must be the name of a loss or metric, or a function made with `def`, "
                f"whose name belongs to the design. Received: measure={measure!r}"
            )
        return
    reported = [name for name in trained.history if not name.startswith("val_")]
    if measure not in reported:
        raise ValueError(
            "`measure` must be a function, or what the replicas report: "
            f"{', '.join(map(repr, reported)) or 'nothing'}. Received: measure={measure!r}"
        )


def _measured(
    name: str, trained: Trained, draws: Drawn, rows: np.ndarray, measure: Measure
) -> np.ndarray:
    if isinstance(measure, str):
        found = trained.evaluate(draws.x, draws.y, rows=rows)[measure]
    else:
        found = measure(trained, draws.x, draws.y, rows)
    values = _checked_values(found, name)
    if len(values) != len(trained):  # one for each image would pass as so many replicas
        raise ValueError(
            f"`measure` must return a number for each of {len(trained)} replicas. "
            f"Received: {len(values)} of {name!r}"
        )
    return values


def _check_scope(scope: str) -> None:
    if not isinstance(scope, str) or not scope.strip():
        raise ValueError(f"`scope` must say what a verdict speaks about. Received: {scope!r}")


def _checked_values(values: ArrayLike, name: str) -> np.ndarray:
    """Return values over replicas, of which some may be infinite: times that did not come."""
    values = as_reals(name, values, kinds="biuf")
    checked_sample(np.where(np.isposinf(values), 0.0, values), name)
    return values


def _tried(grid: Settings, arms: Iterable[str]) -> dict[str, list[float]]:
    """Return the settings that were tried for each arm."""
    if isinstance(grid, Mapping):
        return {name: np.atleast_1d(settings).tolist() for name, settings in grid.items()}
    return {name: np.atleast_1d(grid).tolist() for name in arms} if np.size(grid) else {}


def decide(low: float, high: float, least: float) -> str:
    """Return the verdict of an interval for a difference.

    Args:
        low: Its lower end.
        high: Its upper end.
        least: The least difference that matters, above 0.

    Example:
        >>> decide(0.3, 0.5, 0.1), decide(-0.05, 0.08, 0.1), decide(0.01, 0.09, 0.1)
        ('holds', 'no difference', 'no difference')
        >>> decide(-0.3, 0.2, 0.1), decide(-0.3, -0.05, 0.1)
        ('inconclusive', 'contradicted')
    """
    if -least <= low and high <= least:
        return SAME
    return side_of(low, high)


def _least(margin: float, scale: Scale) -> float:
    """Return a margin as a difference, of logarithms where the scale is a ratio."""
    none = 1.0 if scale == "ratio" else 0.0
    if not none < as_real("margin", margin) < np.inf:
        raise ValueError(
            f"`margin` must be above {none:g}: the least {scale} that matters. "
            f"Received: margin={margin!r}"
        )
    return float(np.log(margin)) if scale == "ratio" else float(margin)
