"""Arms are measured: on the judge sets of their draws, which that opens, or elsewhere."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from helpers.checks import as_reals
from helpers.claims.checks import check_arms, check_draws, checked_sample
from helpers.claims.confirming import design_of
from helpers.claims.judged import Judged


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
    design = _design(arms, different.values(), measure, scope, grid)
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


def _design(
    arms: Mapping, draws: Iterable[Drawn], measure: Measure, scope: str, grid: Settings
) -> dict:
    """Return what is written down while the judge sets are closed."""
    design = {
        "measure": measure if isinstance(measure, str) else measure.__name__,
        "scope": scope,
        "grid": _tried(grid, arms),
        "arms": {name: getattr(trained, "design", None) for name, trained in arms.items()},
        "draws": sorted(map(repr, draws)),
    }
    design_of(design)  # which must be possible
    return design


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
