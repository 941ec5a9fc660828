"""Transfer: tasks that share images, and networks that begin where others ended.

`tasks` cuts a data set into a task with many labels and one with few, and makes a task that labels
itself. `stacks` trains many small dense networks at once in NumPy, each on labels of its own, with
any number of its lower layers frozen; `reuse` gives such networks another's layers; `stages` trains
them first frozen, then not, at several rates. `networks` builds what goes through Keras: a
convolutional net, a net that looks up its own labelled images, one layer's autoencoder. `zoo` loads
a model of a zoo, with its weights or with advice.
"""

from helpers.transfer.networks import (
    OwnImages,
    body_features,
    conv_net,
    layer_autoencoder,
    with_own_images,
)
from helpers.transfer.reuse import draw_weights, reuse_layers, tile
from helpers.transfer.stacks import (
    Array,
    Weights,
    evaluate,
    fit_stack,
    forward,
    gradients,
    selu,
    selu_slope,
)
from helpers.transfer.stages import Outcome, Stage, best_arms, best_of_rates, best_rate, fit_stages
from helpers.transfer.tasks import (
    LabelledImages,
    draw_labels,
    evaluation_images,
    rotation_task,
    select_classes,
    separation,
    with_features,
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
    "with_features",
    "separation",
    "rotation_task",
    "selu",
    "selu_slope",
    "forward",
    "gradients",
    "fit_stack",
    "evaluate",
    "draw_weights",
    "reuse_layers",
    "tile",
    "Stage",
    "Outcome",
    "fit_stages",
    "best_of_rates",
    "best_arms",
    "best_rate",
    "conv_net",
    "OwnImages",
    "with_own_images",
    "body_features",
    "layer_autoencoder",
    "zoo_body",
]
