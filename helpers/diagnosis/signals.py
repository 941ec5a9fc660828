"""Layers and gradients of a Keras model, as one pass shows them."""

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

Array = np.ndarray


class Signal(NamedTuple):
    """What went into a layer and what came out, at its last call."""

    layer: keras.layers.Layer
    entered: Array
    left: Array


def leaves(model: keras.Model) -> Iterator[keras.layers.Layer]:
    """Yield the layers of a model, and of models in it, that are no models."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from leaves(layer)
        else:
            yield layer


def signals(model: keras.Model, x: Array, *, training: bool = False) -> list[Signal]:
    """Return the signals of all layers in the order of their calls."""
    with _watched(model) as seen:
        model(x, training=training)
    return list(seen.values())


@contextmanager
def _watched(model: keras.Model):
    # The layers' own `call` is covered for a moment. Unlike a second model made from the tensors of
    # the first, this reaches into models within models, shared layers and subclasses.
    seen: dict[int, Signal] = {}
    layers = [layer for layer in leaves(model) if not isinstance(layer, keras.layers.InputLayer)]
    for layer in layers:
        object.__setattr__(layer, "call", _noting(layer, seen))
    try:
        yield seen
    finally:
        for layer in layers:
            object.__delattr__(layer, "call")


def _noting(layer: keras.layers.Layer, seen: dict[int, Signal]):
    call = layer.call

    @functools.wraps(call)
    def noted(*args, **kwargs):
        left = call(*args, **kwargs)
        if args:
            seen[id(layer)] = Signal(layer, _array(args[0]), _array(left))
        return left

    return noted


def _array(value) -> Array:
    while isinstance(value, list | tuple):
        value = value[0]
    return keras.ops.convert_to_numpy(value)


def gradients(model: keras.Model, x: Array, y: Array) -> tuple[float, dict[str, Array | None]]:
    """Return a batch's loss in training mode, and the gradient of each trainable variable."""
    variables = {short_name(model, variable): variable for variable in model.trainable_variables}
    with tf.GradientTape() as tape:
        outputs = model(x, training=True)
        loss = model.compute_loss(x=x, y=y, y_pred=outputs, training=True)
    found = tape.gradient(loss, [variable.value for variable in variables.values()])
    arrays = [
        None if g is None else keras.ops.convert_to_numpy(tf.convert_to_tensor(g)) for g in found
    ]
    return float(loss), dict(zip(variables, arrays, strict=True))


def short_name(model: keras.Model, variable: keras.Variable) -> str:
    """Return a variable's name without that of the model."""
    return variable.path.removeprefix(f"{model.name}/")


def values_of(variable: keras.Variable) -> Array:
    """Return a copy of a variable's values."""
    return variable.value.numpy().copy()


def kernels(model: keras.Model) -> dict[str, keras.Variable]:
    """Return the trainable matrices by the name of their layer, lowest first; no embeddings.

    Of an embedding a batch touches a few rows; its gradient is no measure of the path to it.
    """
    return {
        short_name(model, variable).removesuffix("/kernel"): variable
        for variable in model.trainable_variables
        if len(variable.shape) > 1 and not variable.path.endswith("embeddings")
    }
