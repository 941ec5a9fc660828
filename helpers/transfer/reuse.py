"""Stacks of networks that begin with another's layers."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]
Weights = Sequence[Array]


def draw_weights(sizes: Sequence[int], *, seeds: Sequence[int]) -> list[Array]:
    """Return a stack of fresh dense networks with LeCun's weights, N(0, 1 / fan_in), and no bias.

    Args:
        sizes: Number of features, then the units of each layer, each at least 1.
        seeds: One for each replica.

    Returns:
        Kernels and biases, float32, each with a leading axis of replicas.

    Raises:
        ValueError: There are fewer than 2 sizes, or one is below 1.

    Example:
        >>> [weight.shape for weight in draw_weights([64, 10, 2], seeds=[0, 1, 2])]
        [(3, 64, 10), (3, 10), (3, 10, 2), (3, 2)]
    """
    if len(sizes) < 2 or min(sizes) < 1:
        raise ValueError(f"`sizes` must be at least 2 numbers from 1 on. Received: {list(sizes)}")
    rngs = [np.random.default_rng(seed) for seed in seeds]
    stack: list[Array] = []
    for fan_in, units in pairwise(sizes):
        kernels = [rng.normal(0, fan_in**-0.5, (fan_in, units)) for rng in rngs]
        stack.append(np.stack(kernels).astype(np.float32))
        stack.append(np.zeros((len(rngs), units), np.float32))
    return stack


def reuse_layers(fresh: Weights, source: Weights, layers: int) -> list[Array]:
    """Return a stack whose lowest layers are copies of another's, the rest as it was.

    Args:
        fresh: The stack that receives; it is not changed.
        source: The stack that gives; its upper layers may have other shapes.
        layers: Number of layers that are taken over, from the lowest; 0 for none.

    Raises:
        ValueError: There are not as many layers, or the layers to copy differ in shape.

    Example:
        >>> fresh, source = draw_weights([4, 3, 2], seeds=[0]), draw_weights([4, 3, 8], seeds=[1])
        >>> mixed = reuse_layers(fresh, source, 1)
        >>> bool((mixed[0] == source[0]).all()), bool((mixed[2] == fresh[2]).all())
        (True, True)
    """
    most = min(len(fresh), len(source)) // 2
    if not 0 <= layers <= most:
        raise ValueError(f"`layers` must be from 0 to {most}. Received: layers={layers}")
    taken = [np.array(weight) for weight in source[: 2 * layers]]
    for own, other in zip(fresh, taken, strict=False):
        if own.shape != other.shape:
            raise ValueError(
                "the layers to reuse must have the shapes of those they replace. "
                f"Received: {other.shape} for {own.shape}"
            )
    return taken + [np.array(weight) for weight in fresh[2 * layers :]]
