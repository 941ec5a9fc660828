"""Gradients of deep networks: how they are computed, checked, and how they vanish or explode.

The networks here are plain NumPy: a list of kernels, lowest layer first, each of shape
``(replicas, fan_in, fan_out)``, zero biases, a softmax output. All replicas go through one
computation, in float64. Without the leading axis the same functions serve a single network.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf


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
    x: np.ndarray, kernels: Sequence[np.ndarray], *, activation: str
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return what every layer puts out, and the slope of every hidden unit.

        h₀ = x,   hₗ = φ(hₗ₋₁ Wₗ),   output = softmax(h W)

    Args:
        x: Examples, shape (n, features).
        kernels: One a layer, shape ([replicas,] fan_in, fan_out).
        activation: Of the hidden layers; see `activate`.

    Returns:
        ``(outputs, slopes)``: outputs start with `x` and end with the class probabilities; slopes
        have one array φ'(hₗ₋₁ Wₗ) for each hidden layer.

    Raises:
        ValueError: The activation is unknown.

    Example:
        >>> outputs, slopes = forward(np.ones((1, 2)), [np.eye(2), np.eye(2)], activation="relu")
        >>> outputs[1].tolist(), outputs[2].tolist()
        ([[1.0, 1.0]], [[0.5, 0.5]])
    """
    outputs, slopes = [np.asarray(x, dtype=np.float64)], []
    for kernel in kernels[:-1]:
        values, slope = activate(outputs[-1] @ kernel, activation)
        outputs.append(values)
        slopes.append(slope)
    logits = outputs[-1] @ kernels[-1]
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    outputs.append(powers / powers.sum(axis=-1, keepdims=True))
    return outputs, slopes


def backpropagate(
    x: np.ndarray, y: np.ndarray, kernels: Sequence[np.ndarray], *, activation: str
) -> list[np.ndarray]:
    """Return the gradient of the mean cross-entropy with respect to every kernel.

        δ = (p − onehot(y)) / n at the output,   ∂J/∂Wₗ = hₗ₋₁ᵀ δₗ,   δₗ₋₁ = δₗ Wₗᵀ ⊙ φ'(zₗ₋₁)

    Args:
        x: Examples, shape (n, features).
        y: Labels, integers, shape (n,).
        kernels: One a layer, shape ([replicas,] fan_in, fan_out).
        activation: Of the hidden layers; see `activate`.

    Returns:
        One gradient a layer, of its kernel's shape.

    Raises:
        ValueError: `x` and `y` are not equally long, or the activation is unknown.

    Example:
        >>> x, y = np.ones((1, 1)), np.array([0])
        >>> backpropagate(x, y, [np.ones((1, 2))], activation="relu")[0].tolist()
        [[-0.5, 0.5]]

    Reference:
        Rumelhart, Hinton and Williams (1986), Learning representations by back-propagating errors.
    """
    if len(x) != len(y):
        raise ValueError(
            f"`x` and `y` must be equally long. Received: lengths {len(x)} and {len(y)}"
        )
    outputs, slopes = forward(x, kernels, activation=activation)
    delta = (outputs[-1] - np.eye(kernels[-1].shape[-1])[y]) / len(x)
    gradients = []
    for layer in reversed(range(len(kernels))):
        gradients.append(outputs[layer].swapaxes(-1, -2) @ delta)
        if layer > 0:
            delta = delta @ kernels[layer].swapaxes(-1, -2) * slopes[layer - 1]
    return gradients[::-1]


def gradient_norms(
    x: np.ndarray, y: np.ndarray, kernels: Sequence[np.ndarray], *, activation: str
) -> np.ndarray:
    """Return the Euclidean norm of each layer's gradient, ‖∂J/∂Wₗ‖.

    Args:
        x: Examples, shape (n, features).
        y: Labels, integers, shape (n,).
        kernels: One a layer, shape (replicas, fan_in, fan_out).
        activation: Of the hidden layers; see `activate`.

    Returns:
        Shape (replicas, layers), lowest layer first, the output layer last.

    Raises:
        ValueError: As `backpropagate` does.

    Example:
        >>> kernels = draw_kernels([4, 3, 2], initializer="he_normal", replicas=5, seed=0)
        >>> gradient_norms(np.ones((1, 4)), np.array([0]), kernels, activation="tanh").shape
        (5, 2)
    """
    gradients = backpropagate(x, y, kernels, activation=activation)
    return np.stack([np.linalg.norm(gradient, axis=(-2, -1)) for gradient in gradients], axis=-1)


