"""Backpropagation through time in NumPy, and how much it makes of an error."""

from collections.abc import Sequence

import numpy as np

from helpers.clipping.clip import Array


def recurrent_gradients(weights: Sequence[Array], x: Array, y: Array) -> tuple[float, list[Array]]:
    """Return loss and gradient of a ReLU recurrent net by backpropagation through time.

        hₜ = max(0, xₜ U + hₜ₋₁ W + b),   ŷ = h_T v + c,   J = mean((ŷ − y)²),
        δ_T = φ'_T ⊙ (∂J/∂ŷ vᵀ),   δₜ = φ'ₜ ⊙ (δₜ₊₁ Wᵀ),
        ∂J/∂U = Σₜ xₜᵀ δₜ,   ∂J/∂W = Σₜ hₜ₋₁ᵀ δₜ,   ∂J/∂b = Σₜ δₜ

    Args:
        weights: U, W, b, v and c: those of a `SimpleRNN` and of a `Dense` layer with one unit.
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
    steps, states = x.shape[1], _states(weights, x)
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


def recurrent_gains(weights: Sequence[Array], x: Array) -> Array:
    """Return by what factor an error can grow on its way back from the last step to the first.

        ‖∂h_T/∂h₁‖₂ = ‖W D₂ W D₃ ⋯ W D_T‖₂,   Dₜ = diag(φ'ₜ),   φ'ₜ ∈ {0, 1}

    the largest singular value of the product of all Jacobians. It is at most σ_max(W)ᵀ⁻¹.

    Args:
        weights: U, W, b, and what follows, as in `recurrent_gradients`.
        x: Sequences, shape (n, steps, features).

    Returns:
        A factor for each sequence, shape (n,).

    Example:
        >>> weights = [np.array([[1.0]]), np.array([[2.0]]), np.zeros(1)]
        >>> recurrent_gains(weights, np.ones((1, 4, 1))).tolist()
        [8.0]

    Reference:
        Pascanu, Mikolov and Bengio (2013), On the difficulty of training recurrent neural networks.
    """
    recurrent, states = weights[1], _states(weights, x)
    product = np.broadcast_to(np.eye(len(recurrent)), (len(x), *recurrent.shape))
    for state in states[2:]:
        product = (product @ recurrent) * (state > 0)[:, None]
    return np.linalg.norm(product, 2, axis=(1, 2))


def _states(weights: Sequence[Array], x: Array) -> list[Array]:
    """Return the states h₀ … h_T, each of shape (n, units)."""
    kernel, recurrent, bias = weights[:3]
    states = [np.zeros((len(x), len(bias)), x.dtype)]
    for t in range(x.shape[1]):
        states.append(np.maximum(x[:, t] @ kernel + states[t] @ recurrent + bias, 0))
    return states
