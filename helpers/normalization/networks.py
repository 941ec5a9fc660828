"""Perceptrons with batch normalization before or after the activation, and their parameters."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import keras

POSITIONS = ("before", "after", "none")
MOVING_STATISTICS = frozenset(
    ("moving_mean", "moving_variance", "moving_stddev", "renorm_mean", "renorm_stddev")
)


def batch_normalized_mlp(
    image_shape: Sequence[int],
    classes: int,
    *,
    hidden: Sequence[int],
    position: str = "after",
    activation: str = "elu",
    kernel_initializer: str | keras.Initializer = "he_normal",
    use_bias: bool | None = None,
    normalize_inputs: bool = True,
    momentum: float = 0.99,
    epsilon: float = 1e-3,
    noise: Callable[[], keras.Layer] | None = None,
) -> keras.Sequential:
    """Return an uncompiled perceptron with batch normalization around each hidden activation.

    Args:
        image_shape: Shape of one image; it is flattened.
        classes: Number of classes, the width of the softmax output layer.
        hidden: Width of each hidden layer, lowest first.
        position: ``"before"`` or ``"after"`` the activation; ``"none"`` leaves every batch
            normalization out, that of the inputs too.
        activation: Activation of the hidden layers, by Keras' name.
        kernel_initializer: Initializer of the hidden layers' kernels. An instance is copied for
            each layer, so that unseeded layers draw different weights.
        use_bias: Whether hidden layers have a bias. None gives one unless batch normalization
            follows directly, where β takes its part.
        normalize_inputs: Whether the flattened image is normalized too.
        momentum: Momentum of the moving averages.
        epsilon: ε of the batch normalizations.
        noise: Makes a layer that follows each batch normalization; None for no such layer.

    Returns:
        A built `keras.Sequential`; layers are named ``normalization_0`` (of the inputs), then
        ``hidden_1``, ``normalization_1``, ``activation_1`` and so on, and ``output``.

    Raises:
        ValueError: The position is unknown, or a width or the number of classes is below 1.

    Example:
        >>> net = batch_normalized_mlp((28, 28), 10, hidden=[300, 100])
        >>> net.count_params()
        271346
        >>> net = batch_normalized_mlp((28, 28), 10, hidden=[300, 100], position="before")
        >>> net.count_params()
        270946
    """
    _check(position, hidden, classes)
    use_bias = position != "before" if use_bias is None else use_bias
    normalization = partial(keras.layers.BatchNormalization, momentum=momentum, epsilon=epsilon)
    layers = [keras.Input(tuple(image_shape)), keras.layers.Flatten(name="flatten")]
    if normalize_inputs and position != "none":
        layers.append(normalization(name="normalization_0"))
    for number, width in enumerate(hidden, start=1):
        dense = keras.layers.Dense(
            width,
            kernel_initializer=_fresh(kernel_initializer),
            use_bias=use_bias,
            name=f"hidden_{number}",
        )
        function = keras.layers.Activation(activation, name=f"activation_{number}")
        normalized = normalization(name=f"normalization_{number}")
        block = {
            "before": [dense, normalized, function],
            "after": [dense, function, normalized],
            "none": [dense, function],
        }
        layers += block[position]
    layers.append(keras.layers.Dense(classes, activation="softmax", name="output"))
    return keras.Sequential(_with_noise(layers, noise) if noise else layers)


def _fresh(initializer: str | keras.Initializer) -> str | keras.Initializer:
    return initializer if isinstance(initializer, str) else initializer.clone()


def _with_noise(layers: Sequence[keras.Layer], noise: Callable[[], keras.Layer]) -> list:
    """Return the layers with one more after each batch normalization."""
    following = []
    for layer in layers:
        following.append(layer)
        if isinstance(layer, keras.layers.BatchNormalization):
            following.append(noise())
    return following


class ParameterCounts(NamedTuple):
    """How many parameters a model has.

    Attributes:
        total: All of them.
        trainable: Those that the optimizer changes.
        non_trainable: Those that it does not: moving averages, and all of a frozen layer.
        moving: The moving averages alone, which every training step changes none the less.
    """

    total: int
    trainable: int
    non_trainable: int
    moving: int


def parameter_counts(model: keras.Model) -> ParameterCounts:
    """Count a model's parameters, as `model.summary` does, and its moving averages.

    Args:
        model: A built model.

    Raises:
        ValueError: The model is not built.

    Example:
        >>> parameter_counts(batch_normalized_mlp((28, 28), 10, hidden=[300, 100]))
        ParameterCounts(total=271346, trainable=268978, non_trainable=2368, moving=2368)
    """
    check_built(model)

    def size(weights: Sequence[keras.Variable]) -> int:
        return sum(weight.numpy().size for weight in weights)

    trainable, frozen = size(model.trainable_weights), size(model.non_trainable_weights)
    moving = [weight for weight in model.weights if weight.name in MOVING_STATISTICS]
    return ParameterCounts(trainable + frozen, trainable, frozen, size(moving))


def check_built(model: keras.Model) -> None:
    """Refuse a model that has no weights yet."""
    if not model.built:
        raise ValueError(
            "`model` must be built, with a `keras.Input` or `model.build`. "
            f"Received: {model.name!r}, not built"
        )


def _check(position: str, hidden: Sequence[int], classes: int) -> None:
    if position not in POSITIONS:
        raise ValueError(f"`position` must be one of {POSITIONS}. Received: position={position!r}")
    if min([*hidden, classes]) < 1:
        raise ValueError(
            "`hidden` and `classes` must be at least 1. "
            f"Received: hidden={list(hidden)}, classes={classes}"
        )
