"""The moving averages of a trained Keras model, made anew without training."""

import keras
import numpy as np

from helpers.checks import as_reals, check_count, check_model
from helpers.normalization.affine import copy_layer
from helpers.normalization.equations import Array


def recompute_statistics(model: keras.Model, x: Array, *, batch_size: int = 256) -> keras.Model:
    """Return a copy of a model whose moving averages are those of given examples.

    Each batch normalization gets the plain average of its batches' means and of their variances,
    while those below it normalize with the same batches. What was learned stays. Of a layer that
    the model calls several times, as an encoder of two images, the last call counts.

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
    copy = keras.models.clone_model(model, clone_function=copy_layer, recursive=True)
    copy.set_weights(model.get_weights())
    inside = copy._flatten_layers(include_self=False)  # of models, blocks and wrappers, too
    layers = [one for one in inside if isinstance(one, keras.layers.BatchNormalization)]
    momenta = [layer.momentum for layer in layers]
    for start in range(0, len(x), batch_size):
        batch = np.asarray(x[start : start + batch_size], dtype=model.inputs[0].dtype)
        for layer in layers:
            layer.momentum = start / (start + len(batch))  # all batches so far weigh alike
        copy(batch, training=True)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
    return copy
