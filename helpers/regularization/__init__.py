"""Regularization: penalties, dropout in its kinds, Monte Carlo dropout, calibration, constraints.

In NumPy, equal to Keras: `dropout` has the masks and forward passes of dropout, alpha dropout and
DropConnect; `penalties` ℓ1 and ℓ2 with their gradients, the soft threshold and the max-norm
projection; `decay` sets ℓ2 beside weight decay under Adam.

For Keras: `drop_connect` has the layer, `constraints` the soft threshold as a constraint and a
norm to watch, `sharpness` the training of SAM. `monte_carlo` samples predictions; `temperature`,
`calibration` and `uncertainty` judge them, and `readings` puts what is read side by side.
"""

from helpers.regularization.calibration import (
    Reliability,
    confidence_and_hits,
    expected_calibration_error,
    reliability,
)
from helpers.regularization.constraints import SoftThreshold, largest_norm
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
from helpers.regularization.readings import READINGS, Predictions, Reading, read
from helpers.regularization.sharpness import SAM, fit_sam, perceptron
from helpers.regularization.temperature import fit_temperature, temper
from helpers.regularization.uncertainty import (
    error_detection,
    mutual_information,
    predictive_entropy,
)

__all__ = [
    "Array",
    "l1_penalty",
    "l2_penalty",
    "l1_l2_penalty",
    "l1_gradient",
    "l2_gradient",
    "l1_l2_gradient",
    "soft_threshold",
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
    "expected_calibration_error",
    "predictive_entropy",
    "error_detection",
    "temper",
    "fit_temperature",
    "READINGS",
    "Predictions",
    "Reading",
    "read",
    "SAM",
    "fit_sam",
    "perceptron",
    "mutual_information",
    "max_norm",
    "largest_norm",
    "SoftThreshold",
]
