"""Claims that are judged on images that nobody tuned on, over draws of the data."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np

from helpers.claims.checks import check_names, checked_sample
from helpers.claims.claim import SAME, Claim, Scale, interval_text
from helpers.claims.confirming import confirmation, design_of, verdicts_elsewhere
from helpers.claims.intervals import on_scale, paired_differences, side_of
from helpers.claims.publishing import publish_claim
from helpers.claims.resampling import resampled_interval
from helpers.claims.sentences import FIELDS, Says, effect_words


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


Measure = str | Callable[[Trained, np.ndarray, np.ndarray, np.ndarray], np.ndarray]


class Judged(Mapping):
    """What was measured on the judge sets: arm → values over replicas, shape (replicas,)."""

    def __init__(
        self, values: dict[str, np.ndarray], *, data: str, scope: str, judge_share, design
    ):
        self._values, self.scope, self.data = values, scope, data
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
            design=[self._design, sorted(values)],
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
    ) -> Claim:
        """Judge whether one arm's values exceed another's.

        The interval is that of `resampled_interval` for the differences of the pairs (a ratio: of
        their logarithms). If all of it lies within the margin, there is no difference that matters,
        whatever its sign; else the claim holds if all of it lies above 0, is contradicted if all of
        it lies below, and cannot be told otherwise.

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

        Returns:
            The `Claim`, which has displayed itself.

        Raises:
            ValueError: The id is malformed or taken, an arm is unknown or compared with itself, the
                margin is none, a sentence is missing or names an effect that there is not, or
                a ratio is asked of values that are not positive.
        """
        check_names(id, statement)
        for name, arm in (("larger", larger), ("smaller", smaller)):
            if arm not in self._values:
                raise ValueError(
                    f"`{name}` must be one of {', '.join(map(repr, self._values))}. "
                    f"Received: {arm!r}"
                )
        if larger == smaller:
            raise ValueError(f"an arm is not compared with itself. Received: {larger!r} twice")
        least = _least(margin, scale)
        differences = paired_differences(self._values[larger], self._values[smaller], scale)
        found = resampled_interval(
            differences, judge_share=self._judge_share, confidence=confidence
        )
        verdict = decide(found.low, found.high, least)
        effect, low, high = on_scale(found[:3], scale)
        words = effect_words(effect, scale, unit, interval_text(effect, low, high, scale, unit))
        says.check(id, words)
        design = design_of(
            [self._design, statement, larger, smaller, scale, margin, unit, confidence]
        )
        claim = Claim(
            id=id,
            statement=statement,
            verdict=verdict,
            method="resampled t",
            scale=scale,
            effect=effect,
            low=low,
            high=high,
            confidence=confidence,
            replicas=len(differences),
            unit=unit,
            margin=float(margin),
            p_value=found.p_value,
            sentence=says.sentence(verdict, words),
            variants={name: says.sentence(name, words) for name in FIELDS},
            scope=self.scope,
            design=design,
            status=confirmation(id, self.data, design, verdict),
            elsewhere=verdicts_elsewhere(id, self.data),
        )
        return publish_claim(claim)


def judge(
    draws: Drawn | Mapping[str, Drawn],
    arms: Mapping[str, Trained],
    *,
    measure: Measure = "loss",
    scope: str,
    grid: Mapping[str, Sequence[float]] | Sequence[float] = (),
) -> Judged:
    """Measure trained arms on the judge sets of their draws, which are opened by this, once.

    Args:
        draws: What the arms were trained and tuned on; or arm → its own, as many for each.
        arms: Name → replicas, one for each draw.
        measure: Name of a loss or metric that the replicas report; or a function of (replicas, x,
            y, rows) that returns shape (replicas,).
        scope: What a verdict speaks about, for its box: data, nets, what each arm was given.
        grid: The settings that were tried for each arm, if any: part of what is frozen.

    Returns:
        The `Judged`, whose `compare` judges claims.

    Raises:
        ValueError: There are no arms, an arm has another number of replicas, or a measure is
            unknown. The judge sets stay closed then.
        RuntimeError: The judge sets were opened before.
    """
    if not arms:
        raise ValueError("`arms` must hold at least one arm. Received: none")
    if not isinstance(scope, str) or not scope.strip():
        raise ValueError(f"`scope` must say what a verdict speaks about. Received: {scope!r}")
    own = _draws_of(draws, arms)
    count = len(own[next(iter(arms))])
    for name, trained in arms.items():
        if len(trained) != count or len(own[name]) != count:
            raise ValueError(
                f"each arm must have a replica for each of {count} draws. "
                f"Received: {len(trained)} replicas and {len(own[name])} draws of {name!r}"
            )
        if isinstance(measure, str) and measure not in trained.history:
            raise ValueError(
                f"`measure` must be one of {', '.join(map(repr, trained.history))}. "
                f"Received: measure={measure!r}"
            )
    different = {id(one): one for one in own.values()}
    rows = {key: one.open_judge() for key, one in different.items()}
    values = {
        name: checked_sample(_measured(trained, own[name], rows[id(own[name])], measure), name)
        for name, trained in arms.items()
    }
    design = {
        "measure": measure if isinstance(measure, str) else measure.__name__,
        "scope": scope,
        "grid": dict(grid) if isinstance(grid, Mapping) else list(grid),
        "arms": {name: getattr(trained, "design", None) for name, trained in arms.items()},
        "draws": sorted(repr(one) for one in different.values()),
    }
    return Judged(
        values,
        data=own[next(iter(arms))].name,
        scope=scope,
        judge_share=max(one.judge_share for one in different.values()),
        design=design,
    )


def _draws_of(draws, arms: Mapping) -> dict[str, Drawn]:
    """Return the draws of each arm."""
    if not isinstance(draws, Mapping):
        return dict.fromkeys(arms, draws)
    if set(draws) != set(arms):
        raise ValueError(f"`draws` must name the arms {sorted(arms)}. Received: {sorted(draws)}")
    return dict(draws)


def _measured(trained: Trained, draws: Drawn, rows: np.ndarray, measure: Measure) -> np.ndarray:
    if isinstance(measure, str):
        return trained.evaluate(draws.x, draws.y, rows=rows)[measure]
    return measure(trained, draws.x, draws.y, rows)


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
    number = isinstance(margin, int | float | np.number) and not isinstance(margin, bool)
    if not number or not none < margin < np.inf:
        raise ValueError(
            f"`margin` must be above {none:g}: the least {scale} that matters. "
            f"Received: margin={margin!r}"
        )
    return float(np.log(margin)) if scale == "ratio" else float(margin)
