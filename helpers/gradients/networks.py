"""The nets: activations and variances by name, kernels drawn, examples sent through."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

from helpers.numerics import softmax


def _logistic(z: np.ndarray) -> np.ndarray:
    return 0.5 * (1 + np.tanh(z / 2))  # never overflows


# Name -> value, and slope as a function of the value: every one of these slopes is one.
ACTIVATIONS: dict[str, tuple[Callable, Callable]] = {
    "linear": (lambda z: z, np.ones_like),
    "sigmoid": (_logistic, lambda a: a * (1 - a)),
    "centered_sigmoid": (lambda z: _logistic(z) - 0.5, lambda a: 0.25 - a**2),
    "tanh": (np.tanh, lambda a: 1 - a**2),
    "relu": (lambda z: np.maximum(z, 0.0), lambda a: (a > 0).astype(a.dtype)),
    "elu": (
        lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))),
        lambda a: np.where(a > 0, 1.0, a + 1),
    ),
}

# Name -> variance of one weight, from the numbers of the layer's inputs and outputs.
VARIANCES: dict[str, Callable[[int, int], float]] = {
    "unit_normal": lambda fan_in, fan_out: 1.0,
    "small_normal": lambda fan_in, fan_out: 0.01**2,
    "glorot_normal": lambda fan_in, fan_out: 2 / (fan_in + fan_out),
    "lecun_normal": lambda fan_in, fan_out: 1 / fan_in,
    "he_normal": lambda fan_in, fan_out: 2 / fan_in,
}


def activate(z: np.ndarray, activation: str) -> tuple[np.ndarray, np.ndarray]:
    """Return an activation's values and its slopes.

    Args:
        z: Weighted sums, any shape.
        activation: ``"linear"``, ``"sigmoid"`` (the logistic), ``"centered_sigmoid"`` (the
            logistic less ½), ``"tanh"``, ``"relu"`` or ``"elu"``.

    Returns:
        ``(values, slopes)``, both of the shape of `z`.

    Raises:
        ValueError: The activation is unknown.

    Example:
        >>> values, slopes = activate(np.array([0.0]), "sigmoid")
        >>> values.item(), slopes.item()
        (0.5, 0.25)
    """
    function, slope = _named(ACTIVATIONS, activation, "activation")
    values = function(z)
    return values, slope(values)


def draw_kernels(
    widths: Sequence[int], *, initializer: str, replicas: int, seed: int
) -> list[np.ndarray]:
    """Return normally distributed kernels, W ~ N(0, σ²), for a stack of dense layers.

    The same widths, replicas and seed draw the same standard normals, which the initializer only
    scales: nets that differ in the initializer are paired.

    Args:
        widths: Number of inputs, width of each layer, number of classes.
        initializer: ``"unit_normal"`` (σ² = 1), ``"small_normal"`` (σ² = 0.01²),
            ``"glorot_normal"`` (2 / (fan_in + fan_out)), ``"lecun_normal"`` (1 / fan_in) or
            ``"he_normal"`` (2 / fan_in).
        replicas: Number of independent networks, at least 1.
        seed: Seed of the draw.

    Returns:
        One kernel a layer, shape (replicas, fan_in, fan_out).

    Raises:
        ValueError: Fewer than two widths, a number below 1, or an unknown initializer.

    Example:
        >>> kernels = draw_kernels([64, 100, 10], initializer="he_normal", replicas=8, seed=0)
        >>> [kernel.shape for kernel in kernels]
        [(8, 64, 100), (8, 100, 10)]
    """
    variance = _named(VARIANCES, initializer, "initializer")
    if len(widths) < 2 or min([*widths, replicas]) < 1:
        raise ValueError(
            "`widths` must hold at least 2 numbers, and all of them and `replicas` must be at "
            f"least 1. Received: widths={list(widths)}, replicas={replicas}"
        )
    rng = np.random.default_rng(seed)
    return [
        np.sqrt(variance(fan_in, fan_out)) * rng.standard_normal((replicas, fan_in, fan_out))
        for fan_in, fan_out in pairwise(widths)
    ]


def forward(
    x: np.ndarray,
    kernels: Sequence[np.ndarray],
    *,
    activation: str,
    biases: Sequence[np.ndarray] | None = None,
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return what every layer puts out, and the slope of every hidden unit.

        h₀ = x,   hₗ = φ(hₗ₋₁ Wₗ + bₗ),   output = softmax(h W + b)

    Args:
        x: Examples, shape ([replicas,] n, features).
        kernels: One a layer, shape ([replicas,] fan_in, fan_out).
        activation: Of the hidden layers; see `activate`.
        biases: One a layer, shape ([replicas,] fan_out); zero by default.

    Returns:
        ``(outputs, slopes)``: outputs start with `x` and end with the class probabilities; slopes
        have one array φ'(zₗ) for each hidden layer.

    Raises:
        ValueError: The activation is unknown.

    Example:
        >>> outputs, slopes = forward(np.ones((1, 2)), [np.eye(2), np.eye(2)], activation="relu")
        >>> outputs[1].tolist(), outputs[2].tolist()
        ([[1.0, 1.0]], [[0.5, 0.5]])
    """
    outputs, slopes = [np.asarray(x, dtype=np.float64)], []
    shifts = [0.0] * len(kernels) if biases is None else [b[..., None, :] for b in biases]
    for kernel, shift in zip(kernels[:-1], shifts, strict=False):
        values, slope = activate(outputs[-1] @ kernel + shift, activation)
        outputs.append(values)
        slopes.append(slope)
    outputs.append(softmax(outputs[-1] @ kernels[-1] + shifts[-1]))
    return outputs, slopes


def _named(table: dict, name: str, argument: str):
    if name not in table:
        known = ", ".join(repr(key) for key in table)
        raise ValueError(f"`{argument}` must be one of {known}. Received: {argument}={name!r}")
    return table[name]