def layer_jacobians(
    x: np.ndarray, kernels: Sequence[np.ndarray], *, activation: str
) -> list[np.ndarray]:
    """Return the Jacobian of each hidden layer at one example, ∂hₗ/∂hₗ₋₁ = diag(φ'(zₗ)) Wₗᵀ.

    Args:
        x: One example, shape (features,).
        kernels: One a layer, the output layer's last, shape ([replicas,] fan_in, fan_out).
        activation: Of the hidden layers; see `activate`.

    Returns:
        One Jacobian a hidden layer, shape ([replicas,] fan_out, fan_in).

    Raises:
        ValueError: The activation is unknown.

    Example:
        >>> layer_jacobians(np.zeros(1), [np.full((1, 1), 3.0), np.eye(1)], activation="sigmoid")
        [array([[0.75]])]
    """
    _, slopes = forward(np.asarray(x)[None], kernels, activation=activation)
    return [
        slope.swapaxes(-1, -2) * kernel.swapaxes(-1, -2)
        for slope, kernel in zip(slopes, kernels, strict=False)
    ]


def backward_gains(kernels: Sequence[np.ndarray], slopes: Sequence[np.ndarray]) -> np.ndarray:
    """Return by how much a typical error shrinks or grows when it passes down each hidden layer.

        gainₗ = √(fan_out · mean(Wₗ₊₁²) · mean(φ'(zₗ)²))

    Args:
        kernels: One a layer, shape ([replicas,] fan_in, fan_out).
        slopes: One array a hidden layer, as `forward` returns them.

    Returns:
        Shape ([replicas,] hidden layers): the factor from layer l + 1 down to layer l.

    Raises:
        ValueError: There is not one more kernel than there are slopes.

    Example:
        >>> kernels = [np.ones((1, 4)), np.full((4, 4), 0.5)]
        >>> backward_gains(kernels, [np.full((1, 4), 0.25)]).tolist()
        [0.25]

    Reference:
        Schoenholz, Gilmer, Ganguli and Sohl-Dickstein (2017), Deep information propagation.
    """
    if len(kernels) != len(slopes) + 1:
        raise ValueError(
            "`kernels` must be one more than `slopes`. "
            f"Received: {len(kernels)} kernels and {len(slopes)} slopes"
        )
    return np.stack(
        [
            np.sqrt(kernel.shape[-1] * _mean_square(kernel) * _mean_square(slope))
            for kernel, slope in zip(kernels[1:], slopes, strict=True)
        ],
        axis=-1,
    )


def saturated_fraction(
    slopes: np.ndarray, *, largest_slope: float, threshold: float = 0.05
) -> np.ndarray:
    """Return the share of units whose slope is below a fraction of the largest it could be.

    Args:
        slopes: Shape (..., n, units): slope of each unit at each example.
        largest_slope: The activation's steepest slope, above 0: ¼ for the logistic, 1 for tanh.
        threshold: The fraction below which a unit counts as saturated, in (0, 1).

    Returns:
        Shape (...): a share in [0, 1].

    Raises:
        ValueError: `largest_slope` or `threshold` is out of range.

    Example:
        >>> saturated_fraction(np.array([[0.25, 0.001]]), largest_slope=0.25).item()
        0.5
    """
    if not largest_slope > 0:
        raise ValueError(
            f"`largest_slope` must be above 0. Received: largest_slope={largest_slope}"
        )
    if not 0 < threshold < 1:
        raise ValueError(f"`threshold` must be in (0, 1). Received: threshold={threshold}")
    return np.mean(slopes < threshold * largest_slope, axis=(-2, -1))


