"""Weight initialization: how wide to draw the weights, and what the width does to a deep net.

`variance` says how wide, `drawing` draws kernels, `nonlinearities` holds the activations and the
scale that matches each; `propagation` measures the signal and the gradient layer by layer, and
`mean_field` predicts them for nets of infinite width; `residual` holds a layer for branches.
"""

from helpers.initialization.drawing import (
    DISTRIBUTIONS,
    draw_kernels,
    glorot,
    he,
    lecun,
    orthogonal,
    variance_scaling,
)
from helpers.initialization.mean_field import (
    fixed_variance,
    layer_slope,
    next_correlation,
    next_variance,
)
from helpers.initialization.nonlinearities import (
    ACTIVATIONS,
    SELU_ALPHA,
    SELU_SCALE,
    Activation,
    MatchedScale,
    matched_scale,
)
from helpers.initialization.propagation import Signal, forward_moments, propagate
from helpers.initialization.residual import Scale
from helpers.initialization.variance import (
    MODES,
    TRUNCATION,
    Fans,
    fans,
    truncated_normal_std,
    weight_variance,
)

__all__ = [
    "SELU_ALPHA",
    "SELU_SCALE",
    "TRUNCATION",
    "MODES",
    "DISTRIBUTIONS",
    "Fans",
    "Activation",
    "Signal",
    "ACTIVATIONS",
    "fans",
    "weight_variance",
    "truncated_normal_std",
    "variance_scaling",
    "glorot",
    "he",
    "lecun",
    "orthogonal",
    "MatchedScale",
    "matched_scale",
    "draw_kernels",
    "forward_moments",
    "propagate",
    "fixed_variance",
    "layer_slope",
    "next_correlation",
    "next_variance",
    "Scale",
]
