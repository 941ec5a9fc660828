"""A Keras model in training mode, looked at without being changed."""

import keras
import numpy as np

from helpers.normalization.equations import Array
from helpers.normalization.networks import check_built


def recompute_statistics(model: keras.Model, x: Array) -> keras.Model:
    """Return a copy of a model whose moving averages are the statistics of given examples.

    Each batch normalization gets the mean and variance of its inputs over all of `x` at once,
    while those below it normalize with the same. Nothing else changes: what was learned stays.

    Args:
        model: A built model. Frozen batch normalizations keep what they have; dropout is on.
        x: Examples, as a rule the training set.

    Returns:
        The new model, not compiled.

    Raises:
        ValueError: There is no example, or the model is not built.

    Example:
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.BatchNormalization()])
        >>> mended = recompute_statistics(model, np.array([[1.0], [3.0]]))
        >>> [weights.tolist() for weights in mended.get_weights()]  # γ, β, mean, variance
        [[1.0], [0.0], [2.0], [1.0]]

    Reference:
        Wu and Johnson (2021), who call it PreciseBN, over many batches.
    """
    check_built(model)
    if len(x) == 0:
        raise ValueError("`x` must hold at least one example. Received: none")
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    layers = copy._flatten_layers(include_self=False)
    layers = [layer for layer in layers if isinstance(layer, keras.layers.BatchNormalization)]
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.momentum = 0.0  # the next batch is all that an average remembers
    copy(np.asarray(x, dtype=model.inputs[0].dtype), training=True)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
    return copy


def bias_gradients(
    model: keras.Model, x: Array, y: Array, *, loss: str = "sparse_categorical_crossentropy"
) -> dict[str, float]:
    """Return how strongly one batch pulls at each layer's bias, against its kernel.

        ‖∂L/∂b‖ / ‖∂L/∂W‖ in training mode.

    Where batch normalization follows directly, it subtracts the bias together with the mean:
    the gradient is 0 but for rounding, and the bias can go. An activation in between ends that.

    Args:
        model: A built model; it is not changed.
        x: Inputs of one batch.
        y: Targets of the batch.
        loss: The loss, by Keras' name.

    Returns:
        The ratio for each layer with a trainable kernel and bias, by the layer's name.

    Raises:
        ValueError: The model is not built.

    Example:
        >>> layers = [keras.layers.Dense(4), keras.layers.BatchNormalization()]
        >>> model = keras.Sequential([keras.Input((3,)), *layers, keras.layers.Dense(2)])
        >>> x = np.random.default_rng(0).standard_normal((8, 3))
        >>> first, last = bias_gradients(model, x, np.eye(2)[[0, 1] * 4], loss="mse").values()
        >>> first < 1e-5 < last
        True
    """
    import tensorflow as tf

    check_built(model)
    variables = [tf.convert_to_tensor(v.value) for v in model.trainable_variables]
    with tf.GradientTape() as tape:
        tape.watch(variables)
        outputs, _ = model.stateless_call(
            variables, model.non_trainable_variables, x, training=True
        )
        value = tf.reduce_mean(keras.losses.get(loss)(y, outputs))
    paths = [variable.path for variable in model.trainable_variables]
    gradients = dict(zip(paths, tape.gradient(value, variables), strict=True))
    ratios = {}
    for layer in model.layers:
        kernel, bias = (getattr(getattr(layer, n, None), "path", None) for n in ("kernel", "bias"))
        if kernel in gradients and bias in gradients:
            ratios[layer.name] = float(tf.norm(gradients[bias]) / tf.norm(gradients[kernel]))
    return ratios
