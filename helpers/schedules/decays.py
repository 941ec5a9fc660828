"""Schedules that never rise: constant, power, exponential, piecewise constant.

Each function checks its arguments once and returns a pure function of the step, counted from 0,
that takes a number or an array of any shape and gives float64.
"""

from collections.abc import Sequence

import numpy as np

from helpers.checks import as_reals, check_positive
from helpers.schedules.checks import Schedule, as_increasing, as_steps


def constant(learning_rate: float) -> Schedule:
    """Return the schedule that is none: the same rate at every step.

        η(t) = η

    Args:
        learning_rate: η, above 0.

    Returns:
        The learning rate as a function of the step.

    Raises:
        TypeError: `learning_rate` is not a number.
        ValueError: It is out of its range.

    Example:
        >>> constant(0.1)([0, 5])
        array([0.1, 0.1])
    """
    check_positive(learning_rate=learning_rate)

    def schedule(step):
        return np.full(as_steps(step).shape, learning_rate, float)[()]

    return schedule


def power(initial_learning_rate: float, *, decay_steps: float, exponent: float = 1.0) -> Schedule:
    """Return power scheduling, with exponent 1 Keras' `InverseTimeDecay`.

        η(t) = η₀ / (1 + t / s)ᶜ

    Args:
        initial_learning_rate: η₀, above 0.
        decay_steps: s, above 0: with exponent 1 the rate is η₀ / 2 after s steps, η₀ / 3 after 2s.
        exponent: c, above 0.

    Returns:
        The learning rate as a function of the step.

    Raises:
        TypeError: An argument is not a number.
        ValueError: An argument is out of its range.

    Example:
        >>> power(0.1, decay_steps=100)([0, 100, 300])
        array([0.1  , 0.05 , 0.025])

    Robbins and Monro (1951) ask that the rates sum up to infinity and their squares do not: true
    of exponents in (1/2, 1].
    """
    check_positive(
        initial_learning_rate=initial_learning_rate, decay_steps=decay_steps, exponent=exponent
    )

    def schedule(step):
        return initial_learning_rate / (1 + as_steps(step) / decay_steps) ** exponent

    return schedule


def exponential(
    initial_learning_rate: float,
    *,
    decay_steps: float,
    decay_rate: float = 0.1,
    staircase: bool = False,
) -> Schedule:
    """Return exponential scheduling, as Keras' `ExponentialDecay`.

        η(t) = η₀ r^(t / s), or η₀ r^⌊t / s⌋ as a staircase

    Args:
        initial_learning_rate: η₀, above 0.
        decay_steps: s, above 0: every s steps the rate is multiplied by r.
        decay_rate: r, above 0.
        staircase: Whether the rate keeps its value until s steps are over.

    Returns:
        The learning rate as a function of the step.

    Raises:
        TypeError: An argument is not a number.
        ValueError: An argument is out of its range.

    Example:
        >>> exponential(0.1, decay_steps=10)([0, 5, 10]).round(4)
        array([0.1   , 0.0316, 0.01  ])
        >>> exponential(0.1, decay_steps=10, staircase=True)([0, 5, 10]).round(4)
        array([0.1 , 0.1 , 0.01])
    """
    check_positive(
        initial_learning_rate=initial_learning_rate, decay_steps=decay_steps, decay_rate=decay_rate
    )

    def schedule(step):
        elapsed = as_steps(step) / decay_steps
        elapsed = np.floor(elapsed) if staircase else elapsed
        return initial_learning_rate * decay_rate**elapsed

    return schedule


def piecewise_constant(values: Sequence[float], *, boundaries: Sequence[float]) -> Schedule:
    """Return piecewise constant scheduling, as Keras' `PiecewiseConstantDecay`.

        η(t) = v₀ for t ≤ b₀, vᵢ for bᵢ₋₁ < t ≤ bᵢ, and the last value beyond the last boundary

    A step that lies on a boundary still has the value before it. Since steps count from 0, the
    first value therefore holds for b₀ + 1 steps.

    Args:
        values: v, one more than there are boundaries, each above 0.
        boundaries: b, increasing, at least 1.

    Returns:
        The learning rate as a function of the step.

    Raises:
        TypeError: A value is not a number.
        ValueError: Values and boundaries do not fit, or are out of their ranges.

    Example:
        >>> piecewise_constant([0.1, 0.01], boundaries=[2])([0, 1, 2, 3])
        array([0.1 , 0.1 , 0.1 , 0.01])
    """
    edges = as_increasing("boundaries", boundaries)
    levels = as_reals("values", values)
    if levels.shape != (len(edges) + 1,):
        raise ValueError(
            "`values` must hold one number more than `boundaries`. "
            f"Received: {levels.size} values and {len(edges)} boundaries"
        )
    for value in levels:
        check_positive(values=value)

    def schedule(step):
        return levels[np.searchsorted(edges, as_steps(step), side="left")]

    return schedule
