"""A layer for residual branches: one number that multiplies all that passes."""

import keras

from helpers.checks import as_real


class Scale(keras.layers.Layer):
    """Multiply the inputs by one number, which is learned.

        y = α x

    With α = 0 at the start and at the end of each residual branch this is SkipInit, or ReZero.
    With `trainable=False` it is a constant that belongs to the weights, so that models which differ
    in it alone can be trained in one stack.

    Args:
        initial: α at the start, finite.
        **kwargs: `keras.layers.Layer`'s own: `name`, `trainable`, `dtype`.

    Raises:
        ValueError: `initial` is not finite.

    Example:
        >>> Scale(0.5)(keras.ops.ones((1, 2))).numpy().tolist()
        [[0.5, 0.5]]

    Reference:
        De and Smith (2020); Bachlechner et al. (2021).
    """

    def __init__(self, initial: float = 1.0, **kwargs):
        super().__init__(**kwargs)
        if not abs(as_real("initial", initial)) < float("inf"):
            raise ValueError(f"`initial` must be finite. Received: initial={initial}")
        self.initial = float(initial)

    def build(self, input_shape):
        """Make the weight α."""
        start = keras.initializers.Constant(self.initial)
        self.alpha = self.add_weight(shape=(), initializer=start, name="alpha")

    def call(self, inputs):
        """Return α times the inputs."""
        return self.alpha * inputs

    def compute_output_shape(self, input_shape):
        """Return the shape of the inputs."""
        return input_shape

    def get_config(self):
        """Return the arguments that make an equal layer."""
        return super().get_config() | {"initial": self.initial}
