"""One temperature for all answers of a net, fitted on images that judge nothing."""

import numpy as np

from helpers.numerics import cross_entropy

Array = np.ndarray
SMALLEST = np.finfo(np.float32).tiny  # a softmax in float32 rounds smaller ones to 0
LARGEST = 1000.0  # temperatures from 1 / LARGEST to LARGEST


def temper(probabilities: Array, temperature: float) -> Array:
    """Return a softmax's probabilities at a temperature.

        p_c ← p_c^(1/T) / Σ_k p_k^(1/T),   which is the softmax of the logits divided by T

    Above 1 the answers get less sure, below 1 surer; the most probable class stays the same.

    Args:
        probabilities: Shape (..., classes).
        temperature: T, above 0 and finite.

    Raises:
        ValueError: `temperature` is not above 0 and finite.

    Example:
        >>> temper(np.array([0.2, 0.8]), 0.5).round(3)
        array([0.059, 0.941])

    Reference:
        Guo et al. (2017), On calibration of modern neural networks.
    """
    if not 0 < temperature < np.inf:
        raise ValueError(
            f"`temperature` must be above 0 and finite. Received: temperature={temperature}"
        )
    logits = np.log(np.maximum(np.asarray(probabilities, float), SMALLEST)) / temperature
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def fit_temperature(probabilities: Array, labels: Array) -> float:
    """Return the temperature at which the mean cross-entropy of some answers is lowest.

    Args:
        probabilities: Of a softmax, shape (n, classes).
        labels: True classes, shape (n,), of images that neither trained the net nor judge it.

    Returns:
        T, from 1 / 1000 to 1000: near 0 where all answers are right, since the surer the better.

    Raises:
        ValueError: The shapes do not fit, or there is no answer.

    Example:
        >>> sure = np.array([[0.9, 0.1], [0.9, 0.1], [0.9, 0.1]])
        >>> round(fit_temperature(sure, np.array([0, 0, 1])), 2)  # right two times of three
        3.17
    """
    from scipy.optimize import minimize_scalar

    probabilities, labels = np.asarray(probabilities), np.asarray(labels)
    if probabilities.ndim != 2 or labels.shape != probabilities.shape[:1] or not len(labels):
        raise ValueError(
            "`probabilities` must have shape (n, classes), and `labels` (n,), with an answer. "
            f"Received: {probabilities.shape} and {labels.shape}"
        )

    def loss(log_temperature):
        return cross_entropy(temper(probabilities, np.exp(log_temperature)), labels).mean()

    reach = np.log(LARGEST)
    return float(np.exp(minimize_scalar(loss, bounds=(-reach, reach), method="bounded").x))
