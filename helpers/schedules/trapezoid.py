"""Warm-up, stable, decay: the least of three straight lines, as a function of the step."""

import numpy as np

from helpers.checks import check_count, check_parts, check_positive
from helpers.schedules.checks import Schedule, as_steps


def warmup_stable_decay(
    learning_rate: float, *, steps: int, warmup: float = 0.0, decay: float = 0.2
) -> Schedule:
    """Return a rate that rises along a line, stays, and falls along a line to 0.

        η(t) = η min(1, (t + 1) / (w T), (T − t) / (d T)),   and 0 from step T on

    With a decay of 1 and no warm-up it is the linear decay to zero, η (1 − t / T). Where the lines
    of warm-up and decay cross below η, the lower one counts.

    Args:
        learning_rate: η, above 0.
        steps: T, at least 1: steps of the whole training.
        warmup: w in [0, 1], the share of the steps in which the rate rises. No step has a rate
            of 0.
        decay: d in [0, 1], the share in which it falls.

    Returns:
        The learning rate as a function of the step.

    Raises:
        TypeError: An argument is of the wrong kind.
        ValueError: An argument is out of its range.

    Example:
        >>> warmup_stable_decay(1.0, steps=10, warmup=0.2, decay=0.4)([0, 1, 5, 6, 8, 9])
        array([0.5 , 1.  , 1.  , 1.  , 0.5 , 0.25])

    Hägele et al. (2024), "Scaling laws and compute-optimal training beyond fixed training
    durations".
    """
    check_positive(learning_rate=learning_rate)
    check_count(1, steps=steps)
    check_parts(warmup=warmup, decay=decay)

    def schedule(step):
        t = as_steps(step)
        share = np.where(t < steps, 1.0, 0.0)
        if warmup:
            share = np.minimum(share, (t + 1) / (warmup * steps))
        if decay:
            share = np.minimum(share, np.maximum(steps - t, 0) / (decay * steps))
        return (learning_rate * share)[()]

    return schedule
