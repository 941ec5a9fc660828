"""What an optimizer costs: memory for each parameter, time for each step."""

import time
from collections.abc import Callable, Mapping
from functools import partial

import keras
import numpy as np

from helpers.optimizers.in_keras import build_new, compiled_step
from helpers.optimizers.optimizer import Array, Optimizer, as_reals, check_count


def state_size(optimizer: Optimizer, theta: Array) -> float:
    """Return how many numbers the optimizer remembers for each parameter.

    Counters, which there is one of whatever the number of parameters, are left out.

    Args:
        optimizer: One of this package.
        theta: Parameters, any shape, not empty.

    Returns:
        Numbers in the state for each number in `theta`.

    Raises:
        TypeError: `theta` holds what is no real numbers.
        ValueError: `theta` is empty.

    Example:
        >>> from helpers.optimizers.adam import adam
        >>> state_size(adam(), np.zeros((3, 2)))
        2.0
    """
    theta = as_reals("theta", theta)
    if not theta.size:
        raise ValueError(f"`theta` must not be empty. Received: shape {theta.shape}")
    slots = [slot for slot in optimizer.init(theta) if isinstance(slot, np.ndarray)]
    return sum(slot.size for slot in slots) / theta.size


def keras_state_size(optimizer: keras.optimizers.Optimizer) -> float:
    """Return how many numbers a Keras optimizer remembers for each parameter.

    Args:
        optimizer: One of Keras', not used yet; it is built here.

    Returns:
        Numbers in its variables for each parameter; the iteration, the rate and other single
        numbers are left out.

    Raises:
        ValueError: The optimizer has been used.

    Example:
        >>> keras_state_size(keras.optimizers.SGD(momentum=0.9))
        1.0
    """
    build_new(optimizer, keras.Variable(np.zeros((3, 2))))
    slots = [slot for slot in optimizer.variables if slot.shape != ()]
    return sum(int(np.prod(slot.shape)) for slot in slots) / 6


def numpy_step(optimizer: Optimizer, *, size: int = 100_000) -> Callable[[], object]:
    """Return one step of an optimizer on random parameters, as a call without arguments.

    Args:
        optimizer: One of this package.
        size: Number of parameters, at least 1.

    Returns:
        A function that computes the same step, the second, whenever it is called.

    Raises:
        TypeError: `size` is no integer.
        ValueError: `size` is below 1.

    Example:
        >>> from helpers.optimizers.momentum import sgd
        >>> numpy_step(sgd(), size=5)()[0].shape
        (5,)
    """
    theta, gradient = _random(size)
    theta, state = optimizer.update(gradient, optimizer.init(theta), theta)
    return partial(optimizer.update, gradient, state, theta)


def keras_step(
    optimizer: keras.optimizers.Optimizer, *, size: int = 100_000
) -> Callable[[], object]:
    """Compile one step of a Keras optimizer on float32 parameters, as a call without arguments.

    Args:
        optimizer: One of Keras', not used yet.
        size: Number of parameters, at least 1.

    Returns:
        A function that takes a step, another one whenever it is called.

    Raises:
        TypeError: `size` is no integer.
        ValueError: `size` is below 1, or the optimizer has been used.

    Example:
        >>> keras_step(keras.optimizers.SGD(), size=5)().shape
        TensorShape([])
    """
    theta, gradient = _random(size)
    variable = keras.Variable(theta, dtype="float32")
    return partial(
        compiled_step(optimizer, variable), keras.ops.convert_to_tensor(gradient, "float32")
    )


def time_interleaved(
    calls: Mapping[str, Callable[[], object]], *, rounds: int, repeats: int = 5
) -> dict[str, Array]:
    """Time calls in turn, round by round, by the process' own processor time.

    A busy moment meets all of them alike, and processor time leaves out what other processes take.
    Each turn shuffles the calls, since a call finds the caches as the one before left them.

    Args:
        calls: What to time, by name; each is called once beforehand.
        rounds: Number of rounds, at least 1.
        repeats: Turns in a round, at least 1; each call's fastest counts.

    Returns:
        Seconds of processor time, all threads together, by name, shape (rounds,).

    Raises:
        ValueError: `calls` is empty, or a count is below 1.

    Example:
        >>> seconds = time_interleaved({"sum": lambda: sum(range(99)), "none": int}, rounds=3)
        >>> {name: values.shape for name, values in seconds.items()}
        {'sum': (3,), 'none': (3,)}
    """
    if not calls or min(rounds, repeats) < 1:
        raise ValueError(
            "`calls` must not be empty, `rounds` and `repeats` must be at least 1. "
            f"Received: {len(calls)} calls, rounds={rounds}, repeats={repeats}"
        )
    seconds = {name: np.full((rounds, repeats), np.inf) for name in calls}
    for call in calls.values():
        call()
    rng = np.random.default_rng(0)
    for turn in np.ndindex(rounds, repeats):
        for name in rng.permutation(list(calls)):
            start = time.process_time()
            calls[name]()
            seconds[name][turn] = time.process_time() - start
    return {name: values.min(axis=1) for name, values in seconds.items()}


def _random(size: int) -> tuple[Array, Array]:
    """Return parameters and a gradient."""
    check_count(1, size=size)
    theta, gradient = np.random.default_rng(0).normal(size=(2, size))
    return theta, gradient
