"""Numbers of a layer that each replica has for itself: a dropout rate, a penalty's strength."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from unittest import mock

import keras
import numpy as np
import tensorflow as tf


class RowNumber:
    """A replica's own number while a graph is traced: a tensor that Python may ask "is it > 0?".

    Layers ask so before they drop or penalize at all. The answer is yes: at 0 the rest of what
    they compute changes nothing. Whether it is another number is answered by no, and kept in
    `apart`: no replica may have that number. Other questions have no one answer.
    """

    def __init__(
        self,
        tensor: tf.Tensor,
        on_use: Callable[[], None] = lambda: None,
        apart: set[float] | None = None,
    ):
        self._tensor, self._on_use, self._apart = tensor, on_use, apart

    @property
    def tensor(self) -> tf.Tensor:
        """The number, which is asked for where something is computed with it."""
        self._on_use()
        return self._tensor

    def __bool__(self):
        return True

    def __gt__(self, other):
        if isinstance(other, int | float | np.number) and other == 0:
            return True
        raise TypeError(f"a {type(self).__name__} has no one answer to > {other!r}")

    def __ne__(self, other):
        return not self == other

    def __eq__(self, other):
        if other is None or isinstance(other, str):
            return False
        number = isinstance(other, int | float | np.number)
        if not number or (other != 0 and self._apart is None):
            raise TypeError(f"a {type(self).__name__} has no one answer to == {other!r}")
        if other != 0:
            self._apart.add(float(other))
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
_tensorflow_leaky_relu = tf.nn.leaky_relu


def _dropout(inputs, rate, **options):
    """Drop at a rate that may be a `RowNumber`: TensorFlow insists on a number or a tensor."""
    rate = tf.cast(rate.tensor, inputs.dtype) if isinstance(rate, RowNumber) else rate
    return _tensorflow_dropout(inputs, rate=rate, **options)


def _leaky_relu(features, alpha=0.2, name=None):
    """Fall off at a slope that may be a `RowNumber`: TensorFlow's must be a number."""
    if not isinstance(alpha, RowNumber):
        return _tensorflow_leaky_relu(features, alpha=alpha, name=name)
    return tf.where(features > 0, features, alpha * features)


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


def check_numbers(model: keras.Model, values: Mapping[str, np.ndarray]) -> None:
    """Refuse numbers that are not a model's, or that its layers do not take.

    Args:
        model: The template.
        values: Name → (replicas,) numbers.
    """
    layers = list(model._flatten_layers(include_self=False))
    for name, numbers in values.items():
        for at, path in find_numbers(model, name):
            owner = _get(layers[at], path[:-1])
            changed = partial(_with_number, owner, path[-1])
            if _can_be_remade(changed, _get(owner, path[-1:])):
                check_taken(changed, name, numbers, type(owner).__name__)


def check_taken(changed: Callable[[float], object], name: str, values, owner: str) -> None:
    """Refuse numbers that Keras refuses itself, when something is made with them.

    Args:
        changed: Makes the thing with another number.
        name: Of the number in `each`.
        values: The numbers.
        owner: What is made, in words.
    """
    for value in (float(np.min(values)), float(np.max(values))):
        try:
            changed(value)
        except (ValueError, TypeError) as error:
            cause = str(error).rsplit("Exception encountered: ", 1)[-1]
            raise ValueError(
                f"`each` must hold numbers that {owner} takes. Received: each[{name!r}] with "
                f"{value:g}; Keras: {cause}"
            ) from error


def _with_number(owner, name: str, value: float):
    """Return what is configured like the owner, but for a number."""
    config = owner.get_config()
    return type(owner).from_config(config | {name: value}) if name in config else owner


def _can_be_remade(changed: Callable[[float], object], value) -> bool:
    """Return whether an owner can be made anew from its configuration, with its own number."""
    try:
        changed(float(value))
    except Exception:
        return False
    return True


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
        with (
            mock.patch.object(tf.nn.experimental, "stateless_dropout", _dropout),
            mock.patch.object(tf.nn, "leaky_relu", _leaky_relu),
        ):
            yield
    finally:
        for owner, name, value in reversed(kept):
            object.__setattr__(owner, name, value)
