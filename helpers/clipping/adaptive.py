"""Adaptive clipping: each unit's gradient measured against the unit's own weights."""

from collections.abc import Sequence

import keras
import numpy as np

from helpers.checks import check_positive
from helpers.clipping.clip import Array, Gradients, checked_gradients

SMALLEST = 1e-3  # stands for the norm of weights that begin at 0, as biases do


def clip_adaptively(gradients: Gradients, weights: Sequence[Array], ratio: float) -> list[Array]:
    """Return the gradient with each unit's norm limited to a share of its weights' norm.

        gᵘ ← min(1, λ max(‖wᵘ‖, 0.001) / ‖gᵘ‖) gᵘ   for each unit u

    A unit is a column of a kernel, a filter of a convolution, a column of each head of attention;
    of a vector, as a bias, the whole. Only the number of axes tells them apart: a `Conv1D` counts
    as attention, each place of a filter for itself. A step of gradient descent then changes no unit
    whose weights have a norm above 0.001 by more than the share ηλ of it.

    Args:
        gradients: One array for each variable, any shapes.
        weights: The variables, in the same shapes.
        ratio: λ, above 0 and finite.

    Returns:
        One array for each variable. A unit with an infinity or a NaN becomes NaN, at least there.

    Raises:
        TypeError: `gradients` is a single array, or holds None or what is no real numbers.
        ValueError: There is no variable, the shapes differ, or `ratio` is not above 0 and finite.

    Example:
        >>> kernel = np.array([[3.0, 0.0], [4.0, 1.0]])
        >>> clip_adaptively([np.array([[0.0, 0.1], [9.0, 0.0]])], [kernel], 0.2)[0].tolist()
        [[0.0, 0.1], [1.0, 0.0]]

    Reference:
        Brock, De, Smith and Simonyan (2021), High-performance large-scale image recognition without
        normalization.
    """
    check_positive(ratio=ratio)
    if hasattr(gradients, "__len__") and any(gradient is None for gradient in gradients):
        raise TypeError(
            "`gradients` must hold an array for each of `weights`; leave out the variables that "
            "have none. Received: None"
        )
    arrays, weights = checked_gradients(gradients), checked_gradients(weights, "weights")
    shapes = [array.shape for array in arrays], [weight.shape for weight in weights]
    if shapes[0] != shapes[1]:
        raise ValueError(
            f"`gradients` and `weights` must have the same shapes. Received: {shapes[0]} and "
            f"{shapes[1]}"
        )
    clipped = []
    with np.errstate(all="ignore"):
        for gradient, weight in zip(arrays, weights, strict=True):
            limit = ratio * np.maximum(_unit_norm(weight), SMALLEST)
            factor = np.minimum(1, limit / _unit_norm(gradient))
            clipped.append(gradient * factor.astype(gradient.dtype))
    return clipped


@keras.saving.register_keras_serializable(package="dnnbook")
class AdaptiveSGD(keras.optimizers.SGD):
    """Gradient descent that clips as `clip_adaptively` does, which Keras has no argument for.

    Args:
        learning_rate: As of `keras.optimizers.SGD`.
        ratio: λ, above 0.
        **others: As of `keras.optimizers.SGD`.

    Example:
        >>> AdaptiveSGD(0.1, ratio=0.01).get_config()["ratio"]
        0.01
    """

    def __init__(self, learning_rate=0.01, ratio=0.01, **others):
        super().__init__(learning_rate, **others)
        check_positive(ratio=ratio)
        self.ratio = ratio

    def apply(self, grads, trainable_variables=None):
        """Take a step; sparse gradients, some of whose slices are of one row, are added up."""
        import tensorflow as tf

        whole = [None if one is None else tf.convert_to_tensor(one) for one in grads]
        return super().apply(whole, trainable_variables)

    def update_step(self, gradient, variable, learning_rate):
        """Clip each unit's gradient, then step as gradient descent does."""
        ops, axes = keras.ops, inputs_of_a_unit(len(variable.shape))
        norms = [
            ops.sqrt(ops.sum(ops.square(one), axis=axes, keepdims=True))
            for one in (gradient, variable)
        ]
        limit = self.ratio * ops.maximum(norms[1], SMALLEST)
        gradient = gradient * (limit / ops.maximum(norms[0], limit))
        super().update_step(gradient, variable, learning_rate)

    def get_config(self):
        """Return what a saved optimizer is made again from."""
        return super().get_config() | {"ratio": self.ratio}


def inputs_of_a_unit(ndim: int) -> tuple[int, ...]:
    """Return the axes over which a unit's weights lie, of a variable with so many axes.

    >>> inputs_of_a_unit(1), inputs_of_a_unit(2), inputs_of_a_unit(4)
    ((0,), (0,), (0, 1, 2))
    """
    return tuple(range(ndim - 1)) if ndim > 3 else tuple(range(ndim))[:1]


def _unit_norm(array: Array) -> Array:
    """Return the norm of each unit's weights."""
    axes = inputs_of_a_unit(array.ndim)
    return np.sqrt(np.sum(np.square(array), axis=axes, keepdims=True))
