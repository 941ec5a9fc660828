"""The functions, from an array of any shape to an array of that shape."""

from collections.abc import Callable

import numpy as np
from scipy.special import ndtr  # the distribution function of N(0, 1)

Array = np.ndarray
Function = Callable[[Array], Array]

SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805  # what `selu_constants` solves for
TANH_SCALE, TANH_CUBIC = 0.7978845608028654, 0.044715  # √(2/π), and the paper's constant


def logistic(z: Array) -> Array:
    """Return the logistic (sigmoid), σ(z) = 1 / (1 + exp(−z)), in (0, 1).

    Example:
        >>> logistic(0.0).item()
        0.5
    """
    return np.exp(-softplus(np.negative(z)))  # this form cannot overflow


def tanh(z: Array) -> Array:
    """Return the hyperbolic tangent, 2σ(2z) − 1, in (−1, 1)."""
    return np.tanh(z)


def relu(z: Array) -> Array:
    """Return the rectified linear unit, max(0, z) (Nair and Hinton, 2010)."""
    return np.maximum(z, 0.0)


def leaky_relu(z: Array, *, alpha: float | Array = 0.01) -> Array:
    """Return z where z > 0 and αz elsewhere (Maas et al., 2013).

    Args:
        z: Any shape.
        alpha: Slope for negative z, 0 or more; an array is a slope for each unit (PReLU's).

    Raises:
        ValueError: `alpha` is negative.

    Example:
        >>> leaky_relu(np.array([-2.0, 3.0]), alpha=0.1)
        array([-0.2,  3. ])
    """
    if np.any(np.less(alpha, 0)):
        raise ValueError(f"`alpha` must be 0 or more. Received: alpha={alpha}")
    return np.where(np.greater(z, 0), z, np.multiply(alpha, z))


def prelu(z: Array, *, alpha: float | Array = 0.25) -> Array:
    """Return leaky ReLU whose slope `alpha` is learned, from 0.25 on (He et al., 2015)."""
    return leaky_relu(z, alpha=alpha)


def prelu_slope_gradient(z: Array, upstream: Array) -> Array:
    """Return the gradient of the loss with respect to PReLU's slopes, Σ upstream · min(z, 0).

    Args:
        z: Pre-activations, shape (examples, units).
        upstream: Gradient of the loss with respect to the outputs, the same shape.

    Returns:
        Shape (units,).

    Example:
        >>> prelu_slope_gradient(np.array([[-2.0, 1.0]]), np.array([[0.5, 0.5]]))
        array([-1.,  0.])
    """
    return np.sum(upstream * np.minimum(z, 0.0), axis=0)


def elu(z: Array, *, alpha: float = 1.0) -> Array:
    """Return z where z > 0 and α(exp(z) − 1) elsewhere, which tends to −α (Clevert et al., 2016).

    Raises:
        ValueError: `alpha` is negative.

    Example:
        >>> elu(np.array([-100.0, 2.0]), alpha=1.5)
        array([-1.5,  2. ])
    """
    if not alpha >= 0:
        raise ValueError(f"`alpha` must be 0 or more. Received: alpha={alpha}")
    return np.where(np.greater(z, 0), z, alpha * np.expm1(np.minimum(z, 0.0)))


def selu(z: Array) -> Array:
    """Return λ · ELU(z) with the α and λ of `selu_constants` (Klambauer et al., 2017)."""
    return SELU_SCALE * elu(z, alpha=SELU_ALPHA)


def gelu(z: Array) -> Array:
    """Return zΦ(z), Φ the distribution function of N(0, 1) (Hendrycks and Gimpel, 2016)."""
    return np.multiply(z, ndtr(z))


def gelu_tanh(z: Array) -> Array:
    """Return GELU's approximation, z(1 + tanh(√(2/π)(z + 0.044715 z³))) / 2."""
    return 0.5 * np.multiply(z, 1 + np.tanh(TANH_SCALE * (z + TANH_CUBIC * np.power(z, 3))))


def silu(z: Array, *, beta: float = 1.0) -> Array:
    """Return zσ(βz): SiLU at β = 1, Swish in general (Ramachandran et al., 2017)."""
    return np.multiply(z, logistic(np.multiply(beta, z)))


def mish(z: Array) -> Array:
    """Return z · tanh(softplus(z)) (Misra, 2019)."""
    return np.multiply(z, np.tanh(softplus(z)))


def softplus(z: Array) -> Array:
    """Return log(1 + exp(z)), the smooth ReLU, whose derivative is the logistic."""
    return np.logaddexp(0.0, z)
