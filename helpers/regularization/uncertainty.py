"""How uncertain a set of sampled predictions is, and which part of it the samples disagree on."""

import numpy as np

from helpers.checks import as_flags, as_probabilities, as_reals, shape_of

Array = np.ndarray


def predictive_entropy(probabilities: Array) -> Array:
    """Return the entropy of the mean prediction, the whole uncertainty about an answer.

        H(p̄) = −Σ_c p̄_c log p̄_c,   p̄ = mean over samples

    Args:
        probabilities: Sampled predictions, shape (samples, ..., classes).

    Returns:
        Entropy in nats, from 0 to log(classes), shape (...).

    Raises:
        TypeError: `probabilities` holds no real numbers.
        ValueError: There is no axis of samples, or no sample, or the probabilities are none.

    Example:
        >>> predictive_entropy(np.array([[[1.0, 0.0]], [[0.0, 1.0]]])).round(3)
        array([0.693])
    """
    return _entropy(_checked(probabilities).mean(axis=0))


def mutual_information(probabilities: Array) -> Array:
    """Return the part of the entropy that comes from the samples' disagreement.

        I = H(p̄) − mean over samples of H(p)

    It is 0 where all samples say the same, however unsure each of them is, and grows where samples
    are sure of different answers (Gal and Ghahramani, 2016; Houlsby et al., 2011).

    Args:
        probabilities: Sampled predictions, shape (samples, ..., classes).

    Returns:
        Information in nats, 0 or more but for rounding, shape (...).

    Raises:
        TypeError: `probabilities` holds no real numbers.
        ValueError: There is no axis of samples, or no sample, or the probabilities are none.

    Example:
        >>> mutual_information(np.array([[[1.0, 0.0]], [[0.0, 1.0]]])).round(3)
        array([0.693])
    """
    probabilities = _checked(probabilities)
    return predictive_entropy(probabilities) - _entropy(probabilities).mean(axis=0)


def error_detection(uncertainty: Array, wrong: Array) -> float:
    """Return how often a wrong answer is less certain than a right one (the area under the ROC).

    The chance that of a wrong and a right answer, drawn at random, the wrong one has the larger
    uncertainty; a draw counts half. 0.5 is no better than a coin, 1 is perfect.

    Args:
        uncertainty: Shape (n,), as an entropy.
        wrong: Whether the answer is wrong, shape (n,).

    Returns:
        The chance, 0.5 where no answer is wrong, or none is right.

    Raises:
        TypeError: An argument holds no real numbers.
        ValueError: The shapes differ, or `wrong` holds no truth values.

    Example:
        >>> error_detection(np.array([0.1, 0.3, 0.2]), np.array([False, True, True]))
        1.0

    Reference:
        Hanley and McNeil (1982), The meaning and use of the area under a ROC curve.
    """
    from scipy.stats import rankdata

    uncertainty = as_reals("uncertainty", uncertainty, dtype=None)
    wrong = as_flags("wrong", wrong)
    if uncertainty.ndim != 1 or uncertainty.shape != wrong.shape:
        raise ValueError(
            "`uncertainty` and `wrong` must have one shape (n,). "
            f"Received: {uncertainty.shape} and {wrong.shape}"
        )
    errors, hits = int(wrong.sum()), int((~wrong).sum())
    if not errors or not hits:
        return 0.5
    ranks = rankdata(uncertainty)[wrong].sum()
    return float((ranks - errors * (errors + 1) / 2) / (errors * hits))


def _entropy(probabilities: Array) -> Array:
    logarithm = np.log(probabilities, out=np.zeros_like(probabilities), where=probabilities > 0)
    return -np.sum(probabilities * logarithm, axis=-1)


def _checked(probabilities: Array) -> Array:
    shape = shape_of("probabilities", probabilities)
    if len(shape) < 2 or not shape[0]:
        raise ValueError(
            "`probabilities` must have shape (samples, ..., classes), with at least one sample. "
            f"Received: shape={shape}"
        )
    return as_probabilities("probabilities", probabilities).astype(float)
