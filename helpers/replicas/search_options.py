"""What the arguments of `search` mean; what is wrong is refused before anything trains."""

import itertools
from collections.abc import Callable, Mapping

import keras
import numpy as np

from helpers.replicas import examples, options
from helpers.replicas.arms import OWN
from helpers.replicas.result import Replicas

MOST_WORK = 100_000  # to find whether two arrays overlap; beyond it they count as overlapping
Arm = Callable | Mapping[str, object]
KNOWN = ["build", *OWN]  # what an arm may have for itself, beside its function of the rate


def resolve_arm(name: str, arm: Arm) -> Mapping[str, object]:
    """Return an arm's own arguments of `fit_replicas`, checked."""
    parts = dict(arm) if isinstance(arm, Mapping) else {"build": arm}
    unknown = sorted(set(parts) - {*KNOWN, "learning_rate"})
    if unknown or "build" not in parts:
        raise ValueError(
            f"`arms[{name!r}]` must be a function that builds a model, or hold `build` and "
            f"arguments of its own among {', '.join(KNOWN)} and learning_rate. "
            f"Received: {', '.join(unknown) or 'no `build`'}"
        )
    if "learning_rate" in parts and not callable(parts["learning_rate"]):
        raise ValueError(
            f"`arms[{name!r}]` must hold as `learning_rate` a function from a rate to a schedule; "
            f"the rates go into `rates`. Received: {parts['learning_rate']!r}"
        )
    return parts | {"build": options.as_builder(parts["build"], f"arms[{name!r}]")}


def resolve_rates(arms, rates) -> dict[str, np.ndarray]:
    """Return each arm's rates, checked."""
    if not isinstance(arms, Mapping) or not arms:
        raise ValueError(f"`arms` must map names to arms, one or more. Received: {arms!r}")
    by_name = rates if isinstance(rates, Mapping) else dict.fromkeys(arms, rates)
    if set(by_name) != set(arms):
        raise ValueError(f"`rates` must name the arms {sorted(arms)}. Received: {sorted(by_name)}")
    grids = {name: _floats(by_name[name]) for name in arms}
    for name, grid in grids.items():
        good = grid.ndim == 1 and len(grid) > 1 and (grid > 0).all() and np.isfinite(grid).all()
        factors = grid[1:] / grid[:-1] if good else np.array([0.0])
        if factors.min() <= 1 or not np.allclose(np.log(factors), np.log(factors[0]), rtol=0.2):
            raise ValueError(
                "`rates` must be two or more, above 0, each a constant factor above the one "
                f"before. Received: {by_name[name]} for {name!r}"
            )
    if len({len(grid) for grid in grids.values()}) > 1:
        raise ValueError(
            "`rates` must be as many for each arm: the budget is equal. "
            f"Received: { {name: len(grid) for name, grid in grids.items()} }"
        )
    return grids


def check_widen(widen) -> None:
    """Refuse what is no number of rates to add."""
    if not options.is_whole(widen) or widen < 0:
        raise ValueError(f"`widen` must be a whole number of 0 or more. Received: widen={widen!r}")


def check_judge(judge, x, parts: Mapping, shared: Mapping) -> None:
    """Refuse a judge that is no set of examples, or is what is trained or chosen on."""
    if judge is None:
        return
    if not isinstance(judge, tuple | list) or len(judge) not in (2, 3):
        raise ValueError(f"`judge` must be (x, y) or (x, y, rows). Received: {type(judge)}")
    count = len(examples.examples(*judge[:2], name="judge"))
    if len(judge) == 3:
        examples.resolve_rows(judge[2], shared["replicas"], count, name="judge")
    for arm in parts.values():
        _check_apart(judge, x, {**shared, **arm})


