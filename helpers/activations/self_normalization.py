"""Mean and variance on their way up: after one activation, at SELU's fixed point, in deep nets."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import integrate, optimize

from helpers.activations.derivatives import normal_density
from helpers.activations.functions import Array, Function, elu, selu

_TAIL = 12.0  # N(0, 1) has less than 1e-32 of its mass beyond

WEIGHT_VARIANCE = {
    "lecun": lambda fan_in, fan_out: 1 / fan_in,
    "he": lambda fan_in, fan_out: 2 / fan_in,
    "glorot": lambda fan_in, fan_out: 2 / (fan_in + fan_out),
}


def moments_after(
    function: Function, *, mean: float = 0.0, variance: float = 1.0
) -> tuple[float, float]:
    """Return mean and variance of f(z) for z ~ N(mean, variance), by Gauss-Legendre quadrature.

    The integrals of f and of f² against the density are split at z = 0, where f may have a kink.

    Raises:
        ValueError: `variance` is not positive.

    Example:
        >>> mean, variance = moments_after(selu)
        >>> abs(mean) < 1e-12, abs(variance - 1) < 1e-12
        (True, True)
    """
    if not variance > 0:
        raise ValueError(f"`variance` must be positive. Received: variance={variance}")
    deviation = np.sqrt(variance)
    kink = np.clip(-mean / deviation, -_TAIL, _TAIL)

    def expectation(power: int) -> float:
        def integrand(t: Array) -> Array:
            return function(mean + deviation * t) ** power * normal_density(t)

        halves = ((-_TAIL, kink), (kink, _TAIL))
        return sum(integrate.fixed_quad(integrand, *half, n=120)[0] for half in halves)

    first, second = expectation(1), expectation(2)
    return float(first), float(second - first**2)


def selu_constants() -> tuple[float, float]:
    """Return the α and λ for which λ · ELU(z) keeps mean 0 and variance 1.

    They solve E[λ ELU_α(z)] = 0 and Var[λ ELU_α(z)] = 1 for z ~ N(0, 1), the law of a unit whose
    weights have mean 0 and variance 1/fan_in and whose inputs have mean 0 and variance 1
    (Klambauer et al., 2017).

    Example:
        >>> alpha, scale = selu_constants()
        >>> round(alpha, 4), round(scale, 4)
        (1.6733, 1.0507)
    """

    def departure(constants: Array) -> tuple[float, float]:
        alpha, scale = constants
        mean, variance = moments_after(lambda z: scale * elu(z, alpha=alpha))
        return mean, variance - 1

    alpha, scale = optimize.root(departure, x0=(1.0, 1.0), tol=1e-14).x
    return float(alpha), float(scale)


class LayerMoments(NamedTuple):
    """Mean and standard deviation of each layer's outputs, shape (replicas, layers + 1) each.

    They are taken over units and examples; layer 0 is the input.
    """

    mean: Array
    std: Array


def propagate(
    x: Array,
    *,
    widths: Sequence[int],
    function: Function = selu,
    weights: str = "lecun",
    noise: Function | None = None,
    skip: bool = False,
    replicas: int,
    seed: int,
) -> LayerMoments:
    """Send examples through deep random networks and return the moments of every layer.

    A layer is h ← f(hW), with W ~ N(0, variance) and no bias; the variance is 1 / fan_in (LeCun),
    2 / fan_in (He) or 2 / (fan_in + fan_out) (Glorot).

    Args:
        x: Examples, shape (examples, ...); they are flattened.
        widths: Number of units in each layer, lowest first.
        function: The activation f.
        weights: Scheme of the weights' variance, ``"lecun"``, ``"he"`` or ``"glorot"``.
        noise: Applied to the outputs of every layer, as a dropout layer in training is.
        skip: Whether a layer, from the second on, adds its input to its output.
        replicas: Number of networks.
        seed: Seed of their weights.

    Raises:
        ValueError: A count is below 1, or the scheme is unknown.

    Example:
        >>> x = np.random.default_rng(0).standard_normal((100, 64))
        >>> moments = propagate(x, widths=[200] * 50, replicas=2, seed=0)
        >>> moments.std.shape, bool(np.all(abs(moments.std - 1) < 0.2))
        ((2, 51), True)
    """
    _check_nets(widths, replicas, weights)
    rng = np.random.default_rng(seed)
    h = np.broadcast_to(x.reshape(len(x), -1).astype(np.float32), (replicas, len(x), x[0].size))
    layers = [h]
    for layer, width in enumerate(widths):
        deviation = np.float32(np.sqrt(WEIGHT_VARIANCE[weights](h.shape[-1], width)))
        kernel = rng.standard_normal((replicas, h.shape[-1], width), dtype=np.float32) * deviation
        output = function(h @ kernel)
        output = output if noise is None else np.asarray(noise(output))
        h = h + output if skip and layer else output
        layers.append(h)
    # In float64, since a square may overflow float32 where its root does not.
    return LayerMoments(
        *(
            np.stack([moment(h, axis=(1, 2), dtype=np.float64) for h in layers], axis=1)
            for moment in (np.mean, np.std)
        )
    )


def _check_nets(widths: Sequence[int], replicas: int, weights: str) -> None:
    if len(widths) == 0 or min(*widths, replicas) < 1:
        raise ValueError(
            "`widths` must hold at least one width, and they and `replicas` must be at least 1. "
            f"Received: widths={list(widths)}, replicas={replicas}"
        )
    if weights not in WEIGHT_VARIANCE:
        known = ", ".join(map(repr, WEIGHT_VARIANCE))
        raise ValueError(f"`weights` must be one of {known}. Received: weights={weights!r}")
