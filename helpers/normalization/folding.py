"""Batch normalization taken out of a trained model without changing what it predicts."""

from collections.abc import Sequence
from typing import NamedTuple

import keras

from helpers.checks import check_model
from helpers.normalization.affine import (
    LINEAR,
    Affine,
    BlockedError,
    Part,
    batch_normalization_map,
    copy_layer,
    describe,
    fold_into_inputs,
    fold_into_normalization,
    fold_into_outputs,
)
from helpers.normalization.passing import pass_layer


class Folded(NamedTuple):
    """A model without batch normalization, as far as that is possible.

    Attributes:
        model: The new model, not compiled.
        folded: The layer into which each batch normalization went, by name.
        unfolded: Why a batch normalization is still there, by name.
    """

    model: keras.Sequential
    folded: dict[str, str]
    unfolded: dict[str, str]


def fold_batch_normalization(model: keras.Sequential) -> Folded:
    """Return a model that predicts the same with its batch normalizations folded away.

    In inference batch normalization is a ⊗ x + c, with a = γ / √(σ² + ε) and c = β − a ⊗ μ.
    Directly after a linear layer, a ⊗ (Wᵀh + b) + c = (W diag a)ᵀh + (a ⊗ b + c); directly before
    one, Wᵀ(a ⊗ h + c) + b = (diag a W)ᵀh + (Wᵀc + b). The linear layer may be a dense or any
    convolutional one, but a convolution that pads takes no shift from before: the padding would
    stay 0. In between may stand what commutes with the map: dropout, `Flatten`, `Reshape` and
    `Permute`, a linear `Activation`, average pooling, and max pooling where a is not negative.
    What cannot be folded is merged with a batch normalization that follows, or stays.

    Args:
        model: A built `keras.Sequential`, which is not changed. A `Sequential` within it is
            folded by itself, and its layers are named ``"inner/layer"``.

    Returns:
        `Folded`: predictions agree to rounding, training would not; frozen layers stay frozen.

    Raises:
        TypeError: `model` is not a `keras.Sequential`, or overrides its `call`.
        ValueError: `model` is not built.
        NotImplementedError: A layer of one's own does not tell its arguments in `get_config`.

    Example:
        >>> hidden = keras.layers.Dense(3, name="hidden")
        >>> normalization = keras.layers.BatchNormalization(name="normalization")
        >>> model = keras.Sequential([keras.Input((2,)), hidden, normalization])
        >>> folded = fold_batch_normalization(model)
        >>> folded.folded, [layer.name for layer in folded.model.layers]
        ({'normalization': 'hidden'}, ['hidden'])
    """
    _check_sequential(model)
    copy = keras.models.clone_model(model, clone_function=_clone_layer)
    copy.set_weights(model.get_weights())
    folded, unfolded = {}, {}
    parts = [_part(layer, folded, unfolded) for layer in copy.layers]
    for part in [part for part in parts if _is_normalization(part.layer)]:
        target, reason = _fold(parts, parts.index(part))
        if target is None:
            unfolded[part.layer.name] = reason
        else:
            folded[part.layer.name] = target
            parts.remove(part)
    result = keras.Sequential([_input(copy), *(part.rebuild() for part in parts)], name=model.name)
    for part in parts:
        part.restore()
    if not model.trainable:
        result.trainable = False
    return Folded(result, folded, unfolded)


def _fold(parts: Sequence[Part], position: int) -> tuple[str | None, str]:
    """Fold one batch normalization; return the layer that took it, or None and the reason."""
    try:
        affine = batch_normalization_map(parts[position])
    except BlockedError as blocked:
        return None, str(blocked)
    reasons = []
    for backward, way in ((True, parts[:position][::-1]), (False, parts[position + 1 :])):
        try:
            return _send(affine, way, backward=backward), ""
        except BlockedError as blocked:
            reasons.append(f"{'before' if backward else 'after'} it, {blocked}")
    return None, "; ".join(reasons)


def _send(affine: Affine, way: Sequence[Part], *, backward: bool) -> str:
    """Carry a map from layer to layer until one takes it; return that one's name."""
    for part in way:
        if type(part.layer) in LINEAR:
            (fold_into_outputs if backward else fold_into_inputs)(part, affine)
            return part.layer.name
        if _is_normalization(part.layer) and not backward:
            fold_into_normalization(part, affine)
            return part.layer.name
        affine = pass_layer(part.layer, affine, backward=backward)
    raise BlockedError("there is no layer to take it")


def _part(layer: keras.Layer, folded: dict[str, str], unfolded: dict[str, str]) -> Part:
    """Return a layer's part; a `Sequential` is folded, and what others hold is reported."""
    if type(layer) is keras.Sequential and layer.built:
        inner = fold_batch_normalization(layer)
        folded |= {
            f"{layer.name}/{name}": f"{layer.name}/{to}" for name, to in inner.folded.items()
        }
        unfolded |= {f"{layer.name}/{name}": reason for name, reason in inner.unfolded.items()}
        return Part(inner.model)
    for inner in layer._flatten_layers(include_self=True):
        if isinstance(inner, keras.layers.BatchNormalization) and not _is_normalization(layer):
            own = inner is layer
            unfolded[layer.name if own else f"{layer.name}/{inner.name}"] = (
                f"{describe(layer)} is a subclass, which may compute something else"
                if own
                else f"it is inside {describe(layer)}"
            )
    return Part(layer)


def _is_normalization(layer: keras.Layer) -> bool:
    return type(layer) is keras.layers.BatchNormalization


def _clone_layer(layer: keras.Layer) -> keras.Layer:
    if type(layer) is keras.Sequential:
        return keras.models.clone_model(layer, clone_function=_clone_layer)
    return copy_layer(layer)


def _input(model: keras.Sequential) -> keras.KerasTensor:
    given = model.inputs[0]
    return keras.Input(batch_shape=given.shape, dtype=given.dtype, name=given.name)


def _check_sequential(model: keras.Sequential) -> None:
    if not isinstance(model, keras.Sequential):
        raise TypeError(
            f"`model` must be a keras.Sequential. Received: an object of {type(model).__name__}"
        )
    if type(model).call is not keras.Sequential.call:
        raise TypeError(
            "`model` must be a keras.Sequential with its own `call`. "
            f"Received: {type(model).__name__}, which overrides it"
        )
    check_model(model)
