"""Gradients through time: one kernel, passed again at every step."""

import numpy as np

from helpers.gradients.networks import activate


def scale_to_radius(matrices: np.ndarray, radius: float) -> np.ndarray:
    """Return square matrices scaled to a given spectral radius, ρ(W) = max |λᵢ|.

    Args:
        matrices: Shape (..., n, n), none of them nilpotent.
        radius: The spectral radius wanted, at least 0.

    Returns:
        Shape of `matrices`.

    Raises:
        ValueError: `radius` is negative, or a matrix has no eigenvalue but 0.

    Example:
        >>> scale_to_radius(np.diag([2.0, 1.0]), 0.5).tolist()
        [[0.5, 0.0], [0.0, 0.25]]
    """
    if not radius >= 0:
        raise ValueError(f"`radius` must be at least 0. Received: radius={radius}")
    own = np.abs(np.linalg.eigvals(matrices)).max(axis=-1)
    if not np.all(own > 0):
        raise ValueError(
            "`matrices` must have an eigenvalue other than 0. "
            f"Received: spectral radius {own.min()}"
        )
    return matrices * (radius / own)[..., None, None]


def recurrent_gradient_norms(
    kernel: np.ndarray, inputs: np.ndarray, *, activation: str = "linear"
) -> np.ndarray:
    """Return how far back the last state of a recurrence feels its inputs.

        hₜ = φ(hₜ₋₁ W + xₜ),   J = mean(h_T),   result[k] = ‖∂J/∂x_{T−k}‖

    Args:
        kernel: Recurrent kernel W, shape (replicas, n, n).
        inputs: x₁ … x_T, shape (replicas, T, n).
        activation: φ; see `activate`.

    Returns:
        Shape (replicas, T): entry k belongs to the input k steps before the last.

    Raises:
        ValueError: The shapes do not fit, or the activation is unknown.

    Example:
        >>> norms = recurrent_gradient_norms(np.full((1, 1, 1), 0.5), np.zeros((1, 3, 1)))
        >>> norms.tolist()
        [[1.0, 0.5, 0.25]]

    Reference:
        Pascanu, Mikolov and Bengio (2013), On the difficulty of training recurrent neural networks.
    """
    if kernel.shape != (inputs.shape[0], inputs.shape[-1], inputs.shape[-1]) or inputs.ndim != 3:
        raise ValueError(
            "`kernel` must have shape (replicas, n, n) and `inputs` (replicas, T, n). "
            f"Received: shapes {kernel.shape} and {inputs.shape}"
        )
    state, slopes = np.zeros_like(inputs[:, :1]), []
    for step in range(inputs.shape[1]):
        state, slope = activate(state @ kernel + inputs[:, step : step + 1], activation)
        slopes.append(slope)
    error = np.full_like(state, 1 / state.shape[-1])
    norms = []
    for slope in reversed(slopes):
        error = error * slope
        norms.append(np.linalg.norm(error, axis=(-2, -1)))
        error = error @ kernel.swapaxes(-1, -2)
    return np.stack(norms, axis=-1)
