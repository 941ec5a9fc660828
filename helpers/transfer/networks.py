"""Networks for Keras: convolutional, with images of their own, and one layer's autoencoder."""

from collections.abc import Callable, Sequence

import keras
import numpy as np


def conv_net(
    image_shape: Sequence[int], classes: int, *, filters: Sequence[int]
) -> keras.Sequential:
    """Return an uncompiled convolutional classifier: 3 × 3 filters, pooling between them.

    Args:
        image_shape: (height, width) or (height, width, channels).
        classes: Width of the softmax output layer.
        filters: Number of filters of each convolution, lowest first.

    Raises:
        ValueError: There is no filter, or a number is below 1.

    Example:
        >>> net = conv_net((8, 8), 2, filters=[4, 6])
        >>> [layer.name for layer in net.layers if layer.weights]
        ['conv_1', 'conv_2', 'output']
    """
    if not filters or min([*filters, classes]) < 1:
        raise ValueError(
            "`filters` and `classes` must be at least 1. "
            f"Received: filters={list(filters)}, classes={classes}"
        )
    shape = tuple(image_shape)
    layers = [keras.Input(shape), keras.layers.Reshape((*shape, 1)[:3])]
    for number, width in enumerate(filters, start=1):
        layers.append(
            keras.layers.Conv2D(
                width,
                3,
                padding="same",
                activation="relu",
                kernel_initializer="he_normal",
                name=f"conv_{number}",
            )
        )
        if number < len(filters):
            layers.append(keras.layers.MaxPooling2D())
    layers.append(keras.layers.GlobalAveragePooling2D())
    return keras.Sequential(
        [*layers, keras.layers.Dense(classes, activation="softmax", name="output")]
    )


class OwnImages(keras.layers.Layer):
    """A lookup from positions to images, so that each replica can have images of its own.

    `fit_replicas` shows all replicas the same inputs. With positions 0, 1, … as inputs, this
    first layer decides which image a position is.

    Args:
        images: All images, shape (m, *image_shape), shared by the replicas.
        rows: Position → row of `images`, shape (n,).

    Raises:
        ValueError: A row is out of range.

    Example:
        >>> layer = OwnImages(np.array([[1.0], [2.0], [3.0]]), rows=[2, 0])
        >>> layer(np.array([0, 1])).numpy().ravel()
        array([3., 1.], dtype=float32)
    """

    def __init__(self, images: np.ndarray, rows: Sequence[int], **options):
        super().__init__(trainable=False, **options)
        rows = np.asarray(rows, dtype=np.int32)
        if rows.ndim != 1 or not len(rows) or rows.min() < 0 or rows.max() >= len(images):
            raise ValueError(
                f"`rows` must hold numbers from 0 to {len(images) - 1}. Received: {rows}"
            )
        self.images = keras.ops.convert_to_tensor(images, dtype="float32")
        self.rows = self.add_weight(
            shape=rows.shape, initializer="zeros", dtype="int32", trainable=False, name="rows"
        )
        self.rows.assign(rows)
        self.built = True

    def call(self, positions):
        """Return the images at the positions, shape (batch, *image_shape)."""
        return keras.ops.take(self.images, keras.ops.take(self.rows, positions), axis=0)

    def compute_output_shape(self, input_shape):
        """Return (batch, *image_shape)."""
        return (*input_shape, *self.images.shape[1:])

    def get_config(self):
        """Return the sizes: replicas of equal sizes compute alike."""
        return {"images": list(self.images.shape), "rows": list(self.rows.shape)}


