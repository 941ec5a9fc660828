"""Numbers of a layer that each replica has for itself: a dropout rate, a penalty's strength."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from unittest import mock

import keras
import numpy as np
import tensorflow as tf


class RowNumber:
    """A replica's own number while a graph is traced: a tensor that Python may ask "is it > 0?".

    Layers ask so before they drop or penalize at all. The answer is yes: at 0 the rest of what
    they compute changes nothing.
    """

    def __init__(self, tensor: tf.Tensor):
        self.tensor = tensor

    def __bool__(self):
        return True

    def __gt__(self, other):
        return True

    def __ne__(self, other):
        return True

    def __eq__(self, other):
        return False

    __hash__ = None

    def __mul__(self, other):
        return (
            tf.cast(self.tensor, other.dtype) * other
            if hasattr(other, "dtype")
            else (self.tensor * other)
        )

    __rmul__ = __mul__

    def __add__(self, other):
        return self.tensor + other

    __radd__ = __add__

    def __sub__(self, other):
        return self.tensor - other

    def __rsub__(self, other):
        return other - self.tensor

    def __truediv__(self, other):
        return self.tensor / other

    def __rtruediv__(self, other):
        return other / self.tensor

    def __pow__(self, other):
        return self.tensor**other

    def __neg__(self):
        return -self.tensor


_tensorflow_dropout = tf.nn.experimental.stateless_dropout


def _dropout(inputs, rate, **options):
    """Drop at a rate that may be a `RowNumber`: TensorFlow insists on a number or a tensor."""
    rate = tf.cast(rate.tensor, inputs.dtype) if isinstance(rate, RowNumber) else rate
    return _tensorflow_dropout(inputs, rate=rate, **options)


tf.register_tensor_conversion_function(
    RowNumber,
    lambda number, dtype=None, name=None, as_ref=False: (
        number.tensor if dtype is None else tf.cast(number.tensor, dtype)
    ),
)


def find_numbers(model: keras.Model, name: str) -> list[tuple[int, tuple[str, ...]]]:
    """Return where a model has the number of that name: positions of layers, and attributes.

    Args:
        model: The template.
        name: "layer.attribute", or longer, as "hidden.kernel_regularizer.l2"; the layer by its
            name, or all layers of a class by its name, as "Dropout.rate".

    Raises:
        ValueError: There is no such layer, or its attribute is no number.
    """
    owner, *path = name.split(".")
    layers = list(model._flatten_layers(include_self=False))
    wanted = [at for at, one in enumerate(layers) if owner in (one.name, type(one).__name__)]
    found = [(at, tuple(path)) for at in wanted if _is_number(_get(layers[at], path))]
    if not path or not found or len(found) != len(wanted):
        numbers = sorted({n for one in layers for n in _numbers(one)})
        raise ValueError(
            '`each` must name numbers of the optimizer, or of layers as "layer.attribute". '
            f"Received: {name!r}. Possible: {', '.join(numbers) or 'none of this model'}"
        )
    return found


def _numbers(layer: keras.Layer) -> list[str]:
    """Return the names under which a layer's strengths can be given."""
    direct = [n for n in ("rate", "stddev", "negative_slope") if _is_number(_get(layer, [n]))]
    deeper = [
        f"{owner}.{n}"
        for owner in ("kernel_regularizer", "bias_regularizer", "activity_regularizer")
        for n in ("l1", "l2")
        if _is_number(_get(layer, [owner, n]))
    ]
    return [f"{layer.name}.{n}" for n in (*direct, *deeper)]


def _get(owner, path):
    for name in path:
        owner = getattr(owner, name, None)
    return owner


def _is_number(value) -> bool:
    """Return whether a value is a number, or a tensor that holds one, as Keras' `L1` has it."""
    if tf.is_tensor(value):
        return value.shape.rank == 0 and value.dtype.is_floating
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


@contextmanager
def own_numbers(model: keras.Model, values: Mapping[tuple, object]) -> Iterator[None]:
    """Put values in the place of a model's numbers for a while.

    Args:
        model: The template.
        values: (position of the layer, path of the attribute) → `RowNumber` or number.
    """
    layers = list(model._flatten_layers(include_self=False))
    kept = []
    try:
        for (at, path), value in values.items():
            owner = _get(layers[at], path[:-1])
            kept.append((owner, path[-1], getattr(owner, path[-1])))
            object.__setattr__(owner, path[-1], value)
        with mock.patch.object(tf.nn.experimental, "stateless_dropout", _dropout):
            yield
    finally:
        for owner, name, value in reversed(kept):
            object.__setattr__(owner, name, value)
