"""Residual nets without normalization, and what their blocks put out."""

from collections.abc import Sequence

import keras
import numpy as np


def residual_mlp(
    image_shape: Sequence[int], classes: int, *, blocks: int, width: int, fixup: bool = False
) -> keras.Model:
    """Return an uncompiled residual net without normalization, drawn in full or by Fixup's rule.

    Each block adds a branch of m = 2 dense layers to what it receives:

        x ← x + W₂ relu(W₁ x).

    By default Var(W₁) = 1 / fan_in and Var(W₂) = 2 / fan_in (its input is rectified), and the
    signal's second moment doubles in each block. Fixup starts W₂ and the output layer at zero and
    multiplies W₁ by blocks^(−1/(2m−2)). (Its scalar biases and multipliers are left out.)

    Args:
        image_shape: Shape of one image; it is flattened.
        classes: Number of classes.
        blocks: Number of residual blocks, at least 1.
        width: Units of every hidden layer.
        fixup: Whether to start as Fixup does.

    Returns:
        A built functional model with a softmax output.

    Raises:
        ValueError: `blocks` or `width` is below 1.

    Example:
        >>> residual_mlp((8, 8), 10, blocks=2, width=16).count_params()
        2234

    Reference:
        Zhang, Dauphin and Ma (2019).
    """
    if min(blocks, width) < 1:
        raise ValueError(
            f"`blocks` and `width` must be at least 1. Received: blocks={blocks}, width={width}"
        )
    dense = keras.layers.Dense
    inputs = keras.Input(tuple(image_shape))
    x = dense(width, kernel_initializer="lecun_normal")(keras.layers.Flatten()(inputs))
    first = keras.initializers.VarianceScaling(1.0 / blocks if fixup else 1.0)
    last = keras.initializers.Zeros() if fixup else keras.initializers.HeNormal()
    for _ in range(blocks):
        branch = dense(width, activation="relu", kernel_initializer=first.clone(), use_bias=False)
        join = dense(width, kernel_initializer=last.clone(), use_bias=False)
        x = keras.layers.Add()([x, join(branch(x))])
    outputs = dense(
        classes, activation="softmax", kernel_initializer="zeros" if fixup else "glorot_uniform"
    )(x)
    return keras.Model(inputs, outputs)


def residual_moments(x: np.ndarray, weights: Sequence[np.ndarray]) -> np.ndarray:
    """Return the mean square of what each block of a `residual_mlp` puts out.

    Args:
        x: Images, shape (examples, *image_shape).
        weights: Those of `residual_mlp`, in the order of `get_weights`; leading axes are replicas.

    Returns:
        Shape (..., blocks + 1): first of what the first block receives, then of each sum.

    Example:
        >>> model = residual_mlp((8, 8), 10, blocks=3, width=16, fixup=True)
        >>> moments = residual_moments(np.ones((2, 8, 8)), model.get_weights())
        >>> bool((moments == moments[0]).all())  # each block starts as the identity
        True
    """
    kernel, bias, *branches = weights[:-2]
    sums = [x.reshape(len(x), -1) @ kernel + np.expand_dims(bias, -2)]
    for first, last in zip(branches[0::2], branches[1::2], strict=True):
        sums.append(sums[-1] + np.maximum(sums[-1] @ first, 0) @ last)
    return np.stack([(x**2).mean(axis=(-2, -1)) for x in sums], axis=-1)
