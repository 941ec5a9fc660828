"""What each layer does to an error that passes it, and how far its weights move."""

from collections.abc import Sequence

import numpy as np

from helpers.gradients.networks import forward


def layer_jacobians(
    x: np.ndarray, kernels: Sequence[np.ndarray], *, activation: str
) -> list[np.ndarray]:
    """Return the Jacobian of each hidden layer at one example, ∂hₗ/∂hₗ₋₁ = diag(φ'(zₗ)) Wₗᵀ.

    Args:
        x: One example, shape (features,).
        kernels: One a layer, the output layer's last, shape ([replicas,] fan_in, fan_out).
        activation: Of the hidden layers; see `activate`.

    Returns:
        One Jacobian a hidden layer, shape ([replicas,] fan_out, fan_in).

    Raises:
        ValueError: The activation is unknown.

    Example:
        >>> layer_jacobians(np.zeros(1), [np.full((1, 1), 3.0), np.eye(1)], activation="sigmoid")
        [array([[0.75]])]
    """
    _, slopes = forward(np.asarray(x)[None], kernels, activation=activation)
    return [
        slope.swapaxes(-1, -2) * kernel.swapaxes(-1, -2)
        for slope, kernel in zip(slopes, kernels, strict=False)
    ]


def backward_gains(kernels: Sequence[np.ndarray], slopes: Sequence[np.ndarray]) -> np.ndarray:
    """Return by how much a typical error shrinks or grows when it passes down each hidden layer.

        gainₗ = √(fan_out · mean(Wₗ₊₁²) · mean(φ'(zₗ)²))

    Args:
        kernels: One a layer, shape ([replicas,] fan_in, fan_out).
        slopes: One array a hidden layer, as `forward` returns them.

    Returns:
        Shape ([replicas,] hidden layers): the factor from layer l + 1 down to layer l.

    Raises:
        ValueError: There is not one more kernel than there are slopes.

    Example:
        >>> kernels = [np.ones((1, 4)), np.full((4, 4), 0.5)]
        >>> backward_gains(kernels, [np.full((1, 4), 0.25)]).tolist()
        [0.25]

    Reference:
        Schoenholz, Gilmer, Ganguli and Sohl-Dickstein (2017), Deep information propagation.
    """
    if len(kernels) != len(slopes) + 1:
        raise ValueError(
            "`kernels` must be one more than `slopes`. "
            f"Received: {len(kernels)} kernels and {len(slopes)} slopes"
        )
    return np.stack(
        [
            np.sqrt(kernel.shape[-1] * _mean_square(kernel) * _mean_square(slope))
            for kernel, slope in zip(kernels[1:], slopes, strict=True)
        ],
        axis=-1,
    )


def saturated_fraction(
    slopes: np.ndarray, *, largest_slope: float, threshold: float = 0.05
) -> np.ndarray:
    """Return the share of units whose slope is below a fraction of the largest it could be.

    Args:
        slopes: Shape (..., n, units): slope of each unit at each example.
        largest_slope: The activation's steepest slope, above 0: ¼ for the logistic, 1 for tanh.
        threshold: The fraction below which a unit counts as saturated, in (0, 1).

    Returns:
        Shape (...): a share in [0, 1].

    Raises:
        ValueError: `largest_slope` or `threshold` is out of range.

    Example:
        >>> saturated_fraction(np.array([[0.25, 0.001]]), largest_slope=0.25).item()
        0.5
    """
    if not largest_slope > 0:
        raise ValueError(
            f"`largest_slope` must be above 0. Received: largest_slope={largest_slope}"
        )
    if not 0 < threshold < 1:
        raise ValueError(f"`threshold` must be in (0, 1). Received: threshold={threshold}")
    return np.mean(slopes < threshold * largest_slope, axis=(-2, -1))


def relative_update(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Return how far each replica's weights have moved, relative to their size, ‖b − a‖ / ‖a‖.

    Args:
        before: a, shape (replicas, ...), float32 or float64, not all 0.
        after: b, of the same shape.

    Returns:
        Shape (replicas,), float64.

    Raises:
        ValueError: The shapes differ.

    Example:
        >>> relative_update(np.array([[3.0, 4.0]]), np.array([[3.0, 4.5]])).tolist()
        [0.1]
    """
    if before.shape != after.shape:
        raise ValueError(
            "`before` and `after` must have the same shape. "
            f"Received: shapes {before.shape} and {after.shape}"
        )
    axes = tuple(range(1, before.ndim))
    before, after = before.astype(np.float64), after.astype(np.float64)
    moved, size = np.square(after - before).sum(axis=axes), np.square(before).sum(axis=axes)
    return np.sqrt(moved / size)


def _mean_square(values: np.ndarray) -> np.ndarray:
    return np.mean(np.square(values), axis=(-2, -1))
