"""Kernels drawn as Keras' initializers draw them, one at a time or for a whole net."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise

import numpy as np

from helpers.checks import check_positive, check_rng
from helpers.initialization.variance import (
    TRUNCATION,
    fans,
    truncated_normal_std,
    weight_variance,
)

DISTRIBUTIONS = ("truncated_normal", "untruncated_normal", "uniform")


def variance_scaling(
    shape: Sequence[int],
    *,
    rng: np.random.Generator,
    scale: float = 1.0,
    mode: str = "fan_in",
    distribution: str = "truncated_normal",
) -> np.ndarray:
    """Draw a kernel of variance σ² = scale / fan, as Keras' `VarianceScaling` does.

        uniform:            U(−r, r),  r = √(3σ²)
        truncated_normal:   s · N(0, 1) cut at ±2,  s = σ / 0.8796
        untruncated_normal: N(0, σ²)

    Args:
        shape: Shape of the kernel.
        rng: Source of the randomness.
        scale: Numerator, above 0.
        mode: ``"fan_in"``, ``"fan_out"`` or ``"fan_avg"``.
        distribution: One of the three names above.

    Returns:
        The kernel, float64.

    Raises:
        ValueError: An argument is out of range or unknown.

    Example:
        >>> kernel = variance_scaling((50, 100), rng=np.random.default_rng(0), scale=2.0)
        >>> kernel.shape, bool(abs(kernel.var() / 0.04 - 1) < 0.05)
        ((50, 100), True)
    """
    check_rng(rng)
    sigma = math.sqrt(weight_variance(shape, scale=scale, mode=mode))
    if distribution == "uniform":
        limit = math.sqrt(3) * sigma
        return rng.uniform(-limit, limit, shape)
    if distribution == "untruncated_normal":
        return sigma * rng.standard_normal(shape)
    if distribution == "truncated_normal":
        return sigma / truncated_normal_std() * _truncated_normal(shape, rng)
    raise ValueError(
        f"`distribution` must be one of {DISTRIBUTIONS}. Received: distribution={distribution!r}"
    )


def glorot(
    shape: Sequence[int], *, rng: np.random.Generator, distribution: str = "uniform"
) -> np.ndarray:
    """Draw a kernel of variance σ² = 1 / fan_avg, for activations with slope 1 at 0.

    Args, Returns and Raises are those of `variance_scaling`.

    Example:
        >>> kernel = glorot((300, 100), rng=np.random.default_rng(0))
        >>> bool(abs(kernel).max() <= (3 / 200) ** 0.5)
        True

    Reference:
        Glorot and Bengio (2010).
    """
    return variance_scaling(shape, rng=rng, mode="fan_avg", distribution=distribution)


def he(
    shape: Sequence[int], *, rng: np.random.Generator, distribution: str = "truncated_normal"
) -> np.ndarray:
    """Draw a kernel of variance σ² = 2 / fan_in, for ReLU.

    Args, Returns and Raises are those of `variance_scaling`.

    Example:
        >>> kernel = he((300, 100), rng=np.random.default_rng(0))
        >>> bool(abs(kernel.var() * 300 / 2 - 1) < 0.03)
        True

    Reference:
        He et al. (2015).
    """
    return variance_scaling(shape, rng=rng, scale=2.0, distribution=distribution)


def lecun(
    shape: Sequence[int], *, rng: np.random.Generator, distribution: str = "truncated_normal"
) -> np.ndarray:
    """Draw a kernel of variance σ² = 1 / fan_in, for SELU.

    Args, Returns and Raises are those of `variance_scaling`.

    Example:
        >>> kernel = lecun((300, 100), rng=np.random.default_rng(0))
        >>> bool(abs(kernel.var() * 300 - 1) < 0.03)
        True

    Reference:
        LeCun et al. (1998).
    """
    return variance_scaling(shape, rng=rng, distribution=distribution)


def orthogonal(shape: Sequence[int], *, rng: np.random.Generator, gain: float = 1.0) -> np.ndarray:
    """Draw a kernel whose columns, or rows where there are fewer, are orthogonal.

        W Wᵀ = gain² I  or  Wᵀ W = gain² I,   whichever is the smaller.

    Q of the QR decomposition of a Gaussian matrix; its signs are set so that every orthogonal
    matrix is equally likely. A convolutional kernel is treated as (window · inputs, outputs).

    Args:
        shape: Shape of the kernel.
        rng: Source of the randomness.
        gain: Length of the orthogonal vectors, above 0.

    Returns:
        The kernel, float64.

    Raises:
        ValueError: The gain is not positive, or the shape is no kernel's.

    Example:
        >>> kernel = orthogonal((5, 3), rng=np.random.default_rng(0))
        >>> bool(np.allclose(kernel.T @ kernel, np.eye(3)))
        True

    Reference:
        Saxe, McClelland and Ganguli (2014).
    """
    check_positive(gain=gain)
    check_rng(rng)
    fans(shape)  # refuses what is no kernel's shape
    rows, columns = math.prod(shape[:-1]), shape[-1]
    q, r = np.linalg.qr(rng.standard_normal((max(rows, columns), min(rows, columns))))
    q = q * np.sign(np.diag(r))
    return gain * (q if rows >= columns else q.T).reshape(shape)


def draw_kernels(
    widths: Sequence[int],
    initializer: Callable[..., np.ndarray],
    *,
    seeds: Iterable[int | Sequence[int]],
) -> Iterator[np.ndarray]:
    """Yield the dense kernels of a net, layer by layer, one copy for each replica.

    Args:
        widths: Width of the input and of each layer.
        initializer: ``initializer(shape, rng=rng)``, such as `he`.
        seeds: The seed of each replica, as NumPy takes it; equal seeds give paired draws.

    Yields:
        Kernels of shape (replicas, widths[l], widths[l + 1]).

    Example:
        >>> [kernel.shape for kernel in draw_kernels([4, 3, 5], he, seeds=range(2))]
        [(2, 4, 3), (2, 3, 5)]
    """
    if not hasattr(seeds, "__iter__"):
        raise TypeError(f"`seeds` must hold one for each replica. Received: seeds={seeds!r}")
    rngs = [np.random.default_rng(seed) for seed in seeds]
    for shape in pairwise(widths):
        yield np.stack([initializer(shape, rng=rng) for rng in rngs])


def _truncated_normal(shape: Sequence[int], rng: np.random.Generator) -> np.ndarray:
    """Draw N(0, 1) and redraw whatever lies beyond ±2."""
    values = rng.standard_normal(shape)
    while (outside := np.abs(values) > TRUNCATION).any():
        values[outside] = rng.standard_normal(np.count_nonzero(outside))
    return values
