"""The four equations of batch normalization, and their gradients."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from helpers.checks import as_reals, check_positive

Array = np.ndarray
Axis = int | Sequence[int]


class Moments(NamedTuple):
    """Mean and variance, one of each for every feature, in arrays of one shape."""

    mean: Array
    variance: Array


class Gradients(NamedTuple):
    """Gradients of a loss with respect to the inputs, the scale γ and the offset β."""

    x: Array
    gamma: Array
    beta: Array


def moments(x: Array, *, axis: Axis = -1) -> Moments:
    """Return a batch's mean and variance over every axis but those named.

        μ = (1/m) Σ x,   σ² = (1/m) Σ (x − μ)².

    Args:
        x: Batch, shape (examples, ...).
        axis: The axis whose entries are features, each with statistics of its own. Several axes
            make a feature of each of their positions; Keras' layer takes one axis only.

    Returns:
        Arrays of the shape of those axes, in their order in `x`. The variance is divided by m,
        the number of values, not by m − 1.

    Raises:
        ValueError: The batch is empty, or an axis is the batch's, named twice or out of range.

    Example:
        >>> images = np.zeros((32, 28, 28))
        >>> moments(images).mean.shape, moments(images, axis=(1, 2)).mean.shape
        ((28,), (28, 28))

    Reference:
        Ioffe and Szegedy (2015), algorithm 1.
    """
    x = as_reals("x", x)
    others = _other_axes(x.shape, axis)
    return Moments(x.mean(axis=others), x.var(axis=others))


def normalize(x: Array, statistics: Moments, *, axis: Axis = -1, epsilon: float = 1e-3) -> Array:
    """Return the inputs with a mean taken away and divided by a standard deviation.

        x̂ = (x − μ) / √(σ² + ε).

    Args:
        x: Batch, shape (examples, ...).
        statistics: μ and σ² of each feature: the batch's own, or moving averages.
        axis: The axis, or axes, of the features.
        epsilon: ε, above 0, so that a constant feature is not divided by 0.

    Returns:
        Array of the shape of `x`.

    Raises:
        ValueError: ε is not positive, an axis is impossible, or a shape is not the features'.

    Example:
        >>> statistics = Moments(np.array([1.0]), np.array([3.0]))
        >>> normalize(np.array([[5.0]]), statistics, epsilon=1.0)
        array([[2.]])
    """
    check_positive(epsilon=epsilon)
    x = as_reals("x", x)
    mean = _spread(statistics.mean, x.shape, axis, "statistics.mean")
    variance = _spread(statistics.variance, x.shape, axis, "statistics.variance")
    return (x - mean) / np.sqrt(variance + epsilon)


def batch_normalization(
    x: Array,
    gamma: Array | float = 1.0,
    beta: Array | float = 0.0,
    *,
    statistics: Moments | None = None,
    axis: Axis = -1,
    epsilon: float = 1e-3,
) -> Array:
    """Return what a batch normalization layer puts out, z = γ ⊗ x̂ + β.

    Args:
        x: Batch, shape (examples, ...).
        gamma: Scale γ of each feature, or one number for all.
        beta: Offset β of each feature, or one number for all.
        statistics: The moving averages, as in inference; None, as in training, takes the batch's.
        axis: The axis, or axes, of the features.
        epsilon: ε, above 0.

    Returns:
        Array of the shape of `x`.

    Raises:
        ValueError: As `moments` and `normalize`; or γ or β has not the features' shape.

    Example:
        >>> x = np.array([[1.0], [3.0]])
        >>> batch_normalization(x, 2.0, 10.0, epsilon=1e-12).round(6).tolist()
        [[8.0], [12.0]]
        >>> learned = Moments(np.array([2.0]), np.array([1.0]))
        >>> batch_normalization(x[:1], statistics=learned, epsilon=1e-12).round(6).tolist()
        [[-1.0]]

    Reference:
        Ioffe and Szegedy (2015), algorithm 1.
    """
    statistics = moments(x, axis=axis) if statistics is None else statistics
    scale = _spread(gamma, np.shape(x), axis, "gamma")
    offset = _spread(beta, np.shape(x), axis, "beta")
    return scale * normalize(x, statistics, axis=axis, epsilon=epsilon) + offset


def batch_normalization_gradients(
    upstream: Array,
    x: Array,
    gamma: Array | float = 1.0,
    *,
    axis: Axis = -1,
    epsilon: float = 1e-3,
) -> Gradients:
    """Return the gradients of a loss through batch normalization in training.

        ∂L/∂β = Σ g,   ∂L/∂γ = Σ g x̂,
        ∂L/∂x = γ / √(σ² + ε) · (g − mean(g) − x̂ · mean(g x̂)),

    where g = ∂L/∂z and sums and means run over the same values as μ. The two means are there
    because μ and σ² depend on x: every example's gradient depends on the whole batch.

    Args:
        upstream: g, of the shape of `x`.
        x: Batch, shape (examples, ...).
        gamma: Scale γ of each feature, or one number for all.
        axis: The axis, or axes, of the features.
        epsilon: ε, above 0.

    Returns:
        The three gradients; those of γ and β have the shape of the statistics.

    Raises:
        ValueError: As `batch_normalization`; or `upstream` and `x` differ in shape.

    Example:
        >>> x, upstream = np.array([[0.0], [1.0], [2.0]]), np.array([[1.0], [0.0], [0.0]])
        >>> gradients = batch_normalization_gradients(upstream, x, epsilon=1e-12)
        >>> gradients.x.round(4).ravel().tolist()  # it sums to 0
        [0.2041, -0.4082, 0.2041]

    Reference:
        Ioffe and Szegedy (2015), section 3.
    """
    upstream, x = as_reals("upstream", upstream, dtype=None), as_reals("x", x, dtype=None)
    if np.shape(upstream) != np.shape(x):
        raise ValueError(
            "`upstream` must have the shape of `x`. "
            f"Received: shapes {np.shape(upstream)} and {np.shape(x)}"
        )
    statistics, others = moments(x, axis=axis), _other_axes(np.shape(x), axis)
    normalized = normalize(x, statistics, axis=axis, epsilon=epsilon)
    scale = _spread(gamma, np.shape(x), axis, "gamma")
    deviation = np.sqrt(_spread(statistics.variance, np.shape(x), axis, "variance") + epsilon)
    along_gamma = upstream * normalized
    centred = upstream - np.mean(upstream, axis=others, keepdims=True)
    towards_x = centred - normalized * along_gamma.mean(axis=others, keepdims=True)
    return Gradients(
        scale / deviation * towards_x, along_gamma.sum(axis=others), np.sum(upstream, axis=others)
    )


def _feature_axes(shape: Sequence[int], axis: Axis) -> tuple[int, ...]:
    """Return the axes of the features, counted from the front and in order."""
    named = list(axis) if hasattr(axis, "__iter__") else [axis]
    if len(shape) < 2 or 0 in shape:
        raise ValueError(
            f"`x` must have shape (examples, ...) and not be empty. Received: shape={tuple(shape)}"
        )
    whole = all(isinstance(number, int | np.integer) for number in named)
    axes = [number + len(shape) if number < 0 else number for number in named] if whole else []
    if not axes or len(set(axes)) < len(axes) or not all(0 < a < len(shape) for a in axes):
        raise ValueError(
            f"`axis` must name axes 1 to {len(shape) - 1} of `x`, each once; axis 0 holds the "
            f"examples. Received: axis={axis!r}"
        )
    return tuple(sorted(axes))


def _other_axes(shape: Sequence[int], axis: Axis) -> tuple[int, ...]:
    features = _feature_axes(shape, axis)
    return tuple(number for number in range(len(shape)) if number not in features)


def _spread(values: Array | float, shape: Sequence[int], axis: Axis, name: str) -> Array:
    """Return a number for each feature in a shape that broadcasts against the batch."""
    axes = _feature_axes(shape, axis)
    values, features = as_reals(name, values), tuple(shape[a] for a in axes)
    if values.ndim and values.shape != features:
        raise ValueError(
            f"`{name}` must have the features' shape {features}. Received: shape={values.shape}"
        )
    spread = [size if number in axes else 1 for number, size in enumerate(shape)]
    return np.broadcast_to(values, features).reshape(spread)
