"""Lion: every parameter moves by the same amount, and only the sign is learned."""

from typing import NamedTuple

import numpy as np

from helpers.checks import check_not_negative, check_shares
from helpers.optimizers.optimizer import Array, Optimizer, Schedule, as_schedule, guarded


class LionState(NamedTuple):
    """Steps taken so far, and the mean gradient."""

    step: int
    mean: Array


def lion(
    learning_rate: float | Schedule = 0.001,
    *,
    beta_1: float = 0.9,
    beta_2: float = 0.99,
    weight_decay: float | None = None,
) -> Optimizer:
    """Return Lion: it steps by the sign of a mean that gives the newest gradient more weight.

        θ ← (1 − η λ) θ − η sign(β₁ m + (1 − β₁) g)
        m ← β₂ m + (1 − β₂) g

    Each parameter moves by η exactly, or not at all where the sum is 0. The paper always decays
    the weights; in Keras that is an option.

    Args:
        learning_rate: η, above 0, or a function of the step; 3 to 10 times smaller than Adam's.
        beta_1: β₁ in [0, 1); 0 is descent by the sign alone, which Keras refuses.
        beta_2: β₂ in [0, 1).
        weight_decay: λ, 0 or more, or None for none.

    Returns:
        An optimizer with the state ``(step, mean)``.

    Raises:
        TypeError: An argument is of the wrong kind.
        ValueError: An argument is out of its range.

    Example:
        >>> descent = lion(0.5)
        >>> descent.update([1e-9, -1e9, 0], descent.init([0, 0, 0]), [0, 0, 0])[0]
        array([-0.5,  0.5,  0. ])

    Reference:
        Chen et al. (2023), Symbolic discovery of optimization algorithms.
    """
    check_shares(beta_1=beta_1, beta_2=beta_2)
    decay = 0.0 if weight_decay is None else weight_decay
    check_not_negative(weight_decay=decay)
    rate = as_schedule(learning_rate)

    def init(theta):
        return LionState(0, np.zeros_like(theta))

    def update(gradient, state, theta):
        step, mean = state
        direction = np.sign(beta_1 * mean + (1 - beta_1) * gradient)
        theta = theta - rate(step) * decay * theta - rate(step) * direction
        return theta, LionState(step + 1, beta_2 * mean + (1 - beta_2) * gradient)

    return guarded(init, update)
