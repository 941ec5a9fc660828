"""Gradients clipped by thresholds that each replica has for itself."""

from collections.abc import Mapping

import keras
import numpy as np
import tensorflow as tf

CLIPS = ("clipnorm", "global_clipnorm", "clipvalue")


def check_clips(own: Mapping, replicas: int, optimizer: keras.Optimizer) -> None:
    """Refuse thresholds with which Keras would not clip what a replica's own ones clip."""
    clips = [name for name in CLIPS if name in own]
    for name in (*CLIPS, "loss_scale_factor", "gradient_accumulation_steps"):
        if clips and getattr(optimizer, name, None):
            raise ValueError(
                f"`each` can hold {clips[0]} for an optimizer without {name}: a replica's own "
                "threshold is for the gradient of each batch, before the optimizer sees it. "
                f"Received: optimizer with {name}={getattr(optimizer, name)!r}"
            )
    used = [np.isfinite(own[name]).reshape(-1, replicas).any(axis=0) for name in clips]
    if (np.sum(used, axis=0) > 1).any():
        raise ValueError(
            "`each` can hold one finite threshold for a replica, as Keras clips in one way. "
            f"Received: {', '.join(clips)}"
        )


def clipped(gradients: list, own: Mapping) -> list:
    """Return one replica's gradients clipped by its own thresholds; infinity does not clip.

    Of a sparse gradient its slices count, as for Keras.
    """
    if "clipvalue" in own:
        limit = own["clipvalue"]
        gradients = [tf.clip_by_value(one, -limit, limit) for one in gradients]
    if not {"clipnorm", "global_clipnorm"} & set(own):
        return gradients
    # Sums of squares, as TensorFlow's `L2Loss` can only be looped over replicas.
    slices = [one.values if isinstance(one, tf.IndexedSlices) else one for one in gradients]
    squares = [tf.reduce_sum(tf.square(one)) for one in slices]
    if "clipnorm" in own:
        shares = [_share(own["clipnorm"], tf.sqrt(one)) for one in squares]
        gradients = [_scaled(*pair) for pair in zip(gradients, shares, strict=True)]
    if "global_clipnorm" in own:
        norm = tf.sqrt(tf.add_n(squares))
        # As in Keras, NaN where the norm overflows: a step of 0 would hide it.
        share = _share(own["global_clipnorm"], norm, norm - norm)
        gradients = [_scaled(one, share) for one in gradients]
    return gradients


def _share(limit, norm, overflow=0.0):
    """Return which share of a gradient is kept: all where the limit is infinite."""
    return tf.where(tf.math.is_inf(limit), 1.0, tf.minimum(1.0, limit / norm) + overflow)


def _scaled(gradient, share):
    if isinstance(gradient, tf.IndexedSlices):
        return tf.IndexedSlices(gradient.values * share, gradient.indices, gradient.dense_shape)
    return gradient * share
