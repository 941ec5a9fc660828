"""A model's starting weights drawn anew, without building it, from copies of its initializers.

Their seeds are the numbers that Python's generator gives under a replica's own seed.
"""

import copy
import random
from collections.abc import Hashable
from typing import NamedTuple

import keras
import numpy as np

from helpers.replicas.sameness import describe
from helpers.replicas.tracing import all_variables, to_numpy

SEED = "seed_generator_state"  # the name of the state that a random layer draws from
MOST_DRAWS = 4096  # of Python's generator in one build, before drawing anew is given up


class Made(NamedTuple):
    """A model, and what was seen while it was built."""

    model: keras.Model
    draws: int | None  # of Python's generator; None where they could not be counted
    initializers: dict[int, tuple]  # id of a variable -> initializer, shape, dtype
    description: tuple  # of what the model computes


def all_values(model: keras.Model) -> list[np.ndarray]:
    """Return the values of a model's variables."""
    return [to_numpy(one) for one in all_variables(model)]


def ways(made: Made) -> Hashable:
    """Return how a model's weights are drawn, which decides whether drawing anew was tried."""
    weights = [one for one in all_variables(made.model) if one.name != SEED]
    seen = [made.initializers.get(id(one), (None,))[0] for one in weights]
    return describe(seen, starts=True)


def count_draws(seed: int) -> int | None:
    """Return how often Keras asked Python's generator for a seed since it was set, if so."""
    now = random.getstate()
    random.seed(seed)
    for count in range(MOST_DRAWS):
        if random.getstate() == now:
            return count
        _default_seed()
    random.setstate(now)
    return None


def _default_seed() -> int:
    """Draw a seed as Keras does for what is given none."""
    return random.randint(1, int(1e9))


def _default_seeds(seed: int, count: int) -> list[int]:
    random.seed(seed)
    return [_default_seed() for _ in range(count)]


def redraw(made: Made, own_seed: int, seeds: list[int], given: bool) -> dict | None:
    """Return the values of the variables by seed, or None where that is unknown.

    Where weights are given anyway, only the seeds of random layers are drawn anew.
    """
    if made.draws is None:
        return None
    index = {drawn: at for at, drawn in enumerate(_default_seeds(own_seed, made.draws))}
    fixed = dict(enumerate(all_values(made.model)))
    found = {}
    for seed in seeds:
        fresh = _default_seeds(seed, made.draws)
        found[seed] = [
            _drawn(made.initializers.get(id(variable)), value, index, fresh, given)
            for variable, value in zip(all_variables(made.model), fixed.values(), strict=True)
        ]
    return found


def _drawn(seen: tuple | None, value: np.ndarray, index: dict, fresh: list[int], given: bool):
    """Return a variable's value under other default seeds; what draws nothing stays."""
    if seen is None:
        return value
    initializer, shape, dtype = seen
    if value.shape == (2,) and value.dtype.kind in "iu" and int(value[0]) in index:
        return np.array([fresh[index[int(value[0])]], value[1]], value.dtype)  # a seed's state
    drawn = getattr(initializer, "seed", None)
    if given or not isinstance(drawn, int) or drawn not in index:
        return value
    again = copy.copy(initializer)
    again.seed = fresh[index[drawn]]
    return to_numpy(again(shape, dtype=dtype))