def numerical_gradient(
    function: Callable[[np.ndarray], float], x: np.ndarray, *, step: float = 1e-5
) -> np.ndarray:
    """Return a gradient by central differences, which use nothing but the function's values.

        ∂f/∂xᵢ ≈ (f(x + h eᵢ) − f(x − h eᵢ)) / 2h,   error ~ h² + rounding / h

    Args:
        function: Takes an array of the shape of `x`, returns a number.
        x: Where to differentiate, any shape; used in float64.
        step: h, above 0.

    Returns:
        Shape of `x`, float64.

    Raises:
        ValueError: `step` is not above 0.

    Example:
        >>> numerical_gradient(lambda x: np.sum(x**2), np.array([1.0, 3.0])).round(6).tolist()
        [2.0, 6.0]
    """
    if not step > 0:
        raise ValueError(f"`step` must be above 0. Received: step={step}")
    x = np.array(x, dtype=np.float64)
    gradient = np.empty_like(x)
    for index in np.ndindex(x.shape):
        shift = np.zeros_like(x)
        shift[index] = step
        gradient[index] = (function(x + shift) - function(x - shift)) / (2 * step)
    return gradient


def kernel_loss(
    kernel: np.ndarray,
    *,
    layer: int,
    x: np.ndarray,
    y: np.ndarray,
    kernels: Sequence[np.ndarray],
    activation: str,
) -> float:
    """Return the mean cross-entropy, J = −mean(log p_y), with one layer's kernel replaced.

    Args:
        kernel: The new kernel, shape (fan_in, fan_out).
        layer: Whose kernel it is: an index of `kernels`.
        x: Examples, shape (n, features).
        y: Labels, integers, shape (n,).
        kernels: One a layer, shape (fan_in, fan_out), of a single network.
        activation: Of the hidden layers; see `activate`.

    Returns:
        The loss in nats.

    Raises:
        ValueError: The kernel's shape is not that of the one it replaces.

    Example:
        >>> x, y = np.ones((1, 1)), np.array([0])
        >>> options = dict(x=x, y=y, kernels=[np.ones((1, 2))], activation="relu")
        >>> round(kernel_loss(np.zeros((1, 2)), layer=0, **options), 4)  # log 2
        0.6931
    """
    if np.shape(kernel) != kernels[layer].shape:
        raise ValueError(
            f"`kernel` must have shape {kernels[layer].shape}. Received: shape={np.shape(kernel)}"
        )
    kernels = [kernel if number == layer else own for number, own in enumerate(kernels)]
    outputs, _ = forward(x, kernels, activation=activation)
    return float(-np.mean(np.log(outputs[-1][np.arange(len(y)), y])))


def scale_to_radius(matrices: np.ndarray, radius: float) -> np.ndarray:
    """Return square matrices scaled to a given spectral radius, ρ(W) = max |λᵢ|.

    Args:
        matrices: Shape (..., n, n), none of them nilpotent.
        radius: The spectral radius wanted, at least 0.

    Returns:
        Shape of `matrices`.

    Raises:
        ValueError: `radius` is negative, or a matrix has no eigenvalue but 0.

    Example:
        >>> scale_to_radius(np.diag([2.0, 1.0]), 0.5).tolist()
        [[0.5, 0.0], [0.0, 0.25]]
    """
    if not radius >= 0:
        raise ValueError(f"`radius` must be at least 0. Received: radius={radius}")
    own = np.abs(np.linalg.eigvals(matrices)).max(axis=-1)
    if not np.all(own > 0):
        raise ValueError(
            "`matrices` must have an eigenvalue other than 0. "
            f"Received: spectral radius {own.min()}"
        )
    return matrices * (radius / own)[..., None, None]


