"""Schedules for trainings that run side by side in stacked variables, one row each."""

import itertools

import keras
import numpy as np

from helpers.schedules.checks import Array, Schedule, check_count, check_inside
from helpers.schedules.in_keras import TabulatedSchedule, as_keras
from helpers.schedules.plateau import performance


@keras.saving.register_keras_serializable(package="schedules")
class FactoredSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """A table of rates times a factor for each row, which a callback may lower in between.

    Args:
        values: The table, shape (steps, rows, 1).

    Attributes:
        factors: A variable of shape (rows, 1), all 1 at first; it is not saved.
    """

    def __init__(self, values: Array):
        super().__init__()
        self.table = TabulatedSchedule(values)
        ones = np.ones(self.table.values.shape[1:], np.float32)
        self.factors = keras.Variable(ones, trainable=False)

    def __call__(self, step):
        """Return the rates of a step, shape (rows, 1)."""
        return self.table(step) * self.factors

    def get_config(self) -> dict:
        """Return the table as nested lists."""
        return self.table.get_config()


class PlateauRows(keras.callbacks.EarlyStopping):
    """Performance scheduling of stacked trainings, each by its own losses; it stops none of them.

    A service that applies a copy of an early-stopping callback to each of its replicas can drive
    performance scheduling with it: the first copy watches row 0, the second row 1, and so on.
    Give `schedule` to the optimizer and the callback itself as the early stopping. It serves one
    training: the next one needs its own.

    Args:
        schedules: The schedule of each row.
        rows: The rows whose rates fall on a plateau; the others follow their schedules alone.
        steps: Steps of the training, at least 1.
        factor: As of `performance`.
        patience: As of `performance`.
        monitor: The name of the loss that is watched.

    Attributes:
        schedule: The `FactoredSchedule` for the optimizer.

    Raises:
        TypeError: An argument is of the wrong kind.
        ValueError: An argument is out of its range.

    Example:
        >>> import copy
        >>> plateau = PlateauRows([lambda t: 0.5 + 0 * t] * 2, rows=[1], steps=9, patience=1)
        >>> watchers = [copy.copy(plateau) for _ in range(2)]
        >>> for watcher in watchers:
        ...     for epoch in range(2):    # the loss stands still
        ...         watcher.on_epoch_end(epoch, {"val_loss": 1.0})
        >>> plateau.schedule(0).numpy().ravel()
        array([0.5 , 0.05], dtype=float32)
    """

    def __init__(
        self,
        schedules: list[Schedule],
        *,
        rows: list[int],
        steps: int,
        factor: float = 0.1,
        patience: int = 10,
        monitor: str = "val_loss",
    ):
        super().__init__(monitor=monitor, mode="min")
        check_inside(factor=factor)
        check_count(1, patience=patience)
        foreign = sorted(set(rows) - set(range(len(schedules))))
        if foreign:
            raise ValueError(
                f"`rows` must be among the {len(schedules)} schedules. Received: rows {foreign}"
            )
        self.rows = frozenset(rows)
        self.rule = {"factor": factor, "patience": patience}
        self.schedule = FactoredSchedule(as_keras(list(schedules), steps=steps).values)
        self._numbers = itertools.count()

    def __copy__(self) -> "PlateauRows":
        """Return the watcher of the next row; there are no more than rows."""
        row, rows = next(self._numbers), self.schedule.factors.shape[0]
        if row >= rows:
            raise ValueError(
                "a `PlateauRows` serves one training, with a row for each schedule; make a new one "
                f"for the next. Received: watcher {row + 1} of {rows}"
            )
        watcher = object.__new__(type(self))
        vars(watcher).update(vars(self), row=row, losses=[])
        return watcher

    def on_epoch_end(self, epoch, logs=None):
        """Lower the factor of the watcher's row where its loss stands still."""
        if self.row not in self.rows:
            return
        self.losses.append(float(logs[self.monitor]))
        factors = self.schedule.factors.numpy()
        factors[self.row] = performance(self.losses, initial_learning_rate=1.0, **self.rule)[-1]
        self.schedule.factors.assign(factors)
