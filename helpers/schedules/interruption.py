"""A training that stops in the middle, to try out how it is resumed."""

import keras

from helpers.checks import check_count


class InterruptedTrainingError(RuntimeError):
    """What `InterruptAt` raises."""


class InterruptAt(keras.callbacks.Callback):
    """Raise `InterruptedTrainingError` when an epoch begins, as a power failure would.

    Args:
        epoch: Counted from 0, as `fit` does.

    Raises:
        TypeError: `epoch` is not an integer.
        ValueError: It is negative.

    Example:
        >>> InterruptAt(3).on_epoch_begin(3)
        Traceback (most recent call last):
        ...
        helpers.schedules.interruption.InterruptedTrainingError: interrupted before epoch 3
    """

    def __init__(self, epoch: int):
        super().__init__()
        check_count(0, epoch=epoch)
        self.epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        """Raise at the epoch."""
        if epoch == self.epoch:
            raise InterruptedTrainingError(f"interrupted before epoch {epoch}")
