"""What the arguments of `fit_replicas` mean; what is wrong is refused before anything trains."""

import inspect
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import partial

import keras
import numpy as np

from helpers.replicas.checks import accepts
from helpers.replicas.examples import as_array


def check_counts(**counts: int) -> None:
    """Refuse counts that are not whole numbers of at least 1."""
    for name, count in counts.items():
        if not is_whole(count) or count < 1:
            raise ValueError(
                f"`{name}` must be a whole number of at least 1. Received: {name}={count!r}"
            )


def resolve_epochs(epochs: int, initial_epoch: int) -> range:
    """Return the numbers of the epochs to train."""
    check_counts(epochs=epochs)
    if not is_whole(initial_epoch) or not 0 <= initial_epoch < epochs:
        raise ValueError(
            f"`initial_epoch` must be from 0 to {epochs - 1}, as `epochs` is where training ends. "
            f"Received: initial_epoch={initial_epoch!r}"
        )
    return range(initial_epoch, epochs)


def resolve_seeds(seed: int | Sequence[int], replicas: int) -> tuple[int, ...]:
    """Return the seed of each replica: consecutive ones from an integer, or those given."""
    if is_whole(seed):
        seeds = tuple(range(int(seed), int(seed) + replicas))
    else:
        seeds = tuple(seed) if isinstance(seed, list | tuple | range | np.ndarray) else ()
    good = len(seeds) == replicas and all(is_whole(one) and 0 <= one < 2**32 for one in seeds)
    if not good:
        raise ValueError(
            f"`seed` must be 0 or more, or hold {replicas} such seeds, whole numbers below 2**32. "
            f"Received: seed={seed!r}"
        )
    return tuple(map(int, seeds))


def is_whole(value) -> bool:
    """Return whether a value is a whole number."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def check_kinds(given: Mapping) -> None:
    """Refuse arguments of `fit_replicas` that are of another kind than it takes."""
    optimizer, weights, watch = (given[one] for one in ("optimizer", "class_weight", "watch"))
    if optimizer is None:
        raise ValueError("`optimizer` must be a Keras optimizer, or its name. Received: None")
    numbers = isinstance(weights, Mapping) and all(
        isinstance(one, int | float | np.number) for one in weights.values()
    )
    if weights is not None and not numbers:
        raise ValueError(
            "`class_weight` must map classes to weights, as {0: 1.0, 1: 2.5}. "
            f"Received: class_weight={weights!r}"
        )
    functions = isinstance(watch, Mapping) and all(map(callable, watch.values()))
    if watch is not None and not functions:
        raise ValueError(
            "`watch` must map names to functions of a step, as {'loss': lambda step: step.loss}. "
            f"Received: watch={watch!r}"
        )


def resolve_builds(build: Callable | Sequence[Callable], replicas: int) -> tuple[Callable, ...]:
    """Return the function that builds each replica."""
    if not isinstance(build, list | tuple):
        return (as_builder(build, "build"),) * replicas
    builds = tuple(as_builder(one, f"build[{k}]") for k, one in enumerate(build))
    if len(builds) != replicas:
        raise ValueError(
            f"`build` must be a function, or hold {replicas} functions, one for each replica. "
            f"Received: {len(builds)}"
        )
    return builds


def as_builder(build, name: str) -> Callable:
    """Return a function that builds a model anew, which can be a key.

    Raises:
        ValueError: It is a model, or cannot be called without arguments.
    """
    if isinstance(build, keras.Model):
        raise ValueError(
            f"`{name}` must be a function that builds a model, for each replica anew. Received: "
            f"the model {build.name!r}; `lambda: keras.models.clone_model(model)` builds its like"
        )
    if not callable(build):
        raise ValueError(f"`{name}` must be a function that builds a model. Received: {build!r}")
    if not accepts(build):
        raise ValueError(
            f"`{name}` must be a function without arguments; seeds are set before it is called. "
            f"Received: one that takes {inspect.signature(build)}"
        )
    return build if isinstance(build, Hashable) else partial(build)


def check_start(start, name: str, replicas: int | None = None) -> None:
    """Refuse weights to start from that are no list of arrays, or not of so many replicas."""
    if not isinstance(start, list | tuple):
        kind = f"the model {start.name!r}" if isinstance(start, keras.Model) else repr(start)
        raise ValueError(
            f"`{name}` must be earlier `Replicas`, or weights with a leading axis of replicas, as "
            "[np.stack([one] * replicas) for one in model.get_weights()]. "
            f"Received: {kind[:80]}"
        )
    for at, one in enumerate(start):
        array = as_array(one)
        if array.dtype.kind not in "biuf" or np.ma.is_masked(one):
            raise ValueError(
                f"`{name}` must hold arrays of numbers. Received: {name}[{at}] of {array.dtype}"
            )
        if replicas is not None and array.shape[:1] != (replicas,):
            raise ValueError(
                f"`{name}` must hold arrays with a leading axis of {replicas} replicas. "
                f"Received: {name}[{at}] of shape {array.shape}"
            )


def resolve_start(start, template: keras.Model, replicas: int) -> list[np.ndarray]:
    """Return weights to start from, checked, in the order of `get_weights()`."""
    check_start(start, "start")
    wanted = [(replicas, *one.shape) for one in template.weights]
    given = [np.shape(one) for one in start]
    if [tuple(shape) for shape in given] != wanted:
        bad = next((pair for pair in zip(given, wanted, strict=False) if pair[0] != pair[1]), None)
        seen = f"{len(given)} arrays" if bad is None else f"shape {bad[0]} in place of {bad[1]}"
        raise ValueError(
            "`start` must hold an array for each of the model's weights, with a leading axis of "
            f"{replicas} replicas: {len(wanted)} arrays. Received: {seen}"
        )
    return [np.asarray(one) for one in start]
