"""Many small dense networks trained at once in NumPy, with their lower layers frozen or not.

A stack of networks is a list of weights in the order of Keras' `get_weights()`, kernel, bias,
kernel, bias, …, each with a leading axis of replicas: shapes (replicas, fan_in, units) and
(replicas, units). Hidden layers are SELU, the output is a softmax. Unlike `fit_replicas`, every
replica may train on examples of its own, which is what a draw of few labels needs.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]
Weights = Sequence[Array]

SCALE, ALPHA = 1.0507009873554805, 1.6732632423543772  # SELU's two constants
EVALUATION_CHUNK = 2048  # examples at a time, so that all replicas' outputs fit in memory


def selu(z: Array) -> Array:
    """Return SELU, λz for positive z and λα(eᶻ − 1) elsewhere.

    Example:
        >>> selu(np.array([-50.0, 0.0, 1.0])).round(2)
        array([-1.76,  0.  ,  1.05])
    """
    return SCALE * np.where(z > 0, z, ALPHA * np.expm1(np.minimum(z, 0)))


def selu_slope(output: Array) -> Array:
    """Return SELU's derivative from its output: λ where positive, output + λα elsewhere.

    Example:
        >>> selu_slope(selu(np.array([-50.0, 1.0]))).round(2)
        array([0.  , 1.05])
    """
    return np.where(output > 0, SCALE, output + SCALE * ALPHA)


def forward(weights: Weights, x: Array) -> list[Array]:
    """Return the outputs of every layer, from the lowest to the softmax.

    Args:
        weights: A stack of networks.
        x: Inputs, shape (n, features) for all replicas or (replicas, n, features).

    Returns:
        A list with an array of shape (replicas, n, units) for each layer.

    Raises:
        ValueError: `weights` are not pairs of kernel and bias.

    Example:
        >>> stack = [np.zeros((3, 2, 4)), np.zeros((3, 4))]
        >>> forward(stack, np.ones((5, 2)))[0][0, 0]
        array([0.25, 0.25, 0.25, 0.25])
    """
    if not weights or len(weights) % 2:
        raise ValueError(
            f"`weights` must be kernel, bias, kernel, bias, ... Received: {len(weights)} arrays"
        )
    outputs = []
    for layer in range(len(weights) // 2):
        z = x @ weights[2 * layer] + weights[2 * layer + 1][:, None]
        last = 2 * layer + 2 == len(weights)
        outputs.append(_softmax(z) if last else selu(z))
        x = outputs[-1]
    return outputs


def gradients(weights: Weights, x: Array, y: Array, *, frozen: int = 0) -> list[Array]:
    """Return the gradients of the mean cross-entropy for the layers that are not frozen.

    Backpropagation starts at the softmax and stops above the topmost frozen layer: what lies
    below is neither changed nor asked for its derivative.

    Args:
        weights: A stack of networks.
        x: Inputs, shape (replicas, n, features).
        y: Labels, shape (replicas, n).
        frozen: Number of frozen layers, counted from the lowest.

    Returns:
        Gradients in the order of `weights`, those of the frozen layers left out.

    Raises:
        ValueError: `frozen` leaves no layer to train.

    Example:
        >>> stack = [np.zeros((1, 2, 2)), np.zeros((1, 2))]
        >>> gradients(stack, np.ones((1, 1, 2)), np.array([[0]]))[1]
        array([[-0.5,  0.5]])
    """
    layers = len(weights) // 2
    if not 0 <= frozen < layers:
        raise ValueError(f"`frozen` must be from 0 to {layers - 1}. Received: frozen={frozen}")
    inputs = [x, *forward(weights, x)]
    delta = inputs[-1].copy()  # softmax and cross-entropy: prediction minus truth
    np.put_along_axis(delta, y[..., None], np.take_along_axis(delta, y[..., None], -1) - 1, -1)
    delta /= y.shape[1]
    found: list[Array] = []
    for layer in reversed(range(frozen, layers)):
        found[:0] = [inputs[layer].swapaxes(1, 2) @ delta, delta.sum(axis=1)]
        if layer > frozen:
            delta = (delta @ weights[2 * layer].swapaxes(1, 2)) * selu_slope(inputs[layer])
    return found


def fit_stack(
    weights: Weights,
    x: Array,
    y: Array,
    *,
    learning_rate: float | Sequence[float],
    epochs: int,
    seeds: Sequence[int],
    batch_size: int = 32,
    frozen: int = 0,
    first_epoch: int = 0,
) -> list[Array]:
    """Train a stack of networks by gradient descent; return its new weights.

        w ← w − η ∂L/∂w   for the layers above `frozen`

    Replica k computes what `model.fit` computes with `SGD(η)`, layers frozen before `compile`, and
    the batches in the order that `helpers.replicas.batch_order` gives for its seed.

    Args:
        weights: A stack of networks; it is not changed.
        x: Inputs, shape (replicas, n, features): each replica's own examples.
        y: Labels, shape (replicas, n).
        learning_rate: η, positive; or one for each replica.
        epochs: Passes over the examples, 0 or more.
        seeds: One for each replica, for the batch order.
        batch_size: Examples a step; the last batch may be smaller.
        frozen: Number of frozen layers, counted from the lowest.
        first_epoch: Number of the first pass, which decides its order: 0, or where another
            training ended.

    Returns:
        The weights in the order of `weights`; not finite where a replica diverged.

    Raises:
        ValueError: The leading axes differ, a count is too small, or a rate is not positive.

    Example:
        >>> stack = [np.zeros((1, 1, 2)), np.zeros((1, 2))]
        >>> x, y = np.ones((1, 1, 1)), np.array([[0]])
        >>> fit_stack(stack, x, y, learning_rate=1.0, epochs=1, seeds=[0])[1]
        array([[ 0.5, -0.5]])
    """
    rates = _checked(weights, x, y, learning_rate, epochs, seeds, batch_size)
    weights, n = [weight.copy() for weight in weights], y.shape[1]
    trained = weights[2 * frozen :]
    replica = np.arange(len(seeds))[:, None]
    for epoch in range(first_epoch, first_epoch + epochs):
        order = np.stack([np.random.default_rng((s, epoch)).permutation(n) for s in seeds])
        for start in range(0, n, batch_size):
            batch = replica, order[:, start : start + batch_size]
            with np.errstate(over="ignore", invalid="ignore"):  # too high a rate may diverge
                steps = gradients(weights, x[batch], y[batch], frozen=frozen)
                for weight, gradient in zip(trained, steps, strict=True):
                    weight -= rates.reshape(-1, *[1] * (weight.ndim - 1)) * gradient
    return weights


def evaluate(weights: Weights, x: Array, y: Array) -> dict[str, Array]:
    """Return the mean cross-entropy and the accuracy of every replica.

    Args:
        weights: A stack of networks.
        x: Inputs, shape (n, features), the same for all replicas; or (replicas, n, features).
        y: Labels, shape (n,).

    Returns:
        ``loss`` and ``accuracy``, each of shape (replicas,).

    Example:
        >>> stack = [np.zeros((2, 1, 2)), np.zeros((2, 2))]
        >>> evaluate(stack, np.ones((4, 1)), np.array([0, 0, 0, 1]))["accuracy"]
        array([0.75, 0.75])
    """
    loss, right = 0.0, 0.0
    for start in range(0, len(y), EVALUATION_CHUNK):
        part = slice(start, start + EVALUATION_CHUNK)
        labels = y[None, part, None]
        with np.errstate(over="ignore", invalid="ignore"):  # of replicas that diverged
            y_pred = forward(weights, x[..., part, :])[-1]
        own = np.take_along_axis(y_pred, labels, axis=-1)[..., 0]
        # The bound that Keras puts on probabilities before it takes the logarithm.
        loss = loss - np.log(np.clip(own, 1e-7, 1 - 1e-7)).sum(axis=1)
        right = right + (y_pred.argmax(axis=-1) == y[None, part]).sum(axis=1)
    return {"loss": loss / len(y), "accuracy": right / len(y)}


def _softmax(z: Array) -> Array:
    powers = np.exp(z - z.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def _checked(weights, x, y, learning_rate, epochs, seeds, batch_size) -> Array:
    """Return the rates as an array; refuse what does not fit together."""
    lengths = {len(x), len(y), len(seeds), *(len(weight) for weight in weights)}
    if len(lengths) > 1 or x.shape[:2] != y.shape:
        raise ValueError(
            "`weights`, `x`, `y` and `seeds` must have the same number of replicas, and `x` as "
            f"many examples as `y`. Received: x {x.shape}, y {y.shape}, {len(seeds)} seeds, "
            f"weights of {len(weights[0])}"
        )
    if epochs < 0 or batch_size < 1:
        raise ValueError(
            "`epochs` must be at least 0 and `batch_size` at least 1. "
            f"Received: epochs={epochs}, batch_size={batch_size}"
        )
    rates = np.broadcast_to(np.asarray(learning_rate, dtype=x.dtype), len(seeds))
    if not (np.isfinite(rates) & (rates > 0)).all():
        raise ValueError(f"`learning_rate` must be positive. Received: {learning_rate}")
    return rates
