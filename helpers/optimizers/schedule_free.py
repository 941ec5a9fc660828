"""Schedule-Free AdamW as its paper has it, as a Keras optimizer."""

import keras

from helpers.checks import check_inside


@keras.saving.register_keras_serializable(package="dnnbook")
class ScheduleFree(keras.optimizers.Adam):
    """AdamW without a schedule: gradients are taken between a fast point and its running mean.

        s ← β₂ s + (1 − β₂) g²,   ŝ = s / (1 − β₂ᵗ)
        z ← z − η (g / (√ŝ + ε) + λ y)                the fast point, λ the decay of weights
        x ← (1 − 1/t) x + z / t                       the mean of all z
        y ← (1 − β₁) z + β₁ x                         where the next gradient is taken

    The model's weights are y. What is kept beside s is z − y, which begins at 0 with every model.
    `keras.optimizers.ScheduleFreeAdamW` of Keras 3.15 has the same equations, but under TensorFlow
    it reads z after it has changed it, and then its β₁ drops out.

    Args:
        learning_rate: η.
        **options: Those of `keras.optimizers.Adam`, `weight_decay` among them; β₁ in (0, 1), and
            no `amsgrad`.

    Raises:
        ValueError: β₁ is 0, which leaves no mean in y, or `amsgrad` is asked for.

    Example:
        >>> weight = keras.Variable([1.0])
        >>> optimizer = ScheduleFree(0.1)
        >>> for _ in range(2):  # of θ² / 2
        ...     optimizer.apply([weight.value + 0.0], [weight])
        >>> weight.numpy().round(3)
        array([0.848], dtype=float32)

    Reference:
        Defazio et al. (2024), The road less scheduled.
    """

    def __init__(self, learning_rate=0.0025, **options):
        super().__init__(learning_rate, **options)
        check_inside(beta_1=self.beta_1)
        if self.amsgrad:
            raise ValueError(
                "`amsgrad` must be False: Schedule-Free has no such variant. Received: amsgrad=True"
            )

    def _apply_weight_decay(self, variables):
        """Leave y alone: x would shrink with it, whose only way down is the mean of z."""

    def update_step(self, gradient, variable, learning_rate):
        """Take one step; Adam's two slots hold z − y and s."""
        import tensorflow as tf

        ops, at = keras.ops, self._get_variable_index(variable)
        gradient = tf.convert_to_tensor(gradient)  # that of an embedding comes as slices
        ahead, square = self._momentums[at], self._velocities[at]
        t = ops.cast(self.iterations + 1, variable.dtype)
        y = ops.copy(variable)
        z = y + ahead
        x = y - (1 - self.beta_1) / self.beta_1 * ahead
        s = self.beta_2 * square + (1 - self.beta_2) * ops.square(gradient)
        corrected = s / (1 - ops.power(ops.cast(self.beta_2, variable.dtype), t))
        z = z - learning_rate * gradient / (ops.sqrt(corrected) + self.epsilon)
        if self.weight_decay is not None and self._use_weight_decay(variable):
            z = z - learning_rate * self.weight_decay * y
        x = x + (z - x) / t
        new = (1 - self.beta_1) * z + self.beta_1 * x
        self.assign(square, s)
        self.assign(ahead, z - new)
        self.assign(variable, new)
