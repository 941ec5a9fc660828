"""One temperature for all answers of a net, fitted on images that judge nothing."""

import numpy as np

from helpers.checks import as_labels, as_probabilities, check_positive, shape_of
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
        TypeError: An argument holds no real numbers.
        ValueError: `temperature` is not above 0 and finite, or the probabilities are none.

    Example:
        >>> temper(np.array([0.2, 0.8]), 0.5).round(3)
        array([0.059, 0.941])

    Reference:
        Guo et al. (2017), On calibration of modern neural networks.
    """
    check_positive(temperature=temperature)
    return _tempered(as_probabilities("probabilities", probabilities), temperature)


def fit_temperature(probabilities: Array, labels: Array) -> float:
    """Return the temperature at which the mean cross-entropy of some answers is lowest.

    Args:
        probabilities: Of a softmax, shape (n, classes).
        labels: True classes from 0 on, shape (n,), of images that neither trained the net nor judge
            it.

    Returns:
        T, from 1 / 1000 to 1000: near 0 where all answers are right, since the surer the better.

    Raises:
        TypeError: An argument holds no real numbers.
        ValueError: The shapes do not fit, there is no answer, a label is no class, or the
            probabilities are none.

    Example:
        >>> sure = np.array([[0.9, 0.1], [0.9, 0.1], [0.9, 0.1]])
        >>> round(fit_temperature(sure, np.array([0, 0, 1])), 2)  # right two times of three
        3.17
    """
    from scipy.optimize import minimize_scalar

    shapes = shape_of("probabilities", probabilities), shape_of("labels", labels)
    if len(shapes[0]) != 2 or shapes[1] != shapes[0][:1] or not shapes[0][0]:
        raise ValueError(
            "`probabilities` must have shape (n, classes), and `labels` (n,), with an answer. "
            f"Received: {shapes[0]} and {shapes[1]}"
        )
    probabilities = as_probabilities("probabilities", probabilities, finite=True)
    labels = as_labels("labels", labels, shapes[0][1])

    def loss(log_temperature):
        return cross_entropy(_tempered(probabilities, np.exp(log_temperature)), labels).mean()

    def lowest(low, high):
        return minimize_scalar(loss, bounds=(low, high), method="bounded").x

    reach = np.log(LARGEST)
    found = lowest(-reach, reach)
    # Where a sure wrong answer costs the most that it can, the loss is flat, and the search may end
    # there: a look at each factor e says whether it goes lower elsewhere.
    looks = np.arange(1 - reach, reach)
    best = min(looks, key=loss)
    if loss(best) < loss(found):
        found = lowest(best - 1, best + 1)
    return float(np.exp(found))


def _tempered(probabilities: Array, temperature: float) -> Array:
    logits = np.log(np.maximum(probabilities.astype(float), SMALLEST)) / temperature
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)
