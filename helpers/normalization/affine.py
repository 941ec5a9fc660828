"""A scale and a shift of each feature, taken into the weights of the layer before or after."""

import inspect
import warnings
from typing import NamedTuple

import keras
import numpy as np

from helpers.normalization.equations import Array

layers = keras.layers
CONVOLUTIONS = (layers.Conv1D, layers.Conv2D, layers.Conv3D)
TRANSPOSED = (layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose)
DEPTHWISE = (layers.DepthwiseConv1D, layers.DepthwiseConv2D)
SEPARABLE = (layers.SeparableConv1D, layers.SeparableConv2D)
LINEAR = (layers.Dense, *CONVOLUTIONS, *TRANSPOSED, *DEPTHWISE, *SEPARABLE)
_OWN_WEIGHTS = {"kernel", "depthwise_kernel", "pointwise_kernel", "bias"}


class BlockedError(Exception):
    """A scale and shift can go no further, for the reason given."""


class Affine(NamedTuple):
    """The map x ↦ gain ⊗ x + shift: two arrays, alike, that broadcast against one example."""

    gain: Array
    shift: Array

    def along(self, axis: int, size: int, layer: keras.Layer) -> "Affine":
        """Return the map as vectors along one axis, if it is the same along all others.

        Raises:
            BlockedError: It differs along another axis, so that `layer` cannot hold it.
        """
        vectors = []
        for values in self:
            rows = np.moveaxis(values, axis, -1).reshape(-1, values.shape[axis])
            if (rows != rows[0]).any():
                raise BlockedError(f"{describe(layer)} has one weight where features differ")
            vectors.append(np.broadcast_to(rows[0], size))
        return Affine(*vectors)


class Part:
    """A layer of the folded model while it is being worked on, with its weights in float64."""

    def __init__(self, layer: keras.Layer):
        self.layer = layer
        weights = layer.weights if type(layer) in (*LINEAR, layers.BatchNormalization) else []
        self.weights = {w.name: np.asarray(w.numpy(), np.float64) for w in weights}
        self.changed = False

    def rebuild(self) -> keras.Layer:
        """Return the layer, or one like it with places for the new weights if they changed."""
        if self.changed:
            if type(self.layer) is layers.BatchNormalization:
                self.layer = copy_layer(self.layer, scale=True, center=True)
            else:
                self.layer = copy_layer(self.layer, use_bias="bias" in self.weights)
        return self.layer

    def restore(self) -> None:
        """Write changed weights into the layer, which has been built by now."""
        if self.changed:
            for weight in self.layer.weights:
                weight.assign(self.weights[weight.name])


def batch_normalization_map(part: Part) -> Affine:
    """Return what a batch normalization layer does in inference, γ/√(σ²+ε) · x + (β − μγ/√…).

    Raises:
        BlockedError: Its statistics belong to the axis of the examples.
    """
    axis, ndim = _axis(part.layer)
    gain, shift = _gain_and_shift(part)
    shape = [1] * (ndim - 1)
    shape[axis] = len(gain)
    return Affine(gain.reshape(shape), shift.reshape(shape))


def fold_into_outputs(part: Part, affine: Affine) -> None:
    """Change a linear layer so that it puts out gain ⊗ y + shift instead of y.

    Raises:
        BlockedError: The layer has an activation, or weights of another kind.
    """
    layer, weights = part.layer, part.weights
    _check_plain(part)
    if layer.activation is not keras.activations.linear:
        raise BlockedError(f"{describe(layer)} applies {_name(layer.activation)}")
    axis = channel_axis(layer)
    gain, shift = affine.along(axis, layer.output.shape[1:][axis], layer)
    name = "pointwise_kernel" if type(layer) in SEPARABLE else "kernel"
    if type(layer) in TRANSPOSED:
        weights[name] = weights[name] * gain[:, None]
    elif type(layer) in DEPTHWISE:
        weights[name] = weights[name] * gain.reshape(weights[name].shape[-2:])
    else:
        weights[name] = weights[name] * gain
    _set_bias(part, weights.get("bias", 0.0) * gain + shift)


