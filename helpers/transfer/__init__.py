"""Transfer: a body that was trained on photographs, and tasks with few labels.

`tensors` reads PyTorch's old file format and accepts nothing but tensors. `lite` writes
EfficientNet-Lite0 as a Keras model and gives it the weights of such a file. `tasks` cuts tasks out
of a data set. `heads` judges heads that read features instead of images, and solves the linear one
in closed form. `bodies` keeps what each replica's own body says. `coding` builds one layer's
autoencoder.
"""

from helpers.transfer.bodies import OwnBodies
from helpers.transfer.coding import autoencoder
from helpers.transfer.heads import OnFeatures, RidgeProbe, as_inputs
from helpers.transfer.lite import (
    adapt_statistics,
    block_ends,
    lite_blocks,
    lite_model,
    lite_weights,
    load_lite_weights,
)
from helpers.transfer.tasks import PairDraws, rotations, take_turns
from helpers.transfer.tensors import RefusedFileError, read_tensors

__all__ = [
    "read_tensors",
    "RefusedFileError",
    "lite_model",
    "lite_blocks",
    "lite_weights",
    "load_lite_weights",
    "block_ends",
    "adapt_statistics",
    "OwnBodies",
    "RidgeProbe",
    "OnFeatures",
    "as_inputs",
    "take_turns",
    "PairDraws",
    "rotations",
    "autoencoder",
]
