"""The replicas' models: one template, and the weights with which each of them starts.

Building a Keras model takes far longer than drawing its weights. So a builder is called for two
seeds, and the weights of all others are drawn anew (`drawing`). That this is what the builder
would have done is not believed but tried: the second model must have these weights, bit for bit.
Where it has not, as where a builder draws with NumPy, every replica is built. Weights that are
replaced by given ones anyway need not agree.
"""

import random
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import compress
from typing import NamedTuple
from unittest import mock

import keras
import numpy as np
import tensorflow as tf

from helpers.replicas.checks import check_model
from helpers.replicas.drawing import Made, all_values, count_draws, redraw, ways
from helpers.replicas.sameness import describe, first_difference
from helpers.replicas.tracing import all_variables, same_graph

MADE_UP = re.compile(r"(keras_tensor|input_layer)(_\d+)?")
Build = Callable[[], keras.Model]
# Builders, by what they do, whose further models were seen to be drawn anew as they build them.
_redrawable: set[tuple] = set()


class Stacked(NamedTuple):
    """A template, and what the replicas start from.

    Attributes:
        template: The first replica's model, whose layers are called with stacked weights.
        trainable: Starting values, each of shape (replicas, ...), as `trainable_variables`.
        others: The same of `non_trainable_variables`, seeds of random layers among them.
        description: What the template computes.
        models: The first model of each replica's builder, whose names may differ.
    """

    template: keras.Model
    trainable: list[np.ndarray]
    others: list[np.ndarray]
    description: tuple
    models: list[keras.Model]


def stacked(
    builds: Sequence[Build], seeds: Sequence[int], x, *, given: bool, made: dict[tuple, Made]
) -> Stacked:
    """Return the template and the starting values of replicas built under their own seeds.

    Args:
        builds: One for each replica.
        seeds: One for each replica.
        x: Inputs to build a model with that does not know its shapes yet.
        given: Whether weights to start from are given anyway.
        made: Models that were built already, by builder and seed.

    Raises:
        ValueError: A model cannot be stacked, or the replicas are not alike.
        TypeError: A builder returns no model.
    """
    values: dict[tuple[Build, int], list] = {}
    seen: list[Made] = []
    firsts: dict[Build, Made] = {}
    with kept_random_state():
        for build in dict.fromkeys(builds):
            own = dict.fromkeys(s for b, s in zip(builds, seeds, strict=True) if b is build)
            first = made.get((build, next(iter(own)))) or observed(build, next(iter(own)), x)
            firsts[build] = first
            found, models = _starts(build, first, list(own), x, check_own=not seen, given=given)
            values |= {(build, seed): start for seed, start in found.items()}
            seen += models
    template, description = seen[0].model, seen[0].description
    for number, other in enumerate(seen[1:], start=1):
        _check_alike(template, description, other, x, number)
    columns = zip(*(values[pair] for pair in zip(builds, seeds, strict=True)), strict=True)
    whole = [np.stack(column) for column in columns]
    count = len(template.trainable_variables)
    if not given:
        _say_equal_starts(firsts, builds, seeds, whole)
    models = [firsts[build].model for build in builds]
    return Stacked(template, whole[:count], whole[count:], description, models)


def build_one(build: Build, seed: int, x) -> keras.Model:
    """Return the model that a builder makes under a seed, with its weights."""
    keras.utils.set_random_seed(seed)
    model = build()
    if isinstance(model, keras.Model) and not _is_built(model):
        like = tf.nest.map_structure(_symbolic, x)
        model(like)
    check_model(model)
    return model


def _is_built(model: keras.Model) -> bool:
    return all(layer.built for layer in model._flatten_layers())


def _symbolic(array) -> keras.KerasTensor:
    return keras.KerasTensor((None, *array.shape[1:]), keras.backend.standardize_dtype(array.dtype))


def _starts(build: Build, first: Made, seeds: list[int], x, *, check_own: bool, given: bool):
    """Return the starting values by seed, and the models that were built to find them."""
    found, models = {seeds[0]: all_values(first.model)}, [first]
    known = describe(build), first.description, ways(first)
    trials = [(*known, "all"), (*known, "seeds")][: 1 + given]  # the second is the weaker one
    tried = not _redrawable.isdisjoint(trials)
    redrawn = redraw(first, seeds[0], seeds[1:], given) if tried else None
    if redrawn is not None:
        return found | redrawn, models
    if check_own or len(seeds) > 1:
        second = observed(build, seeds[-1], x)
        _check_own_layers(first.model, second.model)
        found[seeds[-1]] = all_values(second.model)
        models.append(second)
    rest = seeds[1:-1]
    redrawn = redraw(first, seeds[0], [seeds[-1]], given) if rest else None
    replaced = {id(one) for one in first.model.weights} if given else set()
    kept = [id(one) not in replaced for one in all_variables(first.model)]
    if redrawn is not None and _equal(redrawn[seeds[-1]], found[seeds[-1]], kept):
        found |= redraw(first, seeds[0], rest, given)
        _redrawable.add(trials[-1])
    else:
        for seed in rest:
            models.append(observed(build, seed, x))
            found[seed] = all_values(models[-1].model)
    return found, models


