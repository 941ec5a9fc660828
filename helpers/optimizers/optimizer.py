"""What an optimizer is here: two pure functions, and the checks that all of them share."""

from collections.abc import Callable
from numbers import Real
from typing import Any, NamedTuple

import numpy as np

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


def as_reals(name: str, values: object) -> Array:
    """Return values as a float64 array; refuse what is no real numbers."""
    array = np.asarray(values)
    if array.dtype.kind not in "iuf":
        raise TypeError(
            f"`{name}` must hold real numbers. Received: an array of type {array.dtype}"
        )
    return array.astype(np.float64, copy=False)


def check_shares(**values: float) -> None:
    """Raise unless every value is in [0, 1)."""
    for name, value in values.items():
        if not 0 <= _real(name, value) < 1:
            raise ValueError(f"`{name}` must be in [0, 1). Received: {name}={value}")


def check_not_negative(**values: float) -> None:
    """Raise unless every value is 0 or more, and finite."""
    for name, value in values.items():
        if not 0 <= _real(name, value) < np.inf:
            raise ValueError(f"`{name}` must be 0 or more and finite. Received: {name}={value}")


def check_not_positive(**values: float) -> None:
    """Raise unless every value is 0 or less, and finite."""
    for name, value in values.items():
        if not -np.inf < _real(name, value) <= 0:
            raise ValueError(f"`{name}` must be 0 or less and finite. Received: {name}={value}")


def check_positive(**values: float) -> None:
    """Raise unless every value is above 0 and finite."""
    for name, value in values.items():
        if not 0 < _real(name, value) < np.inf:
            raise ValueError(f"`{name}` must be above 0 and finite. Received: {name}={value}")


def check_flags(**values: bool) -> None:
    """Raise unless every value is True or False."""
    for name, value in values.items():
        if not isinstance(value, bool):
            raise TypeError(f"`{name}` must be True or False. Received: {name}={value!r}")


def check_count(at_least: int, **values: int) -> None:
    """Raise unless every value is an integer of a least size."""
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int | np.integer):
            raise TypeError(f"`{name}` must be an integer. Received: {name}={value!r}")
        if value < at_least:
            raise ValueError(f"`{name}` must be at least {at_least}. Received: {name}={value}")


def _real(name: str, value: object) -> Real:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"`{name}` must be a number. Received: {name}={value!r}")
    return value
