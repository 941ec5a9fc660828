"""What an optimizer is here: two pure functions, and the checks that all of them share."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from helpers.checks import as_reals, check_positive

Array = np.ndarray
Schedule = Callable[[int], float]


class Optimizer(NamedTuple):
    """Two pure functions that together descend.

    Attributes:
        init: From parameters θ to the first state, ``init(theta) -> state``.
        update: One step, ``update(gradient, state, theta) -> (theta, state)``. Arrays are float64
            and of any shape, all of the same. What is not finite comes out as it does of Keras.
    """

    init: Callable[[Array], Any]
    update: Callable[[Array, Any, Array], tuple[Array, Any]]


def guarded(init: Callable, update: Callable) -> Optimizer:
    """Return the optimizer of a rule, with its arrays checked and its overflows silent.

    Args:
        init: From parameters to a state, a named tuple of arrays and plain numbers.
        update: From gradient, state and parameters to parameters and state.

    Returns:
        The same two functions. They raise TypeError on what is no real numbers, ValueError where
        shapes differ.

    Example:
        >>> descent = guarded(lambda theta: (), lambda g, state, theta: (theta - g, state))
        >>> descent.update(1.0, descent.init(3.0), 3.0)[0]
        array(2.)
    """

    def checked_init(theta):
        return init(as_reals("theta", theta))

    def checked_update(gradient, state, theta):
        gradient, theta = as_reals("gradient", gradient), as_reals("theta", theta)
        slots = [np.shape(slot) for slot in state if isinstance(slot, np.ndarray | np.generic)]
        if {gradient.shape, *slots} != {theta.shape}:
            raise ValueError(
                "`gradient`, `state` and `theta` must have the same shape. Received: "
                f"gradient {gradient.shape}, state {slots}, theta {theta.shape}"
            )
        with np.errstate(all="ignore"):
            theta, state = update(gradient, state, theta)
        return np.asarray(theta), state

    return Optimizer(checked_init, checked_update)


def as_schedule(learning_rate: float | Schedule) -> Schedule:
    """Return the learning rate as a function of the step, counted from 0.

    Args:
        learning_rate: Above 0 and finite, or a function of the step: ours, or Keras' schedule.

    Returns:
        From the number of the step to a float.

    Raises:
        TypeError: It is neither a number nor a function.
        ValueError: It is a number that is not above 0 and finite.

    Example:
        >>> as_schedule(0.1)(5), as_schedule(lambda step: 1 / (1 + step))(3)
        (0.1, 0.25)
    """
    if callable(learning_rate):
        return lambda step: float(learning_rate(step))
    check_positive(learning_rate=learning_rate)
    return lambda step: float(learning_rate)
