"""One layer that squeezes its inputs, and one that reconstructs them."""

import keras

from helpers.checks import check_count


def autoencoder(features: int, units: int) -> keras.Sequential:
    """Return a network that squeezes its inputs through one layer and reconstructs them.

        x̂ = V · selu(W x + b) + c

    Args:
        features: Number of inputs, as many as outputs.
        units: Units of the layer ``encoder``.

    Raises:
        TypeError: A number is no integer.
        ValueError: A number is below 1.

    Example:
        >>> [layer.name for layer in autoencoder(6, 4).layers]
        ['encoder', 'decoder']

    Reference:
        Bengio, Lamblin, Popovici and Larochelle (2007), Greedy layer-wise training of deep
        networks.
    """
    check_count(1, features=features, units=units)
    encode = keras.layers.Dense(
        units, activation="selu", kernel_initializer="lecun_normal", name="encoder"
    )
    decode = keras.layers.Dense(features, name="decoder")
    return keras.Sequential([keras.Input((features,)), encode, decode])
