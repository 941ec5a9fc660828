"""A fair search: every arm at as many learning rates, chosen on one set and judged on another."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from helpers.replicas import options
from helpers.replicas.arms import check_rate_once, train_arms
from helpers.replicas.result import Replicas
from helpers.replicas.search_options import (
    Arm,
    check_choose,
    check_judge,
    check_widen,
    chosen,
    resolve_arm,
    resolve_rates,
)


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
    """Return the row with the least mean, of those in which all are finite.

    Args:
        losses: Shape (rates, replicas); infinite or NaN where a replica diverged.

    Raises:
        ValueError: In every row a replica diverged, or the shape is another.

    Example:
        >>> best_position(np.array([[3.0, 4.0], [1.0, 2.0], [0.1, np.inf]]))
        1
    """
    losses = np.asarray(losses, float)
    if losses.ndim != 2:
        raise ValueError(f"`losses` must be of shape (rates, replicas). Received: {losses.shape}")
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
        rates: Two or more, increasing by a constant factor, for all arms or for each by name;
            they take the place of the optimizer's own.
        x: As for `fit_replicas`.
        y: As for `fit_replicas`.
        judge: (x, y), or (x, y, rows), on which the best replicas are evaluated. It must not be
            what the rates are chosen on.
        choose: What the best rate makes lowest: a name in `history`, at the last epoch that each
            replica trained; or a function of `Replicas` that returns shape (replicas,).
        widen: How many rates may be added for an arm.
        replicas: As for `fit_arms`.
        seed: As for `fit_arms`.
        **shared: As for `fit_arms`.

    Returns:
        The `Search`.

    Raises:
        ValueError: A best rate is still at an edge after widening, and the arm not at rest; the
            rates do not increase by a constant factor; an arm is neither a function nor holds one;
            the judge is what was chosen on; of `choose` high is good, or there is no such name;
            and as `fit_replicas`.
        TypeError: `each` holds a learning rate, too; and as `fit_arms`.

    Example:
        >>> from helpers import data, models
        >>> digits = data.load("digits", train_size=200)
        >>> build = lambda: models.mlp(digits.image_shape, 10, hidden=[16])
        >>> found = search({"net": build}, [0.03, 0.3, 3.0], digits, optimizer="sgd", epochs=2,
        ...                loss="sparse_categorical_crossentropy", replicas=2)
        >>> found.losses["net"].shape, found.is_inside("net")
        ((3, 2), True)
    """
    grids = resolve_rates(arms, rates)
    parts = {name: resolve_arm(name, arm) for name, arm in arms.items()}
    for own in (shared, *parts.values()):
        check_rate_once(own.get("each"), "rates")
    check_widen(widen)
    options.check_counts(replicas=replicas)
    shared |= {"replicas": replicas, "seed": seed}
    check_judge(judge, x, parts, shared)
    callbacks = any(one.get("callbacks") for one in (shared, *parts.values()))
    ready = partial(check_choose, choose, callbacks=callbacks)
    runs: dict[str, dict[float, Replicas]] = {name: {} for name in arms}
    wanted = {name: list(grid) for name, grid in grids.items()}
    for _ in range(widen + 1):
        _train(parts, wanted, runs, x, y, shared, ready)
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


# What an arm has for itself in a stack with others: all else parts it from them.
OF_REPLICAS = ("start", "rows", "validation_rows")


def _train(parts, wanted: dict[str, list[float]], runs, x, y, shared, ready) -> None:
    """Train each arm at its wanted rates; those that may share a stack together."""
    for names in _together(parts):
        first = parts[names[0]]
        pairs = [(name, rate) for name in names for rate in wanted[name]]
        own = {k: v for k, v in first.items() if k not in ("build", "learning_rate", *OF_REPLICAS)}
        for argument in OF_REPLICAS:
            if argument in first:
                own[argument] = {pair: parts[pair[0]][argument] for pair in pairs}
        given = shared | own
        trained = train_arms(
            {pair: parts[pair[0]]["build"] for pair in pairs},
            x,
            y,
            given.pop("replicas"),
            given.pop("seed"),
            {pair: _schedule(parts[pair[0]], pair[1]) for pair in pairs},
            given,
            ready,
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
        values = np.stack([chosen(run, choose) for run in ordered[name]])
        losses[name] = np.where(np.isfinite(values), values, np.inf)
    return Search(rates, losses, ordered, {})


def _next_rate(found: Search, name: str) -> float:
    """Return the rate beyond the edge that is nearer to an arm's best."""
    rates, best = found.rates[name], found.position(name)
    factor = math.exp(np.diff(np.log(rates)).mean())
    below = best < len(rates) - 1 - best
    return float(rates[0] / factor if below else rates[-1] * factor)
