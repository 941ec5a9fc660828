"""Any function of the step as Keras' `LearningRateSchedule`."""

from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from helpers.schedules.checks import Array, Schedule, check_count


@keras.saving.register_keras_serializable(package="schedules")
class TabulatedSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """A learning-rate schedule that looks its values up in a table, one row a step.

    The table is what is saved, so that any function of the step can be saved. Steps beyond the
    table have its last value.

    Args:
        values: Shape (steps,), or (steps, ...) for a rate that is an array, as where rows of
            stacked variables have rates of their own; finite and 0 or more.

    Raises:
        ValueError: The table is empty, or holds a value that is no rate.

    Example:
        >>> schedule = TabulatedSchedule([0.5, 0.25])
        >>> float(schedule(1)), float(schedule(9))
        (0.25, 0.25)
    """

    def __init__(self, values: Array | Sequence):
        super().__init__()
        self.values = np.asarray(values, dtype=np.float32)
        if self.values.ndim == 0 or self.values.size == 0:
            raise ValueError(
                "`values` must hold at least one step's rate. "
                f"Received: an array of shape {self.values.shape}"
            )
        if not (np.isfinite(self.values) & (self.values >= 0)).all():
            raise ValueError(
                "`values` must be finite and 0 or more. "
                f"Received: from {self.values.min()} to {self.values.max()}"
            )

    def __call__(self, step):
        """Return the rate of a step, a tensor."""
        row = ops.minimum(ops.cast(step, "int32"), len(self.values) - 1)
        return ops.take(ops.convert_to_tensor(self.values), row, axis=0)

    def get_config(self) -> dict:
        """Return the table as nested lists."""
        return {"values": self.values.tolist()}


def as_keras(schedule: Schedule | Sequence[Schedule], *, steps: int) -> TabulatedSchedule:
    """Return a function of the step as a Keras schedule, which any optimizer takes.

    Args:
        schedule: From an array of steps, from 0, to as many rates; or several such functions, one
            for each row of stacked variables: then a step's rate has shape (rows, 1).
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
    several = list(schedule) if isinstance(schedule, Sequence) else [schedule]
    for one in several:
        if not callable(one):
            raise TypeError(f"`schedule` must be a function of the step. Received: {one!r}")
    columns = [np.asarray(one(np.arange(steps))) for one in several]
    for column in columns:
        if column.shape != (steps,):
            raise ValueError(
                "`schedule` must return a rate for each step of an array. "
                f"Received: shape {column.shape} for {steps} steps"
            )
    if not isinstance(schedule, Sequence):
        return TabulatedSchedule(columns[0])
    return TabulatedSchedule(np.stack(columns, axis=1)[:, :, None])