def with_own_images(
    build: Callable[[], keras.Sequential],
    images: np.ndarray,
    *,
    rows: Sequence[int],
    lowest: Sequence[np.ndarray] = (),
) -> keras.Sequential:
    """Return the network behind a lookup: its inputs are positions, not images.

    Args:
        build: Returns the network, a Sequential of images.
        images: All images, shape (m, *image_shape).
        rows: Position → row of `images`.
        lowest: Weights that its lowest layers begin with, kernel, bias, …

    Raises:
        ValueError: `lowest` does not fit the lowest layers.

    Example:
        >>> images = np.zeros((5, 8, 8))
        >>> net = with_own_images(lambda: conv_net((8, 8), 2, filters=[4]), images, rows=[3, 1])
        >>> net(np.array([0, 1, 1])).shape
        TensorShape([3, 2])
    """
    network = build()
    own = network.get_weights()
    if [w.shape for w in lowest] != [w.shape for w in own[: len(lowest)]]:
        raise ValueError(
            "`lowest` must have the shapes of the lowest layers' weights. "
            f"Received: {[w.shape for w in lowest]}"
        )
    network.set_weights([*lowest, *own[len(lowest) :]])
    lookup = OwnImages(images, rows)
    return keras.Sequential([keras.Input((), dtype="int32"), lookup, *network.layers])


def body_features(
    model: keras.Sequential, weights: Sequence[np.ndarray], x: np.ndarray
) -> np.ndarray:
    """Return what the layers below the last put out, for each replica: features to cache.

    Args:
        model: A network of the replicas' architecture; it is left with the last one's weights.
        weights: Stacked weights in the order of `get_weights()`, each with a leading axis.
        x: Images, shape (n, *image_shape).

    Returns:
        Shape (replicas, n, features).

    Example:
        >>> model = conv_net((8, 8), 2, filters=[4])
        >>> stacked = [np.stack([weight, weight]) for weight in model.get_weights()]
        >>> body_features(model, stacked, np.zeros((5, 8, 8))).shape
        (2, 5, 4)
    """
    body = keras.Sequential([keras.Input(x.shape[1:]), *model.layers[:-1]])
    features = []
    for replica in range(len(weights[0])):
        model.set_weights([weight[replica] for weight in weights])
        features.append(body.predict(x, batch_size=1024, verbose=0))
    return np.stack(features)


def layer_autoencoder(
    features: int, widths: Sequence[int], below: Sequence[np.ndarray] = ()
) -> keras.Model:
    """Return a model whose output is the reconstruction error of its topmost layer.

        error = decode(encode(h)) − h,   h the output of the frozen layers below

    Trained towards 0 by the mean squared error, it is the autoencoder of one layer. SELU encodes,
    a linear layer decodes. The frozen layers come first in `get_weights()` where they are
    non-trainable, so ask for them by name: ``encoder`` is the layer in training.

    Args:
        features: Number of inputs, once flattened images.
        widths: Units of the layers up to the one that is trained.
        below: Kernels and biases of the layers below it, kernel, bias, …

    Raises:
        ValueError: `widths` is empty, or `below` does not hold all layers below.

    Example:
        >>> model = layer_autoencoder(6, [4])
        >>> model(np.zeros((2, 6))).shape
        TensorShape([2, 6])

    Reference:
        Bengio, Lamblin, Popovici and Larochelle (2007), Greedy layer-wise training of deep
        networks.
    """
    if not widths or len(below) != 2 * (len(widths) - 1):
        raise ValueError(
            "`below` must hold kernel and bias of every layer but the last of `widths`. "
            f"Received: {len(below)} arrays for widths={list(widths)}"
        )
    inputs = hidden = keras.Input((features,))
    for number, width in enumerate(widths[:-1]):
        frozen = keras.layers.Dense(width, activation="selu", trainable=False)
        hidden = frozen(hidden)
        frozen.set_weights(below[2 * number : 2 * number + 2])
    encode = keras.layers.Dense(
        widths[-1], activation="selu", kernel_initializer="lecun_normal", name="encoder"
    )
    decode = keras.layers.Dense(hidden.shape[-1], name="decoder")
    error = keras.layers.Subtract()([decode(encode(hidden)), hidden])
    return keras.Model(inputs, error)
