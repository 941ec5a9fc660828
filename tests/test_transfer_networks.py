"""Transfer through Keras: networks with frozen layers, one layer's autoencoder, a zoo."""

from functools import partial
from unittest.mock import Mock

import keras
import numpy as np
import pytest

from helpers import transfer
from helpers.replicas import fit_replicas

net = partial(transfer.conv_net, (4, 4), 2, filters=[3, 2])


@pytest.mark.parametrize(("shape", "channels"), [((8, 8), 1), ((8, 8, 3), 3)])
def test_conv_net_has_the_layers_asked_for(shape, channels):
    built = transfer.conv_net(shape, 5, filters=[4, 6])
    shapes = [weight.shape for weight in built.get_weights()]
    assert shapes == [(3, 3, channels, 4), (4,), (3, 3, 4, 6), (6,), (6, 5), (5,)]
    np.testing.assert_allclose(built(np.ones((1, *shape))).numpy().sum(), 1, rtol=1e-6)


def test_features_are_what_the_output_layer_sees():
    images = np.random.default_rng(0).random((12, 4, 4)).astype(np.float32)
    nets = fit_replicas(
        net, images, np.arange(12) % 2, optimizer="sgd", epochs=1, replicas=2,
        loss="sparse_categorical_crossentropy",
    )  # fmt: skip
    features = nets.predict(images, layer="features")
    for replica in range(2):
        model = nets.model(replica)
        np.testing.assert_allclose(
            model.get_layer("output")(features[replica]), model(images), rtol=1e-5, atol=1e-6
        )


@pytest.mark.parametrize("layers", [0, 1, 3])
def test_the_lowest_layers_are_frozen_and_stay_in_their_order(layers):
    built = transfer.with_frozen(net, layers)
    shapes = [weight.shape for weight in net().get_weights()]
    assert [weight.shape for weight in built.get_weights()] == shapes
    assert [w.shape for w in built.trainable_weights] == shapes[2 * layers :]


def test_frozen_layers_rest_in_replicas_and_the_head_moves():
    images = np.random.default_rng(0).random((12, 4, 4)).astype(np.float32)
    nets = fit_replicas(
        partial(transfer.with_frozen, net, 2), images, np.arange(12) % 2, optimizer="sgd",
        epochs=1, replicas=2, loss="sparse_categorical_crossentropy",
    )  # fmt: skip
    pairs = zip(nets.initial_weights, nets.weights, strict=True)
    assert [np.array_equal(*pair) for pair in pairs] == [True] * 4 + [False] * 2


def test_an_autoencoder_learns_a_line():
    # Points on a line need one linear unit; SELU is linear for positive codes.
    t = np.linspace(0.5, 1.5, 64)[:, None]
    x = (t * [1.0, 2.0, 2.0]).astype(np.float32)
    keras.utils.set_random_seed(1)
    model = transfer.autoencoder(3, 2)
    model.compile(keras.optimizers.Adam(0.03), "mse")
    log = model.fit(x, x, epochs=40, verbose=0).history["loss"]
    assert log[-1] < 0.05 * log[0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: transfer.conv_net((4, 4), 2, filters=[]), r"filters=\[\]"),
        (lambda: transfer.conv_net((4, 4), 0, filters=[1]), "classes=0"),
        (lambda: transfer.with_frozen(net, 4), "0 to 3. Received: layers=4"),
        (lambda: transfer.with_frozen(net, -1), "Received: layers=-1"),
        (lambda: transfer.autoencoder(6, 0), "Received: features=6, units=0"),
    ],
)
def test_networks_refuse(call, message):
    with pytest.raises(ValueError, match=message):
        call()


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
