"""DropConnect as a Keras layer: a dense layer that drops single weights."""

import keras

from helpers.checks import check_shares

MASKS = ("example", "batch")


@keras.saving.register_keras_serializable(package="dnnbook")
class DropConnect(keras.layers.Dense):
    """A dense layer whose single weights and biases are dropped at random in training.

        y = f(x (M ⊙ W) / (1 − p) + m ⊙ b / (1 − p))

    As in the paper each example has a mask of its own, which takes memory for a whole kernel an
    example; ``masks="batch"`` shares one mask among the examples of a batch, which is cheaper. In
    inference the layer uses its whole kernel, as dropout does. (The paper instead averages the
    activations of pre-activations drawn from a normal distribution of the same mean and variance.)

    Args:
        units: As for `keras.layers.Dense`.
        rate: p, the probability of dropping a weight, in [0, 1).
        masks: ``"example"`` or ``"batch"``: who has a mask of its own.
        seed: Seed of the masks, or None.
        **kwargs: As for `keras.layers.Dense`.

    Raises:
        ValueError: `rate` is out of range, or `masks` is unknown.

    Example:
        >>> layer = DropConnect(3, rate=0.5)
        >>> layer(keras.ops.ones((2, 4))).shape
        TensorShape([2, 3])

    Reference:
        Wan et al. (2013), Regularization of neural networks using DropConnect.
    """

    def __init__(self, units, rate=0.5, masks="example", seed=None, **kwargs):
        super().__init__(units, **kwargs)
        check_shares(rate=rate)
        if masks not in MASKS:
            raise ValueError(f"`masks` must be one of {MASKS}. Received: masks={masks!r}")
        self.rate, self.masks, self.seed = rate, masks, seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, inputs, training=False):
        """Return the layer's outputs, with weights dropped in training."""
        if not training or self.rate == 0:
            return super().call(inputs)
        leading = (keras.ops.shape(inputs)[0],) if self.masks == "example" else ()
        kernel = self._dropped(self.kernel, leading)
        if leading:
            x = keras.ops.expand_dims(inputs, -2)
            x = keras.ops.squeeze(keras.ops.matmul(x, kernel), -2)
        else:
            x = keras.ops.matmul(inputs, kernel)
        if self.use_bias:
            x = x + self._dropped(self.bias, leading)
        return self.activation(x)

    def build(self, input_shape):
        """Create kernel and bias; inputs must have shape (examples, features)."""
        if len(input_shape) != 2:
            raise ValueError(
                "inputs must have shape (examples, features); flatten them first. "
                f"Received: shape={tuple(input_shape)}"
            )
        super().build(input_shape)

    def get_config(self):
        """Return the constructor's arguments."""
        own = {"rate": self.rate, "masks": self.masks, "seed": self.seed}
        return super().get_config() | own

    def _dropped(self, weights, leading):
        """Return the weights, masked and scaled; with an axis of examples if `leading` has one."""
        shape = (*leading, *weights.shape)
        drawn = keras.random.uniform(shape, dtype=weights.dtype, seed=self.seed_generator)
        kept = keras.ops.cast(drawn >= self.rate, weights.dtype)
        return kept * weights / (1 - self.rate)
