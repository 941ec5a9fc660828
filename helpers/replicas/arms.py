"""Train replicas of several models to compare."""

import inspect
from collections.abc import Mapping

import numpy as np

from helpers.replicas import options
from helpers.replicas.building import Build, Made, kept_random_state, observed
from helpers.replicas.each import check_each, for_each, is_one
from helpers.replicas.fitting import fit, fit_replicas
from helpers.replicas.result import Replicas
from helpers.replicas.signature import check_given, check_known
from helpers.replicas.watching import check_maker

PAIRED = ("build", "x", "y", "replicas", "seed")  # what `fit_arms` has of its own
OWN = {
    name: one
    for name, one in inspect.signature(fit_replicas).parameters.items()
    if name not in PAIRED and one.kind is one.KEYWORD_ONLY
}


def fit_arms(
    arms: Mapping[str, Build],
    x,
    y=None,
    *,
    replicas: int = 8,
    seed: int = 0,
    learning_rates: Mapping[str, object] | None = None,
    **shared,
) -> dict[str, Replicas]:
    """Train replicas of several models to compare, paired by seed.

    Replica k of every arm has the same seed, batch order and rows. Arms that compute alike, and
    differ only in initial weights or learning rate, are trained in one stacked computation.

    Args:
        arms: Name → function that builds the arm's model.
        x: As for `fit_replicas`.
        y: As for `fit_replicas`.
        replicas: Number of trainings of each arm.
        seed: Replica k of each arm uses seed + k.
        learning_rates: Name → the arm's rate, a number or a function of the step; by default all
            use the optimizer's.
        **shared: As for `fit_replicas`; what it takes for each replica holds for those of each arm.
            `each`, `start`, `rows` and `validation_rows` may be given arm by arm, in a mapping.

    Returns:
        Name → `Replicas`, in the order of `arms`.

    Raises:
        ValueError: There is no arm, one is no function, or `learning_rates` names other arms; and
            as `fit_replicas`.
    """
    return train_arms(arms, x, y, replicas, seed, learning_rates, shared)


def train_arms(arms, x, y, replicas, seed, learning_rates, shared: dict, ready=None):
    """Do what `fit_arms` promises; `ready` is called before each stack trains, as `fit` does."""
    options.check_counts(replicas=replicas)
    check_maker(shared.get("callbacks"))
    if not options.is_whole(seed) or not 0 <= seed <= 2**32 - replicas:
        raise ValueError(
            "`seed` must be a whole number of 0 or more: replica k of each arm uses seed + k. "
            f"Received: seed={seed!r}"
        )
    if not isinstance(arms, Mapping) or not arms:
        raise ValueError(f"`arms` must map names to functions, one or more. Received: {arms!r}")
    arms = {name: options.as_builder(build, f"arms[{name!r}]") for name, build in arms.items()}
    rated = isinstance(learning_rates, Mapping) and set(learning_rates) == set(arms)
    if learning_rates is not None and not rated:
        raise ValueError(
            f"`learning_rates` must name the arms {list(arms)}. Received: {learning_rates}"
        )
    check_known("fit_arms", shared, OWN)
    check_given("fit_arms", shared, [name for name, one in OWN.items() if one.default is one.empty])
    _check_shared(shared)
    training, _ = options.resolve_data(x, y, None, None, None)
    made: dict[tuple, Made] = {}
    trained = {}
    for names in _groups(arms, seed, training.x, made):
        own = _repeated(_of_arms(shared, arms, names, replicas), len(names), replicas)
        if learning_rates is not None:
            rates = [learning_rates[name] for name in names for _ in range(replicas)]
            own["each"] = dict(own.get("each") or {}) | {"learning_rate": rates}
        together = _fit(
            made,
            ready,
            build=[arms[name] for name in names for _ in range(replicas)],
            x=x,
            y=y,
            replicas=replicas * len(names),
            seed=list(range(seed, seed + replicas)) * len(names),
            **own,
        )
        for number, name in enumerate(names):
            trained[name] = together[number * replicas : (number + 1) * replicas]
    return {name: trained[name] for name in arms}


