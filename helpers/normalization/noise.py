"""A layer that undoes what batch normalization is said to do: it keeps distributions moving."""

import keras

from helpers.checks import as_real

# How far an example's shift and factor stray from its feature's, as a share of what they may be.
SPREAD = 0.2


@keras.saving.register_keras_serializable(package="dnnbook")
class ShiftingNoise(keras.layers.Layer):
    """Shift and stretch every feature at random, anew in every training step.

    In training z = s ⊗ x + m. In each step every feature draws a centre of its own for both,
    U(1, stretch) for s and U(−shift, shift) for m, around which those of the examples scatter
    uniformly, by a fifth of stretch − 1 and of shift. In inference s and m are
    their means. After batch normalization it makes the next layer's input distribution jump from
    step to step; shift 0 and stretch 1 turn it off.

    Args:
        shift: Largest shift of a centre, 0 or more.
        stretch: Largest factor at a centre, 1 or more.
        seed: Seed of the draws, or None.
        **kwargs: `keras.layers.Layer`'s own: `name`, `dtype`.

    Raises:
        ValueError: `shift` or `stretch` is out of range.

    Example:
        >>> import numpy as np
        >>> layer, x = ShiftingNoise(0.5, 3.0, seed=0), np.ones((400, 1), dtype="float32")
        >>> bool((layer(x).numpy() == 2.0).all())
        True
        >>> steps = [layer(x, training=True).numpy().mean() for _ in range(2)]
        >>> bool(abs(steps[0] - steps[1]) > 0.1)
        True

    Reference:
        After Santurkar et al. (2018), section 2.2, whose factors scatter normally.
    """

    def __init__(self, shift=0.5, stretch=1.25, seed=None, **kwargs):
        super().__init__(**kwargs)
        if not (as_real("shift", shift) >= 0 and as_real("stretch", stretch) >= 1):
            raise ValueError(
                "`shift` must be at least 0 and `stretch` at least 1. "
                f"Received: shift={shift}, stretch={stretch}"
            )
        self.shift, self.stretch, self.seed = shift, stretch, seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, inputs, training=False):
        """Return the inputs with each feature stretched and shifted."""
        stretch = self.stretch - 1
        if not training:
            return inputs * (1 + stretch / 2)
        examples, *features = keras.ops.shape(inputs)
        drawn = keras.random.uniform(  # the centres, and the examples around them
            (2, 1 + examples, *features), dtype=inputs.dtype, seed=self.seed_generator
        )
        centre, own = drawn[:, :1], 2 * drawn[:, 1:] - 1
        factor = 1 + stretch * (centre[0] + SPREAD * own[0])
        return inputs * factor + self.shift * (2 * centre[1] - 1 + SPREAD * own[1])

    def compute_output_shape(self, input_shape):
        """Return the shape of the inputs."""
        return input_shape

    def get_config(self):
        """Return the constructor's arguments."""
        own = {"shift": self.shift, "stretch": self.stretch, "seed": self.seed}
        return super().get_config() | own
