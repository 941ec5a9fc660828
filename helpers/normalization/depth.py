"""How large the gradient is at each layer of a deep random network, with and without it."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from helpers.checks import as_reals, check_not_negative, check_rng
from helpers.normalization.equations import (
    Array,
    batch_normalization,
    batch_normalization_gradients,
)

POSITIONS = ("before", "after", "none")
Elementwise = Callable[[Array], Array]


class Pass(NamedTuple):
    """What the forward pass of one layer leaves for the backward pass."""

    kernel: Array
    sums: Array  # before batch normalization, where it stands there
    into: Array  # what the activation gets
    activated: Array
    outputs: Array


def gradient_sizes(
    x: Array,
    *,
    widths: Sequence[int],
    function: Elementwise,
    derivative: Elementwise,
    variance: float | Callable[[int, int], float],
    position: str = "before",
    rng: np.random.Generator,
) -> Array:
    """Return the root mean square of the gradient that arrives at the outputs of each layer.

    The kernels are random, N(0, variance), and there is no bias; γ = 1, β = 0, as before the
    first step of training. The gradient starts as N(0, 1) above the last layer.

    Args:
        x: Examples; all but the first axis are flattened.
        widths: Units of each layer, lowest first.
        function: The activation.
        derivative: Its derivative.
        variance: Variance of a kernel's entries, or a function of fan-in and fan-out that gives
            it; at least 0.
        position: Where batch normalization stands: ``"before"`` or ``"after"`` the activation,
            or ``"none"``.
        rng: Source of the kernels and of the gradient; equal seeds give equal ones.

    Returns:
        Shape (layers,), lowest first; the last is about 1.

    Raises:
        TypeError: An argument is of the wrong kind.
        ValueError: The position is unknown, the variance negative, or there is no layer.

    Example:
        >>> sizes = gradient_sizes(np.eye(8), widths=[30] * 9, function=np.tanh,
        ...                        derivative=lambda z: 1 - np.tanh(z) ** 2,
        ...                        variance=1e-4, position="none",
        ...                        rng=np.random.default_rng(0))
        >>> sizes.shape, bool(sizes[0] < 1e-6)
        ((9,), True)

    Reference:
        Yang et al. (2019), for networks of infinite width.
    """
    _check(position, widths)
    check_rng(rng)
    if not callable(variance):
        check_not_negative(variance=variance)
    x = as_reals("x", x)
    h, passes = x.reshape(len(x), -1), []
    for width in widths:
        own = variance(h.shape[1], width) if callable(variance) else variance
        kernel = rng.standard_normal((h.shape[1], width)) * math.sqrt(own)
        passes.append(_forward(h, kernel, function, position))
        h = passes[-1].outputs
    upstream, sizes = rng.standard_normal(h.shape), []
    for layer in passes[::-1]:
        sizes.append(np.sqrt(np.square(upstream).mean()))
        upstream = _backward(upstream, layer, derivative, position)
    return np.array(sizes[::-1])


def _forward(h: Array, kernel: Array, function: Elementwise, position: str) -> Pass:
    sums = h @ kernel
    into = batch_normalization(sums) if position == "before" else sums
    activated = function(into)
    outputs = batch_normalization(activated) if position == "after" else activated
    return Pass(kernel, sums, into, activated, outputs)


def _backward(upstream: Array, layer: Pass, derivative: Elementwise, position: str) -> Array:
    if position == "after":
        upstream = batch_normalization_gradients(upstream, layer.activated).x
    upstream = upstream * derivative(layer.into)
    if position == "before":
        upstream = batch_normalization_gradients(upstream, layer.sums).x
    return upstream @ layer.kernel.T


def _check(position: str, widths: Sequence[int]) -> None:
    if position not in POSITIONS:
        raise ValueError(f"`position` must be one of {POSITIONS}. Received: position={position!r}")
    units = list(widths) if hasattr(widths, "__iter__") else []
    if not units or not all(isinstance(one, int | np.integer) and one >= 1 for one in units):
        raise ValueError(
            f"`widths` must hold whole numbers of at least 1. Received: widths={widths!r}"
        )
