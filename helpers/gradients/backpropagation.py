"""Backpropagation, written out, and the norms of what it yields."""

from collections.abc import Sequence

import numpy as np

from helpers.gradients.networks import forward


def layer_errors(
    x: np.ndarray,
    y: np.ndarray,
    kernels: Sequence[np.ndarray],
    *,
    activation: str,
    biases: Sequence[np.ndarray] | None = None,
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return what enters each layer, and the error that backpropagation brings to it.

        δ = p − onehot(y) at the output,   δₗ₋₁ = δₗ Wₗᵀ ⊙ φ'(zₗ₋₁)

    Args:
        x: Examples, shape ([replicas,] n, features).
        y: Labels, integers, shape ([replicas,] n).
        kernels: One a layer, shape ([replicas,] fan_in, fan_out).
        activation: Of the hidden layers; see `activate`.
        biases: One a layer, shape ([replicas,] fan_out); zero by default.

    Returns:
        ``(inputs, errors)``, one a layer, shapes ([replicas,] n, fan_in) and ([replicas,] n,
        fan_out). The error is that of each example's own loss, ∂Jᵢ/∂zₗ.

    Raises:
        ValueError: `x` and `y` do not have as many examples, or the activation is unknown.

    Example:
        >>> x, y = np.ones((1, 1)), np.array([0])
        >>> inputs, errors = layer_errors(x, y, [np.ones((1, 2))], activation="relu")
        >>> inputs[0].tolist(), errors[0].tolist()
        ([[1.0]], [[-0.5, 0.5]])
    """
    y = np.asarray(y)
    if np.shape(x)[:-1] not in (y.shape, y.shape[-1:]):
        raise ValueError(
            f"`x` and `y` must have as many examples. Received: shapes {np.shape(x)} and {y.shape}"
        )
    outputs, slopes = forward(x, kernels, activation=activation, biases=biases)
    errors = [outputs[-1] - np.eye(kernels[-1].shape[-1])[y]]
    for kernel, slope in zip(kernels[:0:-1], slopes[::-1], strict=True):
        errors.append(errors[-1] @ kernel.swapaxes(-1, -2) * slope)
    return outputs[:-1], errors[::-1]


def backpropagate(
    x: np.ndarray,
    y: np.ndarray,
    kernels: Sequence[np.ndarray],
    *,
    activation: str,
    biases: Sequence[np.ndarray] | None = None,
) -> list[np.ndarray]:
    """Return the gradient of the mean cross-entropy with respect to every kernel.

        ∂J/∂Wₗ = hₗ₋₁ᵀ δₗ / n,   with the errors δ of `layer_errors`

    Args:
        x: As `layer_errors` takes it.
        y: The same.
        kernels: The same.
        activation: The same.
        biases: The same.

    Returns:
        One gradient a layer, of its kernel's shape.

    Raises:
        ValueError: As `layer_errors` does.

    Example:
        >>> x, y = np.ones((1, 1)), np.array([0])
        >>> backpropagate(x, y, [np.ones((1, 2))], activation="relu")[0].tolist()
        [[-0.5, 0.5]]

    Reference:
        Rumelhart, Hinton and Williams (1986), Learning representations by back-propagating errors.
    """
    inputs, errors = layer_errors(x, y, kernels, activation=activation, biases=biases)
    pairs = zip(inputs, errors, strict=True)
    return [h.swapaxes(-1, -2) @ error / error.shape[-2] for h, error in pairs]


def gradient_norms(
    x: np.ndarray, y: np.ndarray, kernels: Sequence[np.ndarray], *, activation: str
) -> np.ndarray:
    """Return the Euclidean norm of each layer's gradient, ‖∂J/∂Wₗ‖.

    Args:
        x: Examples, shape ([replicas,] n, features).
        y: Labels, integers, shape ([replicas,] n).
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
