"""What is left of single batches: the moving averages, and the noise that a batch brings."""

from collections.abc import Iterable

import numpy as np

from helpers.normalization.equations import Array, Axis, Moments, batch_normalization, moments


def moving_average(values: Array, *, momentum: float = 0.99, initial: float | Array = 0.0) -> Array:
    """Return the moving average after each step, v̂ ← momentum · v̂ + (1 − momentum) · v.

    After n steps the initial value still weighs momentumⁿ.

    Args:
        values: The value v of each step, shape (steps, ...).
        momentum: Weight of the past, from 0 to 1.
        initial: v̂ before the first step: Keras starts means at 0 and variances at 1.

    Returns:
        Shape (steps + 1, ...), the initial value first.

    Raises:
        ValueError: The momentum is out of range, or `values` has no axis of steps.

    Example:
        >>> moving_average([4.0, 4.0], momentum=0.5)
        array([0., 2., 3.])
    """
    if not 0 <= momentum <= 1:
        raise ValueError(f"`momentum` must be in [0, 1]. Received: momentum={momentum}")
    values = np.asarray(values, dtype=np.float64)
    if values.ndim == 0:
        raise ValueError("`values` must have shape (steps, ...). Received: shape=()")
    averages = [np.broadcast_to(np.asarray(initial, dtype=np.float64), values.shape[1:])]
    for value in values:
        averages.append(momentum * averages[-1] + (1 - momentum) * value)
    return np.stack(averages)


def moving_moments(batches: Iterable[Array], *, axis: Axis = -1, momentum: float = 0.99) -> Moments:
    """Return the moving mean and moving variance after each batch, as Keras' layer keeps them.

    What is averaged is the variance, not the standard deviation, and it is the batch's own,
    divided by m; the paper multiplies it by m / (m − 1) first.

    Args:
        batches: The batches in the order of training.
        axis: The axis, or axes, of the features.
        momentum: Weight of the past, from 0 to 1.

    Returns:
        Means and variances, shape (batches + 1, features): 0 and 1 before the first batch.

    Raises:
        ValueError: There is no batch, or as `moments` and `moving_average`.

    Example:
        >>> batch = np.array([[0.0], [4.0]])  # mean 2, variance 4
        >>> [m.ravel().tolist() for m in moving_moments([batch, batch], momentum=0.5)]
        [[0.0, 1.0, 1.5], [1.0, 2.5, 3.25]]
    """
    each = [moments(batch, axis=axis) for batch in batches]
    if not each:
        raise ValueError("`batches` must hold at least one batch. Received: none")
    means, variances = (np.stack(values) for values in zip(*each, strict=True))
    return Moments(
        moving_average(means, momentum=momentum, initial=0.0),
        moving_average(variances, momentum=momentum, initial=1.0),
    )


def in_random_batches(
    x: Array,
    *,
    batch_size: int,
    draws: int,
    rng: np.random.Generator,
    axis: Axis = -1,
    epsilon: float = 1e-3,
) -> Array:
    """Return how the first example comes out of batch normalization, batch after random batch.

    Its companions are drawn from the others without replacement, so that what varies between
    draws is the noise that training adds to this one example.

    Args:
        x: Examples, shape (examples, ...).
        batch_size: Size of each batch, the first example included; in a batch of 1 without
            further axes every feature comes out as 0.
        draws: Number of batches.
        rng: Source of the randomness.
        axis: The axis, or axes, of the features.
        epsilon: ε, above 0.

    Returns:
        Shape (draws, ...).

    Raises:
        ValueError: There are not enough examples, or a count is below 1.

    Example:
        >>> x, rng = np.random.default_rng(0).standard_normal((100, 1)), np.random.default_rng(1)
        >>> noise = [in_random_batches(x, batch_size=m, draws=50, rng=rng).std() for m in (4, 64)]
        >>> bool(noise[0] > 2 * noise[1])
        True
    """
    if draws < 1 or not 1 <= batch_size <= len(x):
        raise ValueError(
            f"`draws` must be at least 1 and `batch_size` from 1 to the {len(x)} examples. "
            f"Received: draws={draws}, batch_size={batch_size}"
        )
    outputs = []
    for _ in range(draws):
        others = 1 + rng.choice(len(x) - 1, size=batch_size - 1, replace=False)
        batch = np.asarray(x)[np.concatenate([[0], others]).astype(int)]
        outputs.append(batch_normalization(batch, axis=axis, epsilon=epsilon)[0])
    return np.stack(outputs)
