"""Transfer: tasks that share images, and networks that begin where others ended.

`tasks` cuts a data set into a task with many labels and one with few, and makes a task that labels
itself. `networks` builds a convolutional net, freezes the lowest layers of any, and builds one
layer's autoencoder; `reuse` composes the weights that networks start from, with another's layers at
the bottom; `racing` trains arms on few labels, each at its best rate. `zoo` loads a model of a zoo,
with its weights or with advice.
"""

from helpers.transfer.networks import autoencoder, conv_net, with_frozen
from helpers.transfer.racing import Outcome, accuracy, best_of_rates, over_draws, race
from helpers.transfer.reuse import Array, Weights, draw_weights, reuse_layers
from helpers.transfer.tasks import (
    LabelledImages,
    draw_labels,
    evaluation_images,
    rotation_task,
    select_classes,
    separation,
    without_classes,
)
from helpers.transfer.zoo import zoo_body

__all__ = [
    "Array",
    "Weights",
    "LabelledImages",
    "select_classes",
    "without_classes",
    "draw_labels",
    "evaluation_images",
    "separation",
    "rotation_task",
    "draw_weights",
    "reuse_layers",
    "with_frozen",
    "Outcome",
    "race",
    "best_of_rates",
    "over_draws",
    "accuracy",
    "conv_net",
    "autoencoder",
    "zoo_body",
]