def _check_shared(shared: Mapping) -> None:
    """Refuse what has no replicas' or arms' values, before these are put side by side."""
    start = shared.get("start")
    if start is not None and not isinstance(start, Replicas):
        for name, own in start.items() if isinstance(start, Mapping) else [(None, start)]:
            options.check_start(own, "start" if name is None else f"start[{name!r}]")
    for argument in ("rows", "validation_rows"):
        value = shared.get(argument)
        for name, own in value.items() if isinstance(value, Mapping) else [(None, value)]:
            if own is not None:
                options.check_rows(own, argument if name is None else f"{argument}[{name!r}]")
    each = shared.get("each")
    values = each.values() if isinstance(each, Mapping) else ()
    for one in [one for one in values if isinstance(one, Mapping)] or [each]:
        check_each(one)  # arms may be called by numbers, what they have may not


def _fit(made: dict[tuple, Made], ready, **given) -> Replicas:
    """Call `fit_replicas` with models that are made already."""
    bound = inspect.signature(fit_replicas).bind(**given)
    bound.apply_defaults()
    bound.arguments.pop("unknown")  # there is none, and none goes on with the replicas
    return fit(bound.arguments, made, ready)


def _of_arms(shared: dict, arms: Mapping, names: list[str], replicas: int) -> dict:
    """Return arguments in which what is given arm by arm is there for the replicas of some arms."""
    own = dict(shared)
    for argument in ("start", "rows", "validation_rows"):
        value = own.get(argument)
        if not isinstance(value, Mapping):
            continue
        if set(value) != set(arms):
            raise ValueError(
                f"`{argument}` must name the arms {list(arms)}, where it is given arm by arm. "
                f"Received: {list(value)}"
            )
        parts = [value[name] for name in names]
        lengths = [np.shape(part)[1:] for part in parts] if argument != "start" else []
        if len(set(lengths)) > 1:
            raise ValueError(
                f"`{argument}` must be as many for each of the arms that compute alike, {names}. "
                f"Received: {[length for (length,) in lengths]}"
            )
        if argument == "start":
            own[argument] = [np.concatenate(one) for one in zip(*parts, strict=True)]
        else:
            own[argument] = np.concatenate(parts)
    each = own.get("each")
    if each and any(isinstance(one, Mapping) for one in each.values()):
        if set(each) != set(arms) or not all(isinstance(one, Mapping) for one in each.values()):
            raise ValueError(
                f"`each` must map each of the arms {list(arms)} to a mapping from names to "
                f"values, where it is given arm by arm. Received: each={each!r}"
            )
        own["each"] = _each(each, names, replicas)
    return own


def _each(each: Mapping, names: list[str], replicas: int) -> dict:
    """Return numbers for the replicas of arms, which are given arm by arm."""
    kinds = {name: sorted(each[name]) for name in names}
    if len({tuple(kind) for kind in kinds.values()}) > 1:
        raise ValueError(
            f"`each` must name the same numbers for all arms that compute alike. Received: {kinds}"
        )
    return {
        number: [
            value for name in names for value in for_each(each[name][number], replicas, number)
        ]
        for number in kinds[names[0]]
    }


def _repeated(shared: dict, arms: int, replicas: int) -> dict:
    """Return arguments in which what each replica has is there for each arm's replicas."""
    own, whole = dict(shared), arms * replicas
    for name in ("rows", "validation_rows"):
        if own.get(name) is not None and len(own[name]) == replicas:
            own[name] = np.tile(np.asarray(own[name]), (arms, 1))
    if own.get("each"):
        own["each"] = {
            name: v if is_one(v) or len(v) == whole else for_each(v, replicas, name) * arms
            for name, v in own["each"].items()
        }
    start = own.get("start")
    weights = start is not None and not isinstance(start, Replicas)
    if weights and all(np.shape(one)[:1] == (replicas,) for one in start):
        own["start"] = [np.concatenate([np.asarray(one)] * arms) for one in start]
    make = own.get("callbacks")
    if make is not None:
        own["callbacks"] = lambda replica: make(replica % replicas)
    return own


def _groups(arms: Mapping[str, Build], seed: int, x, made: dict | None = None) -> list[list[str]]:
    """Return the arms' names, those that one graph can train together.

    Args:
        arms: Name → builder.
        seed: To build under.
        x: Inputs to build a model with that does not know its shapes yet.
        made: Is filled with the models, by builder and seed.
    """
    made = {} if made is None else made
    groups: dict[tuple, list[str]] = {}
    with kept_random_state():
        for name, build in arms.items():
            key = build, seed
            if key not in made:  # arms may share a builder
                made[key] = observed(build, seed, x)
            groups.setdefault(made[key].description, []).append(name)
    return list(groups.values())
