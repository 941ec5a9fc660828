"""What several topics compute alike: probabilities, their loss, and the order of examples.

Here is one softmax, one cross-entropy and one batch order for lessons in NumPy, so that what a
chapter writes from scratch trains on the batches that `helpers.replicas` draws.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from helpers.checks import as_labels, as_probabilities, shape_of

Array = NDArray[np.floating]

SMALLEST = 1e-7  # what Keras keeps probabilities away from 0 and 1 by, before the logarithm


def softmax(logits: ArrayLike) -> Array:
    """Return probabilities along the last axis, computed without overflow.

        pᵢ = exp(zᵢ − max z) / Σⱼ exp(zⱼ − max z)

    Args:
        logits: z, shape (..., classes).

    Returns:
        The same shape, in the logits' floating type.

    Example:
        >>> softmax([0.0, 0.0, 1000.0])
        array([0., 0., 1.])
    """
    logits = np.asarray(logits)
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def cross_entropy(probabilities: ArrayLike, labels: ArrayLike) -> Array:
    """Return −ln of the right class's probability for each example, in nats.

    Probabilities are kept 10⁻⁷ away from 0 and from 1, as Keras does.

    Args:
        probabilities: Shape (..., n, classes).
        labels: Classes from 0 on, shape (n,), or (..., n) where each leading entry has its own.

    Returns:
        Shape (..., n); NaN where a probability is.

    Raises:
        TypeError: An argument holds no real numbers.
        ValueError: The shapes do not fit, a label is no class, or the probabilities are none.

    Example:
        >>> cross_entropy([[0.5, 0.5], [0.25, 0.75]], [0, 1]).round(3)
        array([0.693, 0.288])
    """
    leading, given = shape_of("probabilities", probabilities)[:-1], shape_of("labels", labels)
    if not leading or given not in (leading, leading[-1:]):
        raise ValueError(
            "`labels` must have the shape of `probabilities` without its last axis, or (n,). "
            f"Received: probabilities {np.shape(probabilities)}, labels {given}"
        )
    probabilities = as_probabilities("probabilities", probabilities)
    labels = as_labels("labels", labels, probabilities.shape[-1])
    picked = np.broadcast_to(labels, leading)[..., None]
    own = np.take_along_axis(probabilities, picked, axis=-1)[..., 0]
    return -np.log(np.clip(own, SMALLEST, 1 - SMALLEST))


def batch_order(seed: int, epoch: int, examples: int) -> NDArray[np.int32]:
    """Return the order in which a replica sees the examples in an epoch.

    Args:
        seed: The replica's seed, at least 0.
        epoch: Counted from 0.
        examples: Number of training examples.

    Returns:
        A permutation of 0 … examples − 1, shape (examples,), int32.

    Example:
        >>> sorted(batch_order(0, 0, 4).tolist())
        [0, 1, 2, 3]
    """
    return np.random.default_rng((seed, epoch)).permutation(examples).astype(np.int32)
