"""What holds after every step: the soft threshold as a constraint, and norms that are checked."""

import keras
import numpy as np

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
        >>> SoftThreshold(0.5)(np.array([3.0, -0.25, 0.75], "float32")).numpy().tolist()
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


class NormMonitor(keras.callbacks.Callback):
    """After every training step, record the largest norm of a unit's incoming weights.

    Attributes:
        names: Names of the layers that are watched: all with a kernel.

    Example:
        >>> net = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
        >>> net.compile("sgd", "mse")
        >>> monitor = NormMonitor()
        >>> _ = net.fit(np.ones((4, 2)), np.ones((4, 3)), batch_size=2, verbose=0,
        ...             callbacks=[monitor])
        >>> monitor.largest.shape
        (2, 1)
    """

    def __init__(self):
        super().__init__()
        self.names: list[str] = []
        self._rows: list[list[float]] = []

    @property
    def largest(self) -> np.ndarray:
        """Largest norms, shape (steps, layers)."""
        return np.array(self._rows).reshape(-1, len(self.names))

    def on_train_begin(self, logs=None):
        """Begin anew, with the layers of this model."""
        layers = self.model._flatten_layers(include_self=False)
        self._watched = [layer for layer in layers if getattr(layer, "kernel", None) is not None]
        self.names = [layer.name for layer in self._watched]
        self._rows = []

    def on_train_batch_end(self, batch, logs=None):
        """Look at every kernel; the optimizer's step and its constraints are done by now."""
        self._rows.append([float(unit_norms(layer.kernel).max()) for layer in self._watched])


def unit_norms(kernel) -> np.ndarray:
    """Return the norm of each unit's incoming weights, all axes but the last taken together.

    Args:
        kernel: Shape (..., units), an array or a Keras variable.

    Returns:
        Norms, shape (units,).

    Raises:
        ValueError: The kernel has fewer than two axes.

    Example:
        >>> unit_norms(np.array([[3.0, 0.0], [4.0, 1.0]])).tolist()
        [5.0, 1.0]
    """
    kernel = np.asarray(kernel)
    if kernel.ndim < 2:
        raise ValueError(f"`kernel` must have shape (..., units). Received: shape={kernel.shape}")
    return np.sqrt(np.square(kernel).reshape(-1, kernel.shape[-1]).sum(axis=0))
