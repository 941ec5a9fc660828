"""The activations by name, and the scale of the weights that suits each."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805


class Activation(NamedTuple):
    """A nonlinearity and its derivative, both element by element."""

    value: Callable[[np.ndarray], np.ndarray]
    derivative: Callable[[np.ndarray], np.ndarray]


def _logistic(z):
    return 0.5 * (1.0 + np.tanh(0.5 * z))  # never overflows


def _elu(z, alpha=1.0):
    return np.where(z > 0, z, alpha * np.expm1(np.minimum(z, 0)))


def _elu_slope(z, alpha=1.0):
    return np.where(z > 0, 1.0, alpha * np.exp(np.minimum(z, 0)))


def _normal_density(z):
    return np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)


ACTIVATIONS = {
    "linear": Activation(lambda z: z, np.ones_like),
    "logistic": Activation(_logistic, lambda z: _logistic(z) * _logistic(-z)),
    "tanh": Activation(np.tanh, lambda z: 1.0 - np.tanh(z) ** 2),
    "relu": Activation(lambda z: np.maximum(z, 0), lambda z: (z > 0).astype(z.dtype)),
    "elu": Activation(_elu, _elu_slope),
    "selu": Activation(
        lambda z: SELU_SCALE * _elu(z, SELU_ALPHA), lambda z: SELU_SCALE * _elu_slope(z, SELU_ALPHA)
    ),
    "gelu": Activation(lambda z: z * ndtr(z), lambda z: ndtr(z) + z * _normal_density(z)),
    "silu": Activation(
        lambda z: z * _logistic(z),
        lambda z: _logistic(z) * (1.0 + z * _logistic(-z)),
    ),
}


def named_activation(name: str) -> Activation:
    """Return an entry of `ACTIVATIONS`; a name that is not there is refused."""
    if name not in list(ACTIVATIONS):
        raise ValueError(
            f"`activation` must be one of {tuple(ACTIVATIONS)}. Received: activation={name!r}"
        )
    return ACTIVATIONS[name]


class MatchedScale(NamedTuple):
    """The `scale` that keeps the forward signal, and the one that keeps the gradient."""

    forward: float
    backward: float


def matched_scale(activation: str) -> MatchedScale:
    """Return the scale = fan · σ² that keeps a unit signal through one layer of an activation.

        forward: 1 / E[f(z)²],   backward: 1 / E[f′(z)²],   z ~ N(0, 1).

    Args:
        activation: A name in `ACTIVATIONS`.

    Returns:
        The `MatchedScale`; fan is fan_in for the forward scale, fan_out for the backward one.

    Raises:
        ValueError: The activation is unknown.

    Example:
        >>> forward, backward = matched_scale("relu")
        >>> round(forward, 6), round(backward, 6)
        (2.0, 2.0)
    """
    function = named_activation(activation)
    step = 2e-4
    z = np.arange(-12, 12, step) + step / 2  # midpoints: no kink at 0 is ever hit
    weight = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi) * step
    return MatchedScale(
        float(1 / (function.value(z) ** 2 @ weight)),
        float(1 / (function.derivative(z) ** 2 @ weight)),
    )