def recurrent_gradient_norms(
    kernel: np.ndarray, inputs: np.ndarray, *, activation: str = "linear"
) -> np.ndarray:
    """Return how far back the last state of a recurrence feels its inputs.

        hₜ = φ(hₜ₋₁ W + xₜ),   J = mean(h_T),   result[k] = ‖∂J/∂x_{T−k}‖

    Args:
        kernel: Recurrent kernel W, shape (replicas, n, n).
        inputs: x₁ … x_T, shape (replicas, T, n).
        activation: φ; see `activate`.

    Returns:
        Shape (replicas, T): entry k belongs to the input k steps before the last.

    Raises:
        ValueError: The shapes do not fit, or the activation is unknown.

    Example:
        >>> norms = recurrent_gradient_norms(np.full((1, 1, 1), 0.5), np.zeros((1, 3, 1)))
        >>> norms.tolist()
        [[1.0, 0.5, 0.25]]

    Reference:
        Pascanu, Mikolov and Bengio (2013), On the difficulty of training recurrent neural networks.
    """
    if kernel.shape != (inputs.shape[0], inputs.shape[-1], inputs.shape[-1]) or inputs.ndim != 3:
        raise ValueError(
            "`kernel` must have shape (replicas, n, n) and `inputs` (replicas, T, n). "
            f"Received: shapes {kernel.shape} and {inputs.shape}"
        )
    state, slopes = np.zeros_like(inputs[:, :1]), []
    for step in range(inputs.shape[1]):
        state, slope = activate(state @ kernel + inputs[:, step : step + 1], activation)
        slopes.append(slope)
    error = np.full_like(state, 1 / state.shape[-1])
    norms = []
    for slope in reversed(slopes):
        error = error * slope
        norms.append(np.linalg.norm(error, axis=(-2, -1)))
        error = error @ kernel.swapaxes(-1, -2)
    return np.stack(norms, axis=-1)


def relative_update(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Return how far each replica's weights have moved, relative to their size, ‖b − a‖ / ‖a‖.

    Args:
        before: a, shape (replicas, ...), float32 or float64, not all 0.
        after: b, of the same shape.

    Returns:
        Shape (replicas,), float64.

    Raises:
        ValueError: The shapes differ.

    Example:
        >>> relative_update(np.array([[3.0, 4.0]]), np.array([[3.0, 4.5]])).tolist()
        [0.1]
    """
    if before.shape != after.shape:
        raise ValueError(
            "`before` and `after` must have the same shape. "
            f"Received: shapes {before.shape} and {after.shape}"
        )
    axes = tuple(range(1, before.ndim))
    before, after = before.astype(np.float64), after.astype(np.float64)
    moved, size = np.square(after - before).sum(axis=axes), np.square(before).sum(axis=axes)
    return np.sqrt(moved / size)


def model_gradients(model: keras.Model, x: np.ndarray, y: np.ndarray) -> dict[str, np.ndarray]:
    """Return a Keras model's gradient with respect to every kernel, as `GradientTape` sees it.

    The model runs in inference mode, so that dropout does not blur the figure.

    Args:
        model: A compiled model.
        x: Examples of the batch, as `model.evaluate` takes them.
        y: Their targets.

    Returns:
        Name of the layer → gradient, lowest layer first. Biases and other vectors are left out.

    Example:
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, name="only")])
        >>> model.compile(loss="mse")
        >>> gradients = model_gradients(model, np.ones((3, 2)), np.ones(3))
        >>> gradients["only"].shape
        (2, 1)
    """
    kernels = _kernels(model)
    with tf.GradientTape() as tape:
        loss = model.compute_loss(x=x, y=y, y_pred=model(x, training=False), training=False)
    gradients = tape.gradient(loss, [kernel.value for kernel in kernels.values()])
    return {
        name: keras.ops.convert_to_numpy(gradient)
        for name, gradient in zip(kernels, gradients, strict=True)
    }


class GradientMonitor(keras.callbacks.Callback):
    """Keras callback: how large each layer's gradient is, and how fast the layer learns.

    After every epoch it measures, on one fixed batch, ‖∂J/∂W‖ of each kernel W, and how far the
    epoch has moved it: ‖W − W_before‖ / ‖W_before‖. It never touches the training.

    Args:
        x, y: The batch to measure on, as `model.evaluate` takes it.
        log_dir: A folder for TensorBoard: a histogram of the gradients of each layer and the two
            figures, at every epoch. Nothing is written by default.

    Attributes:
        layer_names: Layers with a kernel, lowest first.

    Example:
        >>> x, y = np.ones((4, 2)), np.ones(4)
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, name="only")])
        >>> model.compile(loss="mse")
        >>> monitor = GradientMonitor(x, y)
        >>> _ = model.fit(x, y, epochs=3, verbose=0, callbacks=[monitor])
        >>> monitor.layer_names, monitor.gradient_norms.shape
        (['only'], (3, 1))
    """

    def __init__(self, x: np.ndarray, y: np.ndarray, log_dir: str | Path | None = None):
        super().__init__()
        if len(x) != len(y) or len(x) == 0:
            raise ValueError(
                "`x` and `y` must be equally long and not empty. "
                f"Received: lengths {len(x)} and {len(y)}"
            )
        self.x, self.y, self.log_dir = x, y, log_dir
        self._reset()

    def _reset(self) -> None:
        self.layer_names: list[str] = []
        self._norms: list[list[float]] = []
        self._updates: list[list[float]] = []

    @property
    def gradient_norms(self) -> np.ndarray:
        """Norm of each layer's gradient after each epoch, shape (epochs, layers)."""
        return np.array(self._norms)

    @property
    def relative_updates(self) -> np.ndarray:
        """Relative update of each layer in each epoch, shape (epochs, layers)."""
        return np.array(self._updates)

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Forget an earlier training and note the weights."""
        self._reset()
        self.layer_names = list(_kernels(self.model))
        self._before = self._weights()
        self._writer = self.log_dir and tf.summary.create_file_writer(str(self.log_dir))

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Measure gradients and updates, and log them where that was asked for."""
        gradients = model_gradients(self.model, self.x, self.y)
        weights = self._weights()
        self._norms.append([float(np.linalg.norm(g)) for g in gradients.values()])
        self._updates.append(
            [
                float(relative_update(before[None], after[None])[0])
                for before, after in zip(self._before, weights, strict=True)
            ]
        )
        self._before = weights
        if self._writer:
            self._write(epoch, gradients)

    def on_train_end(self, logs: dict | None = None) -> None:
        """Close TensorBoard's file."""
        if self._writer:
            self._writer.close()

    def _weights(self) -> list[np.ndarray]:
        return [kernel.value.numpy().copy() for kernel in _kernels(self.model).values()]

    def _write(self, epoch: int, gradients: dict[str, np.ndarray]) -> None:
        figures = zip(gradients.items(), self._norms[-1], self._updates[-1], strict=True)
        with self._writer.as_default(step=epoch):
            for (name, gradient), norm, update in figures:
                _write_summary(f"gradient/{name}", _histogram(gradient), "histograms")
                _write_summary(f"gradient_norm/{name}", np.float32(norm), "scalars")
                _write_summary(f"relative_update/{name}", np.float32(update), "scalars")


