"""A fair search: every arm at as many learning rates, chosen on one set and judged on another."""

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from helpers.replicas import options
from helpers.replicas.arms import fit_arms
from helpers.replicas.fitting import fit_replicas
from helpers.replicas.result import Replicas

Arm = Callable | Mapping[str, object]


@dataclass(frozen=True, eq=False)
class Search:
    """What a search found.

    Attributes:
        rates: Arm → the rates that it was trained at, increasing, shape (rates,); as many for each.
        losses: Arm → what was to be low, shape (rates, replicas); infinite where one diverged.
        runs: Arm → the `Replicas` at each rate, in their order.
        judged: Arm → loss and metrics of its best replicas on the judge, each (replicas,); empty
            without a judge.
    """

    rates: dict[str, np.ndarray]
    losses: dict[str, np.ndarray]
    runs: dict[str, list[Replicas]]
    judged: dict[str, dict[str, np.ndarray]]

    def position(self, arm: str) -> int:
        """Return which of an arm's rates is its best, by the mean loss over replicas.

        The lowest, where some replica diverged at each of them.
        """
        losses = self.losses[arm]
        return best_position(losses) if np.isfinite(losses).all(axis=1).any() else 0

    def rate(self, arm: str) -> float:
        """Return an arm's best rate."""
        return float(self.rates[arm][self.position(arm)])

    def best(self, arm: str) -> Replicas:
        """Return the replicas of an arm at its best rate."""
        return self.runs[arm][self.position(arm)]

    def is_inside(self, arm: str) -> bool:
        """Return whether an arm's best rate has worse ones on both sides."""
        return 0 < self.position(arm) < len(self.rates[arm]) - 1

    def is_at_rest(self, arm: str) -> bool:
        """Return whether an arm does best where it does not move: no lower rate would be better.

        Its best rate is the lowest, and the mean losses of the three lowest agree to a
        ten-thousandth: so it is with a net that guesses, whatever its rate.
        """
        means = self.losses[arm][:3].mean(axis=1)
        level = np.isfinite(means).all() and np.ptp(means) <= 1e-4 * np.abs(means).min()
        return bool(self.position(arm) == 0 and len(means) == 3 and level)


def best_position(losses: np.ndarray) -> int:
    """Return the row with the least mean, of rows of which one is finite.

    Args:
        losses: Shape (rates, replicas); infinite or NaN where a replica diverged.

    Raises:
        ValueError: In every row a replica diverged.

    Example:
        >>> best_position(np.array([[3.0, 4.0], [1.0, 2.0], [0.1, np.inf]]))
        1
    """
    losses = np.asarray(losses, float)
    means = np.where(np.isfinite(losses).all(axis=1), losses.sum(axis=1), np.inf)
    if not np.isfinite(means).any():
        raise ValueError(
            "`losses` must hold a rate at which no replica diverges. Received: "
            f"{np.isfinite(losses).sum(axis=1).tolist()} of {losses.shape[1]} finite at each rate"
        )
    return int(means.argmin())


