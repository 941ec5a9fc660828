"""Batch normalization: its equations and gradients, its two modes, and its removal.

An array `x` is a batch, examples first. `axis` names the features' axis, as in Keras, or several
axes; each feature has a mean, a variance, a scale γ and an offset β of its own.

`equations` holds forward and backward pass, `depth` sends gradients through random networks, and
`modes` makes a model's moving averages anew. `ghost` and `noise` are layers for experiments: the
one normalizes parts of a batch, the other disturbs. `folding` takes batch normalization out of a
trained model: `affine` changes the weights of the layer that takes it, `passing` knows what may
stand between.
"""

from helpers.normalization.depth import POSITIONS, gradient_sizes
from helpers.normalization.equations import (
    Array,
    Axis,
    Gradients,
    Moments,
    batch_normalization,
    batch_normalization_gradients,
    moments,
    normalize,
)
from helpers.normalization.folding import Folded, fold_batch_normalization
from helpers.normalization.ghost import GhostBatchNormalization
from helpers.normalization.modes import recompute_statistics
from helpers.normalization.noise import ShiftingNoise

__all__ = [
    "Array",
    "Axis",
    "Moments",
    "Gradients",
    "moments",
    "normalize",
    "batch_normalization",
    "batch_normalization_gradients",
    "POSITIONS",
    "gradient_sizes",
    "GhostBatchNormalization",
    "ShiftingNoise",
    "recompute_statistics",
    "Folded",
    "fold_batch_normalization",
]
