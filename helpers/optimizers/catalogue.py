"""All optimizers by name, with the name of each in Keras."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import keras

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
        usual_rate: A learning rate around which a search for the best may begin.
        options: What has to be given beyond the defaults.
    """

    make: Callable[..., Optimizer]
    keras_name: str
    usual_rate: float
    options: Mapping[str, object] = MappingProxyType({})

    def ours(self, **arguments: object) -> Optimizer:
        """Return this package's optimizer, with the entry's options and further arguments.

        Example:
            >>> descent = OPTIMIZERS["momentum"].ours(learning_rate=0.5)
            >>> descent.update(1.0, descent.init(0.0), 0.0)[0]
            array(-0.5)
        """
        return self.make(**self.options, **arguments)

    def keras(self, **arguments: object) -> keras.optimizers.Optimizer:
        """Return Keras' optimizer, with the entry's options and further arguments.

        Example:
            >>> OPTIMIZERS["momentum"].keras(learning_rate=0.5).momentum
            0.9
        """
        return getattr(keras.optimizers, self.keras_name)(**self.options, **arguments)


OPTIMIZERS = {
    "sgd": Entry(sgd, "SGD", 0.1),
    "momentum": Entry(sgd, "SGD", 0.01, {"momentum": 0.9}),
    "nesterov": Entry(sgd, "SGD", 0.01, {"momentum": 0.9, "nesterov": True}),
    "adagrad": Entry(adagrad, "Adagrad", 0.1),
    "rmsprop": Entry(rmsprop, "RMSprop", 0.001),
    "adadelta": Entry(adadelta, "Adadelta", 1.0),
    "adam": Entry(adam, "Adam", 0.001),
    "adamax": Entry(adamax, "Adamax", 0.003),
    "nadam": Entry(nadam, "Nadam", 0.001),
    "adamw": Entry(adamw, "AdamW", 0.001),
    "ftrl": Entry(ftrl, "Ftrl", 0.1),
    "lion": Entry(lion, "Lion", 0.0003),
}
