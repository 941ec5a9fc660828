"""How uncertain a set of sampled predictions is, and which part of it the samples disagree on."""

import numpy as np

Array = np.ndarray


def predictive_entropy(probabilities: Array) -> Array:
    """Return the entropy of the mean prediction, the whole uncertainty about an answer.

        H(p̄) = −Σ_c p̄_c log p̄_c,   p̄ = mean over samples

    Args:
        probabilities: Sampled predictions, shape (samples, ..., classes).

    Returns:
        Entropy in nats, from 0 to log(classes), shape (...).

    Raises:
        ValueError: There is no axis of samples, or no sample.

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
        ValueError: There is no axis of samples, or no sample.

    Example:
        >>> mutual_information(np.array([[[1.0, 0.0]], [[0.0, 1.0]]])).round(3)
        array([0.693])
    """
    probabilities = _checked(probabilities)
    return predictive_entropy(probabilities) - _entropy(probabilities).mean(axis=0)


def _entropy(probabilities: Array) -> Array:
    logarithm = np.log(probabilities, out=np.zeros_like(probabilities), where=probabilities > 0)
    return -np.sum(probabilities * logarithm, axis=-1)


def _checked(probabilities: Array) -> Array:
    probabilities = np.asarray(probabilities, float)
    if probabilities.ndim < 2 or len(probabilities) == 0:
        raise ValueError(
            "`probabilities` must have shape (samples, ..., classes), with at least one sample. "
            f"Received: shape={probabilities.shape}"
        )
    return probabilities
