"""Activations: the functions with their derivatives, SELU's fixed point, dead units.

A function takes an array `z` of pre-activations, of any shape, and returns an array of that shape;
what else it takes is keyword-only. `ACTIVATIONS` holds each with its derivative. Where a function
has a kink at 0, its derivative there is the left one.

`functions` holds the functions, `randomized` the one that draws its slopes, and `derivatives` the
table; `census` counts dead units, and `self_normalization` follows mean and variance through the
layers.
"""

from helpers.activations.census import dead_units, sleeping_units
from helpers.activations.derivatives import ACTIVATIONS, Activation
from helpers.activations.functions import (
    SELU_ALPHA,
    SELU_SCALE,
    Array,
    Function,
    elu,
    gelu,
    gelu_tanh,
    leaky_relu,
    logistic,
    mish,
    prelu,
    prelu_slope_gradient,
    relu,
    selu,
    silu,
    softplus,
    tanh,
)
from helpers.activations.randomized import RRELU_LOWER, RRELU_UPPER, RReLU, rrelu
from helpers.activations.self_normalization import (
    WEIGHT_VARIANCE,
    LayerMoments,
    moments_after,
    propagate,
    selu_constants,
)

__all__ = [
    "Array",
    "Function",
    "SELU_ALPHA",
    "SELU_SCALE",
    "RRELU_LOWER",
    "RRELU_UPPER",
    "Activation",
    "logistic",
    "tanh",
    "relu",
    "leaky_relu",
    "prelu",
    "prelu_slope_gradient",
    "rrelu",
    "elu",
    "selu",
    "gelu",
    "gelu_tanh",
    "silu",
    "mish",
    "softplus",
    "ACTIVATIONS",
    "RReLU",
    "dead_units",
    "sleeping_units",
    "moments_after",
    "selu_constants",
    "WEIGHT_VARIANCE",
    "LayerMoments",
    "propagate",
]
