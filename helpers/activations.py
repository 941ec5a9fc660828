"""Activations: the functions with their derivatives, SELU's fixed point, dead units, cost.

A function takes an array `z` of pre-activations, of any shape, and returns an array of that shape;
what else it takes is keyword-only. `ACTIVATIONS` holds each with its derivative. Where a function
has a kink at 0, its derivative there is the left one.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import keras
import numpy as np
from scipy import integrate, optimize
from scipy.special import ndtr  # the distribution function of N(0, 1)

Array = np.ndarray
Function = Callable[[Array], Array]

SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805  # what `selu_constants` solves for
RRELU_LOWER, RRELU_UPPER = 1 / 8, 1 / 3
_TANH_SCALE, _TANH_CUBIC = 0.7978845608028654, 0.044715  # √(2/π), and the paper's constant
_TAIL = 12.0  # N(0, 1) has less than 1e-32 of its mass beyond


class Activation(NamedTuple):
    """A function and its derivative, each from an array to an array of the same shape."""

    function: Function
    derivative: Function


def logistic(z: Array) -> Array:
    """Return the logistic (sigmoid), σ(z) = 1 / (1 + exp(−z)), in (0, 1).

    Example:
        >>> logistic(0.0).item()
        0.5
    """
    return np.exp(-softplus(np.negative(z)))  # this form cannot overflow


def _logistic_derivative(z: Array) -> Array:
    return logistic(z) * logistic(np.negative(z))


def tanh(z: Array) -> Array:
    """Return the hyperbolic tangent, 2σ(2z) − 1, in (−1, 1)."""
    return np.tanh(z)


def _tanh_derivative(z: Array) -> Array:
    return 1 - np.tanh(z) ** 2


def relu(z: Array) -> Array:
    """Return the rectified linear unit, max(0, z) (Nair and Hinton, 2010)."""
    return np.maximum(z, 0.0)


def _relu_derivative(z: Array) -> Array:
    return np.where(np.greater(z, 0), 1.0, 0.0)


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


def _leaky_relu_derivative(z: Array, *, alpha: float | Array = 0.01) -> Array:
    return np.where(np.greater(z, 0), 1.0, alpha)


def prelu(z: Array, *, alpha: float | Array = 0.25) -> Array:
    """Return leaky ReLU whose slope `alpha` is learned, from 0.25 on (He et al., 2015)."""
    return leaky_relu(z, alpha=alpha)


def _prelu_derivative(z: Array, *, alpha: float | Array = 0.25) -> Array:
    return _leaky_relu_derivative(z, alpha=alpha)


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


def rrelu(
    z: Array,
    *,
    lower: float = RRELU_LOWER,
    upper: float = RRELU_UPPER,
    rng: np.random.Generator | None = None,
) -> Array:
    """Return leaky ReLU with a random slope for each entry of z (Xu et al., 2015).

    Args:
        z: Any shape.
        lower: Least slope, 0 or more.
        upper: Greatest slope, at least `lower`.
        rng: Source of the slopes in training; None, as in inference, takes their mean.

    Raises:
        ValueError: The range is empty or negative.

    Example:
        >>> rrelu(np.array([-1.0, 1.0]), lower=0.1, upper=0.3)
        array([-0.2,  1. ])
    """
    _check_range(lower, upper)
    slope = (lower + upper) / 2 if rng is None else rng.uniform(lower, upper, size=np.shape(z))
    return leaky_relu(z, alpha=slope)


def _rrelu_derivative(z: Array) -> Array:
    return _leaky_relu_derivative(z, alpha=(RRELU_LOWER + RRELU_UPPER) / 2)


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


def _elu_derivative(z: Array, *, alpha: float = 1.0) -> Array:
    return np.where(np.greater(z, 0), 1.0, alpha * np.exp(np.minimum(z, 0.0)))


def selu(z: Array) -> Array:
    """Return λ · ELU(z) with the α and λ of `selu_constants` (Klambauer et al., 2017)."""
    return SELU_SCALE * elu(z, alpha=SELU_ALPHA)


def _selu_derivative(z: Array) -> Array:
    return SELU_SCALE * _elu_derivative(z, alpha=SELU_ALPHA)


def gelu(z: Array) -> Array:
    """Return zΦ(z), Φ the distribution function of N(0, 1) (Hendrycks and Gimpel, 2016)."""
    return np.multiply(z, ndtr(z))


def _gelu_derivative(z: Array) -> Array:
    return ndtr(z) + z * _normal_density(z)


def gelu_tanh(z: Array) -> Array:
    """Return GELU's approximation, z(1 + tanh(√(2/π)(z + 0.044715 z³))) / 2."""
    return 0.5 * np.multiply(z, 1 + np.tanh(_TANH_SCALE * (z + _TANH_CUBIC * np.power(z, 3))))


