"""Train replicas of several models to compare."""

import inspect
from collections.abc import Mapping

import numpy as np

from helpers.replicas import examples, options
from helpers.replicas.building import Build, Made, kept_random_state, observed
from helpers.replicas.callbacks import check_maker
from helpers.replicas.each import check_each, for_each, is_one
from helpers.replicas.fitting import fit, fit_replicas
from helpers.replicas.result import Replicas
from helpers.replicas.signature import check_given, check_known

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
            `each`, `start` (weights), `rows` and `validation_rows` may be given arm by arm, in a
            mapping.

    Returns:
        Name → `Replicas`, in the order of `arms`.

    Raises:
        ValueError: There is no arm, one is no function, `learning_rates` or what is given arm by
            arm names other arms; and as `fit_replicas`.
        TypeError: A needed argument is missing, the rate is given twice, or as `fit_replicas`.

    Example:
        >>> from helpers import data, models
        >>> digits = data.load("digits", train_size=200)
        >>> net = lambda hidden: lambda: models.mlp(digits.image_shape, 10, hidden=hidden)
        >>> arms = fit_arms({"narrow": net([8]), "wide": net([32])}, digits, optimizer="adam",
        ...                 loss="sparse_categorical_crossentropy", epochs=1, replicas=2)
        >>> {name: arm.history["val_loss"].shape for name, arm in arms.items()}
        {'narrow': (2, 1), 'wide': (2, 1)}
    """
    return train_arms(arms, x, y, replicas, seed, learning_rates, shared)


def train_arms(arms, x, y, replicas, seed, learning_rates, shared: dict, ready=None):
    """Do what `fit_arms` promises; `ready` is called before each stack trains, as `fit` does."""
    options.check_counts(replicas=replicas)
    check_maker(shared.get("callbacks"))
    if learning_rates is not None:
        check_rate_once(shared.get("each"), "learning_rates")
    if not options.is_whole(seed) or not 0 <= seed <= 2**32 - replicas:
        raise ValueError(
            f"`seed` must be a whole number from 0 to {2**32 - replicas}: replica k of each arm "
            f"uses seed + k. Received: seed={seed!r}"
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
    _check_shared(shared, replicas)
    training, _ = examples.resolve_data(x, y, None, None, None)
    made: dict[tuple, Made] = {}
    trained = {}
    groups = _groups(arms, seed, training.x, made)
    stacks = [(names, _of_arms(shared, arms, names, replicas)) for names in groups]
    for names, own in stacks:
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


def check_rate_once(each, other: str) -> None:
    """Refuse a rate in `each`, of all arms or arm by arm, beside the argument that gives it."""
    each = each if isinstance(each, Mapping) else {}  # what is none is refused by `check_each`
    parts = [one for one in each.values() if isinstance(one, Mapping)] or [each]
    if any("learning_rate" in part for part in parts):
        raise TypeError(
            f"the rate must be given once, in `{other}` or in `each`. Received: each={each!r}"
        )


def _check_shared(shared: Mapping, replicas: int) -> None:
    """Refuse what has no replicas' or arms' values, before these are put side by side."""
    for name, own in _named(shared, "start"):
        if isinstance(own, Replicas) and name != "start":
            raise ValueError(
                f"`{name}` must be weights, as `run.weights` of earlier `Replicas`; with their "
                f"optimizers they go on by `run.fit`. Received: {len(own)} Replicas"
            )
        if not isinstance(own, Replicas):
            options.check_start(own, name, replicas)
    for argument in ("rows", "validation_rows"):
        for name, own in _named(shared, argument):
            examples.check_rows(own, name, replicas)
    each = shared.get("each")
    values = each.values() if isinstance(each, Mapping) else ()
    for one in [one for one in values if isinstance(one, Mapping)] or [each]:
        check_each(one)  # arms may be called by numbers, what they have may not


def _named(shared: Mapping, argument: str) -> list[tuple[str, object]]:
    """Return what is given for all arms or arm by arm, each with its name in an error."""
    value = shared.get(argument)
    if isinstance(value, Mapping):
        return [(f"{argument}[{name!r}]", own) for name, own in value.items()]
    return [] if value is None else [(argument, value)]


def _fit(made: dict[tuple, Made], ready, **given) -> Replicas:
    """Call `fit_replicas` with models that are made already."""
    bound = inspect.signature(fit_replicas).bind(**given)
    bound.apply_defaults()
    bound.arguments.pop("unknown")  # there is none, and none goes on with the replicas
    return fit(bound.arguments, made, ready)


def _of_arms(shared: dict, arms: Mapping, names: list[str], replicas: int) -> dict:
    """Return arguments for the replicas of some arms, which are trained together.

    Of what each replica has there is a part for each arm: its own, or the same for all.
    """
    own = dict(shared)
    for argument in ("start", "rows", "validation_rows"):
        value = own.get(argument)
        if value is None or isinstance(value, Replicas):
            continue
        if isinstance(value, Mapping) and set(value) != set(arms):
            raise ValueError(
                f"`{argument}` must name the arms {list(arms)}, where it is given arm by arm. "
                f"Received: {list(value)}"
            )
        parts = [value[name] if isinstance(value, Mapping) else value for name in names]
        own[argument] = _joined(argument, parts, names)
    each = own.get("each")
    if each and any(isinstance(one, Mapping) for one in each.values()):
        if set(each) != set(arms) or not all(isinstance(one, Mapping) for one in each.values()):
            raise ValueError(
                f"`each` must map each of the arms {list(arms)} to a mapping from names to "
                f"values, where it is given arm by arm. Received: each={each!r}"
            )
        own["each"] = _each(each, names, replicas)
    elif each:
        own["each"] = {
            name: one if is_one(one) else for_each(one, replicas, name) * len(names)
            for name, one in each.items()
        }
    make = own.get("callbacks")
    if make is not None:
        own["callbacks"] = lambda replica: make(replica % replicas)
    return own


def _joined(argument: str, parts: list, names: list[str]):
    """Return rows, or weights to start from, of arms one after another."""
    weights = argument == "start"
    shapes = [[np.shape(one)[1:] for one in part] if weights else np.shape(part) for part in parts]
    if any(one != shapes[0] for one in shapes):
        raise ValueError(
            f"`{argument}` must be of the same shape for each of the arms that compute alike, "
            f"{names}. Received: shapes {', '.join(map(str, shapes))}"
        )
    if weights:
        return [np.concatenate(one) for one in zip(*parts, strict=True)]
    return np.concatenate(parts)


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


def _groups(arms: Mapping[str, Build], seed: int, x, made: dict) -> list[list[str]]:
    """Return the arms' names, those that one graph can train together.

    Args:
        arms: Name → builder.
        seed: To build under.
        x: Inputs to build a model with that does not know its shapes yet.
        made: Is filled with the models, by builder and seed.
    """
    groups: dict[tuple, list[str]] = {}
    with kept_random_state():
        for name, build in arms.items():
            key = build, seed
            if key not in made:  # arms may share a builder
                made[key] = observed(build, seed, x)
            groups.setdefault(made[key].description, []).append(name)
    return list(groups.values())
