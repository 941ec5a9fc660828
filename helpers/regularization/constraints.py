"""What holds after every step: the soft threshold as a constraint, and norms to watch."""

import keras

from helpers.regularization.penalties import check_strengths


@keras.saving.register_keras_serializable(package="dnnbook")
class SoftThreshold(keras.constraints.Constraint):
    """After every step, move each weight towards 0 by `amount`, and stop at 0.

        w ← sign(w) max(|w| − t, 0)

    With gradient descent at rate η and t = ηλ this is proximal gradient descent on the loss plus
    λ‖w‖₁. With another optimizer it is ℓ1 decoupled from the optimizer, as weight decay is.

    Args:
        amount: t, 0 or more.

    Raises:
        ValueError: `amount` is negative or not finite.

    Example:
        >>> SoftThreshold(0.5)(keras.ops.array([3.0, -0.25, 0.75])).numpy().tolist()
        [2.5, -0.0, 0.25]
    """

    def __init__(self, amount):
        check_strengths(amount=amount)
        self.amount = amount

    def __call__(self, w):
        """Return the weights after the step towards 0."""
        return keras.ops.sign(w) * keras.ops.maximum(keras.ops.abs(w) - self.amount, 0.0)

    def get_config(self):
        """Return the constructor's arguments."""
        return {"amount": self.amount}


def largest_norm(step, *, kernel: int, axis: int | tuple[int, ...] = 0):
    """Return the largest norm of a unit's incoming weights, for `watch` of `fit_replicas`.

    Args:
        step: What a watcher sees: `weights` holds a replica's trainable variables.
        kernel: Position of a kernel among them, shape (inputs, units) or that of a convolution.
        axis: The axes over which a unit's weights lie: 0 for dense layers, (0, 1, 2) for
            two-dimensional convolutions, (0, 1) for depthwise ones, each of whose kernels
            (height, width, channels, multiplier) sees one channel.

    Returns:
        A number.

    Raises:
        TypeError: `step` has no weights.

    Example:
        >>> from types import SimpleNamespace
        >>> step = SimpleNamespace(weights=[keras.ops.array([[3.0, 0.0], [4.0, 1.0]])])
        >>> float(largest_norm(step, kernel=0))
        5.0
    """
    if not hasattr(step, "weights"):
        raise TypeError(
            "`step` must be what a watcher of `fit_replicas` sees; pass the function to `watch`. "
            f"Received: {type(step).__name__}"
        )
    squares = keras.ops.sum(keras.ops.square(step.weights[kernel]), axis=axis)
    return keras.ops.sqrt(keras.ops.max(squares))
