"""Weight initialization: how wide to draw the weights, and what the width does to a deep net.

`variance` says how wide, `drawing` draws kernels, `nonlinearities` holds the activations and the
scale that matches each; `propagation` measures the signal and the gradient layer by layer,
`residual` does so where blocks are added up, and `convergence` counts epochs to a loss.
"""

from helpers.initialization.convergence import epochs_to_target
from helpers.initialization.drawing import (
    DISTRIBUTIONS,
    draw_kernels,
    glorot,
    he,
    lecun,
    orthogonal,
    variance_scaling,
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
from helpers.initialization.residual import residual_mlp, residual_moments
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
    "epochs_to_target",
    "residual_mlp",
    "residual_moments",
]
