"""Weight initialization: how wide to draw the weights, and what the width does to a deep net."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise, repeat
from typing import NamedTuple

import keras
import numpy as np

SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805
TRUNCATION = 2.0  # Keras redraws what lies more than two standard deviations from the mean
MODES = ("fan_in", "fan_out", "fan_avg")
DISTRIBUTIONS = ("truncated_normal", "untruncated_normal", "uniform")


class Fans(NamedTuple):
    """Inputs that one output sums, and outputs that one input feeds."""

    fan_in: int
    fan_out: int


class Activation(NamedTuple):
    """A nonlinearity and its derivative, both element by element."""

    value: Callable[[np.ndarray], np.ndarray]
    derivative: Callable[[np.ndarray], np.ndarray]


class Signal(NamedTuple):
    """What a net carries, layer by layer from the input up: three arrays (..., layers + 1).

    Attributes:
        second_moment: Mean square of the outputs, over examples and units.
        variance: Variance of the outputs over the examples, averaged over units: what still
            depends on the input.
        gradient: Mean square of the gradient with respect to the outputs.
    """

    second_moment: np.ndarray
    variance: np.ndarray
    gradient: np.ndarray


def _logistic(z):
    return 0.5 * (1.0 + np.tanh(0.5 * z))  # never overflows


def _elu(z, alpha=1.0):
    return np.where(z > 0, z, alpha * np.expm1(np.minimum(z, 0)))


def _elu_slope(z, alpha=1.0):
    return np.where(z > 0, 1.0, alpha * np.exp(np.minimum(z, 0)))


ACTIVATIONS = {
    "linear": Activation(lambda z: z, np.ones_like),
    "logistic": Activation(_logistic, lambda z: _logistic(z) * _logistic(-z)),
    "tanh": Activation(np.tanh, lambda z: 1.0 - np.tanh(z) ** 2),
    "relu": Activation(lambda z: np.maximum(z, 0), lambda z: (z > 0).astype(z.dtype)),
    "elu": Activation(_elu, _elu_slope),
    "selu": Activation(
        lambda z: SELU_SCALE * _elu(z, SELU_ALPHA), lambda z: SELU_SCALE * _elu_slope(z, SELU_ALPHA)
    ),
}


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
    shape = tuple(shape)
    if len(shape) < 2 or min(shape) < 1:
        raise ValueError(
            f"`shape` must have at least 2 axes, each at least 1. Received: shape={shape}"
        )
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
    if not scale > 0:
        raise ValueError(f"`scale` must be above 0. Received: scale={scale}")
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
    if not bound > 0:
        raise ValueError(f"`bound` must be above 0. Received: bound={bound}")
    density = math.exp(-(bound**2) / 2) / math.sqrt(2 * math.pi)
    return math.sqrt(1 - 2 * bound * density / math.erf(bound / math.sqrt(2)))


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
    if not gain > 0:
        raise ValueError(f"`gain` must be above 0. Received: gain={gain}")
    fans(shape)  # refuses what is no kernel's shape
    rows, columns = math.prod(shape[:-1]), shape[-1]
    q, r = np.linalg.qr(rng.standard_normal((max(rows, columns), min(rows, columns))))
    q = q * np.sign(np.diag(r))
    return gain * (q if rows >= columns else q.T).reshape(shape)


class MatchedScale(NamedTuple):
    """The `scale` that keeps the forward signal, and the one that keeps the gradient."""

    forward: float
    backward: float


def matched_scale(activation: str) -> MatchedScale:
    """Return the scale = fan · σ² that keeps a unit signal through one layer of an activation.

        forward: 1 / E[f(z)²],   backward: 1 / E[f′(z)²],   z ~ N(0, 1).

    Args:
        activation: A name in `ACTIVATIONS`.

    Returns:
        The `MatchedScale`; fan is fan_in for the forward scale, fan_out for the backward one.

    Raises:
        ValueError: The activation is unknown.

    Example:
        >>> forward, backward = matched_scale("relu")
        >>> round(forward, 6), round(backward, 6)
        (2.0, 2.0)
    """
    function = _activation(activation)
    step = 2e-4
    z = np.arange(-12, 12, step) + step / 2  # midpoints: no kink at 0 is ever hit
    weight = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi) * step
    return MatchedScale(
        float(1 / (function.value(z) ** 2 @ weight)),
        float(1 / (function.derivative(z) ** 2 @ weight)),
    )


def draw_kernels(
    widths: Sequence[int], initializer: Callable[..., np.ndarray], *, seeds: Iterable[int]
) -> Iterator[np.ndarray]:
    """Yield the dense kernels of a net, layer by layer, one copy for each replica.

    Args:
        widths: Width of the input and of each layer.
        initializer: ``initializer(shape, rng=rng)``, such as `he`.
        seeds: The seed of each replica; equal seeds give paired draws.

    Yields:
        Kernels of shape (replicas, widths[l], widths[l + 1]).

    Example:
        >>> [kernel.shape for kernel in draw_kernels([4, 3, 5], he, seeds=range(2))]
        [(2, 4, 3), (2, 3, 5)]
    """
    rngs = [np.random.default_rng(seed) for seed in seeds]
    for shape in pairwise(widths):
        yield np.stack([initializer(shape, rng=rng) for rng in rngs])


def forward_moments(
    x: np.ndarray,
    kernels: Iterable[np.ndarray],
    *,
    activation: str,
    biases: Iterable[np.ndarray] | None = None,
) -> np.ndarray:
    """Return the mean square of each layer's outputs in a dense net.

        x_l = f(x_{l−1} W_l + b_l),   result_l = mean(x_l²).

    Args:
        x: Inputs, shape (..., examples, units).
        kernels: Kernels, shape (..., inputs, outputs); leading axes are replicas. An iterator
            will do: one layer is held at a time.
        activation: A name in `ACTIVATIONS`.
        biases: A bias for each kernel, shape (..., outputs); none by default.

    Returns:
        Shape (..., layers): the first layer's outputs come first.

    Raises:
        ValueError: The activation is unknown.

    Example:
        >>> forward_moments(np.ones((1, 2)), [2 * np.eye(2)] * 3, activation="linear")
        array([ 4., 16., 64.])
    """
    function, moments = _activation(activation), []
    for kernel, bias in zip(kernels, repeat(np.zeros(1)) if biases is None else biases):  # noqa: B905
        x = function.value(x @ kernel + np.expand_dims(bias, -2))
        moments.append((x**2).mean(axis=(-2, -1)))
    return np.stack(moments, axis=-1)


def propagate(
    x: np.ndarray,
    kernels: Sequence[np.ndarray],
    *,
    activation: str,
    gradient: np.ndarray,
    gain: float = 1.0,
) -> Signal:
    """Send inputs up and a gradient down a dense net without biases, and measure both.

        x_l = f(z_l),  z_l = gain · x_{l−1} W_l,   δ_{l−1} = gain · (δ_l ⊙ f′(z_l)) W_lᵀ.

    Args:
        x: Inputs x_0, shape (examples, units).
        kernels: Kernels, shape (..., inputs, outputs); leading axes are replicas.
        activation: A name in `ACTIVATIONS`.
        gradient: δ at the top layer's outputs, shape (examples, units of the top layer).
        gain: Factor on every kernel.

    Returns:
        The `Signal` at the input and at each layer's outputs.

    Raises:
        ValueError: The activation is unknown.

    Example:
        >>> x = np.array([[1.0, 3.0], [3.0, 5.0]])
        >>> signal = propagate(x, [np.eye(2)], activation="linear", gradient=x, gain=2.0)
        >>> signal.second_moment, signal.variance, signal.gradient
        (array([11., 44.]), array([1., 4.]), array([44., 11.]))
    """
    function = _activation(activation)
    outputs, slopes, gradients = [x], [], [gradient]
    for kernel in kernels:
        z = gain * (outputs[-1] @ kernel)
        outputs.append(function.value(z))
        slopes.append(function.derivative(z))
    for kernel, slope in zip(reversed(kernels), reversed(slopes), strict=True):
        gradients.append(gain * ((gradients[-1] * slope) @ np.swapaxes(kernel, -1, -2)))
    return Signal(
        _by_layer([(output**2).mean(axis=(-2, -1)) for output in outputs]),
        _by_layer([output.var(axis=-2).mean(axis=-1) for output in outputs]),
        _by_layer([(delta**2).mean(axis=(-2, -1)) for delta in reversed(gradients)]),
    )


def epochs_to_target(losses: np.ndarray, target: float) -> np.ndarray:
    """Return after how many epochs each replica's loss first reaches a target.

    Between the last epoch above the target and the first that is not, the loss is taken as a
    straight line.

    Args:
        losses: Shape (replicas, epochs); NaN counts as not reached.
        target: The loss to reach.

    Returns:
        Shape (replicas,), 1.0 where the first epoch is there. A replica that never reaches the
        target counts as epochs + 1: its true count is more than epochs.

    Raises:
        ValueError: `losses` is not two-dimensional.

    Example:
        >>> epochs_to_target(np.array([[3.0, 2.0, 0.0], [3.0, 2.0, float("nan")]]), 1.0)
        array([2.5, 4. ])
    """
    losses = np.asarray(losses, dtype=np.float64)
    if losses.ndim != 2:
        raise ValueError(f"`losses` must have shape (replicas, epochs). Received: {losses.shape}")
    reached = losses <= target
    first = reached.argmax(axis=1)
    at = np.take_along_axis(losses, first[:, None], axis=1)[:, 0]
    before = np.take_along_axis(losses, np.maximum(first - 1, 0)[:, None], axis=1)[:, 0]
    with np.errstate(divide="ignore", invalid="ignore"):  # where the line is not needed
        overshoot = np.where(first > 0, (target - at) / (before - at), 0.0)
    return np.where(reached.any(axis=1), first + 1 - overshoot, losses.shape[1] + 1.0)


def residual_mlp(
    image_shape: Sequence[int], classes: int, *, blocks: int, width: int, fixup: bool = False
) -> keras.Model:
    """Return an uncompiled residual net without normalization, drawn in full or by Fixup's rule.

    Each block adds a branch of m = 2 dense layers to what it receives:

        x ← x + W₂ relu(W₁ x).

    By default Var(W₁) = 1 / fan_in and Var(W₂) = 2 / fan_in (its input is rectified), and the
    signal's second moment doubles in each block. Fixup starts W₂ and the output layer at zero and
    multiplies W₁ by blocks^(−1/(2m−2)). (Its scalar biases and multipliers are left out.)

    Args:
        image_shape: Shape of one image; it is flattened.
        classes: Number of classes.
        blocks: Number of residual blocks, at least 1.
        width: Units of every hidden layer.
        fixup: Whether to start as Fixup does.

    Returns:
        A built functional model with a softmax output.

    Raises:
        ValueError: `blocks` or `width` is below 1.

    Example:
        >>> residual_mlp((8, 8), 10, blocks=2, width=16).count_params()
        2234

    Reference:
        Zhang, Dauphin and Ma (2019).
    """
    if min(blocks, width) < 1:
        raise ValueError(
            f"`blocks` and `width` must be at least 1. Received: blocks={blocks}, width={width}"
        )
    dense = keras.layers.Dense
    inputs = keras.Input(tuple(image_shape))
    x = dense(width, kernel_initializer="lecun_normal")(keras.layers.Flatten()(inputs))
    first = keras.initializers.VarianceScaling(1.0 / blocks if fixup else 1.0)
    last = keras.initializers.Zeros() if fixup else keras.initializers.HeNormal()
    for _ in range(blocks):
        branch = dense(width, activation="relu", kernel_initializer=first.clone(), use_bias=False)
        join = dense(width, kernel_initializer=last.clone(), use_bias=False)
        x = keras.layers.Add()([x, join(branch(x))])
    outputs = dense(
        classes, activation="softmax", kernel_initializer="zeros" if fixup else "glorot_uniform"
    )(x)
    return keras.Model(inputs, outputs)


def residual_moments(x: np.ndarray, weights: Sequence[np.ndarray]) -> np.ndarray:
    """Return the mean square of what each block of a `residual_mlp` puts out.

    Args:
        x: Images, shape (examples, *image_shape).
        weights: Those of `residual_mlp`, in the order of `get_weights`; leading axes are replicas.

    Returns:
        Shape (..., blocks + 1): first of what the first block receives, then of each sum.

    Example:
        >>> model = residual_mlp((8, 8), 10, blocks=3, width=16, fixup=True)
        >>> moments = residual_moments(np.ones((2, 8, 8)), model.get_weights())
        >>> bool((moments == moments[0]).all())  # each block starts as the identity
        True
    """
    kernel, bias, *branches = weights[:-2]
    sums = [x.reshape(len(x), -1) @ kernel + np.expand_dims(bias, -2)]
    for first, last in zip(branches[0::2], branches[1::2], strict=True):
        sums.append(sums[-1] + np.maximum(sums[-1] @ first, 0) @ last)
    return np.stack([(x**2).mean(axis=(-2, -1)) for x in sums], axis=-1)


def _activation(name: str) -> Activation:
    if name not in ACTIVATIONS:
        raise ValueError(
            f"`activation` must be one of {tuple(ACTIVATIONS)}. Received: activation={name!r}"
        )
    return ACTIVATIONS[name]


def _truncated_normal(shape: Sequence[int], rng: np.random.Generator) -> np.ndarray:
    """Draw N(0, 1) and redraw whatever lies beyond ±2."""
    values = rng.standard_normal(shape)
    while (outside := np.abs(values) > TRUNCATION).any():
        values[outside] = rng.standard_normal(np.count_nonzero(outside))
    return values


def _by_layer(moments: Sequence[np.ndarray]) -> np.ndarray:
    """Stack the layers' moments on the last axis; the input's has no replica axis yet."""
    return np.stack(np.broadcast_arrays(*moments), axis=-1)