def _gelu_tanh_derivative(z: Array) -> Array:
    t = np.tanh(_TANH_SCALE * (z + _TANH_CUBIC * np.power(z, 3)))
    inner = _TANH_SCALE * (1 + 3 * _TANH_CUBIC * np.square(z))
    return 0.5 * (1 + t) + 0.5 * z * (1 - t**2) * inner


def silu(z: Array, *, beta: float = 1.0) -> Array:
    """Return zσ(βz): SiLU at β = 1, Swish in general (Ramachandran et al., 2017)."""
    return np.multiply(z, logistic(np.multiply(beta, z)))


def _silu_derivative(z: Array, *, beta: float = 1.0) -> Array:
    s = logistic(np.multiply(beta, z))
    return s + beta * z * s * (1 - s)


def mish(z: Array) -> Array:
    """Return z · tanh(softplus(z)) (Misra, 2019)."""
    return np.multiply(z, np.tanh(softplus(z)))


def _mish_derivative(z: Array) -> Array:
    t = np.tanh(softplus(z))
    return t + z * (1 - t**2) * logistic(z)


def softplus(z: Array) -> Array:
    """Return log(1 + exp(z)), the smooth ReLU, whose derivative is the logistic."""
    return np.logaddexp(0.0, z)


ACTIVATIONS: Mapping[str, Activation] = {
    "logistic": Activation(logistic, _logistic_derivative),
    "tanh": Activation(tanh, _tanh_derivative),
    "relu": Activation(relu, _relu_derivative),
    "leaky_relu": Activation(leaky_relu, _leaky_relu_derivative),
    "rrelu": Activation(rrelu, _rrelu_derivative),
    "prelu": Activation(prelu, _prelu_derivative),
    "elu": Activation(elu, _elu_derivative),
    "selu": Activation(selu, _selu_derivative),
    "gelu": Activation(gelu, _gelu_derivative),
    "gelu_tanh": Activation(gelu_tanh, _gelu_tanh_derivative),
    "silu": Activation(silu, _silu_derivative),
    "mish": Activation(mish, _mish_derivative),
    "softplus": Activation(softplus, logistic),
}


@keras.saving.register_keras_serializable(package="dnnbook")
class RReLU(keras.layers.Layer):
    """Randomized leaky ReLU: a random slope in training, the mean slope in inference.

    In training the slope for negative inputs is drawn from U(lower, upper), anew for each example
    and unit; in inference it is (lower + upper) / 2 (Xu et al., 2015).

    Args:
        lower: Least slope, 0 or more.
        upper: Greatest slope, at least `lower`.
        seed: Seed of the slopes, or None.
        **kwargs: `keras.layers.Layer`'s own: `name`, `dtype`.

    Raises:
        ValueError: The range is empty or negative.

    Example:
        >>> RReLU(lower=0.1, upper=0.3)(np.array([[-1.0, 2.0]])).numpy().round(3).tolist()
        [[-0.20000000298023224, 2.0]]
    """

    def __init__(self, lower=RRELU_LOWER, upper=RRELU_UPPER, seed=None, **kwargs):
        super().__init__(**kwargs)
        _check_range(lower, upper)
        self.lower, self.upper, self.seed = lower, upper, seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.supports_masking = True

    def call(self, inputs, training=False):
        """Return the inputs, the negative ones times their slope."""
        slope = (self.lower + self.upper) / 2
        if training:
            slope = keras.random.uniform(
                keras.ops.shape(inputs),
                self.lower,
                self.upper,
                dtype=inputs.dtype,
                seed=self.seed_generator,
            )
        return keras.ops.where(inputs > 0, inputs, slope * inputs)

    def compute_output_shape(self, input_shape):
        """Return the shape of the inputs."""
        return input_shape

    def get_config(self):
        """Return the arguments that make an equal layer."""
        return super().get_config() | {
            "lower": self.lower,
            "upper": self.upper,
            "seed": self.seed,
        }


