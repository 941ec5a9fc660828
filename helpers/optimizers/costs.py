"""What an optimizer costs: memory for each parameter, and a step to time."""

from collections.abc import Callable
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


def _random(size: int) -> tuple[Array, Array]:
    """Return parameters and a gradient."""
    check_count(1, size=size)
    theta, gradient = np.random.default_rng(0).normal(size=(2, size))
    return theta, gradient
