"""Layers that a scale and shift of the features can pass on its way to one that takes it."""

import math

import keras
import numpy as np

from helpers.normalization.affine import Affine, BlockedError, channel_axis, describe

layers = keras.layers
# In inference each of these returns its input.
IDENTITIES = (
    layers.Dropout,
    layers.SpatialDropout1D,
    layers.SpatialDropout2D,
    layers.SpatialDropout3D,
    layers.AlphaDropout,
    layers.GaussianDropout,
    layers.GaussianNoise,
    layers.ActivityRegularization,
    layers.Identity,
)
MOVES = (layers.Flatten, layers.Reshape, layers.Permute)
AVERAGES = (
    layers.AveragePooling1D,
    layers.AveragePooling2D,
    layers.AveragePooling3D,
    layers.GlobalAveragePooling1D,
    layers.GlobalAveragePooling2D,
    layers.GlobalAveragePooling3D,
)
MAXIMA = (
    layers.MaxPooling1D,
    layers.MaxPooling2D,
    layers.MaxPooling3D,
    layers.GlobalMaxPooling1D,
    layers.GlobalMaxPooling2D,
    layers.GlobalMaxPooling3D,
)


def pass_layer(layer: keras.Layer, affine: Affine, *, backward: bool) -> Affine:
    """Return the map on the other side of a layer T that has the same effect.

    Forward that is the B in B(T(x)) = T(A(x)), backward the B in T(B(x)) = A(T(x)).

    Args:
        layer: T, a layer that has been built once.
        affine: A.
        backward: Whether A acts on T's outputs.

    Raises:
        BlockedError: There is no such map, or none is known.
    """
    if type(layer) in IDENTITIES:
        return affine
    if type(layer) is layers.Activation:
        if layer.activation is keras.activations.linear:
            return affine
        name = getattr(layer.activation, "__name__", type(layer.activation).__name__)
        raise BlockedError(f"{describe(layer)} applies {name}")
    if type(layer) in MOVES:
        return _move(layer, affine, backward=backward)
    if type(layer) in AVERAGES + MAXIMA:
        return _pool(layer, affine, backward=backward)
    raise BlockedError(f"{describe(layer)} is not known to take it or to let it pass")


def _move(layer: keras.Layer, affine: Affine, *, backward: bool) -> Affine:
    """Move the map's numbers as the layer moves those of an example."""
    inner, outer = layer.input.shape[1:], layer.output.shape[1:]
    if None in (*inner, *outer):
        raise BlockedError(f"{describe(layer)} moves features of a shape that is not fixed")
    places = np.arange(math.prod(inner)).reshape(1, *inner)
    origins = np.asarray(layer.call(keras.ops.convert_to_tensor(places))).ravel()
    moved = []
    for values in affine:
        if backward:
            target = np.empty(math.prod(inner))
            target[origins] = np.broadcast_to(values, outer).ravel()
            moved.append(target.reshape(inner))
        else:
            moved.append(np.broadcast_to(values, inner).ravel()[origins].reshape(outer))
    return Affine(*moved)


def _pool(layer: keras.Layer, affine: Affine, *, backward: bool) -> Affine:
    """Pass pooling over places: averages commute with any map, maxima with a rising one."""
    here, there = layer.input.shape[1:], layer.output.shape[1:]
    if backward:
        here, there = there, here
    # Global pooling leaves the channels alone, in the one axis that there is.
    axis, other = (channel_axis(layer) if len(shape) > 1 else 0 for shape in (here, there))
    gain, shift = affine.along(axis, here[axis], layer)
    if type(layer) in MAXIMA and (gain < 0).any():
        raise BlockedError(f"{describe(layer)} takes maxima, which a negative scale turns round")
    shape = [1] * len(there)
    shape[other] = len(gain)
    return Affine(gain.reshape(shape), shift.reshape(shape))
