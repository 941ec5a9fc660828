"""The same figures of a Keras model: at one moment, and after every epoch of a training."""

from collections import Counter
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from helpers.gradients.learning import relative_update


def model_gradients(model: keras.Model, x: np.ndarray, y: np.ndarray) -> dict[str, np.ndarray]:
    """Return a Keras model's gradient with respect to every kernel, as `GradientTape` sees it.

    The model runs in inference mode, so that dropout does not blur the figure.

    Args:
        model: A compiled model.
        x: Examples of the batch, as `model.evaluate` takes them.
        y: Their targets.

    Returns:
        Name of the layer → gradient, lowest layer first. Biases and other vectors are left out. A
        kernel that the loss does not depend on has a gradient of 0, and the sparse gradient of an
        embedding is given in full. Of layers with one name the second is called "name (2)".

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
        name: _in_full(gradient, kernels[name])
        for name, gradient in zip(kernels, gradients, strict=True)
    }


def _in_full(gradient, kernel: keras.Variable) -> np.ndarray:
    """Return a gradient that may be missing or sparse as an array of its kernel's shape."""
    if gradient is None:
        return np.zeros(kernel.shape, kernel.dtype)
    return keras.ops.convert_to_numpy(tf.convert_to_tensor(gradient))


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

    Raises:
        ValueError: The batch is empty, or its arrays are not equally long.

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
        lengths = [[len(one) for one in keras.tree.flatten(data)] for data in (x, y)]
        if len({*lengths[0], *lengths[1]}) != 1 or 0 in lengths[0]:
            found = " and ".join(", ".join(map(str, own)) for own in lengths)
            raise ValueError(
                f"`x` and `y` must be equally long and not empty. Received: lengths {found}"
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
        """Relative update of each layer in each epoch, shape (epochs, layers).

        Infinite where a kernel was all 0 before, as the last of a net often is, and NaN where it
        stayed so.
        """
        return np.array(self._updates)

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Forget an earlier training and note the weights."""
        self._reset()
        if not all(layer.built for layer in self.model._flatten_layers()):
            self.model(self.x, training=False)  # makes the weights, which the first batch would
        self.layer_names = list(_kernels(self.model))
        self._before = self._weights()
        self._writer = self.log_dir and tf.summary.create_file_writer(str(self.log_dir))

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Measure gradients and updates, and log them where that was asked for."""
        gradients = model_gradients(self.model, self.x, self.y)
        weights = self._weights()
        self._norms.append([float(np.linalg.norm(g)) for g in gradients.values()])
        with np.errstate(divide="ignore", invalid="ignore"):
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
    kernels, counts = {}, Counter()
    for variable in model.trainable_variables:
        if len(variable.shape) > 1 and variable.name != "bias":  # a GRU's has two axes
            name = variable.path.removeprefix(f"{model.name}/").removesuffix("/kernel")
            counts[name] += 1
            kernels[f"{name} ({counts[name]})" if counts[name] > 1 else name] = variable
    return kernels
