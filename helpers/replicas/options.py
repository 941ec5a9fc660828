"""What the arguments of `fit_replicas` mean."""

from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf

from helpers.replicas.engine import match_rank


def resolve_seeds(seed: int | Sequence[int], replicas: int) -> tuple[int, ...]:
    """Return the seed of each replica: consecutive ones from an integer, or those given."""
    seeds = range(seed, seed + replicas) if isinstance(seed, int | np.integer) else seed
    seeds = tuple(int(one) for one in seeds)
    if len(seeds) != replicas or min(seeds) < 0:
        raise ValueError(
            f"`seed` must be 0 or more, or hold {replicas} such seeds. Received: seed={seed!r}"
        )
    return seeds


def resolve_builds(build: Callable | Sequence[Callable], replicas: int) -> tuple[Callable, ...]:
    """Return the function that builds each replica."""
    builds = (build,) * replicas if callable(build) else tuple(build)
    if len(builds) != replicas or not all(callable(one) for one in builds):
        raise ValueError(
            f"`build` must be a function, or hold {replicas} functions, one for each replica. "
            f"Received: {len(builds)}"
        )
    return builds


def resolve_rates(learning_rates, replicas: int, optimizer: keras.Optimizer) -> np.ndarray | None:
    """Return each replica's own learning rate, checked, or None where the optimizer's serves."""
    if learning_rates is None:
        return None
    rates = np.asarray(learning_rates, dtype=np.float32)
    if rates.shape != (replicas,) or not (np.isfinite(rates) & (rates > 0)).all():
        raise ValueError(
            f"`learning_rates` must hold {replicas} positive numbers. Received: {learning_rates}"
        )
    if isinstance(optimizer._learning_rate, keras.optimizers.schedules.LearningRateSchedule):
        raise ValueError(
            "`learning_rates` are constant rates. Received: an optimizer with a schedule"
        )
    return rates


def stack_options(*, optimizer, loss, metrics) -> dict:
    """Return what `compile` takes as what `Stack` takes."""
    return {"optimizer": optimizer, "loss": _loss(loss), "metrics": _metrics(metrics)}


def _loss(loss: str | keras.Loss | Callable) -> Callable:
    resolved = keras.losses.get(loss)
    reduction = getattr(resolved, "reduction", "mean")
    if reduction not in ("sum_over_batch_size", "mean"):
        raise ValueError(f"`loss` must average over a batch. Received: reduction={reduction!r}")
    return resolved


def _metrics(metrics: Sequence[str | Callable]) -> dict[str, Callable]:
    named = {}
    for metric in metrics:
        if metric == "accuracy":
            named["accuracy"] = _accuracy
        elif callable(metric) and not isinstance(metric, keras.Metric):
            named[metric.__name__] = metric
        else:
            raise ValueError(
                f'`metrics` must hold "accuracy" or functions of (y, y_pred). Received: {metric!r}'
            )
    return named


def _accuracy(y, y_pred):
    """Return 1 for each right example, by the kind of labels, as Keras chooses.

    Written with TensorFlow's argmax: that of Keras takes a detour through bits, which
    `tf.vectorized_map` can only loop over.
    """
    y = match_rank(y, y_pred)
    if y_pred.shape[-1] == 1:
        right = tf.equal(y_pred > 0.5, tf.cast(y, y_pred.dtype) > 0.5)
        return tf.reduce_mean(tf.cast(right, tf.float32), axis=-1)
    one_hot = len(y.shape) == len(y_pred.shape) and y.shape[-1] == y_pred.shape[-1]
    labels = tf.argmax(y, axis=-1) if one_hot else tf.reshape(y, tf.shape(y_pred)[:-1])
    right = tf.equal(tf.argmax(y_pred, axis=-1), tf.cast(labels, tf.int64))
    return tf.cast(right, tf.float32)