def _histogram(values: np.ndarray, bins: int = 30) -> np.ndarray:
    """Return rows of left edge, right edge and count, as TensorBoard's histograms take them."""
    counts, edges = np.histogram(values.astype(np.float64), bins=bins)
    return np.stack([edges[:-1], edges[1:], counts], axis=-1)


def _write_summary(tag: str, value: np.ndarray, plugin: str) -> None:
    # `tf.summary.histogram` and `tf.summary.scalar` need the package tensorboard; this does not,
    # and writes the same events.
    metadata = tf.compat.v1.SummaryMetadata(
        plugin_data=tf.compat.v1.SummaryMetadata.PluginData(plugin_name=plugin),
        data_class="DATA_CLASS_SCALAR" if plugin == "scalars" else "DATA_CLASS_TENSOR",
    )
    tf.summary.write(tag, value, metadata=metadata)


def _kernels(model: keras.Model) -> dict[str, keras.Variable]:
    """Return the trainable matrices of a model by name, lowest layer first."""
    kernels = [variable for variable in model.trainable_variables if len(variable.shape) > 1]
    return {
        variable.path.removeprefix(f"{model.name}/").removesuffix("/kernel"): variable
        for variable in kernels
    }


def _mean_square(values: np.ndarray) -> np.ndarray:
    return np.mean(np.square(values), axis=(-2, -1))


def _named(table: dict, name: str, argument: str):
    if name not in table:
        known = ", ".join(repr(key) for key in table)
        raise ValueError(f"`{argument}` must be one of {known}. Received: {argument}={name!r}")
    return table[name]
