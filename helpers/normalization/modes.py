"""The moving averages of a trained Keras model, made anew without training."""

from collections.abc import Iterator

import keras
import numpy as np

from helpers.checks import as_reals, check_count, check_model
from helpers.normalization.equations import Array


def recompute_statistics(model: keras.Model, x: Array, *, batch_size: int = 256) -> keras.Model:
    """Return a copy of a model whose moving averages are those of given examples.

    Each batch normalization gets the plain average of its batches' means and of their variances,
    while those below it normalize with the same batches. What was learned stays.

    Args:
        model: A built model. Frozen batch normalizations keep what they have; dropout is on.
        x: Examples, as a rule the training set, in random order.
        batch_size: Examples in a batch; the last one may be smaller, and then weighs less.

    Returns:
        The new model, not compiled.

    Raises:
        TypeError: `model` is no model, `x` holds no numbers, or `batch_size` is no integer.
        ValueError: There is no example, `batch_size` is below 1, or the model is not built.

    Example:
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.BatchNormalization()])
        >>> mended = recompute_statistics(model, np.array([[1.0], [3.0]]))
        >>> [weights.tolist() for weights in mended.get_weights()]  # γ, β, mean, variance
        [[1.0], [0.0], [2.0], [1.0]]

    Reference:
        Wu and Johnson (2021), who call it PreciseBN.
    """
    check_model(model)
    check_count(1, batch_size=batch_size)
    x = as_reals("x", x, kinds="biuf", dtype=None)
    if not x.ndim or not len(x):
        raise ValueError(f"`x` must hold at least one example. Received: shape={x.shape}")
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    layers = list(_batch_normalizations(copy))
    momenta = [layer.momentum for layer in layers]
    for start in range(0, len(x), batch_size):
        batch = np.asarray(x[start : start + batch_size], dtype=model.inputs[0].dtype)
        for layer in layers:
            layer.momentum = start / (start + len(batch))  # all batches so far weigh alike
        copy(batch, training=True)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
    return copy


def _batch_normalizations(model: keras.Model) -> Iterator[keras.layers.BatchNormalization]:
    """Yield a model's batch normalizations, and those of models in it."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _batch_normalizations(layer)
        elif isinstance(layer, keras.layers.BatchNormalization):
            yield layer
