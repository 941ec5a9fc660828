"""Backpropagation through time in NumPy."""

from collections.abc import Sequence

import numpy as np

from helpers.clipping.clip import Array


def recurrent_gradients(weights: Sequence[Array], x: Array, y: Array) -> tuple[float, list[Array]]:
    """Return loss and gradient of `recurrent_net` by backpropagation through time.

        hₜ = max(0, xₜ U + hₜ₋₁ W + b),   ŷ = h_T v + c,   J = mean((ŷ − y)²),
        δ_T = φ'_T ⊙ (∂J/∂ŷ vᵀ),   δₜ = φ'ₜ ⊙ (δₜ₊₁ Wᵀ),
        ∂J/∂U = Σₜ xₜᵀ δₜ,   ∂J/∂W = Σₜ hₜ₋₁ᵀ δₜ,   ∂J/∂b = Σₜ δₜ

    Args:
        weights: U, W, b, v and c, in the order of the Keras model.
        x: Sequences, shape (n, steps, features).
        y: Targets, shape (n,).

    Returns:
        ``(loss, gradients)``: a number, and one array for each weight, in its shape.

    Example:
        >>> U, W, v, zero = np.array([[1.0]]), np.array([[2.0]]), np.array([[3.0]]), np.zeros(1)
        >>> recurrent_gradients([U, W, zero, v, zero], np.ones((1, 2, 1)), np.array([8.0]))[0]
        1.0

    Reference:
        Werbos (1990), Backpropagation through time: what it does and how to do it.
    """
    kernel, recurrent, bias, head, head_bias = weights
    steps = x.shape[1]
    states = [np.zeros((len(x), len(bias)), x.dtype)]
    for t in range(steps):
        states.append(np.maximum(x[:, t] @ kernel + states[t] @ recurrent + bias, 0))
    errors = states[-1] @ head + head_bias - np.reshape(y, (-1, 1))

    upstream = 2 * errors / len(x)
    delta = upstream @ head.T
    gradients = [np.zeros_like(weight) for weight in (kernel, recurrent, bias)]
    for t in reversed(range(steps)):
        delta = delta * (states[t + 1] > 0)
        gradients[0] += x[:, t].T @ delta
        gradients[1] += states[t].T @ delta
        gradients[2] += delta.sum(axis=0)
        delta = delta @ recurrent.T
    gradients += [states[-1].T @ upstream, upstream.sum(axis=0)]
    return float(np.mean(np.square(errors))), gradients
