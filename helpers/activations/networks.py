"""Keras models that differ in their activations: built, and built again from given weights."""

from collections.abc import Callable, Sequence
from functools import partial

import keras

from helpers.activations.functions import Array


def mlp_with_layers(
    image_shape: Sequence[int],
    classes: int,
    *,
    hidden: Sequence[int],
    activation_layer: Callable[[], keras.Layer],
    kernel_initializer: str = "he_normal",
) -> keras.Sequential:
    """Return an uncompiled perceptron with an activation layer of its own after each hidden layer.

    Args:
        image_shape: Shape of one image; it is flattened.
        classes: Number of classes, the width of the softmax output layer.
        hidden: Width of each hidden layer, lowest first.
        activation_layer: Makes a new activation layer, such as `keras.layers.PReLU`.
        kernel_initializer: Initializer of the hidden layers' kernels, by Keras' name.

    Example:
        >>> net = mlp_with_layers((8, 8), 10, hidden=[5], activation_layer=keras.layers.PReLU)
        >>> [type(layer).__name__ for layer in net.layers]
        ['Flatten', 'Dense', 'PReLU', 'Dense']
    """
    layers = [keras.Input(tuple(image_shape)), keras.layers.Flatten()]
    for width in hidden:
        layers.append(keras.layers.Dense(width, kernel_initializer=kernel_initializer))
        layers.append(activation_layer())
    return keras.Sequential([*layers, keras.layers.Dense(classes, activation="softmax")])


def restarts(
    build: Callable[[], keras.Model], weights: Sequence[Array]
) -> list[Callable[[], keras.Model]]:
    """Return, for each replica, a function that builds the model with that replica's weights.

    Args:
        build: Builds the model; its activations may differ from those the weights came from.
        weights: In the order of `model.get_weights()`, each with a leading axis of replicas.

    Raises:
        ValueError: The weights differ in their number of replicas.
    """
    counts = {len(array) for array in weights}
    if len(counts) != 1:
        raise ValueError(
            "`weights` must share their leading axis of replicas. "
            f"Received: {' and '.join(map(str, sorted(counts)))}"
        )

    def restart(replica: int) -> keras.Model:
        model = build()
        model.set_weights([array[replica] for array in weights])
        return model

    return [partial(restart, replica) for replica in range(counts.pop())]
