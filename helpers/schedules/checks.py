"""Checks of arguments that the modules of this package share."""

import math
from collections.abc import Callable
from numbers import Real

import numpy as np

Array = np.ndarray
Schedule = Callable[[object], object]


def check_positive(**values: float) -> None:
    """Raise unless every value is above 0 and finite."""
    for name, value in values.items():
        if not 0 < _real(name, value) < math.inf:
            raise ValueError(f"`{name}` must be above 0 and finite. Received: {name}={value}")


def check_not_negative(**values: float) -> None:
    """Raise unless every value is 0 or more, and finite."""
    for name, value in values.items():
        if not 0 <= _real(name, value) < math.inf:
            raise ValueError(f"`{name}` must be 0 or more and finite. Received: {name}={value}")


def check_inside(**values: float) -> None:
    """Raise unless every value is in (0, 1)."""
    for name, value in values.items():
        if not 0 < _real(name, value) < 1:
            raise ValueError(f"`{name}` must be in (0, 1). Received: {name}={value}")


def check_shares(**values: float) -> None:
    """Raise unless every value is in [0, 1)."""
    for name, value in values.items():
        if not 0 <= _real(name, value) < 1:
            raise ValueError(f"`{name}` must be in [0, 1). Received: {name}={value}")


def check_count(at_least: int, **values: int) -> None:
    """Raise unless every value is an integer of a least size."""
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int | np.integer):
            raise TypeError(f"`{name}` must be an integer. Received: {name}={value!r}")
        if value < at_least:
            raise ValueError(f"`{name}` must be at least {at_least}. Received: {name}={value}")


def check_parts(**values: float) -> None:
    """Raise unless every value is in [0, 1]."""
    for name, value in values.items():
        if not 0 <= _real(name, value) <= 1:
            raise ValueError(f"`{name}` must be in [0, 1]. Received: {name}={value}")


def as_steps(step: object) -> Array:
    """Return steps as a float64 array; refuse what is no real number of 0 or more."""
    array = np.asarray(step)
    if array.dtype.kind not in "iuf":
        raise TypeError(f"`step` must hold real numbers. Received: an array of type {array.dtype}")
    steps = array.astype(np.float64)
    if not (steps >= 0).all():  # NaN fails, too
        raise ValueError(f"`step` must be 0 or more. Received: {steps.min()}")
    return steps


def as_increasing(name: str, values: object, *, at_least: int = 1) -> Array:
    """Return values as a float64 array of one axis; refuse what does not increase."""
    array = np.asarray(values, dtype=np.float64)
    good = array.ndim == 1 and len(array) >= at_least and np.isfinite(array).all()
    if not good or (np.diff(array) <= 0).any():
        raise ValueError(
            f"`{name}` must be {at_least} or more finite numbers that increase. "
            f"Received: {name}={array.tolist()}"
        )
    return array


def _real(name: str, value: object) -> Real:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"`{name}` must be a number. Received: {name}={value!r}")
    return value
