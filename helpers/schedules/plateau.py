"""Performance scheduling: the rate falls when the loss has stopped falling."""

from collections.abc import Sequence

import numpy as np

from helpers.schedules.checks import (
    Array,
    check_count,
    check_inside,
    check_not_negative,
    check_positive,
)


def performance(
    losses: Sequence[float],
    *,
    initial_learning_rate: float,
    factor: float = 0.1,
    patience: int = 10,
    min_delta: float = 1e-4,
    cooldown: int = 0,
    min_lr: float = 0.0,
) -> Array:
    """Return the rate of each epoch under performance scheduling, as Keras' `ReduceLROnPlateau`.

    A loss is an improvement where it lies below the best so far by more than `min_delta`. After
    `patience` epochs in a row without one the rate is multiplied by `factor`.

    It is no function of the step: the rate of an epoch depends on all losses before it.

    Args:
        losses: Shape (epochs,): what is monitored, after each epoch; lower is better. A NaN is no
            improvement.
        initial_learning_rate: Above 0.
        factor: In (0, 1).
        patience: Epochs without improvement, at least 1.
        min_delta: 0 or more.
        cooldown: Epochs after a reduction in which none is counted, 0 or more.
        min_lr: 0 or more: the rate does not fall below.

    Returns:
        Shape (epochs + 1,): the rates of epochs 0, 1, … and of the one after the last.

    Raises:
        TypeError: An argument is of the wrong kind.
        ValueError: An argument is out of its range.

    Example:
        >>> performance([3.0, 2.0, 2.0, 2.0, 1.0], initial_learning_rate=0.1, patience=2)
        array([0.1 , 0.1 , 0.1 , 0.1 , 0.01, 0.01])
    """
    check_positive(initial_learning_rate=initial_learning_rate)
    check_inside(factor=factor)
    check_count(1, patience=patience)
    check_count(0, cooldown=cooldown)
    check_not_negative(min_delta=min_delta, min_lr=min_lr)
    losses = np.asarray(losses, dtype=np.float64)
    if losses.ndim != 1:
        raise ValueError(f"`losses` must have shape (epochs,). Received: {losses.shape}")
    rates, best, wait, cooling = [float(initial_learning_rate)], None, 0, 0
    for loss in losses:
        rate = rates[-1]
        if cooling:
            cooling, wait = cooling - 1, 0
        if best is None or loss + min_delta < best:
            best, wait = loss, 0
        elif not cooling:
            wait += 1
            if wait >= patience and rate > min_lr:
                rate, cooling, wait = max(rate * factor, min_lr), cooldown, 0
        rates.append(rate)
    return np.array(rates)
