"""The few model builders that several chapters share."""

from collections.abc import Sequence

import keras


def mlp(
    image_shape: Sequence[int],
    classes: int,
    *,
    hidden: Sequence[int],
    activation: str = "relu",
    kernel_initializer: str | keras.Initializer = "glorot_uniform",
    output_initializer: str | keras.Initializer = "glorot_uniform",
) -> keras.Sequential:
    """Return an uncompiled multilayer perceptron for image classification.

    Args:
        image_shape: Shape of one image; it is flattened.
        classes: Number of classes, the width of the softmax output layer.
        hidden: Width of each hidden layer, lowest first; empty for softmax regression.
        activation: Activation of the hidden layers, by Keras' name.
        kernel_initializer: Initializer of the hidden layers' kernels. An instance is copied for
            each layer, so that unseeded layers draw different weights.
        output_initializer: Initializer of the output layer's kernel.

    Returns:
        A built `keras.Sequential`; layers are named ``hidden_1`` … and ``output``.

    Raises:
        ValueError: A width or the number of classes is below 1.

    Example:
        >>> mlp((8, 8), 10, hidden=[100, 50]).count_params()
        12060
    """
    if min([*hidden, classes]) < 1:
        raise ValueError(
            "`hidden` and `classes` must be at least 1. "
            f"Received: hidden={list(hidden)}, classes={classes}"
        )
    layers = [keras.Input(tuple(image_shape)), keras.layers.Flatten()]
    for number, width in enumerate(hidden, start=1):
        layers.append(
            keras.layers.Dense(
                width,
                activation=activation,
                kernel_initializer=_fresh(kernel_initializer),
                name=f"hidden_{number}",
            )
        )
    output = keras.layers.Dense(
        classes,
        activation="softmax",
        kernel_initializer=_fresh(output_initializer),
        name="output",
    )
    return keras.Sequential([*layers, output])


def _fresh(initializer: str | keras.Initializer) -> keras.Initializer:
    """Return a new initializer of the same kind, with a seed of its own unless one was given."""
    if isinstance(initializer, str):
        return keras.initializers.get(initializer)
    return initializer.clone()
