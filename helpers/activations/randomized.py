"""Randomized leaky ReLU, as a function and as a Keras layer."""

import keras
import numpy as np

from helpers.activations.functions import Array, leaky_relu

RRELU_LOWER, RRELU_UPPER = 1 / 8, 1 / 3


def rrelu(
    z: Array,
    *,
    lower: float = RRELU_LOWER,
    upper: float = RRELU_UPPER,
    rng: np.random.Generator | None = None,
) -> Array:
    """Return leaky ReLU with a random slope for each entry of z (Xu et al., 2015).

    Args:
        z: Any shape.
        lower: Least slope, 0 or more.
        upper: Greatest slope, at least `lower`.
        rng: Source of the slopes in training; None, as in inference, takes their mean.

    Raises:
        ValueError: The range is empty or negative.

    Example:
        >>> rrelu(np.array([-1.0, 1.0]), lower=0.1, upper=0.3)
        array([-0.2,  1. ])
    """
    _check_range(lower, upper)
    slope = (lower + upper) / 2 if rng is None else rng.uniform(lower, upper, size=np.shape(z))
    return leaky_relu(z, alpha=slope)


@keras.saving.register_keras_serializable(package="dnnbook")
class RReLU(keras.layers.Layer):
    """Randomized leaky ReLU: a random slope in training, the mean slope in inference.

    In training the slope for negative inputs is drawn from U(lower, upper), anew for each example
    and unit; in inference it is (lower + upper) / 2 (Xu et al., 2015).

    Args:
        lower: Least slope, 0 or more.
        upper: Greatest slope, at least `lower`.
        seed: Seed of the slopes, or None.
        **kwargs: `keras.layers.Layer`'s own: `name`, `dtype`.

    Raises:
        ValueError: The range is empty or negative.

    Example:
        >>> RReLU(lower=0.1, upper=0.3)(np.array([[-1.0, 2.0]])).numpy().round(3).tolist()
        [[-0.20000000298023224, 2.0]]
    """

    def __init__(self, lower=RRELU_LOWER, upper=RRELU_UPPER, seed=None, **kwargs):
        super().__init__(**kwargs)
        _check_range(lower, upper)
        self.lower, self.upper, self.seed = lower, upper, seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.supports_masking = True

    def call(self, inputs, training=False):
        """Return the inputs, the negative ones times their slope."""
        slope = (self.lower + self.upper) / 2
        if training:
            slope = keras.random.uniform(
                keras.ops.shape(inputs),
                self.lower,
                self.upper,
                dtype=inputs.dtype,
                seed=self.seed_generator,
            )
        return keras.ops.where(inputs > 0, inputs, slope * inputs)

    def compute_output_shape(self, input_shape):
        """Return the shape of the inputs."""
        return input_shape

    def get_config(self):
        """Return the arguments that make an equal layer."""
        return super().get_config() | {
            "lower": self.lower,
            "upper": self.upper,
            "seed": self.seed,
        }


def _check_range(lower: float, upper: float) -> None:
    if not 0 <= lower <= upper < np.inf:
        raise ValueError(
            "`lower` and `upper` must satisfy 0 <= lower <= upper. "
            f"Received: lower={lower}, upper={upper}"
        )
