"""Regularization: penalties, dropout in its kinds, Monte Carlo dropout, calibration, constraints.

In NumPy, equal to Keras: `dropout` has the masks and forward passes of dropout, alpha dropout and
DropConnect; `penalties` ℓ1 and ℓ2 with their gradients, the soft threshold and the max-norm
projection; `decay` sets ℓ2 beside weight decay under Adam; `sparsity` trains softmax regression
with ℓ1 by both kinds of step.

For Keras: `drop_connect` has the layer, `constraints` the soft threshold as a constraint and a
callback that notes norms after every step, `networks` perceptrons with any of these inside,
augmentation layers, and the losses that a training leaves. `monte_carlo` samples predictions;
`calibration` and `uncertainty` judge them.
"""

from helpers.regularization.calibration import (
    Reliability,
    calibration_floor,
    confidence_and_hits,
    expected_calibration_error,
    reliability,
)
from helpers.regularization.constraints import NormMonitor, SoftThreshold, unit_norms
from helpers.regularization.decay import decayed_path
from helpers.regularization.drop_connect import DropConnect
from helpers.regularization.dropout import (
    Array,
    alpha_dropout,
    drop_connect,
    dropout,
    dropout_mask,
)
from helpers.regularization.monte_carlo import (
    MCAlphaDropout,
    MCDropout,
    mc_predict,
    monte_carlo,
)
from helpers.regularization.networks import (
    Losses,
    augmentation_layers,
    cross_entropy,
    final_losses,
    regularized_mlp,
)
from helpers.regularization.penalties import (
    l1_gradient,
    l1_l2_gradient,
    l1_l2_penalty,
    l1_penalty,
    l2_gradient,
    l2_penalty,
    max_norm,
    soft_threshold,
)
from helpers.regularization.sparsity import train_sparse
from helpers.regularization.uncertainty import mutual_information, predictive_entropy

__all__ = [
    "Array",
    "l1_penalty",
    "l2_penalty",
    "l1_l2_penalty",
    "l1_gradient",
    "l2_gradient",
    "l1_l2_gradient",
    "soft_threshold",
    "train_sparse",
    "decayed_path",
    "dropout_mask",
    "dropout",
    "alpha_dropout",
    "drop_connect",
    "DropConnect",
    "MCDropout",
    "MCAlphaDropout",
    "monte_carlo",
    "mc_predict",
    "Reliability",
    "confidence_and_hits",
    "reliability",
    "calibration_floor",
    "expected_calibration_error",
    "predictive_entropy",
    "mutual_information",
    "max_norm",
    "unit_norms",
    "NormMonitor",
    "SoftThreshold",
    "augmentation_layers",
    "regularized_mlp",
    "Losses",
    "cross_entropy",
    "final_losses",
]
