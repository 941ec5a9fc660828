"""Batch normalization whose statistics come from a part of the batch: noise, and nothing else."""

import keras

from helpers.checks import check_count, check_parts, check_positive


@keras.saving.register_keras_serializable(package="dnnbook")
class GhostBatchNormalization(keras.layers.Layer):
    """Normalize each group of `size` examples of a batch with the group's own statistics.

    A step of the optimizer still sees the whole batch. In training the examples 0 … size − 1 are
    the first group, and so on; the last one holds what remains. In inference moving averages of
    the groups' statistics are used, as `keras.layers.BatchNormalization` does.

    Args:
        size: Examples in a group, at least 1; a batch that is no larger is one group.
        momentum: Momentum of the moving averages, in [0, 1].
        epsilon: ε, above 0.
        **kwargs: `keras.layers.Layer`'s own: `name`, `dtype`.

    Raises:
        TypeError: One of them is no number, or `size` no integer.
        ValueError: `size`, `momentum` or `epsilon` is out of range.

    Example:
        >>> import numpy as np
        >>> layer = GhostBatchNormalization(2, epsilon=1e-7)
        >>> x = np.array([[1.0], [3.0], [10.0], [10.5]], dtype="float32")
        >>> layer(x, training=True).numpy().round(2).ravel().tolist()
        [-1.0, 1.0, -1.0, 1.0]

    Reference:
        Hoffer et al. (2017), "Train longer, generalize better", section 4.
    """

    def __init__(self, size, momentum=0.99, epsilon=1e-3, **kwargs):
        super().__init__(**kwargs)
        check_count(1, size=size)
        check_parts(momentum=momentum)
        check_positive(epsilon=epsilon)
        self.size, self.momentum, self.epsilon = size, momentum, epsilon

    def build(self, input_shape):
        """Make γ, β and the two moving averages, one of each for every feature."""
        units = (input_shape[-1],)
        self.gamma = self.add_weight(shape=units, initializer="ones", name="gamma")
        self.beta = self.add_weight(shape=units, initializer="zeros", name="beta")
        memory = {"shape": units, "trainable": False}
        self.moving_mean = self.add_weight(initializer="zeros", name="moving_mean", **memory)
        self.moving_variance = self.add_weight(initializer="ones", name="moving_variance", **memory)

    def call(self, inputs, training=False):
        """Return the inputs, shape (examples, features), normalized group by group."""
        mean, variance = self.moving_mean, self.moving_variance
        if training:
            # A mean over groups as one product, so that replicas may differ in their size.
            places = keras.ops.arange(0.5, keras.ops.shape(inputs)[0], dtype=inputs.dtype)
            group = keras.ops.floor(places / self.size)
            same = keras.ops.cast(group[:, None] == group[None], inputs.dtype)
            averages = same / keras.ops.sum(same, axis=1, keepdims=True)
            mean = averages @ inputs
            variance = averages @ keras.ops.square(inputs - mean)
            for memory, values in ((self.moving_mean, mean), (self.moving_variance, variance)):
                seen = keras.ops.mean(values, axis=0)
                memory.assign(self.momentum * memory + (1 - self.momentum) * seen)
        normalized = (inputs - mean) * keras.ops.rsqrt(variance + self.epsilon)
        return self.gamma * normalized + self.beta

    def compute_output_shape(self, input_shape):
        """Return the shape of the inputs."""
        return input_shape

    def get_config(self):
        """Return the constructor's arguments."""
        own = {"size": self.size, "momentum": self.momentum, "epsilon": self.epsilon}
        return super().get_config() | own
