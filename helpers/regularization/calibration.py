"""Whether probabilities mean what they say: reliability and expected calibration error."""

from typing import NamedTuple

import numpy as np

from helpers.checks import as_flags, as_labels, as_probabilities, as_reals, check_count, shape_of

Array = np.ndarray


class Reliability(NamedTuple):
    """What each bin of a reliability diagram holds, shape (bins,) each; NaN in an empty bin.

    `confidence` is the mean confidence, `accuracy` the share of right answers, `count` the number
    of predictions.
    """

    confidence: Array
    accuracy: Array
    count: Array


def confidence_and_hits(probabilities: Array, labels: Array) -> tuple[Array, Array]:
    """Return each prediction's confidence and whether it is right.

    Args:
        probabilities: Shape (..., n, classes).
        labels: True classes from 0 on, shape (n,).

    Returns:
        The largest probability, and whether its class is the true one, shape (..., n) each.

    Raises:
        TypeError: An argument holds no real numbers.
        ValueError: The shapes do not fit, a label is no class, or the probabilities are none.

    Example:
        >>> confidence_and_hits(np.array([[0.2, 0.8], [0.6, 0.4]]), np.array([1, 1]))
        (array([0.8, 0.6]), array([ True, False]))
    """
    shapes = shape_of("probabilities", probabilities), shape_of("labels", labels)
    if len(shapes[0]) < 2 or shapes[0][-2:-1] != shapes[1]:
        raise ValueError(
            "`probabilities` must have shape (..., n, classes), and `labels` (n,). "
            f"Received: {shapes[0]} and {shapes[1]}"
        )
    probabilities = as_probabilities("probabilities", probabilities, finite=True)
    labels = as_labels("labels", labels, probabilities.shape[-1])
    return probabilities.max(axis=-1), probabilities.argmax(axis=-1) == labels


def reliability(confidence: Array, hits: Array, *, bins: int = 10) -> Reliability:
    """Sort predictions into bins of equal width by confidence, and compare it with accuracy.

    Bin b holds confidences in [b / bins, (b + 1) / bins); the last one holds 1, too.

    Args:
        confidence: Probability of the answer given, in [0, 1], any shape.
        hits: Whether the answer is right, same shape: True or False, or 1 or 0.
        bins: Number of bins, at least 1.

    Raises:
        TypeError: An argument holds no real numbers, or `bins` is no integer.
        ValueError: The shapes differ, there is no prediction, a confidence is out of range, hits
            are no truth values, or `bins` is below 1.

    Example:
        >>> reliability([0.6, 0.7, 0.9, 1.0], [True, False, True, True], bins=2).accuracy
        array([ nan, 0.75])

    Reference:
        Guo et al. (2017), On calibration of modern neural networks.
    """
    confidence, hits = _checked(confidence, hits, bins)
    number = np.minimum((confidence * bins).astype(int), bins - 1)
    count = np.bincount(number, minlength=bins)
    with np.errstate(invalid="ignore"):  # 0 / 0 in an empty bin is NaN, and meant
        mean = np.bincount(number, weights=confidence, minlength=bins) / count
        accuracy = np.bincount(number, weights=hits, minlength=bins) / count
    return Reliability(mean, accuracy, count)


def expected_calibration_error(confidence: Array, hits: Array, *, bins: int = 10) -> float:
    """Return the mean distance between confidence and accuracy over the bins, by their counts.

        ECE = Σ_b (n_b / n) |accuracy_b − confidence_b|

    A perfectly calibrated model does not reach 0 on few examples: chance moves every bin.

    Args:
        confidence: Probability of the answer given, in [0, 1], any shape.
        hits: Whether the answer is right, same shape.
        bins: Number of bins, at least 1.

    Returns:
        The error in [0, 1].

    Raises:
        ValueError: As for `reliability`.

    Example:
        >>> round(expected_calibration_error([0.6, 0.6, 0.9, 0.9], [True, False, True, True]), 3)
        0.1
    """
    found = reliability(confidence, hits, bins=bins)
    filled = found.count > 0
    distance = np.abs(found.accuracy - found.confidence)[filled]
    return float(np.average(distance, weights=found.count[filled]))


def _checked(confidence: Array, hits: Array, bins: int) -> tuple[Array, Array]:
    confidence = as_reals("confidence", confidence)
    hits = as_flags("hits", hits).astype(float)
    check_count(1, bins=bins)
    if confidence.shape != hits.shape or confidence.size == 0:
        raise ValueError(
            "`confidence` and `hits` must have the same shape, and hold a prediction. "
            f"Received: {confidence.shape} and {hits.shape}"
        )
    if not ((confidence >= 0) & (confidence <= 1 + 1e-6)).all():  # a softmax's sum may round up
        raise ValueError(
            "`confidence` must be in [0, 1]. "
            f"Received: values from {confidence.min()} to {confidence.max()}"
        )
    return confidence.ravel(), hits.ravel()
