"""Dropout, alpha dropout and DropConnect in NumPy: masks, forward passes, moments."""

import numpy as np

from helpers.checks import as_flags, as_reals, check_rng, check_shares

Array = np.ndarray

SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805


def dropout_mask(shape: tuple[int, ...], rate: float, *, rng: np.random.Generator) -> Array:
    """Draw which entries dropout keeps, each by itself with probability 1 − rate.

    Args:
        shape: Shape of the mask; with examples on the first axis each has a mask of its own.
        rate: Probability of dropping an entry, in [0, 1).
        rng: Source of the draws.

    Returns:
        Booleans, True where an entry is kept.

    Raises:
        ValueError: `rate` is out of range.

    Example:
        >>> dropout_mask((2, 3), 0.5, rng=np.random.default_rng(3))
        array([[False, False,  True],
               [ True, False, False]])

    Reference:
        Srivastava et al. (2014), Dropout: a simple way to prevent neural networks from overfitting.
    """
    check_shares(rate=rate)
    check_rng(rng)
    return rng.random(shape) >= rate


def dropout(x: Array, mask: Array, rate: float) -> Array:
    """Return inverted dropout in training: kept entries are scaled up, the others are 0.

        y = m ⊙ x / (1 − p),   hence E[y] = x

    In inference nothing is dropped and nothing scaled, as Keras' `Dropout` does.

    Args:
        x: Activations.
        mask: True where an entry is kept, same shape.
        rate: p, the probability with which entries were dropped, in [0, 1).

    Raises:
        ValueError: `rate` is out of range, or the shapes differ.

    Example:
        >>> dropout(np.array([1.0, 2.0]), np.array([True, False]), 0.75)
        array([4., 0.])
    """
    x, mask = _same_shape(x, mask, rate)
    return np.where(mask, x / (1 - rate), 0.0)


def alpha_dropout(x: Array, mask: Array, rate: float) -> Array:
    """Return alpha dropout in training, which keeps mean 0 and variance 1 (Klambauer et al., 2017).

        y = a (m ⊙ x + (1 − m) α′) + b,   α′ = −λα,
        a = 1 / √((1 − p)(1 + p α′²)),   b = −a p α′

    Dropped entries take α′, the lowest value of SELU, instead of 0.

    Args:
        x: Activations of SELU, mean 0 and variance 1.
        mask: True where an entry is kept, same shape.
        rate: p, in [0, 1).

    Raises:
        ValueError: `rate` is out of range, or the shapes differ.

    Example:
        >>> alpha_dropout(np.array([1.0, 1.0]), np.array([True, False]), 0.5).round(3)
        array([ 1.666, -0.779])
    """
    x, mask = _same_shape(x, mask, rate)
    lowest = -SELU_ALPHA * SELU_SCALE
    scale = 1 / np.sqrt((1 - rate) * (1 + rate * lowest**2))
    return scale * np.where(mask, x, lowest) - scale * rate * lowest


def drop_connect(
    x: Array, kernel: Array, bias: Array, mask: Array, bias_mask: Array, *, rate: float
) -> Array:
    """Return DropConnect's pre-activation in training: single weights are dropped, not units.

        zₖ = Σᵢ mᵢₖ wᵢₖ xᵢ / (1 − p) + mₖ bₖ / (1 − p)

    Args:
        x: Inputs, shape (examples, inputs).
        kernel: Shape (inputs, units).
        bias: Shape (units,).
        mask: True where a weight is kept: shape (examples, inputs, units) for a mask of each
            example's own, as in the paper, or (inputs, units) for one that the batch shares.
        bias_mask: The same for the biases, shape (examples, units) or (units,).
        rate: p, in [0, 1).

    Returns:
        Pre-activations, shape (examples, units).

    Raises:
        ValueError: `rate` is out of range, or `x` or a mask does not fit.

    Example:
        >>> kept = np.array([[True], [False]])
        >>> drop_connect(np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]]), np.zeros(1), kept,
        ...              np.array([True]), rate=0.5)
        array([[6.]])

    Reference:
        Wan et al. (2013), Regularization of neural networks using DropConnect.
    """
    check_shares(rate=rate)
    x, kernel, bias = (
        as_reals(name, values, dtype=None)
        for name, values in (("x", x), ("kernel", kernel), ("bias", bias))
    )
    mask, bias_mask = as_flags("mask", mask), as_flags("bias_mask", bias_mask)
    if x.ndim != 2 or x.shape[1:] != kernel.shape[:1]:
        raise ValueError(
            f"`x` must have shape (examples, inputs), to fit a kernel of shape {kernel.shape}. "
            f"Received: shape={x.shape}"
        )
    fits = mask.shape[-2:] == kernel.shape and bias_mask.shape[-1:] == bias.shape
    leading = (), (len(x),)
    if not fits or mask.shape[:-2] not in leading or bias_mask.shape[:-1] not in leading:
        raise ValueError(
            f"`mask` must have shape {kernel.shape} or {(len(x), *kernel.shape)}, `bias_mask` "
            f"{bias.shape} or {(len(x), *bias.shape)}. "
            f"Received: {mask.shape} and {bias_mask.shape}"
        )
    kept = np.broadcast_to(mask * kernel, (len(x), *kernel.shape))
    return (np.einsum("ni,niu->nu", x, kept) + bias_mask * bias) / (1 - rate)


def _same_shape(x: Array, mask: Array, rate: float) -> tuple[Array, Array]:
    check_shares(rate=rate)
    x, mask = as_reals("x", x, dtype=None), as_flags("mask", mask)
    if x.shape != mask.shape:
        raise ValueError(
            f"`mask` must have the shape of `x`, {x.shape}. Received: shape={mask.shape}"
        )
    return x, mask
