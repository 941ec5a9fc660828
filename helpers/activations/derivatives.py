"""The functions' derivatives, and the table that holds each function with its own."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

from helpers.activations.functions import (
    SELU_ALPHA,
    SELU_SCALE,
    TANH_CUBIC,
    TANH_SCALE,
    Array,
    Function,
    elu,
    gelu,
    gelu_tanh,
    leaky_relu,
    logistic,
    mish,
    prelu,
    relu,
    selu,
    silu,
    softplus,
    tanh,
)
from helpers.activations.randomized import RRELU_LOWER, RRELU_UPPER, rrelu


class Activation(NamedTuple):
    """A function and its derivative, each from an array to an array of the same shape."""

    function: Function
    derivative: Function


def normal_density(z: Array) -> Array:
    """Return Φ′(z), the density of N(0, 1)."""
    return np.exp(-np.square(z) / 2) / np.sqrt(2 * np.pi)


def _logistic_derivative(z: Array) -> Array:
    return logistic(z) * logistic(np.negative(z))


def _tanh_derivative(z: Array) -> Array:
    return 1 - np.tanh(z) ** 2


def _relu_derivative(z: Array) -> Array:
    return np.where(np.greater(z, 0), 1.0, 0.0)


def _leaky_relu_derivative(z: Array, *, alpha: float | Array = 0.01) -> Array:
    return np.where(np.greater(z, 0), 1.0, alpha)


def _rrelu_derivative(z: Array) -> Array:
    return _leaky_relu_derivative(z, alpha=(RRELU_LOWER + RRELU_UPPER) / 2)


def _prelu_derivative(z: Array, *, alpha: float | Array = 0.25) -> Array:
    return _leaky_relu_derivative(z, alpha=alpha)


def _elu_derivative(z: Array, *, alpha: float = 1.0) -> Array:
    return np.where(np.greater(z, 0), 1.0, alpha * np.exp(np.minimum(z, 0.0)))


def _selu_derivative(z: Array) -> Array:
    return SELU_SCALE * _elu_derivative(z, alpha=SELU_ALPHA)


def _gelu_derivative(z: Array) -> Array:
    return ndtr(z) + z * normal_density(z)


def _gelu_tanh_derivative(z: Array) -> Array:
    t = np.tanh(TANH_SCALE * (z + TANH_CUBIC * np.power(z, 3)))
    inner = TANH_SCALE * (1 + 3 * TANH_CUBIC * np.square(z))
    return 0.5 * (1 + t) + 0.5 * z * (1 - t**2) * inner


def _silu_derivative(z: Array, *, beta: float = 1.0) -> Array:
    s = logistic(np.multiply(beta, z))
    return s + beta * z * s * (1 - s)


def _mish_derivative(z: Array) -> Array:
    t = np.tanh(softplus(z))
    return t + z * (1 - t**2) * logistic(z)


ACTIVATIONS: Mapping[str, Activation] = {
    "logistic": Activation(logistic, _logistic_derivative),
    "tanh": Activation(tanh, _tanh_derivative),
    "relu": Activation(relu, _relu_derivative),
    "leaky_relu": Activation(leaky_relu, _leaky_relu_derivative),
    "rrelu": Activation(rrelu, _rrelu_derivative),
    "prelu": Activation(prelu, _prelu_derivative),
    "elu": Activation(elu, _elu_derivative),
    "selu": Activation(selu, _selu_derivative),
    "gelu": Activation(gelu, _gelu_derivative),
    "gelu_tanh": Activation(gelu_tanh, _gelu_tanh_derivative),
    "silu": Activation(silu, _silu_derivative),
    "mish": Activation(mish, _mish_derivative),
    "softplus": Activation(softplus, logistic),
}
