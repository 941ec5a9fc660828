"""How a layer learns: how far its weights moved, and how much of its gradient is noise."""

from collections.abc import Sequence

import numpy as np

from helpers.gradients.backpropagation import layer_errors


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


def noise_scales(
    x: np.ndarray,
    y: np.ndarray,
    kernels: Sequence[np.ndarray],
    *,
    activation: str,
    biases: Sequence[np.ndarray] | None = None,
) -> np.ndarray:
    """Return for each layer how many examples a batch needs to hold as much signal as noise.

        B = (mean ‖gᵢ‖² − ‖ḡ‖²) / ‖ḡ‖²

    gᵢ is the gradient of one example's loss with respect to the layer's kernel and ḡ their mean
    over all examples that are given. Of a batch of b examples drawn from them the mean gradient
    has ‖ḡ‖² of signal and ‖ḡ‖² B / b of noise. No gᵢ is formed: it is the outer product of the
    layer's input and error, so that ‖gᵢ‖² = ‖hᵢ‖² ‖δᵢ‖².

    Args:
        x: Examples, shape ([replicas,] n, features).
        y: Labels, integers, shape ([replicas,] n).
        kernels: One a layer, shape (replicas, fan_in, fan_out).
        activation: Of the hidden layers; see `activate`.
        biases: One a layer, shape (replicas, fan_out); zero by default.

    Returns:
        Shape (replicas, layers), in examples, infinite where there is no signal; lowest layer
        first.

    Raises:
        ValueError: As `backpropagate` does.

    Example:
        >>> x, y = np.array([[1.0], [3.0]]), np.array([0, 0])  # gradients 1 : 3, mean 2, noise 1
        >>> noise_scales(x, y, [np.zeros((1, 1, 2))], activation="relu").tolist()
        [[0.25]]

    Reference:
        McCandlish, Kaplan, Amodei and others (2018), An empirical model of large-batch training.
    """
    scales = []
    inputs, errors = layer_errors(x, y, kernels, activation=activation, biases=biases)
    for h, error in zip(inputs, errors, strict=True):
        mean = h.swapaxes(-1, -2) @ error / error.shape[-2]
        signal = np.square(mean).sum(axis=(-2, -1))
        each = np.square(h).sum(axis=-1) * np.square(error).sum(axis=-1)
        with np.errstate(divide="ignore"):
            scales.append(each.mean(axis=-1) / signal - 1)
    return np.stack(scales, axis=-1)