def mlp_with_layers(
    image_shape: Sequence[int],
    classes: int,
    *,
    hidden: Sequence[int],
    activation_layer: Callable[[], keras.Layer],
    kernel_initializer: str = "he_normal",
) -> keras.Sequential:
    """Return an uncompiled perceptron with an activation layer of its own after each hidden layer.

    Args:
        image_shape: Shape of one image; it is flattened.
        classes: Number of classes, the width of the softmax output layer.
        hidden: Width of each hidden layer, lowest first.
        activation_layer: Makes a new activation layer, such as `keras.layers.PReLU`.
        kernel_initializer: Initializer of the hidden layers' kernels, by Keras' name.

    Example:
        >>> net = mlp_with_layers((8, 8), 10, hidden=[5], activation_layer=keras.layers.PReLU)
        >>> [type(layer).__name__ for layer in net.layers]
        ['Flatten', 'Dense', 'PReLU', 'Dense']
    """
    layers = [keras.Input(tuple(image_shape)), keras.layers.Flatten()]
    for width in hidden:
        layers.append(keras.layers.Dense(width, kernel_initializer=kernel_initializer))
        layers.append(activation_layer())
    return keras.Sequential([*layers, keras.layers.Dense(classes, activation="softmax")])


def hidden_outputs(weights: Sequence[Array], x: Array, *, function: Function) -> list[Array]:
    """Return what each hidden layer of stacked perceptrons puts out: f(hW + b), layer by layer.

    Args:
        weights: Kernel and bias of each layer in turn, the output layer's last; kernels have
            shape (replicas, inputs, units), biases (replicas, units).
        x: Examples, shape (examples, ...); they are flattened.
        function: The hidden layers' activation.

    Returns:
        For each hidden layer an array of shape (replicas, examples, units).

    Raises:
        ValueError: The weights are not pairs of kernel and bias.
    """
    if len(weights) % 2 or any(kernel.ndim != 3 for kernel in weights[::2]):
        raise ValueError(
            "`weights` must be a kernel (replicas, inputs, units) and a bias for each layer. "
            f"Received: shapes {[np.shape(array) for array in weights]}"
        )
    outputs = [np.reshape(x, (1, len(x), -1))]
    for kernel, bias in zip(weights[:-2:2], weights[1:-2:2], strict=True):
        outputs.append(function(outputs[-1] @ kernel + bias[:, None, :]))
    return outputs[1:]


def dead_units(outputs: Array) -> Array:
    """Return which units are dead: they put out 0, and nothing else, for every example.

    Args:
        outputs: Outputs of a ReLU layer, shape (..., examples, units).

    Returns:
        Truth values, shape (..., units).

    Raises:
        ValueError: `outputs` holds no example or a value that is not finite.

    Example:
        >>> dead_units(np.array([[0.0, 0.0, 1.0], [0.0, 2.0, 3.0]])).tolist()
        [True, False, False]
    """
    return np.all(_checked_outputs(outputs) == 0, axis=-2)


def sleeping_units(outputs: Array) -> Array:
    """Return which units are asleep: their output is above 0 for no example.

    A dead ReLU unit is asleep; a leaky unit can be asleep without being dead, because its
    gradient is not 0.

    Args:
        outputs: Outputs of a layer, shape (..., examples, units).

    Returns:
        Truth values, shape (..., units).

    Raises:
        ValueError: `outputs` holds no example or a value that is not finite.

    Example:
        >>> sleeping_units(np.array([[-0.1, 0.0, 1.0], [-0.2, 2.0, 3.0]])).tolist()
        [True, False, False]
    """
    return np.all(_checked_outputs(outputs) <= 0, axis=-2)


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
            return function(mean + deviation * t) ** power * _normal_density(t)

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


