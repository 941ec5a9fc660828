"""Batch normalization: its equations and gradients, its two modes, and its removal.

An array `x` is a batch, examples first. `axis` names the features' axis, as in Keras, or several
axes; each feature has a mean, a variance, a scale γ and an offset β of its own.

`equations` holds forward and backward pass, `moving` the moving averages and the noise of a batch,
`networks` builds models and counts their parameters, `depth` sends gradients through random ones,
`noise` is a layer that disturbs, and `modes` looks at biases in training mode and mends a model's
moving averages. `folding` takes batch normalization out of a trained model: `affine` changes the
weights of the layer that takes it, `passing` knows what may stand between.
"""

from helpers.normalization.depth import gradient_sizes
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
from helpers.normalization.modes import bias_gradients, recompute_statistics
from helpers.normalization.moving import in_random_batches, moving_average, moving_moments
from helpers.normalization.networks import (
    POSITIONS,
    ParameterCounts,
    batch_normalized_mlp,
    parameter_counts,
)
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
    "moving_average",
    "moving_moments",
    "in_random_batches",
    "POSITIONS",
    "batch_normalized_mlp",
    "ParameterCounts",
    "parameter_counts",
    "gradient_sizes",
    "ShiftingNoise",
    "recompute_statistics",
    "bias_gradients",
    "Folded",
    "fold_batch_normalization",
]
