"""Follow the regularized leader: weights that an ℓ1 penalty sets to exactly 0."""

from typing import NamedTuple

import numpy as np

from helpers.checks import check_not_negative, check_not_positive
from helpers.optimizers.optimizer import Array, Optimizer, Schedule, as_schedule, guarded


class FtrlState(NamedTuple):
    """Steps taken so far, the sum of the squared gradients, and the linear term z."""

    step: int
    square_sum: Array
    linear: Array


def ftrl(
    learning_rate: float | Schedule = 0.001,
    *,
    learning_rate_power: float = -0.5,
    initial_accumulator_value: float = 0.1,
    l1_regularization_strength: float = 0.0,
    l2_regularization_strength: float = 0.0,
    l2_shrinkage_regularization_strength: float = 0.0,
    beta: float = 0.0,
) -> Optimizer:
    """Return FTRL-Proximal, which solves for the weights anew in every step.

        n′ = n + g²,   p = −`learning_rate_power`
        z ← z + g + 2 λₛ θ − (n′ᵖ − nᵖ) / η · θ,   n ← n′
        θ = (clip(z, −λ₁, λ₁) − z) / ((nᵖ + β) / η + 2 λ₂)

    θ is exactly 0 wherever |z| ≤ λ₁. The paper has p = ½, λ₂ for our 2 λ₂, no λₛ, and n = 0 at the
    start. Keras' n = 0.1 makes the first step forget the initial weights: they are kept only in the
    share 1 − (0.1 / (0.1 + g²))ᵖ, and where the first gradient is 0, θ becomes 0.

    Args:
        learning_rate: η, above 0, or a function of the step, above 0 everywhere.
        learning_rate_power: −p, 0 or less; 0 for a rate that does not shrink.
        initial_accumulator_value: n at the start, 0 or more.
        l1_regularization_strength: λ₁, 0 or more.
        l2_regularization_strength: λ₂, 0 or more.
        l2_shrinkage_regularization_strength: λₛ, 0 or more: a penalty λₛ θ² in the loss.
        beta: β, 0 or more.

    Returns:
        An optimizer with the state ``(step, square_sum, linear)``.

    Raises:
        TypeError: An argument is of the wrong kind.
        ValueError: An argument is out of its range.

    Example:
        >>> descent = ftrl(1.0, initial_accumulator_value=0.0, l1_regularization_strength=2.0)
        >>> descent.update([1.0, 4.0], descent.init([0, 0]), [0, 0])[0]  # 0; (2 − 4) / √16
        array([ 0. , -0.5])

    Reference:
        McMahan et al. (2013), Ad click prediction: a view from the trenches.
    """
    l1, shrinkage = l1_regularization_strength, l2_shrinkage_regularization_strength
    check_not_negative(
        initial_accumulator_value=initial_accumulator_value,
        l1_regularization_strength=l1,
        l2_regularization_strength=l2_regularization_strength,
        l2_shrinkage_regularization_strength=shrinkage,
        beta=beta,
    )
    check_not_positive(learning_rate_power=learning_rate_power)
    power = -learning_rate_power
    rate = as_schedule(learning_rate)

    def init(theta):
        return FtrlState(0, np.full_like(theta, initial_accumulator_value), np.zeros_like(theta))

    def update(gradient, state, theta):
        eta, n = rate(state.step), state.square_sum + gradient**2
        proximal = (n**power - state.square_sum**power) / eta
        z = state.linear + gradient + 2 * shrinkage * theta - proximal * theta
        curvature = (n**power + beta) / eta + 2 * l2_regularization_strength
        return (np.clip(z, -l1, l1) - z) / curvature, FtrlState(state.step + 1, n, z)

    return guarded(init, update)
