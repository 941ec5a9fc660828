"""Statistics of batches and of whole data sets in trained networks, against Keras."""

import keras
import numpy as np
import pytest
from keras import layers

from helpers import normalization as norm


@pytest.fixture
def rng():
    return np.random.default_rng(0)


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
    net = disturbed(norm.batch_normalized_mlp((4,), 3, hidden=[5, 6]), rng)
    before, x = net.get_weights(), rng.standard_normal((50, 4)).astype("float32")
    mended = norm.recompute_statistics(net, x)
    expected = norm.predict_with_batch_statistics(net, x, batch_size=len(x))
    np.testing.assert_allclose(mended(x), expected, rtol=1e-4, atol=1e-6)
    for old, new in zip(before, net.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
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


def test_recomputing_refuses_bad_arguments():
    with pytest.raises(ValueError, match=r"`x` must hold at least one example. Received: none"):
        norm.recompute_statistics(norm.batch_normalized_mlp((4,), 3, hidden=[]), np.ones((0, 4)))
    with pytest.raises(ValueError, match=r"`model` must be built.* 'bare'"):
        norm.recompute_statistics(keras.Sequential(name="bare"), np.ones((1, 4)))


@pytest.mark.parametrize("batch_size", [1, 3, 200])
def test_many_small_batches_give_what_few_calls_give(batch_size, rng):
    # From 50 batches on the function is traced; Keras called batch by batch is the oracle.
    net = disturbed(norm.batch_normalized_mlp((4,), 3, hidden=[5]), rng)
    x = rng.standard_normal((200, 4)).astype("float32")
    actual = norm.predict_with_batch_statistics(net, x, batch_size=batch_size)
    starts = range(0, 200, batch_size)
    weights = net.get_weights()
    expected = [net(x[start : start + batch_size], training=True) for start in starts]
    net.set_weights(weights)
    np.testing.assert_allclose(actual, np.concatenate(expected), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("hidden", [[], [5], [6, 5]])
@pytest.mark.parametrize("batch_size", [None, 1, 4, 10, 99])
def test_stacked_predictions_equal_keras(hidden, batch_size, rng):
    nets = [
        disturbed(norm.batch_normalized_mlp((2, 2), 3, hidden=hidden, activation="tanh"), rng)
        for _ in range(2)
    ]
    weights = [np.stack(same) for same in zip(*(net.get_weights() for net in nets), strict=True)]
    x = rng.standard_normal((10, 2, 2)).astype("float32")
    actual = norm.predict_stacked(weights, x, function=np.tanh, batch_size=batch_size)
    for net, mine in zip(nets, actual, strict=True):
        if batch_size is None:
            expected = net(x)
        else:
            expected = norm.predict_with_batch_statistics(net, x, batch_size=batch_size)
        # float32 in Keras; a batch of one divides by √ε, 32 times what others do.
        np.testing.assert_allclose(mine, expected, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(actual.sum(axis=-1), 1, rtol=1e-12)


def test_stacked_predictions_refuse_bad_arguments():
    with pytest.raises(ValueError, match=r"again and again. Received: 5 arrays"):
        norm.predict_stacked([np.ones((1, 2))] * 5, np.ones((3, 2)), function=np.tanh)
    with pytest.raises(ValueError, match=r"again and again. Received: 0 arrays"):
        norm.predict_stacked([], np.ones((3, 2)), function=np.tanh)
    with pytest.raises(ValueError, match=r"at least 1. Received: batch_size=0"):
        norm.predict_stacked([np.ones((1, 2))] * 6, np.ones((3, 2)), function=np.tanh, batch_size=0)
