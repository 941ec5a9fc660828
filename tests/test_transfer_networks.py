"""Transfer through Keras: own images, cached features, one layer's autoencoder, a zoo."""

from functools import partial
from types import SimpleNamespace
from unittest.mock import Mock

import keras
import numpy as np
import pytest

from helpers import transfer
from helpers.replicas import fit_replicas


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def images(rng):
    return rng.random((12, 4, 4)).astype(np.float32)


net = partial(transfer.conv_net, (4, 4), 2, filters=[3, 2])


@pytest.mark.parametrize(("shape", "channels"), [((8, 8), 1), ((8, 8, 3), 3)])
def test_conv_net_has_the_layers_asked_for(shape, channels):
    built = transfer.conv_net(shape, 5, filters=[4, 6])
    shapes = [weight.shape for weight in built.get_weights()]
    assert shapes == [(3, 3, channels, 4), (4,), (3, 3, 4, 6), (6,), (6, 5), (5,)]
    np.testing.assert_allclose(built(np.ones((1, *shape))).numpy().sum(), 1, rtol=1e-6)


def test_own_images_are_looked_up(images):
    layer = transfer.OwnImages(images, rows=[5, 0, 11])
    np.testing.assert_array_equal(layer(np.array([2, 0])), images[[11, 5]])
    assert layer.compute_output_shape((7,)) == (7, 4, 4)
    assert not layer.trainable_weights


def test_a_net_with_own_images_sees_them(images):
    keras.utils.set_random_seed(0)
    plain = net()
    looked_up = transfer.with_own_images(lambda: plain, images, rows=[3, 1])
    np.testing.assert_allclose(
        looked_up(np.array([0, 1])), plain(images[[3, 1]]), rtol=1e-5, atol=1e-6
    )


def test_the_lowest_layers_begin_with_given_weights(images):
    given = net().get_weights()[:4]
    weights = transfer.with_own_images(net, images, rows=[0], lowest=given).get_weights()
    kept = [weight for weight in weights if weight.dtype != np.int32]
    for one, other in zip(kept[:4], given, strict=True):
        np.testing.assert_array_equal(one, other)


def test_replicas_train_on_images_of_their_own(images):
    """Each replica equals `fit` of the plain network on its own images."""
    rows, y = np.array([[0, 1, 2, 3], [8, 9, 10, 11]]), np.array([0, 1, 0, 1])

    start = [net().get_weights() for _ in range(2)]
    builds = [
        partial(transfer.with_own_images, net, images, rows=rows[k], lowest=start[k])
        for k in range(2)
    ]
    options = {"loss": "sparse_categorical_crossentropy", "epochs": 3, "batch_size": 4}
    trained = fit_replicas(
        builds,
        SimpleNamespace(x_train=np.arange(4), y_train=y),
        optimizer=keras.optimizers.SGD(0.1),
        replicas=2,
        **options,
    )
    floats = [weight for weight in trained.weights if weight.dtype != np.int32]
    for k in range(2):
        plain = net()
        plain.set_weights(start[k])
        plain.compile(keras.optimizers.SGD(0.1), options["loss"])
        plain.fit(images[rows[k]], y, epochs=3, batch_size=4, verbose=0)
        for ours, theirs in zip(floats, plain.get_weights(), strict=True):
            # One batch an epoch: the order within it changes the rounding alone.
            np.testing.assert_allclose(ours[k], theirs, rtol=1e-4, atol=1e-5)


def test_cached_features_are_what_the_body_puts_out(images):
    models = [net(), net()]
    weights = [np.stack(pair) for pair in zip(*(m.get_weights() for m in models), strict=True)]
    features = transfer.body_features(net(), weights, images)
    for replica, model in enumerate(models):
        kernel, bias = model.get_weights()[-2:]
        head = transfer.forward([kernel[None], bias[None]], features[replica])[-1][0]
        np.testing.assert_allclose(head, model(images), rtol=1e-5, atol=1e-6)


def test_an_autoencoder_puts_out_its_error(rng):
    below = [rng.normal(size=(6, 4)), rng.normal(size=4)]
    model = transfer.layer_autoencoder(6, [4, 3], below)
    x = rng.normal(size=(5, 6)).astype(np.float32)
    hidden = transfer.selu(x @ below[0] + below[1])
    layers = {name: model.get_layer(name).get_weights() for name in ("encoder", "decoder")}
    code = transfer.selu(hidden @ layers["encoder"][0] + layers["encoder"][1])
    error = code @ layers["decoder"][0] + layers["decoder"][1] - hidden
    np.testing.assert_allclose(model(x), error, rtol=1e-4, atol=1e-5)
    assert len(model.trainable_weights) == 4


def test_the_encoder_comes_where_the_chapter_looks_for_it():
    model = transfer.layer_autoencoder(6, [4, 3], [np.zeros((6, 4)), np.zeros(4)])
    assert [weight.path for weight in model.weights].index("encoder/kernel") == 2


def test_an_autoencoder_learns_a_line():
    # Points on a line need one linear unit; SELU is linear for positive codes.
    t = np.linspace(0.5, 1.5, 64)[:, None]
    x = (t * [1.0, 2.0, 2.0]).astype(np.float32)
    keras.utils.set_random_seed(1)
    model = transfer.layer_autoencoder(3, [2])
    model.compile(keras.optimizers.Adam(0.03), "mse")
    log = model.fit(x, np.zeros((64, 1)), epochs=40, verbose=0).history["loss"]
    assert log[-1] < 0.05 * log[0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: transfer.conv_net((4, 4), 2, filters=[]), r"filters=\[\]"),
        (lambda x: transfer.conv_net((4, 4), 0, filters=[1]), "classes=0"),
        (lambda x: transfer.OwnImages(x, rows=[12]), r"from 0 to 11. Received: \[12\]"),
        (lambda x: transfer.OwnImages(x, rows=[]), r"Received: \[\]"),
        (
            lambda x: transfer.with_own_images(net, x, rows=[0], lowest=[np.zeros(3)]),
            r"Received: \[\(3,\)\]",
        ),
        (lambda x: transfer.layer_autoencoder(6, []), r"0 arrays for widths=\[\]"),
        (lambda x: transfer.layer_autoencoder(6, [4, 3]), r"0 arrays for widths=\[4, 3\]"),
    ],
)
def test_networks_refuse(images, call, message):
    with pytest.raises(ValueError, match=message):
        call(images)


def test_a_zoo_body_is_frozen_and_pools():
    built = {}

    def application(**options):
        built.update(options)
        return keras.Sequential([keras.Input((8, 8, 3)), keras.layers.GlobalAveragePooling2D()])

    body = transfer.zoo_body(application, (8, 8, 3), weights=None)
    assert not body.trainable
    assert built == {
        "weights": None,
        "include_top": False,
        "pooling": "avg",
        "input_shape": (8, 8, 3),
    }


def test_a_zoo_without_a_network_gives_advice():
    offline = Mock(side_effect=Exception("URL fetch failure on ..."), __name__="SomeNet")
    with pytest.raises(ConnectionError, match=r"weights of SomeNet\. Three ways out") as caught:
        transfer.zoo_body(offline, (8, 8, 3))
    assert "weights=None" in str(caught.value)
    wrong = Mock(side_effect=ValueError("`input_shape` must be ..."))
    with pytest.raises(ValueError, match="input_shape"):
        transfer.zoo_body(wrong, (8, 8, 3))