def search(
    arms: Mapping[str, Arm],
    rates: Sequence[float] | Mapping[str, Sequence[float]],
    x,
    y=None,
    *,
    judge: tuple | None = None,
    choose: str | Callable[[Replicas], np.ndarray] = "val_loss",
    widen: int = 4,
    replicas: int = 8,
    seed: int = 0,
    **shared,
) -> Search:
    """Train arms at each of several rates, and find each arm's best.

    While some arm's best rate is at the edge of what it was given, the grid is widened there by
    one rate, and every other arm gets one more as well, on the side where its own best is nearer
    to the edge: budgets stay equal. An arm that does best where it does not move, as one
    that guesses at every rate, keeps the lowest (`Search.is_at_rest`).

    Args:
        arms: Name → function that builds the arm's model; or a mapping of `fit_replicas`'
            arguments of its own, ``build`` among them, in which ``learning_rate`` is a function
            from a rate to a schedule, itself a function of an array of steps.
        rates: Two or more, increasing by a constant factor, for all arms or for each by name.
        x: As for `fit_replicas`.
        y: As for `fit_replicas`.
        judge: (x, y), or (x, y, rows), on which the best replicas are evaluated. It must not be
            what the rates are chosen on.
        choose: What the best rate makes lowest: a name in `history`, at the last epoch; or a
            function of `Replicas` that returns shape (replicas,).
        widen: How many rates may be added for an arm.
        replicas: As for `fit_arms`.
        seed: As for `fit_arms`.
        **shared: As for `fit_arms`.

    Returns:
        The `Search`.

    Raises:
        ValueError: A best rate is still at an edge after widening, and the arm not at rest; the
            rates do not increase by a constant factor; an arm is neither a function nor holds one;
            the judge is what was chosen on; and as `fit_replicas`.

    Example:
        >>> from helpers import data, models
        >>> digits = data.load("digits", train_size=200)
        >>> build = lambda: models.mlp(digits.image_shape, 10, hidden=[16])
        >>> found = search({"net": build}, [0.03, 0.3, 3.0], digits, optimizer="sgd", epochs=2,
        ...                loss="sparse_categorical_crossentropy", replicas=2)
        >>> found.losses["net"].shape, found.is_inside("net")
        ((3, 2), True)
    """
    grids = _grids(arms, rates)
    parts = {name: _parts(name, arm) for name, arm in arms.items()}
    _check_judge(judge, x, y, shared)
    shared |= {"replicas": replicas, "seed": seed}
    runs: dict[str, dict[float, Replicas]] = {name: {} for name in arms}
    wanted = {name: list(grid) for name, grid in grids.items()}
    for _ in range(widen + 1):
        _train(parts, wanted, runs, x, y, shared)
        found = _found(runs, choose)
        edges = [name for name in arms if not found.is_inside(name)]
        if not edges:
            break
        wanted = {name: [_next_rate(found, name)] for name in arms}
    edges = [name for name in edges if not found.is_at_rest(name)]
    if edges:
        seen = "; ".join(
            f"{name}: best {found.rate(name):.3g} of {found.rates[name].round(6).tolist()}"
            for name in edges
        )
        raise ValueError(
            f"`rates` must hold each arm's best between worse ones, after at most {widen} more on "
            f"either side. Received: at an edge {seen}"
        )
    if judge is not None:
        own = {"rows": judge[2]} if len(judge) == 3 else {}
        judged = {name: found.best(name).evaluate(*judge[:2], **own) for name in arms}
        found = Search(found.rates, found.losses, found.runs, judged)
    return found


def _grids(arms, rates) -> dict[str, np.ndarray]:
    """Return each arm's rates, checked."""
    if not isinstance(arms, Mapping) or not arms:
        raise ValueError(f"`arms` must map names to arms, one or more. Received: {arms!r}")
    by_name = rates if isinstance(rates, Mapping) else dict.fromkeys(arms, rates)
    if set(by_name) != set(arms):
        raise ValueError(f"`rates` must name the arms {sorted(arms)}. Received: {sorted(by_name)}")
    grids = {name: np.asarray(by_name[name], float) for name in arms}
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


def _check_judge(judge, x, y, shared) -> None:
    """Refuse to judge on what is trained or chosen on."""
    if judge is None:
        return
    if not isinstance(judge, tuple | list) or len(judge) not in (2, 3):
        raise ValueError(f"`judge` must be (x, y) or (x, y, rows). Received: {type(judge)}")
    validation = shared.get("validation_data") or (getattr(x, "x_valid", None),)
    training = getattr(x, "x_train", x)
    for name, seen, key in (("trained", training, "rows"), ("chosen", validation[0], None)):
        shared_memory = seen is judge[0] or (
            isinstance(seen, np.ndarray)
            and isinstance(judge[0], np.ndarray)
            and np.may_share_memory(seen, judge[0])
        )
        if not shared_memory:
            continue
        rows = shared.get("rows") if key else shared.get("validation_rows")
        if len(judge) == 3 and rows is not None:
            _check_rows_apart(judge[2], rows, name)
        else:
            raise ValueError(f"`judge` must not be what is {name} on. Received: the same array")
    if shared.get("validation_rows") is not None and len(judge) == 3 and training is judge[0]:
        _check_rows_apart(judge[2], shared["validation_rows"], "chosen")


