"""Adam, and Adam with decoupled weight decay."""

from typing import NamedTuple

import numpy as np

from helpers.checks import check_flags, check_not_negative, check_shares
from helpers.optimizers.optimizer import Array, Optimizer, Schedule, as_schedule, guarded


class AdamState(NamedTuple):
    """Steps taken so far, both moments, and AMSGrad's largest second moment, else None."""

    step: int
    mean: Array
    mean_square: Array
    largest: Array | None


def adam(
    learning_rate: float | Schedule = 0.001,
    *,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
    amsgrad: bool = False,
) -> Optimizer:
    """Return Adam: momentum over RMSProp, both freed of their start at 0.

        m ← β₁ m + (1 − β₁) g
        s ← β₂ s + (1 − β₂) g²
        ηₜ = η √(1 − β₂ᵗ) / (1 − β₁ᵗ)
        θ ← θ − ηₜ m / (√s + ε)          AMSGrad: the largest s so far in place of s

    With m̂ = m / (1 − β₁ᵗ) and ŝ = s / (1 − β₂ᵗ) this is θ − η m̂ / (√ŝ + ε / √(1 − β₂ᵗ)): Keras'
    ε is what the paper calls ε̂, and in the first step it weighs 1 / √(1 − β₂) = 32 times as much
    as the ε of the paper's Algorithm 1. Keras takes AMSGrad's maximum before the correction.

    Args:
        learning_rate: η, above 0, or a function of the step.
        beta_1: β₁ in [0, 1).
        beta_2: β₂ in [0, 1).
        epsilon: ε, 0 or more.
        amsgrad: Whether the second moment may not shrink.

    Returns:
        An optimizer with the state ``(step, mean, mean_square, largest)``.

    Raises:
        TypeError: An argument is of the wrong kind.
        ValueError: An argument is out of its range.

    Example:
        >>> descent = adam(0.5, epsilon=0.0)  # the first step is η long, however steep the slope
        >>> descent.update([1e-3, -1e3], descent.init([0, 0]), [0, 0])[0].round(6)
        array([-0.5,  0.5])

    Reference:
        Kingma and Ba (2015), Adam: a method for stochastic optimization. Reddi, Kale and Kumar
        (2018), On the convergence of Adam and beyond (AMSGrad).
    """
    check_shares(beta_1=beta_1, beta_2=beta_2)
    check_not_negative(epsilon=epsilon)
    check_flags(amsgrad=amsgrad)
    rate = as_schedule(learning_rate)

    def init(theta):
        zeros = np.zeros_like(theta)
        return AdamState(0, zeros, zeros, zeros if amsgrad else None)

    def update(gradient, state, theta):
        step, mean, square, largest = state
        t = step + 1
        mean = beta_1 * mean + (1 - beta_1) * gradient
        scale = square = beta_2 * square + (1 - beta_2) * gradient**2
        if amsgrad:
            scale = largest = np.maximum(largest, square)
        corrected_rate = rate(step) * np.sqrt(1 - beta_2**t) / (1 - beta_1**t)
        move = -corrected_rate * mean / (np.sqrt(scale) + epsilon)
        return theta + move, AdamState(t, mean, square, largest)

    return guarded(init, update)


def adamw(
    learning_rate: float | Schedule = 0.001,
    *,
    weight_decay: float = 0.004,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
    amsgrad: bool = False,
) -> Optimizer:
    """Return AdamW: Adam, and weights that decay beside it instead of through the gradient.

        θ ← (1 − η λ) θ,   then Adam's step

    A penalty ½ λ ‖θ‖² in the loss would pass through √s and decay steep weights less. The paper
    decays by λ times the schedule's multiplier alone; Keras by λ times the whole rate η.

    Args:
        learning_rate: η, above 0, or a function of the step.
        weight_decay: λ, 0 or more.
        beta_1: β₁ in [0, 1).
        beta_2: β₂ in [0, 1).
        epsilon: ε, 0 or more.
        amsgrad: Whether the second moment may not shrink.

    Returns:
        An optimizer with Adam's state.

    Raises:
        TypeError: An argument is of the wrong kind.
        ValueError: An argument is out of its range.

    Example:
        >>> descent = adamw(0.5, weight_decay=0.1)  # no slope: decay alone
        >>> descent.update(0.0, descent.init(2.0), 2.0)[0]
        array(1.9)

    Reference:
        Loshchilov and Hutter (2019), Decoupled weight decay regularization.
    """
    check_not_negative(weight_decay=weight_decay)
    rate = as_schedule(learning_rate)
    inner = adam(learning_rate, beta_1=beta_1, beta_2=beta_2, epsilon=epsilon, amsgrad=amsgrad)

    def update(gradient, state, theta):
        decayed = theta - rate(state.step) * weight_decay * theta
        return inner.update(gradient, state, decayed)

    return guarded(inner.init, update)
