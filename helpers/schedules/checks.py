"""Checks of arguments that the modules of this package share."""

from collections.abc import Callable

import numpy as np

from helpers.checks import as_reals

Array = np.ndarray
Schedule = Callable[[object], object]


def as_steps(step: object) -> Array:
    """Return steps as a float64 array; refuse what is no real number of 0 or more."""
    steps = as_reals("step", step)
    if not (steps >= 0).all():  # NaN fails, too
        raise ValueError(f"`step` must be 0 or more. Received: {steps.min()}")
    return steps


def as_increasing(name: str, values: object, *, at_least: int = 1) -> Array:
    """Return values as a float64 array of one axis; refuse what does not increase."""
    array = as_reals(name, values)
    good = array.ndim == 1 and len(array) >= at_least and np.isfinite(array).all()
    if not good or (np.diff(array) <= 0).any():
        raise ValueError(
            f"`{name}` must be {at_least} or more finite numbers that increase. "
            f"Received: {name}={array.tolist()}"
        )
    return array
