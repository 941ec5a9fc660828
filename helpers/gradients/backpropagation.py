"""Backpropagation, written out, and the norms of what it yields."""

from collections.abc import Sequence

import numpy as np

from helpers.gradients.networks import forward


def backpropagate(
    x: np.ndarray, y: np.ndarray, kernels: Sequence[np.ndarray], *, activation: str
) -> list[np.ndarray]:
    """Return the gradient of the mean cross-entropy with respect to every kernel.

        δ = (p − onehot(y)) / n at the output,   ∂J/∂Wₗ = hₗ₋₁ᵀ δₗ,   δₗ₋₁ = δₗ Wₗᵀ ⊙ φ'(zₗ₋₁)

    Args:
        x: Examples, shape (n, features).
        y: Labels, integers, shape (n,).
        kernels: One a layer, shape ([replicas,] fan_in, fan_out).
        activation: Of the hidden layers; see `activate`.

    Returns:
        One gradient a layer, of its kernel's shape.

    Raises:
        ValueError: `x` and `y` are not equally long, or the activation is unknown.

    Example:
        >>> x, y = np.ones((1, 1)), np.array([0])
        >>> backpropagate(x, y, [np.ones((1, 2))], activation="relu")[0].tolist()
        [[-0.5, 0.5]]

    Reference:
        Rumelhart, Hinton and Williams (1986), Learning representations by back-propagating errors.
    """
    if len(x) != len(y):
        raise ValueError(
            f"`x` and `y` must be equally long. Received: lengths {len(x)} and {len(y)}"
        )
    outputs, slopes = forward(x, kernels, activation=activation)
    delta = (outputs[-1] - np.eye(kernels[-1].shape[-1])[y]) / len(x)
    gradients = []
    for layer in reversed(range(len(kernels))):
        gradients.append(outputs[layer].swapaxes(-1, -2) @ delta)
        if layer > 0:
            delta = delta @ kernels[layer].swapaxes(-1, -2) * slopes[layer - 1]
    return gradients[::-1]


def gradient_norms(
    x: np.ndarray, y: np.ndarray, kernels: Sequence[np.ndarray], *, activation: str
) -> np.ndarray:
    """Return the Euclidean norm of each layer's gradient, ‖∂J/∂Wₗ‖.

    Args:
        x: Examples, shape (n, features).
        y: Labels, integers, shape (n,).
        kernels: One a layer, shape (replicas, fan_in, fan_out).
        activation: Of the hidden layers; see `activate`.

    Returns:
        Shape (replicas, layers), lowest layer first, the output layer last.

    Raises:
        ValueError: As `backpropagate` does.

    Example:
        >>> from helpers.gradients import draw_kernels
        >>> kernels = draw_kernels([4, 3, 2], initializer="he_normal", replicas=5, seed=0)
        >>> gradient_norms(np.ones((1, 4)), np.array([0]), kernels, activation="tanh").shape
        (5, 2)
    """
    gradients = backpropagate(x, y, kernels, activation=activation)
    return np.stack([np.linalg.norm(gradient, axis=(-2, -1)) for gradient in gradients], axis=-1)
