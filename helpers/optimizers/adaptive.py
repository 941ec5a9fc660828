"""A learning rate for each parameter, from the gradients that it has met."""

from typing import NamedTuple

import numpy as np

from helpers.checks import check_flags, check_not_negative, check_shares
from helpers.optimizers.optimizer import Array, Optimizer, Schedule, as_schedule, guarded


class AdagradState(NamedTuple):
    """Steps taken so far, and the sum of the squared gradients."""

    step: int
    square_sum: Array


class RmspropState(NamedTuple):
    """Steps taken so far, and moving averages; None where the variant needs none."""

    step: int
    mean_square: Array
    mean: Array | None
    velocity: Array | None


class AdadeltaState(NamedTuple):
    """Steps taken so far, and moving averages of squared gradients and of squared updates."""

    step: int
    mean_square: Array
    mean_square_update: Array


def adagrad(
    learning_rate: float | Schedule = 0.001,
    *,
    initial_accumulator_value: float = 0.1,
    epsilon: float = 1e-7,
) -> Optimizer:
    """Return AdaGrad: the longer a parameter has moved steeply, the shorter its steps.

        s ← s + g²,   θ ← θ − η g / √(s + ε)

    s is a sum, which only grows: under a constant gradient the steps shrink like 1/√t. It starts
    at 0.1 in Keras, at 0 in the paper, which adds its constant outside the root.

    Args:
        learning_rate: η, above 0, or a function of the step.
        initial_accumulator_value: s at the start, 0 or more.
        epsilon: ε, 0 or more.

    Returns:
        An optimizer with the state ``(step, square_sum)``.

    Raises:
        TypeError: An argument is of the wrong kind.
        ValueError: An argument is out of its range.

    Example:
        >>> descent = adagrad(1.0, initial_accumulator_value=7.0, epsilon=0.0)
        >>> descent.update(3.0, descent.init(0.0), 0.0)[0]  # −3 / √(7 + 9)
        array(-0.75)

    Reference:
        Duchi, Hazan and Singer (2011), Adaptive subgradient methods for online learning.
    """
    check_not_negative(initial_accumulator_value=initial_accumulator_value, epsilon=epsilon)
    rate = as_schedule(learning_rate)

    def init(theta):
        return AdagradState(0, np.full_like(theta, initial_accumulator_value))

    def update(gradient, state, theta):
        square_sum = state.square_sum + gradient**2
        move = -rate(state.step) * gradient / np.sqrt(square_sum + epsilon)
        return theta + move, AdagradState(state.step + 1, square_sum)

    return guarded(init, update)


def rmsprop(
    learning_rate: float | Schedule = 0.001,
    *,
    rho: float = 0.9,
    momentum: float = 0.0,
    epsilon: float = 1e-7,
    centered: bool = False,
) -> Optimizer:
    """Return RMSProp: AdaGrad with a memory that fades.

        s ← ρ s + (1 − ρ) g²,   d = −η g / √(s + ε),   θ ← θ + d
        centered:   a ← ρ a + (1 − ρ) g,   d = −η g / √(s − a² + ε)
        momentum:   m ← β m + d,   θ ← θ + m

    Centered, the root is of a variance, a difference that rounding can turn negative under a
    gradient that hardly changes: the step is then NaN, as in Keras.

    Args:
        learning_rate: η, above 0, or a function of the step.
        rho: ρ in [0, 1).
        momentum: β in [0, 1).
        epsilon: ε, 0 or more.
        centered: Whether the mean gradient's square is taken off.

    Returns:
        An optimizer with the state ``(step, mean_square, mean, velocity)``.

    Raises:
        TypeError: An argument is of the wrong kind.
        ValueError: An argument is out of its range.

    Example:
        >>> descent = rmsprop(1.0, rho=0.75, epsilon=0.0)
        >>> descent.update(3.0, descent.init(0.0), 0.0)[0]  # −3 / √(9 / 4)
        array(-2.)

    Reference:
        Tieleman and Hinton (2012), Lecture 6.5: RMSProp. Graves (2013), Generating sequences with
        recurrent neural networks (centered, with momentum).
    """
    check_shares(rho=rho, momentum=momentum)
    check_not_negative(epsilon=epsilon)
    check_flags(centered=centered)
    rate = as_schedule(learning_rate)

    def init(theta):
        zeros = np.zeros_like(theta)
        return RmspropState(0, zeros, zeros if centered else None, zeros if momentum else None)

    def update(gradient, state, theta):
        step, square, mean, velocity = state
        variance = square = rho * square + (1 - rho) * gradient**2
        if centered:
            mean = rho * mean + (1 - rho) * gradient
            variance = square - mean**2
        move = -rate(step) * gradient / np.sqrt(variance + epsilon)
        if momentum:
            move = velocity = momentum * velocity + move
        return theta + move, RmspropState(step + 1, square, mean, velocity)

    return guarded(init, update)


def adadelta(
    learning_rate: float | Schedule = 0.001, *, rho: float = 0.95, epsilon: float = 1e-7
) -> Optimizer:
    """Return AdaDelta: the size of past updates takes the place of the learning rate.

        s ← ρ s + (1 − ρ) g²
        d = −√(u + ε) / √(s + ε) · g
        u ← ρ u + (1 − ρ) d²
        θ ← θ + η d

    d is measured against the *previous* u. The paper has no rate, which is η = 1, and ε = 1e-6.
    Starting from u = 0, the first steps are about η √(ε / (1 − ρ)) long, however steep the slope.

    Args:
        learning_rate: η, above 0, or a function of the step.
        rho: ρ in [0, 1).
        epsilon: ε, 0 or more; with 0 it never moves.

    Returns:
        An optimizer with the state ``(step, mean_square, mean_square_update)``.

    Raises:
        TypeError: An argument is of the wrong kind.
        ValueError: An argument is out of its range.

    Example:
        >>> descent = adadelta(1.0, rho=0.75, epsilon=1.0)
        >>> descent.update(2.0, descent.init(0.0), 0.0)[0].round(6)  # −√1 / √(4 / 4 + 1) · 2
        np.float64(-1.414214)

    Reference:
        Zeiler (2012), ADADELTA: an adaptive learning rate method.
    """
    check_shares(rho=rho)
    check_not_negative(epsilon=epsilon)
    rate = as_schedule(learning_rate)

    def init(theta):
        return AdadeltaState(0, np.zeros_like(theta), np.zeros_like(theta))

    def update(gradient, state, theta):
        step, square, square_update = state
        square = rho * square + (1 - rho) * gradient**2
        move = -np.sqrt(square_update + epsilon) / np.sqrt(square + epsilon) * gradient
        square_update = rho * square_update + (1 - rho) * move**2
        return theta + rate(step) * move, AdadeltaState(step + 1, square, square_update)

    return guarded(init, update)
