"""Many trained perceptrons at once, in inference or with the statistics of each batch."""

from collections.abc import Callable, Sequence

import numpy as np

from helpers.normalization.equations import Array


def predict_stacked(
    weights: Sequence[Array],
    x: Array,
    *,
    function: Callable[[Array], Array],
    batch_size: int | None = None,
    epsilon: float = 1e-3,
) -> Array:
    """Return the outputs of stacked networks of `batch_normalized_mlp(position="after")`.

    Args:
        weights: In the order of `model.get_weights()`, each with a leading axis of replicas.
        x: Examples; all but the first axis are flattened.
        function: The activation of the hidden layers.
        batch_size: None normalizes with the moving averages, as inference does. A number
            normalizes with the statistics of batches of so many examples, taken in their order;
            the last batch may be smaller.
        epsilon: ε of the batch normalizations.

    Returns:
        Probabilities, shape (replicas, examples, classes).

    Raises:
        ValueError: `weights` are not of such a network, or `batch_size` is below 1.

    Example:
        >>> ones, zeros = np.ones((1, 3)), np.zeros((1, 3))
        >>> output = [np.eye(3)[None], zeros]  # after γ, β, moving mean and moving variance
        >>> chances = predict_stacked([ones, zeros, zeros, ones, *output], np.eye(3),
        ...                           function=np.tanh)
        >>> chances.shape, chances[0].argmax(axis=-1).tolist()
        ((1, 3, 3), [0, 1, 2])
    """
    if len(weights) % 6 or len(weights) == 0:
        raise ValueError(
            "`weights` must hold four arrays of batch normalization and two of a dense layer, "
            f"again and again. Received: {len(weights)} arrays"
        )
    if batch_size is not None and batch_size < 1:
        raise ValueError(f"`batch_size` must be at least 1. Received: batch_size={batch_size}")
    size = len(x) if batch_size is None else batch_size
    flat = np.reshape(x, (len(x), -1)).astype(np.float64)
    whole = len(x) - len(x) % size
    parts = [flat[:whole].reshape(-1, size, flat.shape[1]), flat[None, whole:]]
    outputs = [
        _outputs(weights, part, function, batch_size is None, epsilon).reshape(
            len(weights[0]), -1, weights[-1].shape[-1]
        )
        for part in parts
        if part.size
    ]
    return np.concatenate(outputs, axis=1)


def _outputs(weights, x, function, inference, epsilon) -> Array:
    """Return probabilities for batches of shape (batches, size, features)."""
    h, blocks = x[None], range(0, len(weights), 6)
    for start in blocks:
        gamma, beta, mean, variance, kernel, bias = (
            np.expand_dims(array, 1 if array.ndim > 2 else (1, 2))
            for array in weights[start : start + 6]
        )
        if not inference:
            mean, variance = h.mean(axis=2, keepdims=True), h.var(axis=2, keepdims=True)
        h = (h - mean) / np.sqrt(variance + epsilon) * gamma + beta
        h = h @ kernel + bias
        if start != blocks[-1]:
            h = function(h)
    h = np.exp(h - h.max(axis=-1, keepdims=True))
    return h / h.sum(axis=-1, keepdims=True)
