"""What a dense net carries, layer by layer: the signal up and the gradient down."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from helpers.initialization.nonlinearities import named_activation


class Signal(NamedTuple):
    """What a net carries, layer by layer from the input up: two arrays (..., layers + 1).

    Attributes:
        second_moment: Mean square of the outputs, over examples and units.
        gradient: Mean square of the gradient with respect to the outputs.
    """

    second_moment: np.ndarray
    gradient: np.ndarray


def forward_moments(x: np.ndarray, kernels: Iterable[np.ndarray], *, activation: str) -> np.ndarray:
    """Return the mean square of each layer's outputs in a dense net without biases.

        x_l = f(x_{l−1} W_l),   result_l = mean(x_l²).

    Args:
        x: Inputs, shape (..., examples, units).
        kernels: Kernels, shape (..., inputs, outputs); leading axes are replicas. An iterator
            will do: one layer is held at a time.
        activation: A name in `ACTIVATIONS`.

    Returns:
        Shape (..., layers): the first layer's outputs come first.

    Raises:
        ValueError: The activation is unknown.

    Example:
        >>> forward_moments(np.ones((1, 2)), [2 * np.eye(2)] * 3, activation="linear")
        array([ 4., 16., 64.])
    """
    function, moments = named_activation(activation), []
    for kernel in kernels:
        x = function.value(x @ kernel)
        moments.append((x**2).mean(axis=(-2, -1)))
    return np.stack(moments, axis=-1)


def propagate(
    x: np.ndarray,
    kernels: Sequence[np.ndarray],
    *,
    activation: str,
    gradient: np.ndarray,
    gain: float = 1.0,
) -> Signal:
    """Send inputs up and a gradient down a dense net without biases, and measure both.

        x_l = f(z_l),  z_l = gain · x_{l−1} W_l,   δ_{l−1} = gain · (δ_l ⊙ f′(z_l)) W_lᵀ.

    Args:
        x: Inputs x_0, shape (examples, units).
        kernels: Kernels, shape (..., inputs, outputs); leading axes are replicas.
        activation: A name in `ACTIVATIONS`.
        gradient: δ at the top layer's outputs, shape (examples, units of the top layer).
        gain: Factor on every kernel.

    Returns:
        The `Signal` at the input and at each layer's outputs.

    Raises:
        ValueError: The activation is unknown.

    Example:
        >>> x = np.array([[1.0, 3.0], [3.0, 5.0]])
        >>> signal = propagate(x, [np.eye(2)], activation="linear", gradient=x, gain=2.0)
        >>> signal.second_moment, signal.gradient
        (array([11., 44.]), array([44., 11.]))
    """
    function = named_activation(activation)
    outputs, slopes, gradients = [x], [], [gradient]
    for kernel in kernels:
        z = gain * (outputs[-1] @ kernel)
        outputs.append(function.value(z))
        slopes.append(function.derivative(z))
    for kernel, slope in zip(reversed(kernels), reversed(slopes), strict=True):
        gradients.append(gain * ((gradients[-1] * slope) @ np.swapaxes(kernel, -1, -2)))
    return Signal(
        _by_layer([(output**2).mean(axis=(-2, -1)) for output in outputs]),
        _by_layer([(delta**2).mean(axis=(-2, -1)) for delta in reversed(gradients)]),
    )


def _by_layer(moments: Sequence[np.ndarray]) -> np.ndarray:
    """Stack the layers' moments on the last axis; the input's has no replica axis yet."""
    return np.stack(np.broadcast_arrays(*moments), axis=-1)
