"""What an activation costs, forward and backward."""

from collections.abc import Callable
from functools import partial


def value_and_gradient(function: Callable, z) -> Callable[[], tuple]:
    """Compile a Keras activation's forward and backward pass on one tensor.

    Args:
        function: From a tensor to a tensor of the same shape: an activation or a built layer.
        z: Tensor of pre-activations.

    Returns:
        A function without arguments that computes the value and the gradient of its sum.
    """
    import tensorflow as tf

    def call(z):
        y = function(z)
        return y, tf.gradients(y, z)[0]

    # A concrete function, because many of the same code would make TensorFlow warn of retracing.
    spec = tf.TensorSpec.from_tensor(z)
    return partial(tf.function(call, autograph=False).get_concrete_function(spec), z)