def fold_into_inputs(part: Part, affine: Affine) -> None:
    """Change a linear layer so that it does to x what it did to gain ⊗ x + shift.

    Raises:
        BlockedError: The layer pads with zeros that the shift would miss, or has other weights.
    """
    layer, weights = part.layer, part.weights
    _check_plain(part)
    axis = channel_axis(layer)
    gain, shift = affine.along(axis, layer.input.shape[1:][axis], layer)
    if shift.any() and _pads(layer):
        raise BlockedError(f"{describe(layer)} pads with zeros, which the shift does not reach")
    name = "depthwise_kernel" if type(layer) in SEPARABLE else "kernel"
    kernel = weights[name]
    weights[name] = kernel * _for_each_input(layer, kernel, gain)
    if shift.any():
        window = tuple(range(kernel.ndim - 2))
        added = (kernel * _for_each_input(layer, kernel, shift)).sum(axis=window)
        if type(layer) in SEPARABLE:
            added = added.reshape(-1) @ weights["pointwise_kernel"].reshape(added.size, -1)
        elif type(layer) not in DEPTHWISE:
            added = added.sum(axis=0)
        _set_bias(part, weights.get("bias", 0.0) + added.reshape(-1))
    part.changed = True


def fold_into_normalization(part: Part, affine: Affine) -> None:
    """Change γ and β of a batch normalization that follows, so that it does both maps.

    Raises:
        BlockedError: The two have statistics along different axes.
    """
    gain, shift = _gain_and_shift(part)
    first = affine.along(_axis(part.layer)[0], len(gain), part.layer)
    deviation = np.sqrt(part.weights["moving_variance"] + part.layer.epsilon)
    both = gain * first.gain, gain * first.shift + shift
    part.weights["gamma"] = both[0] * deviation
    part.weights["beta"] = both[1] + part.weights["moving_mean"] * both[0]
    part.changed = True


def copy_layer(layer: keras.Layer, **changes: object) -> keras.Layer:
    """Return a new layer like a given one, with other weights and some arguments changed.

    One that has adapted to data, which no configuration holds and no training changes, is itself.
    """
    if hasattr(layer, "adapt"):
        return layer
    with warnings.catch_warnings():  # that a lambda in a file would be unsafe: there is no file
        warnings.filterwarnings("ignore", "The object being serialized includes a `lambda`")
        config = layer.get_config() | changes
    for name in ("activation", "function"):  # which Keras would look up by name, or not at all
        if inspect.isfunction(function := getattr(layer, name, None)):
            config[name] = function
    if type(layer) is layers.Lambda:
        return layers.Lambda(**config)
    return type(layer).from_config(config)


def channel_axis(layer: keras.Layer) -> int:
    """Return the axis of a layer's channels, not counting that of the examples."""
    return 0 if getattr(layer, "data_format", None) == "channels_first" else -1


def describe(layer: keras.Layer) -> str:
    """Return a layer's name and class, for a message."""
    return f"{layer.name} ({type(layer).__name__})"


def _gain_and_shift(part: Part) -> Affine:
    weights = part.weights
    deviation = np.sqrt(weights["moving_variance"] + part.layer.epsilon)
    gain = weights.get("gamma", 1.0) / deviation
    return Affine(gain, weights.get("beta", 0.0) - weights["moving_mean"] * gain)


def _axis(layer: keras.Layer) -> tuple[int, int]:
    """Return the axis of the features, not counting the examples', and the number of axes."""
    ndim = layer.input_spec.ndim
    if layer.axis % ndim == 0:
        raise BlockedError(f"{describe(layer)} has statistics for each example")
    return layer.axis % ndim - 1, ndim


def _set_bias(part: Part, bias: Array) -> None:
    if "bias" in part.weights or np.any(bias):
        part.weights["bias"] = bias
    part.changed = True


def _check_plain(part: Part) -> None:
    others = sorted(set(part.weights) - _OWN_WEIGHTS)
    if others:
        raise BlockedError(f"{describe(part.layer)} has weights of another kind: {others}")


def _name(activation) -> str:
    return getattr(activation, "__name__", type(activation).__name__)


def _pads(layer: keras.Layer) -> bool:
    """Return whether some outputs of a layer sum fewer inputs than others do."""
    if type(layer) is layers.Dense or set(layer.kernel_size) == {1}:
        return type(layer) in TRANSPOSED
    return type(layer) in TRANSPOSED or layer.padding != "valid"


def _for_each_input(layer: keras.Layer, kernel: Array, values: Array) -> Array:
    """Return a number for each input channel in a shape that broadcasts against the kernel."""
    if type(layer) in TRANSPOSED:
        return values
    if type(layer) in CONVOLUTIONS:  # each group of filters sees its own inputs
        groups = values.reshape(layer.groups, -1)
        return np.repeat(groups, kernel.shape[-1] // layer.groups, axis=0).T
    return values[:, None]
