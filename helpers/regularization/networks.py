"""Perceptrons with something between their layers, augmentation, and what a training leaves."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import keras
import numpy as np

from helpers.numerics import cross_entropy

Array = np.ndarray
MakeLayer = Callable[..., keras.Layer]


def regularized_mlp(
    image_shape: Sequence[int],
    classes: int,
    *,
    hidden: Sequence[int],
    dense: MakeLayer | Sequence[MakeLayer] = keras.layers.Dense,
    activation: str = "relu",
    kernel_initializer: str = "he_normal",
    before: Callable[[], Sequence[keras.Layer]] | None = None,
    rescaling: MakeLayer | None = None,
    after: MakeLayer | Sequence[MakeLayer | None] | None = None,
    output: MakeLayer = keras.layers.Dense,
) -> keras.Sequential:
    """Return an uncompiled perceptron, with layers of regularization where they are asked for.

    After `keras.utils.set_random_seed` its first weights are the same, whatever is asked for.

    Args:
        image_shape: Shape of one image; it is flattened.
        classes: Number of classes, the width of the softmax output layer.
        hidden: Width of each hidden layer, lowest first; empty for softmax regression.
        dense: Makes a hidden layer from (units, activation=, kernel_initializer=, name=): Dense,
            a `functools.partial` of it with a penalty or a constraint, or another class. One that
            serves all layers, or one for each.
        activation: Activation of the hidden layers, by Keras' name.
        kernel_initializer: Initializer of the hidden layers' kernels, by Keras' name.
        before: Makes the layers that images pass first, such as augmentation or noise.
        rescaling: Makes the layer after these that scales the pixels, such as `Rescaling`.
        after: Makes a layer that follows each hidden layer, such as dropout; or one for each
            hidden layer, None where nothing follows.
        output: Makes the output layer from (classes, activation=, name=).

    Returns:
        A built `keras.Sequential`; hidden layers are named ``hidden_1`` … and the last ``output``.

    Raises:
        ValueError: A width or the number of classes is below 1, or there are not as many entries
            of `dense` or `after` as hidden layers.

    Example:
        >>> net = regularized_mlp((8, 8), 10, hidden=[20], after=lambda: keras.layers.Dropout(0.5))
        >>> [type(layer).__name__ for layer in net.layers]
        ['Flatten', 'Dense', 'Dropout', 'Dense']
    """
    if min([*hidden, classes]) < 1:
        raise ValueError(
            "`hidden` and `classes` must be at least 1. "
            f"Received: hidden={list(hidden)}, classes={classes}"
        )
    # An initializer draws its seed when it is made, and so do layers that drop or add noise. Made
    # first, the initializers of one random seed are the same with such layers and without.
    initializers = [keras.initializers.get(kernel_initializer) for _ in hidden]
    last = output(classes, activation="softmax", name="output")
    layers = [keras.Input(tuple(image_shape)), *(before() if before else ())]
    layers += [*([rescaling()] if rescaling else []), keras.layers.Flatten()]
    makers = zip(hidden, initializers, _each(dense, hidden), _each(after, hidden), strict=True)
    for number, (width, initializer, make, follow) in enumerate(makers, start=1):
        named = {"activation": activation, "name": f"hidden_{number}"}
        layers.append(make(width, kernel_initializer=initializer, **named))
        if follow:
            layers.append(follow())
    return keras.Sequential([*layers, last])


def _each(makers, hidden: Sequence[int]) -> Sequence:
    """Return one maker for each hidden layer."""
    if makers is None or callable(makers):
        return [makers] * len(hidden)
    if len(makers) != len(hidden):
        raise ValueError(
            "`dense` and `after` must hold one entry for each hidden layer, or be one for all. "
            f"Received: {len(makers)} entries for {len(hidden)} layers"
        )
    return makers


def augmentation_layers(
    image_shape: Sequence[int],
    *,
    shift: float = 0.1,
    zoom: float = 0.1,
    turn: float = 0.05,
    mirror: bool = False,
) -> list[keras.Layer]:
    """Return Keras layers that move, turn, zoom and mirror images in training, and only then.

    Args:
        image_shape: (height, width), to which a channel is added, or (height, width, channels).
        shift: Largest shift, as a share of the image's side, in [0, 1); 0 for no such layer. A
            shift by less than a pixel only blurs.
        zoom: Largest change of size, as a share, in [0, 1).
        turn: Largest rotation, as a share of a full turn, in [0, 0.5].
        mirror: Whether half of the images are mirrored from left to right. That suits clothes and
            animals; a mirrored digit is no digit.

    Raises:
        ValueError: The shape is no image's, or a share is out of range.

    Example:
        >>> [type(layer).__name__ for layer in augmentation_layers((8, 8))]
        ['Reshape', 'RandomTranslation', 'RandomZoom', 'RandomRotation']
    """
    if len(image_shape) not in (2, 3):
        raise ValueError(
            "`image_shape` must be (height, width) or (height, width, channels). "
            f"Received: image_shape={tuple(image_shape)}"
        )
    if not (0 <= shift < 1 and 0 <= zoom < 1 and 0 <= turn <= 0.5):
        raise ValueError(
            "`shift` and `zoom` must be in [0, 1) and `turn` in [0, 0.5]. "
            f"Received: shift={shift}, zoom={zoom}, turn={turn}"
        )
    kinds = keras.layers
    channels, filled = {"data_format": "channels_last"}, {"fill_mode": "nearest"}
    return [
        *([kinds.Reshape((*image_shape, 1))] if len(image_shape) == 2 else []),
        *([kinds.RandomFlip("horizontal", **channels)] if mirror else []),
        *([kinds.RandomTranslation(shift, shift, **filled, **channels)] if shift else []),
        kinds.RandomZoom(zoom, **filled, **channels),
        kinds.RandomRotation(turn, **filled, **channels),
    ]


class Losses(NamedTuple):
    """Cross-entropy of trained replicas, in inference mode and without penalties, (replicas,)."""

    train: Array
    valid: Array

    @property
    def gap(self) -> Array:
        """Validation loss minus training loss."""
        return self.valid - self.train


def final_losses(trained, data) -> Losses:
    """Return what trained replicas lose on the images they saw and on those they did not.

    The loss that a training reports has noise in it and penalties on top. These have not: dropout
    and augmentation are off, and the cross-entropy stands alone.

    Args:
        trained: Replicas that can `predict`, shape (replicas, n, classes).
        data: An object with ``x_train``, ``y_train``, ``x_valid``, ``y_valid``.

    Returns:
        The `Losses`.
    """
    pairs = (data.x_train, data.y_train), (data.x_valid, data.y_valid)
    return Losses(*(cross_entropy(trained.predict(x), y).mean(axis=-1) for x, y in pairs))
