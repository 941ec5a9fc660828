"""Keras models that differ in their activations."""

from collections.abc import Callable, Sequence

import keras


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
