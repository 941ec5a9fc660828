"""Compiled programs, kept by what determines them."""

from collections.abc import Callable
from functools import partial

import keras

from helpers.replicas.agreement import kinds
from helpers.replicas.building import Stacked
from helpers.replicas.compiled import Compiled
from helpers.replicas.each import Numbers
from helpers.replicas.examples import Examples
from helpers.replicas.forward import Forward, first_two
from helpers.replicas.numbers import find_numbers
from helpers.replicas.program import Program
from helpers.replicas.sameness import describe
from helpers.replicas.settings import EXCLUDED, by_names, is_joinable, settings_of

# Stacked elements from which a model counts as large. Then each variable is stacked by itself:
# copying them into one row for each replica would cost more than it saves.
LARGE = 1_000_000
# Elements times steps from which the optimizer's step is compiled with XLA: its twenty or so
# elementwise operations become one pass through memory; below, compiling takes longer.
WORTH_COMPILING = 50_000_000
MOST_PROGRAMS = 32  # compiled programs that are kept; what was used longest ago is dropped
_forwards: dict[tuple, Forward] = {}
_programs: dict[tuple, Program] = {}


def program_for(
    whole: Stacked,
    optimizer: keras.Optimizer,
    compiled: dict,
    training: Examples,
    numbers: Numbers,
    *,
    watch: dict[str, Callable],
    steps: int,
    rows: bool = True,
) -> Program:
    """Return the compiled program for such a training, one that is there already if it is.

    Args:
        whole: The replicas' models.
        optimizer: Of all replicas.
        compiled: Loss and metrics.
        training: The examples.
        numbers: Each replica's own.
        watch: What is watched at each step.
        steps: How many there will be.
        rows: Whether a replica's variables may be one row, which sparse gradients do not allow.
    """
    elements = sum(one.size for one in whole.trainable)
    variables = whole.template.trainable_variables
    joined = rows and bool(variables) and elements < LARGE and is_joinable(optimizer, variables)
    joined = joined and not _has_embedding(whole.template)
    places = {name: find_numbers(whole.template, name) for name in numbers.layers}
    shared = (
        whole.description,
        describe([compiled, places, joined]),
        kinds(list(training)),
        _output_names(whole.template),
        by_names(optimizer, variables),
        keras.config.floatx(),
        keras.config.epsilon(),
        keras.config.image_data_format(),
    )

    def make_forward() -> Forward:
        judged = Compiled(whole.template, compiled, tuple(map(first_two, training)))
        return Forward(whole.template, judged, joined=joined, layer_numbers=places)

    forward = _kept(_forwards, shared, make_forward)
    fused = elements * steps >= WORTH_COMPILING
    settings = [type(optimizer), settings_of(optimizer), getattr(optimizer, EXCLUDED, None)]
    own = describe([*settings, watch, fused, *sorted(numbers.optimizer)])
    make = partial(Program, forward, optimizer, fused=fused, watch=watch)
    return _kept(_programs, (shared, own), make)


def _kept(cache: dict, key: tuple, make: Callable):
    """Return what a cache holds, or make it."""
    found = cache.pop(key, None) or make()
    cache[key] = found
    while len(cache) > MOST_PROGRAMS:
        cache.pop(next(iter(cache)))
    return found


def _has_embedding(model: keras.Model) -> bool:
    layers = model._flatten_layers(include_self=False)
    return any(isinstance(layer, keras.layers.Embedding) for layer in layers)


def _output_names(model: keras.Model) -> tuple:
    """Return the names that a history holds, which only several outputs have."""
    names = tuple(getattr(model, "output_names", None) or ())
    return names if len(names) > 1 else ()
