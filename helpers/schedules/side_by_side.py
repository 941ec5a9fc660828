"""Several networks in one Keras model, so that one ordinary `fit` trains them all."""

from collections.abc import Sequence

import keras
import numpy as np

Array = np.ndarray


def side_by_side(networks: Sequence[keras.Sequential]) -> keras.Sequential:
    """Return a model that computes several equally built networks, which share nothing but inputs.

    Trained on the *sum* of the networks' losses, by an optimizer that acts on each element by
    itself, each network takes the steps it would take alone on the same batches.

    Args:
        networks: Stacks of `Dense` layers, with or without `Flatten` below, all built alike.

    Returns:
        An uncompiled model from (n, ...) to (n, networks, outputs), with copies of the weights.

    Raises:
        ValueError: There is no network, or they are not as they must be.

    Example:
        >>> inputs, output = keras.Input((4,)), keras.layers.Dense(3)
        >>> one = keras.Sequential([inputs, output])
        >>> side_by_side([one, keras.models.clone_model(one)]).output_shape
        (None, 2, 3)
    """
    if not networks:
        raise ValueError("`networks` must not be empty. Received: none")
    first = networks[0]
    layers = [layer for layer in first.layers if not isinstance(layer, keras.layers.Flatten)]
    shapes = {tuple(w.shape for w in network.get_weights()) for network in networks}
    if len(shapes) > 1 or not all(type(layer) is keras.layers.Dense for layer in layers):
        raise ValueError(
            "`networks` must be stacks of Dense layers, all of the same widths. Received: layers "
            f"{', '.join(type(layer).__name__ for layer in first.layers)}"
        )
    model = keras.Sequential(
        [
            keras.Input(first.input_shape[1:]),
            keras.layers.Flatten(),
            keras.layers.RepeatVector(len(networks)),
            *(_stacked(layer, len(networks)) for layer in layers),
        ]
    )
    weights = zip(*(network.get_weights() for network in networks), strict=True)
    model.set_weights([np.stack(same) for same in weights])
    return model


def stacked_loss(y, y_pred):
    """Return the sum over networks of the cross-entropy, for each example.

    Args:
        y: Labels, shape (n,) or (n, 1), the same for all networks.
        y_pred: Probabilities, shape (n, networks, classes).

    Returns:
        Shape (n,).

    Example:
        >>> halves = keras.ops.full((1, 2, 2), 0.5)    # two networks, two classes
        >>> round(float(stacked_loss(np.array([1]), halves)[0]), 4)    # 2 log 2
        1.3863
    """
    labels = keras.ops.broadcast_to(keras.ops.reshape(y, (-1, 1)), keras.ops.shape(y_pred)[:2])
    each = keras.losses.sparse_categorical_crossentropy(labels, y_pred)
    return keras.ops.sum(each, axis=-1)


def _stacked(layer: keras.layers.Dense, networks: int) -> keras.layers.EinsumDense:
    return keras.layers.EinsumDense(
        "bri,rio->bro",
        output_shape=(networks, layer.units),
        bias_axes="ro" if layer.use_bias else None,
        activation=layer.activation,
    )
