"""What infinitely wide random nets do: the size of a signal, and how alike two signals become."""

import numpy as np

from helpers.checks import as_real, check_not_negative, check_positive
from helpers.initialization.nonlinearities import named_activation

LARGEST_STEP, POINTS = 8.0, 401  # beyond 8 standard deviations a normal number has no weight here
STEPS_TO_FIXED_POINT = 2000


def next_variance(activation: str, variance: float, *, scale: float) -> float:
    """Return the variance of the next layer's pre-activations in an infinitely wide net.

        v′ = scale · E[f(√v z)²],   z ~ N(0, 1),   weights of variance scale / fan_in, no biases.

    Args:
        activation: A name in `ACTIVATIONS`.
        variance: v, of this layer's pre-activations, 0 or more.
        scale: n_in σ², above 0.

    Returns:
        v′.

    Raises:
        ValueError: An argument is out of its range, or the activation is unknown.

    Example:
        >>> round(next_variance("relu", 3.0, scale=2.0), 6)
        3.0

    Reference:
        Poole et al. (2016).
    """
    check_not_negative(variance=variance)
    check_positive(scale=scale)
    z, weight = _normal()
    return float(scale * named_activation(activation).value(np.sqrt(variance) * z) ** 2 @ weight)


def fixed_variance(activation: str, *, scale: float, start: float = 1.0) -> float:
    """Return the variance that pre-activations settle at, from layer to layer.

    Args:
        activation: A name in `ACTIVATIONS`.
        scale: n_in σ², above 0.
        start: Variance to begin with, above 0; where every variance stays, it is the answer.

    Returns:
        v with v = `next_variance` (v), to 1e-9 or after 2,000 layers, as tanh at scale 1 needs
        many; infinity where it grows without bound.

    Example:
        >>> round(fixed_variance("relu", scale=2.0), 6), fixed_variance("relu", scale=3.0)
        (1.0, inf)
    """
    variance = start
    for _ in range(STEPS_TO_FIXED_POINT):
        after = next_variance(activation, variance, scale=scale)
        if after > 1e9:
            return np.inf
        if abs(after - variance) < 1e-9:
            return after
        variance = after
    return variance


def layer_slope(activation: str, variance: float, *, scale: float) -> float:
    """Return χ: the factor that one layer puts on a small difference and on a gradient.

        χ = scale · E[f′(√v z)²],   z ~ N(0, 1),

    for the mean square of both, where all layers have the same width. It is also the slope of
    `next_correlation` at 1, where v is a fixed point.

    Args:
        activation: A name in `ACTIVATIONS`.
        variance: v, of the pre-activations, 0 or more.
        scale: n_in σ², above 0.

    Returns:
        χ: below 1 what is alike grows more alike and gradients vanish, above 1 the opposite.

    Raises:
        ValueError: As `next_variance`.

    Example:
        >>> round(layer_slope("relu", 1.0, scale=2.0), 6), layer_slope("tanh", 0.0, scale=0.5)
        (1.0, 0.5)

    Reference:
        Schoenholz et al. (2017).
    """
    check_not_negative(variance=variance)
    check_positive(scale=scale)
    z, weight = _normal()
    slopes = named_activation(activation).derivative(np.sqrt(variance) * z)
    return float(round(scale * slopes**2 @ weight, 12))


def next_correlation(activation: str, correlation: float, variance: float) -> float:
    """Return how alike two signals are after one more layer of an infinitely wide net.

        c′ = E[f(√v z₁) f(√v (c z₁ + √(1 − c²) z₂))] / E[f(√v z)²].

    It is the cosine between the two, E[a b] / √(E[a²] E[b²]), not a correlation about a mean.

    Args:
        activation: A name in `ACTIVATIONS`.
        correlation: c, of the pre-activations, in [−1, 1].
        variance: v, of the pre-activations of both, above 0.

    Returns:
        c′, in [−1, 1].

    Raises:
        ValueError: An argument is out of its range, or the activation is unknown.

    Example:
        >>> round(next_correlation("linear", 0.3, 2.0), 6)
        0.3
        >>> round(next_correlation("relu", 0.0, 1.0), 3)  # 1 / π
        0.318

    Reference:
        Cho and Saul (2009) for ReLU; Poole et al. (2016).
    """
    if not -1 <= as_real("correlation", correlation) <= 1:
        raise ValueError(f"`correlation` must be in [-1, 1]. Received: correlation={correlation}")
    check_positive(variance=variance)
    value = named_activation(activation).value
    z, weight = _normal()
    size = np.sqrt(variance)
    rest = np.sqrt(1 - correlation**2)
    one = value(size * z)
    other = value(size * (correlation * z[:, None] + rest * z)) @ weight
    return float(np.clip((one * other) @ weight / (one**2 @ weight), -1, 1))


def _normal() -> tuple[np.ndarray, np.ndarray]:
    """Return points and their weights under N(0, 1): midpoints, so that no kink at 0 is hit."""
    edges = np.linspace(-LARGEST_STEP, LARGEST_STEP, POINTS)
    z = (edges[1:] + edges[:-1]) / 2
    density = np.exp(-(z**2) / 2)
    return z, density / density.sum()
