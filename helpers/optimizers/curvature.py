"""How sharp a loss is: the largest eigenvalue of its Hessian."""

from collections.abc import Sequence

import keras
import numpy as np

from helpers.checks import check_count, check_model
from helpers.optimizers.optimizer import Array


def sharpness(
    model: keras.Model,
    loss: keras.losses.Loss | str,
    x: Array,
    y: Array,
    weights: Sequence[Array],
    *,
    rows: Array | None = None,
    iterations: int = 30,
    seed: int = 0,
) -> Array:
    """Return the largest curvature of a loss at several weights of one model.

        λ_max of H = ∇² J(θ),   by power iteration   v ← H v / ‖H v‖,   λ ≈ vᵀ H v

    H is never formed: H v is the gradient of the number gᵀ v. The power iteration finds the
    eigenvalue that is largest in size, which at weights that descent has reached is the largest.

    Args:
        model: Whose loss it is; it ends with the last of `weights`.
        loss: As `compile` takes it.
        x: Inputs, shape (n, ...).
        y: Targets.
        weights: In the order of `get_weights()`, each with a leading axis of replicas.
        rows: Rows of x for each replica, shape (replicas, m); all by default.
        iterations: Of the power iteration, at least 1.
        seed: Of its start.

    Returns:
        Shape (replicas,).

    Raises:
        TypeError: `model` is no model, or `iterations` no integer.
        ValueError: `iterations` is below 1, or the model is not built or has weights that are not
            trained.

    Example:
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, use_bias=False)])
        >>> x = np.float32([[3, 0], [0, 1]])  # the mean of (3 a)² and b² has curvatures 9 and 1
        >>> sharpness(model, "mse", x, np.zeros((2, 1)), [np.zeros((1, 2, 1))]).round(3)
        array([9.], dtype=float32)

    Reference:
        Cohen et al. (2021), Gradient descent on neural networks typically occurs at the edge of
        stability.
    """
    import tensorflow as tf

    check_model(model)
    check_count(1, iterations=iterations)
    if model.non_trainable_variables:
        raise ValueError(
            "`model` must have trained weights only. Received: "
            f"{len(model.non_trainable_variables)} that are not trained"
        )
    cost = keras.losses.get(loss)
    x, y = np.asarray(x), np.asarray(y)  # a shuffled Series would be read by its labels
    variables = [one.value for one in model.trainable_variables]

    def gradients(tape, value):
        # Where there is none it is 0; that of an embedding comes as slices, some of one row.
        found = tape.gradient(value, variables, unconnected_gradients="zero")
        return [tf.convert_to_tensor(one) for one in found]

    def curved(v, x, y):
        with tf.GradientTape() as outer:
            with tf.GradientTape() as inner:
                answers = model(x)
                value = tf.reduce_mean(cost(_like_answers(y, answers), answers))
            gradient = gradients(inner, value)
            along = tf.add_n([tf.reduce_sum(g * one) for g, one in zip(gradient, v, strict=True)])
        return gradients(outer, along)

    @tf.function(jit_compile=False)
    def largest(v, x, y):
        for _ in tf.range(iterations):
            v = curved(v, x, y)
            size = tf.linalg.global_norm(v)
            v = [one / (size + 1e-30) for one in v]
        return tf.add_n([tf.reduce_sum(a * b) for a, b in zip(v, curved(v, x, y), strict=True)])

    rng, found = np.random.default_rng(seed), []
    begin = [tf.constant(rng.normal(size=one.shape), one.dtype) for one in variables]
    for replica in range(len(weights[0])):
        model.set_weights([np.asarray(one[replica]) for one in weights])
        own = slice(None) if rows is None else rows[replica]
        found.append(largest(begin, tf.constant(x[own]), tf.constant(y[own])).numpy())
    return np.array(found)


def _like_answers(y, answers):
    """Return targets with the answers' axis of one unit, which `compile` gives them, too."""
    lacks = len(answers.shape) == len(y.shape) + 1 and answers.shape[-1] == 1
    return y[..., None] if lacks else y