def _check_rows_apart(judge_rows, rows, name: str) -> None:
    for replica, (own, others) in enumerate(zip(judge_rows, rows, strict=True)):
        common = np.intersect1d(own, others)
        if len(common):
            raise ValueError(
                f"`judge` must not hold rows that are {name} on. Received: {len(common)} such rows "
                f"of replica {replica}, among them {common[0]}"
            )


# What is the same for all arms.
SHARED = ("x", "y", "replicas", "seed")
# What an arm has for itself in a stack with others: all else parts it from them.
OF_REPLICAS = ("start", "rows", "validation_rows")


def _parts(name: str, arm: Arm) -> Mapping[str, object]:
    """Return an arm's own arguments of `fit_replicas`, checked."""
    parts = dict(arm) if isinstance(arm, Mapping) else {"build": arm}
    known = [one for one in inspect.signature(fit_replicas).parameters if one not in SHARED]
    unknown = sorted(set(parts) - {*known, "learning_rate"})
    if unknown or "build" not in parts:
        raise ValueError(
            f"`arms[{name!r}]` must be a function that builds a model, or hold `build` and "
            f"arguments of its own among {', '.join(known)} and learning_rate. "
            f"Received: {', '.join(unknown) or 'no `build`'}"
        )
    if "learning_rate" in parts and not callable(parts["learning_rate"]):
        raise ValueError(
            f"`arms[{name!r}]` must hold as `learning_rate` a function from a rate to a schedule; "
            f"the rates go into `rates`. Received: {parts['learning_rate']!r}"
        )
    return parts | {"build": options.as_builder(parts["build"], f"arms[{name!r}]")}


def _train(parts, wanted: dict[str, list[float]], runs, x, y, shared) -> None:
    """Train each arm at its wanted rates; those that may share a stack together."""
    for names in _together(parts):
        first = parts[names[0]]
        pairs = [(name, rate) for name in names for rate in wanted[name]]
        own = {k: v for k, v in first.items() if k not in ("build", "learning_rate", *OF_REPLICAS)}
        for argument in OF_REPLICAS:
            if argument in first:
                own[argument] = {pair: parts[pair[0]][argument] for pair in pairs}
        trained = fit_arms(
            {pair: parts[pair[0]]["build"] for pair in pairs},
            x,
            y,
            learning_rates={pair: _schedule(parts[pair[0]], pair[1]) for pair in pairs},
            **shared | own,
        )
        for (name, rate), run in trained.items():
            runs[name][rate] = run


def _together(parts: Mapping[str, Mapping]) -> list[list[str]]:
    """Return the arms' names, those that differ in nothing that parts them from others."""
    groups: list[tuple[dict, list[str]]] = []
    for name, arm in parts.items():
        own = {k: v for k, v in arm.items() if k not in ("build", "learning_rate")}
        key = {k: k if k in OF_REPLICAS else id(v) for k, v in own.items()}
        for known, names in groups:
            if known == key:
                names.append(name)
                break
        else:
            groups.append((key, [name]))
    return [names for _, names in groups]


def _schedule(arm: Mapping, rate: float):
    """Return what an arm makes of a rate: a function of the step, or the rate itself."""
    return arm["learning_rate"](rate) if "learning_rate" in arm else rate


def _found(runs: dict[str, dict[float, Replicas]], choose) -> Search:
    rates, losses, ordered = {}, {}, {}
    for name, by_rate in runs.items():
        rates[name] = np.array(sorted(by_rate))
        ordered[name] = [by_rate[rate] for rate in rates[name].tolist()]
        values = np.stack([_chosen(run, choose) for run in ordered[name]])
        losses[name] = np.where(np.isfinite(values), values, np.inf)
    return Search(rates, losses, ordered, {})


def _chosen(run: Replicas, choose) -> np.ndarray:
    if callable(choose):
        return np.asarray(choose(run), float)
    if choose not in run.history:
        raise ValueError(
            f"`choose` must be one of {', '.join(run.history)}, or a function. "
            f"Received: choose={choose!r}"
        )
    return np.asarray(run.history[choose], float)[:, -1]


def _next_rate(found: Search, name: str) -> float:
    """Return the rate beyond the edge that is nearer to an arm's best."""
    rates, best = found.rates[name], found.position(name)
    factor = math.exp(np.diff(np.log(rates)).mean())
    below = best < len(rates) - 1 - best
    return float(rates[0] / factor if below else rates[-1] * factor)
