"""Any function of the step as Keras' `LearningRateSchedule`."""

from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from helpers.checks import as_reals, check_count
from helpers.schedules.checks import Array, Schedule


@keras.saving.register_keras_serializable(package="schedules")
class TabulatedSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """A learning-rate schedule that looks its values up in a table, one a step.

    The table is what is saved, so that any function of the step can be saved. Steps beyond the
    table have its last value.

    Args:
        values: Shape (steps,), finite and 0 or more.

    Raises:
        ValueError: The table is empty, or holds a value that is no rate.

    Example:
        >>> schedule = TabulatedSchedule([0.5, 0.25])
        >>> float(schedule(1)), float(schedule(9))
        (0.25, 0.25)
    """

    def __init__(self, values: Array | Sequence):
        super().__init__()
        self.values = as_reals("values", values, dtype=np.float32)
        if self.values.ndim != 1 or self.values.size == 0:
            raise ValueError(
                "`values` must hold a rate for each step, and at least one. "
                f"Received: an array of shape {self.values.shape}"
            )
        if not (np.isfinite(self.values) & (self.values >= 0)).all():
            raise ValueError(
                "`values` must be finite and 0 or more. "
                f"Received: from {self.values.min()} to {self.values.max()}"
            )

    def __call__(self, step):
        """Return the rate of a step, a tensor."""
        last = len(self.values) - 1
        return ops.take(self.values, ops.minimum(ops.cast(step, "int32"), last))

    def get_config(self) -> dict:
        """Return the table as a list."""
        return {"values": self.values.tolist()}


def as_keras(schedule: Schedule, *, steps: int) -> TabulatedSchedule:
    """Return a function of the step as a Keras schedule, which any optimizer takes.

    Args:
        schedule: From an array of steps, from 0, to as many rates.
        steps: Steps of the training, at least 1; later steps have the last rate.

    Returns:
        The schedule, serializable; its values are float32.

    Raises:
        TypeError: `schedule` is not callable, or `steps` no integer.
        ValueError: `steps` is below 1, or a rate is not as it must be.

    Example:
        >>> from helpers.schedules.decays import exponential
        >>> schedule = as_keras(exponential(0.1, decay_steps=10), steps=100)
        >>> optimizer = keras.optimizers.SGD(schedule, momentum=0.9)
        >>> round(float(schedule(10)), 6)
        0.01
    """
    check_count(1, steps=steps)
    if not callable(schedule):
        raise TypeError(f"`schedule` must be a function of the step. Received: {schedule!r}")
    values = np.asarray(schedule(np.arange(steps)))
    if values.shape != (steps,):
        raise ValueError(
            "`schedule` must return a rate for each step of an array. "
            f"Received: shape {values.shape} for {steps} steps"
        )
    return TabulatedSchedule(values)
