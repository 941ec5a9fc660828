"""Penalties with their gradients, the proximal step of ℓ1, and the max-norm projection."""

import numpy as np

from helpers.checks import as_reals, check_positive

Array = np.ndarray


def l1_penalty(weights: Array, strength: float) -> float:
    """Return the ℓ1 penalty λ Σ |wᵢ|, as `keras.regularizers.L1` does.

    Args:
        weights: Any shape.
        strength: λ, 0 or more.

    Raises:
        ValueError: `strength` is negative or not finite.

    Example:
        >>> l1_penalty(np.array([3.0, -4.0]), 0.5)
        3.5
    """
    return l1_l2_penalty(weights, l1=strength)


def l2_penalty(weights: Array, strength: float) -> float:
    """Return the ℓ2 penalty λ Σ wᵢ², without a factor ½, as `keras.regularizers.L2` does.

    Args:
        weights: Any shape.
        strength: λ, 0 or more.

    Raises:
        ValueError: `strength` is negative or not finite.

    Example:
        >>> l2_penalty(np.array([3.0, -4.0]), 0.5)
        12.5
    """
    return l1_l2_penalty(weights, l2=strength)


def l1_l2_penalty(weights: Array, *, l1: float = 0.0, l2: float = 0.0) -> float:
    """Return both penalties together, λ₁ Σ |wᵢ| + λ₂ Σ wᵢ², as `keras.regularizers.L1L2` does.

    Args:
        weights: Any shape.
        l1: λ₁, 0 or more.
        l2: λ₂, 0 or more.

    Raises:
        ValueError: A strength is negative or not finite.

    Example:
        >>> l1_l2_penalty(np.array([3.0, -4.0]), l1=0.5, l2=0.5)
        16.0
    """
    check_strengths(l1=l1, l2=l2)
    weights = _as_weights("weights", weights)
    return float(l1 * np.abs(weights).sum() + l2 * np.square(weights).sum())


def l1_gradient(weights: Array, strength: float) -> Array:
    """Return a subgradient of the ℓ1 penalty, λ sign(wᵢ), which is 0 at 0.

    Its size does not depend on the weight: a small weight is pulled as hard as a large one.

    Args:
        weights: Any shape.
        strength: λ, 0 or more.

    Raises:
        ValueError: `strength` is negative or not finite.

    Example:
        >>> l1_gradient(np.array([3.0, -0.001, 0.0]), 0.5)
        array([ 0.5, -0.5,  0. ])
    """
    return l1_l2_gradient(weights, l1=strength)


def l2_gradient(weights: Array, strength: float) -> Array:
    """Return the gradient of the ℓ2 penalty, 2λ wᵢ.

    Args:
        weights: Any shape.
        strength: λ, 0 or more.

    Raises:
        ValueError: `strength` is negative or not finite.

    Example:
        >>> l2_gradient(np.array([3.0, -0.25]), 0.5)
        array([ 3.  , -0.25])
    """
    return l1_l2_gradient(weights, l2=strength)


def l1_l2_gradient(weights: Array, *, l1: float = 0.0, l2: float = 0.0) -> Array:
    """Return the gradient of both penalties together, λ₁ sign(wᵢ) + 2λ₂ wᵢ.

    Args:
        weights: Any shape.
        l1: λ₁, 0 or more.
        l2: λ₂, 0 or more.

    Raises:
        ValueError: A strength is negative or not finite.

    Example:
        >>> l1_l2_gradient(np.array([3.0, -4.0]), l1=1.0, l2=0.5)
        array([ 4., -5.])
    """
    check_strengths(l1=l1, l2=l2)
    weights = _as_weights("weights", weights)
    return l1 * np.sign(weights) + 2 * l2 * weights


def soft_threshold(weights: Array, amount: float) -> Array:
    """Move every weight towards 0 by `amount`, and stop at 0: the proximal step of ℓ1.

        S(w) = sign(w) max(|w| − t, 0) = argmin_v ½ (v − w)² + t |v|

    After a gradient step at rate η, an amount of t = ηλ takes the penalty λ‖w‖₁ into account.

    Args:
        weights: Any shape.
        amount: t, 0 or more.

    Returns:
        Weights of the same shape; those within ±t are exactly 0.

    Raises:
        ValueError: `amount` is negative or not finite.

    Example:
        >>> soft_threshold(np.array([3.0, -0.3, 0.7]), 0.5)
        array([ 2.5, -0. ,  0.2])

    Reference:
        Parikh and Boyd (2014), Proximal algorithms, section 6.5.2.
    """
    check_strengths(amount=amount)
    weights = _as_weights("weights", weights)
    return np.sign(weights) * np.maximum(np.abs(weights) - amount, 0)


def max_norm(kernel: Array, radius: float, *, axis: int | tuple[int, ...] = 0) -> Array:
    """Rescale each unit's incoming weights to a norm of at most r.

        w ← w min(1, r / ‖w‖₂)

    Args:
        kernel: Incoming weights; of a dense layer, shape (inputs, units).
        radius: r, above 0 and finite.
        axis: The axes over which a unit's weights lie: 0 for dense layers, (0, 1, 2) for
            two-dimensional convolutions.

    Returns:
        The kernel; units whose norm is at most r are left alone.

    Raises:
        ValueError: `radius` is not above 0 and finite.

    Example:
        >>> max_norm(np.array([[3.0, 0.3], [4.0, 0.4]]), 1.0)
        array([[0.6, 0.3],
               [0.8, 0.4]])

    Reference:
        Srebro et al. (2005), Maximum-margin matrix factorization; Srivastava et al. (2014).
    """
    check_positive(radius=radius)
    kernel = _as_weights("kernel", kernel)
    norms = np.sqrt(np.square(kernel).sum(axis=axis, keepdims=True))
    return kernel * (radius / np.maximum(norms, radius))


def check_strengths(**strengths: float | Array) -> None:
    """Refuse strengths that are negative or not finite, numbers or arrays of them."""
    for name, strength in strengths.items():
        values = as_reals(name, strength)
        if not ((values >= 0) & (values < np.inf)).all():
            raise ValueError(f"`{name}` must be 0 or more and finite. Received: {name}={strength}")


def _as_weights(name: str, values: Array) -> Array:
    """Return weights in their own floating type; whole numbers, whose squares wrap, in float64."""
    array = as_reals(name, values, dtype=None)
    return array if array.dtype.kind == "f" else array.astype(float)
