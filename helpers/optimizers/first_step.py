"""Adam's first steps, where its bias correction and its ε count most."""

import numpy as np

from helpers.checks import as_reals, check_not_negative, check_shares
from helpers.optimizers.optimizer import Array, as_schedule

FIRST_STEP_FORMS = ("keras", "outside", "inside", "uncorrected", "misprint")
STEP_RATIO_FORMS = ("corrected", "uncorrected", "misprint")


def adam_first_step(
    gradient: float | Array,
    *,
    form: str = "keras",
    learning_rate: float = 0.001,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
) -> Array:
    """Return what Adam's first step takes off the parameters, in one of the forms in print.

        m = (1 − β₁) g,   s = (1 − β₂) g²,   m̂ = m / (1 − β₁) = g,   ŝ = s / (1 − β₂) = g²

        "keras"         η √(1 − β₂) / (1 − β₁) · m / (√s + ε)  =  η g / (|g| + ε / √(1 − β₂))
        "outside"       η m̂ / (√ŝ + ε), the paper's Algorithm 1
        "inside"        η m̂ / √(ŝ + ε), as some notes print it
        "uncorrected"   η m / (√s + ε), without bias correction
        "misprint"      η m / (1 − β₂) / (√ŝ + ε), with β₂ where β₁ belongs

    Args:
        gradient: g, any shape.
        form: One of the names above.
        learning_rate: η, above 0.
        beta_1: β₁ in [0, 1).
        beta_2: β₂ in [0, 1).
        epsilon: ε, 0 or more.

    Returns:
        θ before less θ after, in the shape of `gradient`.

    Raises:
        TypeError: An argument is of the wrong kind.
        ValueError: `form` is unknown, or a number is out of its range.

    Example:
        >>> forms = ("outside", "inside", "misprint")
        >>> [round(float(adam_first_step(1e-5, form=form, learning_rate=1.0)), 3) for form in forms]
        [0.99, 0.032, 99.01]

    Reference:
        Kingma and Ba (2015), Adam: a method for stochastic optimization, Algorithm 1.
    """
    _check_form(form, FIRST_STEP_FORMS)
    check_shares(beta_1=beta_1, beta_2=beta_2)
    check_not_negative(epsilon=epsilon)
    rate, g = as_schedule(learning_rate)(0), as_reals("gradient", gradient)
    mean, square = (1 - beta_1) * g, (1 - beta_2) * g**2
    with np.errstate(invalid="ignore"):  # 0 / 0 where both the gradient and ε are 0
        steps = {
            "keras": np.sqrt(1 - beta_2) / (1 - beta_1) * mean / (np.sqrt(square) + epsilon),
            "outside": g / (np.abs(g) + epsilon),
            "inside": g / np.sqrt(g**2 + epsilon),
            "uncorrected": mean / (np.sqrt(square) + epsilon),
            "misprint": mean / (1 - beta_2) / (np.abs(g) + epsilon),
        }
    return rate * steps[form]


def adam_step_ratio(
    step: int | Array, *, form: str, beta_1: float = 0.9, beta_2: float = 0.999
) -> Array:
    """Return how long Adam's step t is under a constant gradient, as a multiple of η.

        "corrected"     1
        "uncorrected"   (1 − β₁ᵗ) / √(1 − β₂ᵗ)
        "misprint"      (1 − β₁ᵗ) / (1 − β₂ᵗ), with β₂ where β₁ belongs

    ε is left out. Each tends to 1.

    Args:
        step: t, 1 or more, any shape.
        form: One of the names above.
        beta_1: β₁ in [0, 1).
        beta_2: β₂ in [0, 1).

    Returns:
        In the shape of `step`.

    Raises:
        TypeError: An argument is of the wrong kind.
        ValueError: `form` is unknown, or a number is out of its range.

    Example:
        >>> adam_step_ratio([1, 10, 10_000], form="uncorrected").round(2)
        array([3.16, 6.53, 1.  ])
    """
    _check_form(form, STEP_RATIO_FORMS)
    check_shares(beta_1=beta_1, beta_2=beta_2)
    t = as_reals("step", step)
    if not (t >= 1).all():
        raise ValueError(f"`step` must be 1 or more. Received: step={step}")
    # The mean gradient's bias, and that of the mean square.
    first, second = 1 - np.power(float(beta_1), t), 1 - np.power(float(beta_2), t)
    ratios = {"corrected": np.ones_like(t), "uncorrected": first / np.sqrt(second)}
    return (ratios | {"misprint": first / second})[form]


def _check_form(form: str, forms: tuple[str, ...]) -> None:
    if form not in forms:
        raise ValueError(f"`form` must be one of {', '.join(forms)}. Received: form={form!r}")
