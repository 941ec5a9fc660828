"""Keras models: a recurrent net that is easily made to diverge, and the gradient of any model."""

import keras

from helpers.clipping.clip import Array


def recurrent_net(steps: int, features: int = 2, *, units: int = 20) -> keras.Sequential:
    """Return an uncompiled recurrent net with one number as output.

        hₜ = max(0, xₜ U + hₜ₋₁ W + b),   ŷ = h_T v + c

    W starts as the identity, which keeps what the net has seen. The gradient grows like ρ(W)ᵀ as
    soon as training moves W beyond a spectral radius of 1.

    Args:
        steps: Length T of a sequence, at least 1.
        features: Numbers at each step, at least 1.
        units: Numbers in the state h, at least 1.

    Raises:
        ValueError: A number is below 1.

    Example:
        >>> [weight.shape for weight in recurrent_net(5, units=3).get_weights()]
        [(2, 3), (3, 3), (3,), (3, 1), (1,)]

    Reference:
        Le, Jaitly and Hinton (2015), A simple way to initialize recurrent networks of rectified
        linear units.
    """
    if min(steps, features, units) < 1:
        raise ValueError(
            "`steps`, `features` and `units` must be at least 1. "
            f"Received: steps={steps}, features={features}, units={units}"
        )
    return keras.Sequential(
        [
            keras.Input((steps, features)),
            keras.layers.SimpleRNN(units, activation="relu", recurrent_initializer="identity"),
            keras.layers.Dense(1),
        ]
    )


def loss_gradients(
    model: keras.Model, x: Array, y: Array, *, loss: str = "sparse_categorical_crossentropy"
) -> list[Array]:
    """Return the gradient of a model's mean loss on a batch, in inference mode.

    Args:
        model: A built model; it need not be compiled.
        x: Inputs of the batch.
        y: Targets of the batch.
        loss: The loss, by Keras' name.

    Returns:
        One array for each trainable variable, in the order of `model.trainable_variables`.

    Raises:
        ValueError: The model is not built.

    Example:
        >>> import numpy as np
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> kernel, bias = loss_gradients(model, np.zeros((3, 2)), np.ones((3, 1)), loss="mse")
        >>> kernel.shape, float(bias[0])
        ((2, 1), -2.0)
    """
    import tensorflow as tf

    if not model.built:
        raise ValueError(f"`model` must be built. Received: model={model.name!r}, not built")
    with tf.GradientTape() as tape:
        value = tf.reduce_mean(keras.losses.get(loss)(y, model(x, training=False)))
    gradients = tape.gradient(value, [variable.value for variable in model.trainable_variables])
    return [keras.ops.convert_to_numpy(gradient) for gradient in gradients]
