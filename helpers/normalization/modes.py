"""A Keras model in training mode, looked at without being changed."""

import keras
import numpy as np

from helpers.normalization.equations import Array
from helpers.normalization.networks import check_built


def predict_with_batch_statistics(model: keras.Model, x: Array, *, batch_size: int) -> Array:
    """Return what a model puts out in training mode, where each batch has its own statistics.

    The moving averages are left as they are. Dropout, where there is any, is on.

    Args:
        model: A built model.
        x: Examples; they are taken in their order.
        batch_size: Examples that share their statistics; the last batch may be smaller.

    Returns:
        The outputs, one for each example.

    Raises:
        ValueError: `batch_size` is below 1, there is no example, or the model is not built.

    Example:
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.BatchNormalization()])
        >>> x = np.array([[1.0], [3.0], [8.0]], dtype="float32")
        >>> predict_with_batch_statistics(model, x, batch_size=2).round(2).ravel().tolist()
        [-1.0, 1.0, 0.0]
    """
    check_built(model)
    if batch_size < 1 or len(x) == 0:
        raise ValueError(
            "`batch_size` and the number of examples must be at least 1. "
            f"Received: batch_size={batch_size}, {len(x)} examples"
        )
    state = model.trainable_variables, model.non_trainable_variables
    outputs = [
        model.stateless_call(*state, x[start : start + batch_size], training=True)[0]
        for start in range(0, len(x), batch_size)
    ]
    return np.concatenate([keras.ops.convert_to_numpy(output) for output in outputs])


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