def _equal(one, other, kept: list[bool]) -> bool:
    """Return whether values of variables are equal where it matters."""
    pairs = compress(zip(one, other, strict=True), kept)
    return all(np.array_equal(a, b, equal_nan=True) for a, b in pairs)


def observed(build: Build, seed: int, x) -> Made:
    """Build a model; see which initializer draws which variable, and count the draws."""
    kind = type(keras.Variable(0.0))
    original = kind._initialize_with_initializer
    seen: dict[int, tuple] = {}

    def observing(variable, initializer):
        seen[id(variable)] = (initializer, variable._shape, variable._dtype)
        return original(variable, initializer)

    with mock.patch.object(kind, "_initialize_with_initializer", observing):
        model = build_one(build, seed, x)
    draws = count_draws(seed)
    return Made(model, draws, seen, (describe(model), _input_names(model, x)))


def _input_names(model: keras.Model, x) -> tuple:
    """Return the names by which a model may pick its inputs, but for those that Keras made up."""
    names = [one.name for one in getattr(model, "inputs", None) or ()]
    if len(names) < 2 and not isinstance(x, Mapping):
        return ()
    return tuple("" if MADE_UP.fullmatch(name) else name for name in names)


def _check_own_layers(one: keras.Model, other: keras.Model) -> None:
    """Refuse builders that give replicas one and the same model, or layers in common."""
    if one is other:
        raise ValueError(
            "`build` must make a new model at each call. Received: the same model twice. To "
            "start from given weights, make a new one and pass them as `start`"
        )
    mine = {id(variable): variable for variable in one.trainable_variables}
    common = [mine[id(v)].path for v in other.trainable_variables if id(v) in mine]
    if common:
        raise ValueError(
            "`build` must make the layers that it trains at each call: replicas need weights of "
            f"their own. Received: the same {', '.join(common)} twice"
        )


def _check_alike(template, description, made: Made, x, number: int) -> None:
    """Refuse replicas that differ in more than what they draw at the start."""
    model, other = made.model, made.description
    if other == description:
        return
    shapes = [[tuple(v.shape) for v in all_variables(one)] for one in (template, model)]
    if shapes[0] == shapes[1] and same_graph(template, model, x):
        return  # they differ in what does not matter for what is computed
    raise ValueError(
        "replicas may differ in their initial weights and seeds alone: what else `build` draws or "
        "captures is part of what they compute. Train other differences with `fit_arms`. "
        f"Received: a model (of build {number}) that differs from replica 0 in "
        f"{first_difference(description, other)}"
    )


def _say_equal_starts(firsts: dict[Build, Made], builds, seeds, whole: list[np.ndarray]) -> None:
    """Warn where all replicas, or all of one builder, start from the same random weights."""
    everyone = list(range(len(builds)))
    of_builders = [[k for k in everyone if builds[k] is build] for build in firsts]
    for own in [everyone, *of_builders]:
        apart = len({seeds[k] for k in own}) > 1
        path = _equal_start(firsts[builds[own[0]]], whole, own) if apart else None
        if path:
            warnings.warn(
                f"all replicas start from the same random {path}: an interval over "
                "them leaves that draw out. Make its initializer inside of `build`, without "
                "a seed; or pass the weights as `start` if they are meant to be the same.",
                stacklevel=4,
            )
            return


def _equal_start(made: Made, whole: list[np.ndarray], own: list[int]) -> str | None:
    """Return the name of a variable whose random values are the same in some replicas."""
    for variable, values in zip(all_variables(made.model), whole, strict=True):
        initializer = made.initializers.get(id(variable), (None,))[0]
        random_one = isinstance(getattr(initializer, "seed", None), int)
        first, *others = own
        drawn = random_one and variable.trainable and np.ptp(values[first]) > 0
        if drawn and all(np.array_equal(values[k], values[first]) for k in others):
            return variable.path
    return None


@contextmanager
def kept_random_state() -> Iterator[None]:
    """Leave the caller's own random numbers from Python and NumPy as they were.

    TensorFlow's, and those of `keras.random` without a seed, go on from the last model's seed.
    """
    states = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