def _check_apart(judge, x, given: Mapping) -> None:
    """Refuse a judge that an arm is trained or chosen on."""
    validation = given.get("validation_data") or (getattr(x, "x_valid", None),)
    training = getattr(x, "x_train", x)
    apart = _all_rows(given.get("validation_rows"))
    chosen = training if validation[0] is None and apart else validation[0]
    for name, seen, rows in (
        ("trained", training, _all_rows(given.get("rows"))),
        ("chosen", chosen, apart),
    ):
        if not _share_memory(seen, judge[0]):
            continue
        if len(judge) == 2 or not rows:
            raise ValueError(f"`judge` must not be what is {name} on. Received: the same array")
        for own in rows:
            if _is_table(own):  # what is none is refused where it is trained on
                _check_rows_apart(judge[2], own, name)


def _share_memory(one, other) -> bool:
    """Return whether an array of one nest is, or overlaps with, one of the other."""
    pairs = itertools.product(keras.tree.flatten(one), keras.tree.flatten(other))
    arrays = [pair for pair in pairs if all(isinstance(part, np.ndarray) for part in pair)]
    return one is other or any(np.may_share_memory(*pair, MOST_WORK) for pair in arrays)


def _all_rows(rows) -> list:
    """Return the rows that are given for all arms, or arm by arm."""
    found = list(rows.values()) if isinstance(rows, Mapping) else [rows]
    return [one for one in found if one is not None]


def _is_table(rows) -> bool:
    try:
        return np.ndim(rows) == 2
    except ValueError:  # of unequal lengths
        return False


def _check_rows_apart(judge_rows, rows, name: str) -> None:
    for replica, (own, others) in enumerate(zip(judge_rows, rows, strict=False)):
        common = np.intersect1d(own, others)
        if len(common):
            raise ValueError(
                f"`judge` must not hold rows that are {name} on. Received: {len(common)} such rows "
                f"of replica {replica}, among them {common[0]}"
            )


def _floats(values) -> np.ndarray:
    """Return numbers as an array, a single NaN where they are none."""
    try:
        return np.asarray(values, float)
    except (TypeError, ValueError):
        return np.array(np.nan)


def check_choose(choose, compiled, validated: bool, *, callbacks: bool) -> None:
    """Refuse to choose by what a history will not hold, or of which high is good."""
    if callable(choose):
        return
    names = [*compiled.names, *(f"val_{name}" for name in compiled.names if validated)]
    if choose not in names and not callbacks:  # these may add names
        raise ValueError(
            f"`choose` must be one of {', '.join(names)}, or a function. "
            f"Received: choose={choose!r}"
        )
    if compiled.is_better_high(choose):
        raise ValueError(
            "`choose` must name what is to be low, or be a function, as "
            "`lambda run: 1 - run.evaluate(x, y)['accuracy']`. "
            f"Received: choose={choose!r}, of which high is good"
        )


def chosen(run: Replicas, choose) -> np.ndarray:
    """Return what is to be low, (replicas,); a name means each replica's own last epoch."""
    if not callable(choose) and choose not in run.history:
        raise ValueError(
            f"`choose` must be one of {', '.join(run.history)}, or a function. "
            f"Received: choose={choose!r}"
        )
    values = choose(run) if callable(choose) else _last(run.history[choose])
    if np.ma.is_masked(values):
        raise ValueError(
            "`choose` must give a number for each replica; a name takes each at its own last "
            "epoch. Received: masked values, as callbacks stopped replicas before the last one"
        )
    found = _floats(values)
    if found.shape != (len(run),):
        kind = f"shape {found.shape}" if found.ndim else repr(values)
        raise ValueError(
            f"`choose` must give a number for each of {len(run)} replicas. Received: {kind}"
        )
    return found


def _last(values: np.ndarray) -> np.ndarray:
    """Return a history's values at the last epoch that each replica trained."""
    if values.ndim != 2:  # of a metric that gives several numbers
        return values
    trained = (~np.ma.getmaskarray(values)).sum(axis=1)
    return np.asarray(values)[np.arange(len(values)), trained - 1]
