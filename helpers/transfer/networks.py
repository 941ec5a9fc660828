"""Networks: convolutional ones, any with its lowest layers frozen, and one layer's autoencoder."""

from collections.abc import Callable, Sequence

import keras


def conv_net(
    image_shape: Sequence[int], classes: int, *, filters: Sequence[int]
) -> keras.Sequential:
    """Return an uncompiled convolutional classifier: 3 × 3 filters, pooling between them.

    Args:
        image_shape: (height, width) or (height, width, channels).
        classes: Width of the softmax output layer.
        filters: Number of filters of each convolution, lowest first.

    Raises:
        ValueError: There is no filter, or a number is below 1.

    Example:
        >>> net = conv_net((8, 8), 2, filters=[4, 6])
        >>> [layer.name for layer in net.layers if layer.weights]
        ['conv_1', 'conv_2', 'output']
    """
    if not filters or min([*filters, classes]) < 1:
        raise ValueError(
            "`filters` and `classes` must be at least 1. "
            f"Received: filters={list(filters)}, classes={classes}"
        )
    shape = tuple(image_shape)
    layers = [keras.Input(shape), keras.layers.Reshape((*shape, 1)[:3])]
    for number, width in enumerate(filters, start=1):
        layers.append(
            keras.layers.Conv2D(
                width,
                3,
                padding="same",
                activation="relu",
                kernel_initializer="he_normal",
                name=f"conv_{number}",
            )
        )
        if number < len(filters):
            layers.append(keras.layers.MaxPooling2D())
    layers.append(keras.layers.GlobalAveragePooling2D(name="features"))
    return keras.Sequential(
        [*layers, keras.layers.Dense(classes, activation="softmax", name="output")]
    )


def with_frozen(build: Callable[[], keras.Model], layers: int) -> keras.Model:
    """Return a new network whose lowest layers do not train.

    Args:
        build: Returns a new network.
        layers: How many of its layers are frozen, counted from the lowest that has weights.

    Raises:
        ValueError: There are not as many layers.

    Example:
        >>> net = with_frozen(lambda: conv_net((8, 8), 2, filters=[4, 6]), 2)
        >>> [layer.name for layer in net.layers if layer.trainable_weights]
        ['output']
    """
    network = build()
    weighted = [layer for layer in network.layers if layer.weights]
    if not 0 <= layers <= len(weighted):
        raise ValueError(f"`layers` must be from 0 to {len(weighted)}. Received: layers={layers}")
    for layer in weighted[:layers]:
        layer.trainable = False
    return network


def autoencoder(features: int, units: int) -> keras.Sequential:
    """Return a network that squeezes its inputs through one layer and reconstructs them.

        x̂ = V · selu(W x + b) + c

    Args:
        features: Number of inputs, as many as outputs.
        units: Units of the layer ``encoder``.

    Raises:
        ValueError: A number is below 1.

    Example:
        >>> [layer.name for layer in autoencoder(6, 4).layers]
        ['encoder', 'decoder']

    Reference:
        Bengio, Lamblin, Popovici and Larochelle (2007), Greedy layer-wise training of deep
        networks.
    """
    if min(features, units) < 1:
        raise ValueError(
            "`features` and `units` must be at least 1. "
            f"Received: features={features}, units={units}"
        )
    encode = keras.layers.Dense(
        units, activation="selu", kernel_initializer="lecun_normal", name="encoder"
    )
    decode = keras.layers.Dense(features, name="decoder")
    return keras.Sequential([keras.Input((features,)), encode, decode])
