"""ℓ2 regularization against decoupled weight decay, under gradient descent and under Adam."""

import numpy as np

from helpers.checks import as_reals
from helpers.regularization.penalties import check_strengths, l2_gradient

Array = np.ndarray

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7  # Keras' defaults


def decayed_path(
    start: Array,
    gradients: Array,
    *,
    learning_rate: float,
    l2: float = 0.0,
    weight_decay: float = 0.0,
    adaptive: bool = True,
) -> Array:
    """Return the weights step by step, when the loss has the given gradients.

    ℓ2 adds 2λw to the gradient g, before the optimizer sees it. Decoupled decay takes ηδw off the
    weight, past the optimizer:

        g ← g + 2λw,   w ← w − ηδw − η · g          (gradient descent)
        g ← g + 2λw,   w ← w − ηδw − η · m̂ / (√v̂ + ε)   (Adam)

    Under gradient descent δ = 2λ makes both the same; under Adam nothing does.

    Args:
        start: Initial weights, any shape.
        gradients: Gradient of the loss without penalty at each step, shape (steps, *shape).
        learning_rate: η, 0 or more.
        l2: λ, 0 or more.
        weight_decay: δ, 0 or more.
        adaptive: Whether the optimizer is Adam; otherwise it is gradient descent.

    Returns:
        Weights before the first step and after each, shape (steps + 1, *shape).

    Raises:
        ValueError: A rate or strength is negative or not finite, or the shapes do not fit.

    Example:
        >>> decayed_path(np.ones(1), np.zeros((2, 1)), learning_rate=0.1, weight_decay=1.0)
        array([[1.  ],
               [0.9 ],
               [0.81]])

    Reference:
        Loshchilov and Hutter (2019), Decoupled weight decay regularization.
    """
    check_strengths(learning_rate=learning_rate, l2=l2, weight_decay=weight_decay)
    w, gradients = as_reals("start", start), as_reals("gradients", gradients)
    if gradients.shape[1:] != w.shape:
        raise ValueError(
            f"`gradients` must have shape (steps, {', '.join(map(str, w.shape))}) to fit `start`. "
            f"Received: shape={gradients.shape}"
        )
    path, m, v = [w], np.zeros_like(w), np.zeros_like(w)
    for step, gradient in enumerate(gradients, start=1):
        g = gradient + l2_gradient(w, l2)
        m, v = BETA_1 * m + (1 - BETA_1) * g, BETA_2 * v + (1 - BETA_2) * g**2
        direction = _adam_direction(m, v, step) if adaptive else g
        w = w - learning_rate * (weight_decay * w + direction)
        path.append(w)
    return np.stack(path)


def _adam_direction(m: Array, v: Array, step: int) -> Array:
    """Return m̂ / (√v̂ + ε), in Keras' form, whose ε stands beside the uncorrected root."""
    correction = np.sqrt(1 - BETA_2**step) / (1 - BETA_1**step)
    return correction * m / (np.sqrt(v) + EPSILON)