def restarts(
    build: Callable[[], keras.Model], weights: Sequence[Array]
) -> list[Callable[[], keras.Model]]:
    """Return, for each replica, a function that builds the model with that replica's weights.

    Args:
        build: Builds the model; its activations may differ from those the weights came from.
        weights: In the order of `model.get_weights()`, each with a leading axis of replicas.

    Raises:
        ValueError: The weights differ in their number of replicas.
    """
    counts = {len(array) for array in weights}
    if len(counts) != 1:
        raise ValueError(
            "`weights` must share their leading axis of replicas. "
            f"Received: {' and '.join(map(str, sorted(counts)))}"
        )

    def restart(replica: int) -> keras.Model:
        model = build()
        model.set_weights([array[replica] for array in weights])
        return model

    return [partial(restart, replica) for replica in range(counts.pop())]


WEIGHT_VARIANCE = {
    "lecun": lambda fan_in, fan_out: 1 / fan_in,
    "he": lambda fan_in, fan_out: 2 / fan_in,
    "glorot": lambda fan_in, fan_out: 2 / (fan_in + fan_out),
}


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
    if len(widths) == 0 or min(*widths, replicas) < 1:
        raise ValueError(
            "`widths` must hold at least one width, and they and `replicas` must be at least 1. "
            f"Received: widths={list(widths)}, replicas={replicas}"
        )
    if weights not in WEIGHT_VARIANCE:
        known = ", ".join(map(repr, WEIGHT_VARIANCE))
        raise ValueError(f"`weights` must be one of {known}. Received: weights={weights!r}")
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


def value_and_gradient(function: Callable, z) -> Callable[[], tuple]:
    """Compile a Keras activation's forward and backward pass on one tensor.

    Args:
        function: From a tensor to a tensor of the same shape: an activation or a built layer.
        z: Tensor of pre-activations.

    Returns:
        A function without arguments that computes the value and the gradient of its sum.
    """
    import tensorflow as tf

    def call(z):
        y = function(z)
        return y, tf.gradients(y, z)[0]

    # A concrete function, because many of the same code would make TensorFlow warn of retracing.
    spec = tf.TensorSpec.from_tensor(z)
    return partial(tf.function(call, autograph=False).get_concrete_function(spec), z)


def time_interleaved(
    calls: Mapping[str, Callable[[], object]], *, rounds: int, repeats: int = 5
) -> dict[str, Array]:
    """Time calls in turn, round by round, so that a busy moment meets all of them alike.

    Each turn shuffles them, since a call finds the caches as the one before left them.

    Args:
        calls: What to time, by name; each is called once beforehand.
        rounds: Number of rounds.
        repeats: Turns in a round; each call's fastest counts.

    Returns:
        Seconds, by name, shape (rounds,).

    Raises:
        ValueError: `calls` is empty, or a count is below 1.
    """
    if not calls or min(rounds, repeats) < 1:
        raise ValueError(
            "`calls` must not be empty, `rounds` and `repeats` must be at least 1. "
            f"Received: {len(calls)} calls, rounds={rounds}, repeats={repeats}"
        )
    seconds = {name: np.full((rounds, repeats), np.inf) for name in calls}
    for call in calls.values():
        call()
    rng = np.random.default_rng(0)
    for turn in np.ndindex(rounds, repeats):
        for name in rng.permutation(list(calls)):
            call = calls[name]
            start = time.perf_counter()
            call()
            seconds[name][turn] = time.perf_counter() - start
    return {name: values.min(axis=1) for name, values in seconds.items()}


def _normal_density(z: Array) -> Array:
    return np.exp(-np.square(z) / 2) / np.sqrt(2 * np.pi)


def _check_range(lower: float, upper: float) -> None:
    if not 0 <= lower <= upper < np.inf:
        raise ValueError(
            "`lower` and `upper` must satisfy 0 <= lower <= upper. "
            f"Received: lower={lower}, upper={upper}"
        )


def _checked_outputs(outputs: Array) -> Array:
    outputs = np.asarray(outputs)
    if outputs.ndim < 2 or outputs.shape[-2] == 0:
        raise ValueError(
            "`outputs` must have shape (..., examples, units) with at least one example. "
            f"Received: shape={outputs.shape}"
        )
    if not np.isfinite(outputs).all():
        raise ValueError("`outputs` must be finite. Received: NaN or infinity, so it diverged")
    return outputs
