"""Statistics of whole data sets in trained networks, against Keras."""

import keras
import numpy as np
import pytest
from keras import layers

from helpers import normalization as norm
from helpers.replicas import fit_replicas


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def perceptron(*hidden):
    stack = [layers.BatchNormalization()]
    for units in hidden:
        stack += [layers.Dense(units, "elu"), layers.BatchNormalization()]
    return keras.Sequential([keras.Input((4,)), *stack, layers.Dense(3, "softmax")])


def disturbed(net, rng):
    """Give every weight of a network values that are not the initial ones."""
    net.set_weights([w + rng.uniform(0.1, 0.5, size=w.shape) for w in net.get_weights()])
    return net


def test_recomputed_statistics_by_hand():
    # First normalization of (0, 2, 4): mean 2, variance 8/3; its outputs, doubled by the dense
    # layer, have mean 0 and variance 4 · (8/3) / (8/3 + ε), here with ε = 4/3: 8/3.
    first, second = (layers.BatchNormalization(epsilon=4 / 3) for _ in range(2))
    dense = layers.Dense(1, kernel_initializer=keras.initializers.Constant(2.0))
    net = keras.Sequential([keras.Input((1,)), first, dense, second])
    mended = norm.recompute_statistics(net, np.array([[0.0], [2.0], [4.0]]))
    for layer, mean in ((mended.layers[0], 2.0), (mended.layers[2], 0.0)):
        assert layer.moving_mean.numpy().item() == pytest.approx(mean, abs=1e-6)
        assert layer.moving_variance.numpy().item() == pytest.approx(8 / 3, rel=1e-5)


def test_recomputed_statistics_make_both_modes_agree(rng):
    net = disturbed(perceptron(5, 6), rng)
    before, x = net.get_weights(), rng.standard_normal((50, 4)).astype("float32")
    mended = norm.recompute_statistics(net, x)
    for old, new in zip(before, net.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    np.testing.assert_allclose(mended(x), net(x, training=True), rtol=1e-4, atol=1e-6)
    for weight, new in zip(net.weights, mended.get_weights(), strict=True):
        if "moving" not in weight.path:
            np.testing.assert_array_equal(weight.numpy(), new)
    momenta = [layer.momentum for layer in mended.layers if hasattr(layer, "momentum")]
    assert momenta == [0.99] * 3


def test_frozen_statistics_stay(rng):
    frozen = layers.BatchNormalization(trainable=False)
    net = keras.Sequential([keras.Input((2,)), frozen])
    mended = norm.recompute_statistics(net, rng.standard_normal((5, 2)))
    for old, new in zip(net.get_weights(), mended.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_several_batches_weigh_by_their_sizes():
    # Means 1 and 7, variances 1 and 0; two examples and one.
    net = keras.Sequential([keras.Input((1,)), layers.BatchNormalization(name="bn")])
    nested = keras.Sequential([keras.Input((1,)), net])
    mended = norm.recompute_statistics(nested, np.array([[0.0], [2.0], [7.0]]), batch_size=2)
    layer = mended.layers[0].get_layer("bn")
    assert layer.moving_mean.numpy().item() == pytest.approx(3, rel=1e-6)
    assert layer.moving_variance.numpy().item() == pytest.approx(2 / 3, rel=1e-6)


class Block(layers.Layer):
    """A layer of one's own that holds a batch normalization."""

    def __init__(self, **options):
        super().__init__(**options)
        self.inner = layers.BatchNormalization()

    def build(self, shape):
        self.inner.build(shape)

    def call(self, inputs, training=False):
        return self.inner(inputs, training=training)


def test_statistics_in_blocks_are_recomputed_and_what_has_adapted_is_kept():
    x = np.array([[1.0], [3.0], [5.0], [7.0]])  # mean 4, of which the normalization takes 3
    adapted = layers.Normalization()
    adapted.adapt(x - 1)
    net = keras.Sequential([keras.Input((1,)), adapted, Block()])
    mended = norm.recompute_statistics(net, x, batch_size=2)
    moving = mended.layers[1].inner.moving_mean.numpy()
    np.testing.assert_allclose(moving, 1 / np.std(x), rtol=1e-6)
    np.testing.assert_array_equal(mended.layers[0](x), adapted(x))
    assert not net.layers[1].inner.moving_mean.numpy().any()
    after = [adapted, layers.Dense(1), layers.BatchNormalization()]
    folded = norm.fold_batch_normalization(keras.Sequential([keras.Input((1,)), *after]))
    np.testing.assert_array_equal(folded.model.layers[0](x), adapted(x))


def test_recomputing_refuses_bad_arguments():
    with pytest.raises(ValueError, match=r"`x` must hold at least one.* shape=\(0, 4\)"):
        norm.recompute_statistics(perceptron(), np.ones((0, 4)))
    with pytest.raises(TypeError, match=r"`model` must be a Keras model\. Received: None"):
        norm.recompute_statistics(None, np.ones((1, 4)))
    with pytest.raises(TypeError, match=r"`batch_size` must be an integer\. .*batch_size='9'"):
        norm.recompute_statistics(perceptron(), np.ones((1, 4)), batch_size="9")
    with pytest.raises(ValueError, match=r"`model` must be built.* 'bare'"):
        norm.recompute_statistics(keras.Sequential(name="bare"), np.ones((1, 4)))


@pytest.mark.parametrize("batch_size", [1, 4, 99])
def test_replicas_with_momenta_of_their_own_predict_as_keras_in_training_mode(batch_size, rng):
    x, y = rng.standard_normal((10, 4)).astype("float32"), rng.integers(0, 3, 10)
    own = {"BatchNormalization.momentum": [0.5, 0.9]}
    trained = fit_replicas(
        lambda: perceptron(5), x, y, epochs=1, batch_size=4,
        optimizer="sgd", loss="sparse_categorical_crossentropy", replicas=2, each=own,
    )  # fmt: skip
    actual = trained.predict(x, training=True, batch_size=batch_size)
    np.testing.assert_allclose(trained.predict(x)[1], trained.model(1)(x), rtol=1e-5, atol=1e-6)
    for replica, mine in enumerate(actual):
        net = trained.model(replica)
        assert net.layers[0].momentum == pytest.approx([0.5, 0.9][replica])
        starts = range(0, 10, batch_size)
        expected = [net(x[start : start + batch_size], training=True) for start in starts]
        np.testing.assert_allclose(mine, np.concatenate(expected), rtol=1e-4, atol=1e-6)
