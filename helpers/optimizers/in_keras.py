"""The same descent by Keras' optimizers, in float64."""

from collections.abc import Callable

import keras
import numpy as np

from helpers.checks import as_reals, check_count
from helpers.optimizers.optimizer import Array


def keras_trajectory(
    optimizer: keras.optimizers.Optimizer,
    gradient_function: Callable[[Array], Array],
    *,
    start: float | Array,
    steps: int,
) -> Array:
    """Return the path that a Keras optimizer takes, on a float64 variable.

    Keras rounds the learning rate and some coefficients (momentum, Lion's β, the powers of Adam's
    β) to float32 even here, up to 6e-8 from what was asked for.

    Args:
        optimizer: One of Keras', not used yet.
        gradient_function: From θ to the gradient there, in the same shape.
        start: θ₀, any shape.
        steps: Number of steps, 0 or more.

    Returns:
        Shape (steps + 1, *start.shape), like `trajectory`'s.

    Raises:
        TypeError: `steps` is no integer, or `start` holds what is no real numbers.
        ValueError: `steps` is negative, or the optimizer has been used, or a gradient has
            another shape than `start`.

    Example:
        >>> descent = keras.optimizers.SGD(0.25)
        >>> keras_trajectory(descent, lambda theta: 2 * theta, start=8.0, steps=3)
        array([8., 4., 2., 1.])
    """
    check_count(0, steps=steps)
    path = [as_reals("start", start)]
    variable = keras.Variable(path[0], dtype="float64")
    step = compiled_step(optimizer, variable)
    with np.errstate(all="ignore"):
        for _ in range(steps):
            gradient = as_reals("gradient", gradient_function(path[-1]))
            if gradient.shape != path[0].shape:
                raise ValueError(
                    "`gradient` and `theta` must have the same shape. "
                    f"Received: gradient {gradient.shape}, theta {path[0].shape}"
                )
            step(gradient)
            path.append(variable.numpy())
    return np.stack(path)


def compiled_step(
    optimizer: keras.optimizers.Optimizer, variable: keras.Variable
) -> Callable[[Array], object]:
    """Build an optimizer on one variable and compile its step.

    Args:
        optimizer: One of Keras', not used yet.
        variable: What it changes.

    Returns:
        A function of the gradient, in the variable's shape and type, that takes the step.

    Raises:
        ValueError: The optimizer has been used.

    Example:
        >>> variable = keras.Variable([1.0, 2.0])
        >>> step = compiled_step(keras.optimizers.SGD(0.5), variable)
        >>> _ = step(np.float32([1.0, 0.0]))
        >>> variable.numpy()
        array([0.5, 2. ], dtype=float32)
    """
    import tensorflow as tf

    build_new(optimizer, variable)

    def step(gradient):
        optimizer.apply([gradient])
        return tf.constant(0)  # the step is over when this is there, and nothing else is copied

    # A concrete function: no call looks for the right trace.
    spec = tf.TensorSpec(variable.shape, variable.dtype)
    concrete = tf.function(step, autograph=False).get_concrete_function(spec)
    return lambda gradient: concrete(tf.convert_to_tensor(gradient, variable.dtype))


def build_new(optimizer: keras.optimizers.Optimizer, variable: keras.Variable) -> None:
    """Build an optimizer on one variable; refuse one that has been used."""
    if optimizer.built:
        raise ValueError(
            "`optimizer` must be a new one. "
            f"Received: {type(optimizer).__name__}, which has been used"
        )
    optimizer.build([variable])
