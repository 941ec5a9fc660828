"""Backpropagation through time in NumPy, for many replicas at once."""

from collections.abc import Sequence

import numpy as np

from helpers.clipping.clip import Array


def draw_weights(*, units: int = 20, features: int = 2, replicas: int, seed: int) -> list[Array]:
    """Return first weights for the net of `recurrent_net`, replica k drawn with seed + k.

    U and v are Glorot uniform, W is the identity, the biases are 0.

    Args:
        units: Numbers in the state, at least 1.
        features: Numbers at each step, at least 1.
        replicas: Number of nets, at least 1.
        seed: At least 0.

    Returns:
        U, W, b, v and c, float32, each with a leading axis of replicas.

    Raises:
        ValueError: A number is below 1.

    Example:
        >>> [weight.shape for weight in draw_weights(units=3, replicas=8, seed=0)]
        [(8, 2, 3), (8, 3, 3), (8, 3), (8, 3, 1), (8, 1)]
    """
    if min(units, features, replicas) < 1:
        raise ValueError(
            "`units`, `features` and `replicas` must be at least 1. "
            f"Received: units={units}, features={features}, replicas={replicas}"
        )
    shapes = [(features, units), (units, 1)]
    limits = [np.sqrt(6 / sum(shape)) for shape in shapes]
    draws = [
        np.random.default_rng(seed + k).uniform(-1, 1, (features + 1, units))
        for k in range(replicas)
    ]
    kernels = limits[0] * np.stack(draws)[:, :-1]
    heads = limits[1] * np.stack(draws)[:, -1, :, None]
    identities = np.tile(np.eye(units), (replicas, 1, 1))
    stacks = [kernels, identities, np.zeros((replicas, units)), heads, np.zeros((replicas, 1))]
    return [stack.astype(np.float32) for stack in stacks]


def predict_sequences(weights: Sequence[Array], x: Array) -> Array:
    """Return what ReLU nets answer to sequences: hₜ = max(0, xₜ U + hₜ₋₁ W + b), ŷ = h_T v + c.

    Args:
        weights: U, W, b, v and c, each with a leading axis of replicas.
        x: Sequences, shape (replicas or 1, n, steps, features).

    Returns:
        Shape (replicas, n).

    Raises:
        ValueError: The shapes do not fit.
    """
    _check_shapes(weights, x)
    with np.errstate(all="ignore"):
        return _answers(weights, _states(weights, x)[-1])


def recurrent_gradients(weights: Sequence[Array], x: Array, y: Array) -> tuple[Array, list[Array]]:
    """Return loss and gradient of ReLU nets by backpropagation through time.

        J = mean((ŷ − y)²),   δ_T = φ'_T ⊙ (∂J/∂ŷ vᵀ),   δₜ = φ'ₜ ⊙ (δₜ₊₁ Wᵀ),
        ∂J/∂U = Σₜ xₜᵀ δₜ,   ∂J/∂W = Σₜ hₜ₋₁ᵀ δₜ,   ∂J/∂b = Σₜ δₜ

    Args:
        weights: U, W, b, v and c, each with a leading axis of replicas.
        x: Sequences, shape (replicas, n, steps, features).
        y: Targets, shape (replicas, n).

    Returns:
        ``(loss, gradients)``: shape (replicas,), and one array for each weight, in its shape.

    Raises:
        ValueError: The shapes do not fit.

    Reference:
        Werbos (1990), Backpropagation through time: what it does and how to do it.
    """
    _check_shapes(weights, x, y)
    with np.errstate(all="ignore"):
        states = _states(weights, x)
        errors = _answers(weights, states[-1]) - y
        upstream = (2 / y.shape[1] * errors)[..., None]
        deltas = _deltas(weights, states, upstream)
        before = np.stack(states[:-1], axis=2)
        flat = [
            array.reshape(*array.shape[:1], -1, array.shape[-1]) for array in (x, before, deltas)
        ]
        gradients = [
            flat[0].swapaxes(1, 2) @ flat[2],
            flat[1].swapaxes(1, 2) @ flat[2],
            flat[2].sum(axis=1),
            states[-1].swapaxes(1, 2) @ upstream,
            upstream.sum(axis=1),
        ]
        return np.mean(np.square(errors), axis=1), gradients


def _states(weights: Sequence[Array], x: Array) -> list[Array]:
    """Return h₀ … h_T, each of shape (replicas, n, units)."""
    kernel, recurrent, bias = weights[:3]
    inputs = x @ kernel[:, None] + bias[:, None, None]
    states = [np.zeros_like(inputs[:, :, 0])]
    for step in range(inputs.shape[2]):
        states.append(np.maximum(states[-1] @ recurrent + inputs[:, :, step], 0))
    return states


def _answers(weights: Sequence[Array], state: Array) -> Array:
    return (state @ weights[3] + weights[4][:, None])[..., 0]


def _deltas(weights: Sequence[Array], states: list[Array], upstream: Array) -> Array:
    """Return ∂J/∂zₜ of each step's weighted sums, shape (replicas, n, steps, units)."""
    backward = np.ascontiguousarray(weights[1].swapaxes(1, 2))
    deltas = [upstream @ weights[3].swapaxes(1, 2) * (states[-1] > 0)]
    for state in reversed(states[1:-1]):
        deltas.append(deltas[-1] @ backward * (state > 0))
    return np.stack(deltas[::-1], axis=2)


def _check_shapes(weights: Sequence[Array], x: Array, y: Array | None = None) -> None:
    """Refuse weights, sequences and targets that do not fit together."""
    shapes = [np.shape(weight) for weight in weights]
    if len(shapes) != 5 or len(shapes[0]) != 3:
        fits = False
    else:
        replicas, features, units = shapes[0]
        each = [(features, units), (units, units), (units,), (units, 1), (1,)]
        fits = shapes == [(replicas, *shape) for shape in each]
        fits &= x.ndim == 4 and x.shape[0] in (1, replicas) and x.shape[3] == features
        fits &= min(x.shape) > 0 and (y is None or np.shape(y) == (replicas, *x.shape[1:2]))
    if not fits:
        raise ValueError(
            "`weights`, `x` and `y` must be U, W, b, v and c of the same replicas, sequences "
            "(replicas, n, steps, features) and targets (replicas, n). Received: shapes "
            f"{shapes}, {x.shape} and {np.shape(y) if y is not None else None}"
        )
