"""The check on backpropagation: gradients from nothing but the loss's values."""

from collections.abc import Callable, Sequence

import numpy as np

from helpers.gradients.networks import forward


def numerical_gradient(
    function: Callable[[np.ndarray], float], x: np.ndarray, *, step: float = 1e-5
) -> np.ndarray:
    """Return a gradient by central differences, which use nothing but the function's values.

        ∂f/∂xᵢ ≈ (f(x + h eᵢ) − f(x − h eᵢ)) / 2h,   error ~ h² + rounding / h

    Args:
        function: Takes an array of the shape of `x`, returns a number.
        x: Where to differentiate, any shape; used in float64.
        step: h, above 0.

    Returns:
        Shape of `x`, float64.

    Raises:
        ValueError: `step` is not above 0.

    Example:
        >>> numerical_gradient(lambda x: np.sum(x**2), np.array([1.0, 3.0])).round(6).tolist()
        [2.0, 6.0]
    """
    if not step > 0:
        raise ValueError(f"`step` must be above 0. Received: step={step}")
    x = np.array(x, dtype=np.float64)
    gradient = np.empty_like(x)
    for index in np.ndindex(x.shape):
        shift = np.zeros_like(x)
        shift[index] = step
        gradient[index] = (function(x + shift) - function(x - shift)) / (2 * step)
    return gradient


def kernel_loss(
    kernel: np.ndarray,
    *,
    layer: int,
    x: np.ndarray,
    y: np.ndarray,
    kernels: Sequence[np.ndarray],
    activation: str,
) -> float:
    """Return the mean cross-entropy, J = −mean(log p_y), with one layer's kernel replaced.

    Args:
        kernel: The new kernel, shape (fan_in, fan_out).
        layer: Whose kernel it is: an index of `kernels`.
        x: Examples, shape (n, features).
        y: Labels, integers, shape (n,).
        kernels: One a layer, shape (fan_in, fan_out), of a single network.
        activation: Of the hidden layers; see `activate`.

    Returns:
        The loss in nats.

    Raises:
        ValueError: The kernel's shape is not that of the one it replaces.

    Example:
        >>> x, y = np.ones((1, 1)), np.array([0])
        >>> options = dict(x=x, y=y, kernels=[np.ones((1, 2))], activation="relu")
        >>> round(kernel_loss(np.zeros((1, 2)), layer=0, **options), 4)  # log 2
        0.6931
    """
    if np.shape(kernel) != kernels[layer].shape:
        raise ValueError(
            f"`kernel` must have shape {kernels[layer].shape}. Received: shape={np.shape(kernel)}"
        )
    kernels = [kernel if number == layer else own for number, own in enumerate(kernels)]
    outputs, _ = forward(x, kernels, activation=activation)
    return float(-np.mean(np.log(outputs[-1][np.arange(len(y)), y])))
