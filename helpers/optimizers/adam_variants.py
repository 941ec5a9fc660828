"""Adam's two relatives: Adamax with another norm, Nadam with Nesterov's look ahead."""

from typing import NamedTuple

import numpy as np

from helpers.checks import check_not_negative, check_shares
from helpers.optimizers.optimizer import Array, Optimizer, Schedule, as_schedule, guarded


class AdamaxState(NamedTuple):
    """Steps taken so far, the mean gradient, and the fading maximum of its absolute value."""

    step: int
    mean: Array
    largest: Array


class NadamState(NamedTuple):
    """Steps taken so far, both moments, and the product of the momentum coefficients so far."""

    step: int
    mean: Array
    mean_square: Array
    product: float


def adamax(
    learning_rate: float | Schedule = 0.001,
    *,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
) -> Optimizer:
    """Return Adamax: Adam with the largest recent gradient in place of the root mean square.

        m ← β₁ m + (1 − β₁) g
        u ← max(β₂ u, |g|)
        θ ← θ − η / (1 − β₁ᵗ) · m / (u + ε)

    u needs no correction for its start at 0. The paper has no ε here; Keras adds it.

    Args:
        learning_rate: η, above 0, or a function of the step.
        beta_1: β₁ in [0, 1).
        beta_2: β₂ in [0, 1).
        epsilon: ε, 0 or more.

    Returns:
        An optimizer with the state ``(step, mean, largest)``.

    Raises:
        TypeError: An argument is of the wrong kind.
        ValueError: An argument is out of its range.

    Example:
        >>> descent = adamax(0.5, epsilon=0.0)
        >>> descent.update([1e-3, -1e3], descent.init([0, 0]), [0, 0])[0].round(6)
        array([-0.5,  0.5])

    Reference:
        Kingma and Ba (2015), Adam: a method for stochastic optimization, section 7.1.
    """
    check_shares(beta_1=beta_1, beta_2=beta_2)
    check_not_negative(epsilon=epsilon)
    rate = as_schedule(learning_rate)

    def init(theta):
        return AdamaxState(0, np.zeros_like(theta), np.zeros_like(theta))

    def update(gradient, state, theta):
        t = state.step + 1
        mean = beta_1 * state.mean + (1 - beta_1) * gradient
        largest = np.maximum(beta_2 * state.largest, np.abs(gradient))
        move = -rate(state.step) / (1 - beta_1**t) * mean / (largest + epsilon)
        return theta + move, AdamaxState(t, mean, largest)

    return guarded(init, update)


def nadam(
    learning_rate: float | Schedule = 0.001,
    *,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
) -> Optimizer:
    """Return Nadam: Adam that steps from where its momentum is about to carry it.

        μₜ = β₁ (1 − ½ · 0.96ᵗ),   Πₜ = μ₁ μ₂ … μₜ
        m ← β₁ m + (1 − β₁) g
        s ← β₂ s + (1 − β₂) g²
        m̂ = μₜ₊₁ m / (1 − Πₜ₊₁) + (1 − μₜ) g / (1 − Πₜ),   ŝ = s / (1 − β₂ᵗ)
        θ ← θ − η m̂ / (√ŝ + ε)

    The paper averages m with μₜ, and its schedule is slower, 0.96^(t / 250); this is Keras' form.
    Unlike its Adam, Keras' Nadam has ε where the papers have it: beside the root of ŝ.

    Args:
        learning_rate: η, above 0, or a function of the step.
        beta_1: β₁ in [0, 1).
        beta_2: β₂ in [0, 1).
        epsilon: ε, 0 or more.

    Returns:
        An optimizer with the state ``(step, mean, mean_square, product)``.

    Raises:
        TypeError: An argument is of the wrong kind.
        ValueError: An argument is out of its range.

    Example:
        >>> descent = nadam(1.0, epsilon=0.0)  # longer than Adam's first step, whatever the slope
        >>> descent.update([1e-3, -1e3], descent.init([0, 0]), [0, 0])[0].round(4)
        array([-1.0628,  1.0628])

    Reference:
        Dozat (2016), Incorporating Nesterov momentum into Adam.
    """
    check_shares(beta_1=beta_1, beta_2=beta_2)
    check_not_negative(epsilon=epsilon)
    rate = as_schedule(learning_rate)

    def momentum(t):
        return beta_1 * (1 - 0.5 * 0.96**t)

    def init(theta):
        return NadamState(0, np.zeros_like(theta), np.zeros_like(theta), 1.0)

    def update(gradient, state, theta):
        t = state.step + 1
        mean = beta_1 * state.mean + (1 - beta_1) * gradient
        square = beta_2 * state.mean_square + (1 - beta_2) * gradient**2
        now, ahead = momentum(t), momentum(t + 1)
        product = state.product * now
        lookahead = ahead * mean / (1 - product * ahead) + (1 - now) * gradient / (1 - product)
        move = -rate(state.step) * lookahead / (np.sqrt(square / (1 - beta_2**t)) + epsilon)
        return theta + move, NadamState(t, mean, square, product)

    return guarded(init, update)
