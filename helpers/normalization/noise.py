"""A layer that undoes what batch normalization is said to do: it keeps distributions moving."""

import keras


@keras.saving.register_keras_serializable(package="dnnbook")
class ShiftingNoise(keras.layers.Layer):
    """Shift and stretch every feature at random, anew in every training step.

    In training z = s ⊗ x + m, with s ~ U(1, stretch) and m ~ U(−shift, shift) drawn once a step
    for each feature and shared by the whole batch; in inference s and m are their means. After
    batch normalization it makes the next layer's input distribution jump from step to step.

    Args:
        shift: Largest shift, 0 or more.
        stretch: Largest factor, 1 or more.
        seed: Seed of the draws, or None.
        **kwargs: `keras.layers.Layer`'s own: `name`, `dtype`.

    Raises:
        ValueError: `shift` or `stretch` is out of range.

    Example:
        >>> import numpy as np
        >>> layer, x = ShiftingNoise(0.5, 3.0, seed=0), np.ones((4, 1), dtype="float32")
        >>> layer(x).numpy().ravel().tolist()
        [2.0, 2.0, 2.0, 2.0]
        >>> steps = [layer(x, training=True).numpy() for _ in range(2)]
        >>> [bool(np.ptp(step) == 0) for step in steps], bool(steps[0][0] == steps[1][0])
        ([True, True], False)

    Reference:
        After Santurkar et al. (2018), section 2.2, whose noise differs between examples too.
    """

    def __init__(self, shift=0.5, stretch=1.25, seed=None, **kwargs):
        super().__init__(**kwargs)
        if not (shift >= 0 and stretch >= 1):
            raise ValueError(
                "`shift` must be at least 0 and `stretch` at least 1. "
                f"Received: shift={shift}, stretch={stretch}"
            )
        self.shift, self.stretch, self.seed = shift, stretch, seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, inputs, training=False):
        """Return the inputs with each feature stretched and shifted."""
        if not training:
            return inputs * ((1 + self.stretch) / 2)
        shape = (2, *inputs.shape[1:])
        drawn = keras.random.uniform(shape, dtype=inputs.dtype, seed=self.seed_generator)
        factor = 1 + (self.stretch - 1) * drawn[0]
        return inputs * factor + self.shift * (2 * drawn[1] - 1)

    def compute_output_shape(self, input_shape):
        """Return the shape of the inputs."""
        return input_shape

    def get_config(self):
        """Return the constructor's arguments."""
        own = {"shift": self.shift, "stretch": self.stretch, "seed": self.seed}
        return super().get_config() | own
