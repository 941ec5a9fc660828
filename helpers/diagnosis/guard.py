"""Whatever a measurement changes is put back, also where it fails."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import keras
import numpy as np

from helpers.diagnosis.signals import values_of


@contextmanager
def untouched(model: keras.Model) -> Iterator[None]:
    """Put back weights, moving averages, states of random layers, dropout rates and seeds.

    The model's optimizer is not in this list, since no trial uses it: `trials` makes its own.
    """
    kept = [(variable, values_of(variable)) for variable in _variables(model)]
    rates = [(layer, layer.rate) for layer in dropouts(model)]
    states = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        for variable, value in kept:
            variable.assign(value)
        for layer, rate in rates:
            layer.rate = rate
        random.setstate(states[0])
        np.random.set_state(states[1])


@contextmanager
def taken_back(model: keras.Model) -> Iterator[None]:
    """Put back the variables alone: what one trial leaves to the next."""
    kept = [(variable, values_of(variable)) for variable in _variables(model)]
    try:
        yield
    finally:
        for variable, value in kept:
            variable.assign(value)


def dropouts(model: keras.Model) -> list[keras.layers.Layer]:
    """Return the layers of a model, and of models in it, that have a rate of dropping."""
    return [
        layer
        for layer in model._flatten_layers(include_self=False)
        if "Dropout" in type(layer).__name__
        and isinstance(getattr(layer, "rate", None), float | int)
    ]


def _variables(model: keras.Model) -> list[keras.Variable]:
    return [*model.variables, *model.metrics_variables]
