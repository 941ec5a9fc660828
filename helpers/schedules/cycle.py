"""1cycle: the rate up, down and away, and the momentum against it, as functions of the step."""

import numpy as np

from helpers.checks import check_count, check_inside, check_positive, check_shares
from helpers.schedules.checks import Schedule, as_steps


def one_cycle(
    max_learning_rate: float,
    *,
    steps: int,
    initial_learning_rate: float | None = None,
    final_learning_rate: float | None = None,
    annihilation: float = 0.1,
) -> Schedule:
    """Return 1cycle scheduling of the learning rate (Smith, 2018).

    Straight lines through (0, η₀), (h, η*), (2h, η₀), (T − 1, η₁), with h = (1 − a) (T − 1) / 2:
    up to the peak, down to the start, and in the last share a of the steps, the annihilation,
    down by orders of magnitude.

    Args:
        max_learning_rate: η*, above 0.
        steps: T, at least 3: steps of the whole training. Beyond them the rate stays at η₁.
        initial_learning_rate: η₀, above 0 and at most η*; by default η* / 10.
        final_learning_rate: η₁, above 0 and at most η₀; by default η₀ / 1000.
        annihilation: a in (0, 1).

    Returns:
        The learning rate as a function of the step.

    Raises:
        TypeError: An argument is of the wrong kind.
        ValueError: An argument is out of its range.

    Example:
        >>> one_cycle(1.0, steps=11, annihilation=0.2)([0, 2, 4, 6, 8, 10, 99])
        array([1.0e-01, 5.5e-01, 1.0e+00, 5.5e-01, 1.0e-01, 1.0e-04, 1.0e-04])
    """
    check_positive(max_learning_rate=max_learning_rate)
    start = max_learning_rate / 10 if initial_learning_rate is None else initial_learning_rate
    check_positive(initial_learning_rate=start)
    final = start / 1000 if final_learning_rate is None else final_learning_rate
    check_positive(final_learning_rate=final)
    if not final <= start <= max_learning_rate:
        raise ValueError(
            "`final_learning_rate` must not exceed `initial_learning_rate`, nor that one "
            f"`max_learning_rate`. Received: final_learning_rate={final}, "
            f"initial_learning_rate={start}, max_learning_rate={max_learning_rate}"
        )
    turn = _turn(steps, annihilation)
    knots = [0, turn, 2 * turn, steps - 1]
    rates = [start, max_learning_rate, start, final]

    def schedule(step):
        return np.interp(as_steps(step), knots, rates)

    return schedule


def one_cycle_momentum(
    max_momentum: float = 0.95,
    *,
    steps: int,
    min_momentum: float = 0.85,
    annihilation: float = 0.1,
) -> Schedule:
    """Return 1cycle scheduling of the momentum: down while the rate goes up, then up again.

    Straight lines through (0, β₀), (h, β₁), (2h, β₀), with h as in `one_cycle`; from there on β₀.

    Args:
        max_momentum: β₀ in [0, 1).
        steps: T, at least 3.
        min_momentum: β₁ in [0, 1).
        annihilation: a in (0, 1): the last share of the steps, in which the momentum stays.

    Returns:
        The momentum as a function of the step.

    Raises:
        TypeError: An argument is of the wrong kind.
        ValueError: An argument is out of its range.

    Example:
        >>> one_cycle_momentum(steps=11, annihilation=0.2)([0, 2, 4, 8, 10])
        array([0.95, 0.9 , 0.85, 0.95, 0.95])
    """
    check_shares(max_momentum=max_momentum, min_momentum=min_momentum)
    if min_momentum > max_momentum:
        raise ValueError(
            "`min_momentum` must not exceed `max_momentum`. "
            f"Received: min_momentum={min_momentum}, max_momentum={max_momentum}"
        )
    turn = _turn(steps, annihilation)
    knots = [0, turn, 2 * turn]
    momenta = [max_momentum, min_momentum, max_momentum]

    def schedule(step):
        return np.interp(as_steps(step), knots, momenta)

    return schedule


def _turn(steps: int, annihilation: float) -> float:
    """Return h, the step at which the rate turns."""
    check_count(3, steps=steps)
    check_inside(annihilation=annihilation)
    return (1 - annihilation) * (steps - 1) / 2
