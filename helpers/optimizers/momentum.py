"""Gradient descent with and without momentum."""

from typing import NamedTuple

import numpy as np

from helpers.checks import as_reals, check_flags, check_shares
from helpers.optimizers.optimizer import Array, Optimizer, Schedule, as_schedule, guarded


class SgdState(NamedTuple):
    """Steps taken so far, and the velocity m, which is None without momentum."""

    step: int
    velocity: Array | None


def sgd(
    learning_rate: float | Schedule = 0.01, *, momentum: float = 0.0, nesterov: bool = False
) -> Optimizer:
    """Return gradient descent, with Polyak's or Nesterov's momentum if asked for.

        without:    θ ← θ − η g
        momentum:   m ← β m − η g,   θ ← θ + m
        Nesterov:   m ← β m − η g,   θ ← θ + β m − η g

    Nesterov's rule takes the gradient ahead, at θ + β m. In the form above, Keras', θ *is* the
    point ahead, so that the gradient is taken where the parameters are.

    Args:
        learning_rate: η, above 0, or a function of the step.
        momentum: β in [0, 1).
        nesterov: Whether to look ahead; without momentum it changes nothing.

    Returns:
        An optimizer with the state ``(step, velocity)``.

    Raises:
        TypeError: An argument is of the wrong kind.
        ValueError: An argument is out of its range.

    Example:
        >>> heavy = sgd(0.1, momentum=0.5)
        >>> theta, state = heavy.update(1.0, heavy.init(0.0), 0.0)
        >>> heavy.update(1.0, state, theta)[0].round(6)  # −0.1 − (0.05 + 0.1)
        np.float64(-0.25)

    Reference:
        Polyak (1964), Some methods of speeding up the convergence of iteration methods.
        Sutskever et al. (2013), On the importance of initialization and momentum.
    """
    check_shares(momentum=momentum)
    check_flags(nesterov=nesterov)
    rate = as_schedule(learning_rate)

    def init(theta):
        return SgdState(0, np.zeros_like(theta) if momentum else None)

    def update(gradient, state, theta):
        step, velocity = state
        descent = -rate(step) * gradient
        if velocity is None:
            return theta + descent, SgdState(step + 1, None)
        velocity = momentum * velocity + descent
        move = momentum * velocity + descent if nesterov else velocity
        return theta + move, SgdState(step + 1, velocity)

    return guarded(init, update)


def terminal_velocity(
    gradient: float | Array,
    *,
    learning_rate: float,
    momentum: float,
    steps: float | Array = np.inf,
) -> Array:
    """Return the velocity that momentum reaches under a constant gradient.

        m(t) = −η g (1 − βᵗ) / (1 − β)  →  −η g / (1 − β)

    Args:
        gradient: g, any shape.
        learning_rate: η, above 0.
        momentum: β in [0, 1).
        steps: t, 0 or more: the number of steps taken from rest; it broadcasts against `gradient`.

    Returns:
        The move of the step t.

    Raises:
        TypeError: An argument is of the wrong kind.
        ValueError: An argument is out of its range.

    Example:
        >>> terminal_velocity(1.0, learning_rate=0.1, momentum=0.9).round(6)
        np.float64(-1.0)

    Reference:
        Sutskever et al. (2013), On the importance of initialization and momentum.
    """
    check_shares(momentum=momentum)
    rate = as_schedule(learning_rate)(0)
    steps = as_reals("steps", steps)
    if not (steps >= 0).all():
        raise ValueError(f"`steps` must be 0 or more. Received: steps={steps}")
    share = 1 - np.power(float(momentum), steps)
    return -rate * as_reals("gradient", gradient) * share / (1 - momentum)
