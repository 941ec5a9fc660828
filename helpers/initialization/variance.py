"""The variance that an initializer aims at, from the shape of the kernel."""

import math
from collections.abc import Sequence
from numbers import Integral
from typing import NamedTuple

from helpers.checks import check_positive

TRUNCATION = 2.0  # Keras redraws what lies more than two standard deviations from the mean
MODES = ("fan_in", "fan_out", "fan_avg")


class Fans(NamedTuple):
    """Inputs that one output sums, and outputs that one input feeds."""

    fan_in: int
    fan_out: int


def fans(shape: Sequence[int]) -> Fans:
    """Return the fan-in and fan-out of a dense or convolutional kernel.

    A dense kernel has shape (inputs, outputs). A convolutional one has shape
    (height, width, inputs, outputs), and meets each channel once for every place in its window:

        fan_in = r · inputs,   fan_out = r · outputs,   r = height · width.

    Args:
        shape: Shape of the kernel in Keras' order, 2 axes or more, each at least 1.

    Returns:
        The `Fans`.

    Raises:
        ValueError: There are fewer than 2 axes, or one is below 1.

    Example:
        >>> fans((300, 100)), fans((3, 3, 32, 64))
        (Fans(fan_in=300, fan_out=100), Fans(fan_in=288, fan_out=576))
    """
    axes = tuple(shape) if hasattr(shape, "__iter__") else ()
    if len(axes) < 2 or not all(isinstance(axis, Integral) and axis >= 1 for axis in axes):
        raise ValueError(
            "`shape` must have at least 2 axes, each a whole number of at least 1. "
            f"Received: shape={shape!r}"
        )
    shape = axes
    receptive_field = math.prod(shape[:-2])
    return Fans(receptive_field * shape[-2], receptive_field * shape[-1])


def weight_variance(shape: Sequence[int], *, scale: float = 1.0, mode: str = "fan_in") -> float:
    """Return the variance σ² that an initializer aims at.

        σ² = scale / fan,   fan = fan_in, fan_out or (fan_in + fan_out) / 2.

    Args:
        shape: Shape of the kernel.
        scale: Numerator, above 0: 1 for Glorot and LeCun, 2 for He.
        mode: ``"fan_in"``, ``"fan_out"`` or ``"fan_avg"``.

    Returns:
        σ².

    Raises:
        ValueError: The scale is not positive, the mode is unknown, or the shape is no kernel's.

    Example:
        >>> weight_variance((300, 100), mode="fan_avg"), weight_variance((50, 100), scale=2.0)
        (0.005, 0.04)

    Reference:
        Glorot and Bengio (2010); He et al. (2015).
    """
    check_positive(scale=scale)
    if mode not in MODES:
        raise ValueError(f"`mode` must be one of {MODES}. Received: mode={mode!r}")
    fan_in, fan_out = fans(shape)
    fan = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[mode]
    return scale / fan


def truncated_normal_std(bound: float = TRUNCATION) -> float:
    """Return the standard deviation of N(0, 1) after cutting it at ±bound.

        std² = 1 − 2b φ(b) / (2Φ(b) − 1),   φ the density and Φ the distribution of N(0, 1).

    Args:
        bound: The cut b in standard deviations, above 0.

    Returns:
        The standard deviation, in (0, 1).

    Raises:
        ValueError: The bound is not positive.

    Example:
        >>> round(truncated_normal_std(), 6)
        0.879626
    """
    check_positive(bound=bound)
    density = math.exp(-(bound**2) / 2) / math.sqrt(2 * math.pi)
    return math.sqrt(1 - 2 * bound * density / math.erf(bound / math.sqrt(2)))
