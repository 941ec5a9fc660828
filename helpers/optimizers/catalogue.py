"""All optimizers by name, with the name of each in Keras."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from helpers.optimizers.adam import adam, adamw
from helpers.optimizers.adam_variants import adamax, nadam
from helpers.optimizers.adaptive import adadelta, adagrad, rmsprop
from helpers.optimizers.ftrl import ftrl
from helpers.optimizers.lion import lion
from helpers.optimizers.momentum import sgd
from helpers.optimizers.optimizer import Optimizer


class Entry(NamedTuple):
    """One way to descend.

    Attributes:
        make: Ours; it takes Keras' arguments.
        keras_name: Name of Keras' class in `keras.optimizers`.
        options: What has to be given beyond the defaults.
    """

    make: Callable[..., Optimizer]
    keras_name: str
    options: Mapping[str, object] = MappingProxyType({})


OPTIMIZERS = {
    "sgd": Entry(sgd, "SGD"),
    "momentum": Entry(sgd, "SGD", {"momentum": 0.9}),
    "nesterov": Entry(sgd, "SGD", {"momentum": 0.9, "nesterov": True}),
    "adagrad": Entry(adagrad, "Adagrad"),
    "rmsprop": Entry(rmsprop, "RMSprop"),
    "adadelta": Entry(adadelta, "Adadelta"),
    "adam": Entry(adam, "Adam"),
    "adamax": Entry(adamax, "Adamax"),
    "nadam": Entry(nadam, "Nadam"),
    "adamw": Entry(adamw, "AdamW"),
    "ftrl": Entry(ftrl, "Ftrl"),
    "lion": Entry(lion, "Lion"),
}
