"""Gradients through deep random networks, against Keras, by hand and against their theory."""

import math
import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from helpers import normalization as norm

IDENTITY = {"function": lambda z: z, "derivative": np.ones_like}
TANH = {"function": np.tanh, "derivative": lambda z: 1 - np.tanh(z) ** 2}
RELU = {"function": lambda z: np.maximum(z, 0), "derivative": lambda z: (z > 0).astype(float)}


def sizes(x, *, seed=0, **options):
    return norm.gradient_sizes(x, rng=np.random.default_rng(seed), **options)


def test_a_linear_network_by_hand():
    # One unit a layer, no normalization: the kernels are numbers w1, w2, and what arrives at the
    # first layer's outputs is the gradient above times w2.
    rng = np.random.default_rng(3)
    w1, w2 = rng.standard_normal((1, 1)), rng.standard_normal((1, 1))
    above = rng.standard_normal((5, 1))
    actual = sizes(
        np.ones((5, 1)), seed=3, widths=[1, 1], variance=1.0, position="none", **IDENTITY
    )
    last = np.sqrt(np.square(above).mean())
    np.testing.assert_allclose(actual, [abs(w2.item()) * last, last], rtol=1e-12)
    assert w1.shape == (1, 1)  # drawn first, and of no account


@pytest.mark.parametrize("position", norm.POSITIONS)
def test_sizes_equal_those_of_keras(position):
    x, widths = np.random.default_rng(1).standard_normal((16, 7)), [5, 6, 4]
    actual = sizes(x, widths=widths, variance=lambda n, m: 2 / (n + m), position=position, **TANH)
    rng = np.random.default_rng(0)
    h, outputs, fan_in = tf.constant(x), [], 7
    with tf.GradientTape() as tape:
        tape.watch(h)
        for width in widths:
            kernel = rng.standard_normal((fan_in, width)) * math.sqrt(2 / (fan_in + width))
            h = h @ kernel
            h = normalized(h) if position == "before" else h
            h = tf.tanh(h)
            h = normalized(h) if position == "after" else h
            outputs.append(h)
            fan_in = width
        loss = tf.reduce_sum(h * rng.standard_normal(h.shape))
    expected = [np.sqrt(np.square(g).mean()) for g in tape.gradient(loss, outputs)]
    np.testing.assert_allclose(actual, expected, rtol=1e-6)


def normalized(h):
    return layers.BatchNormalization(dtype="float64")(h, training=True)


def test_images_are_flattened_and_seeds_repeat():
    x = np.random.default_rng(1).standard_normal((6, 2, 3))
    options = {"widths": [4, 4], "variance": 0.5, **TANH}
    np.testing.assert_array_equal(sizes(x, **options), sizes(x.reshape(6, 6), **options))
    assert not np.allclose(sizes(x, **options), sizes(x, seed=1, **options))


def test_before_the_activation_the_scale_of_kernels_is_lost():
    x = np.random.default_rng(1).standard_normal((64, 20))
    options = {"widths": [20] * 5, "position": "before", **TANH}
    small, large = (sizes(x, variance=variance, **options) for variance in (1.0, 100.0))
    np.testing.assert_allclose(small, large, rtol=1e-2)  # ε = 0.001 beside variances of some 10


def test_wide_relu_layers_grow_by_the_root_of_pi_over_pi_minus_1():
    # Yang et al. (2019); with 400 units and 600 examples finite sizes leave about 1%.
    x = np.random.default_rng(1).standard_normal((600, 400))
    found = sizes(x, widths=[400] * 6, variance=1.0, **RELU)
    growth = (found[0] / found[-1]) ** (1 / 5)
    assert growth == pytest.approx(math.sqrt(math.pi / (math.pi - 1)), rel=0.02)


def test_depth_refuses_bad_arguments():
    with pytest.raises(ValueError, match=r"`position` must be one of .* position='under'"):
        sizes(np.ones((2, 2)), widths=[3], variance=1.0, position="under", **TANH)
    with pytest.raises(ValueError, match=r"`widths` must hold whole numbers.* widths=\[\]"):
        sizes(np.ones((2, 2)), widths=[], variance=1.0, **TANH)
    for widths in (5, "ab", None, [3, 2.5]):
        with pytest.raises(ValueError, match=rf"`widths` must hold .*{re.escape(repr(widths))}"):
            sizes(np.ones((2, 2)), widths=widths, variance=1.0, **TANH)
    with pytest.raises(TypeError, match=r"`variance` must be a number.*variance='a'"):
        sizes(np.ones((2, 2)), widths=[3], variance="a", **TANH)
    with pytest.raises(TypeError, match=r"`rng` must be a generator.*rng=0"):
        norm.gradient_sizes(np.ones((2, 2)), widths=[3], variance=1.0, rng=0, **TANH)
    with pytest.raises(ValueError, match=r"`widths` must hold whole numbers.* widths=\[3, 0\]"):
        sizes(np.ones((2, 2)), widths=[3, 0], variance=1.0, **TANH)


# Noise


def test_shifting_noise_moves_features_by_step_and_examples_around_them():
    layer, x = norm.ShiftingNoise(1.0, 1.0, seed=1), np.zeros((2000, 30), dtype="float32")
    first, second = (layer(x, training=True).numpy() for _ in range(2))
    for z in (first, second):
        centres = z.mean(axis=0)
        assert centres.std() == pytest.approx(1 / np.sqrt(3), rel=0.3)  # of U(−1, 1), 30 draws
        # Uniform by 0.2 around its centre: that is where every example lies.
        assert np.abs(z - centres).max() < 0.22
        assert (z - centres).std() == pytest.approx(0.2 / np.sqrt(3), rel=0.02)
    assert np.abs(first.mean(axis=0) - second.mean(axis=0)).mean() > 0.2


def test_stretching_noise_scatters_factors():
    layer, x = norm.ShiftingNoise(0.0, 3.0, seed=1), np.ones((2000, 30), dtype="float32")
    z = layer(x, training=True).numpy()
    centres = z.mean(axis=0)
    assert (centres > 0.9).all()
    assert (centres < 3.1).all()
    assert (z - centres).std() == pytest.approx(0.2 * 2 / np.sqrt(3), rel=0.02)


@pytest.mark.slow
def test_shifting_noise_keeps_its_means_in_inference():
    x = np.array([[1.0, -2.0]], dtype="float32")
    layer = norm.ShiftingNoise(1.0, 2.0, seed=0)
    np.testing.assert_allclose(layer(x), 1.5 * x, rtol=1e-6)
    draws = np.stack([layer(x, training=True) for _ in range(4000)]).mean(axis=0)
    # Standard errors: √(1.04/3 + x² (1/12 + 0.04/3)) / √4000 is about 0.014 at x = −2.
    np.testing.assert_allclose(draws, 1.5 * x, atol=0.06)


def test_shifting_noise_without_noise_is_the_identity():
    x = np.array([[1.0, -2.0]], dtype="float32")
    np.testing.assert_array_equal(norm.ShiftingNoise(0.0, 1.0)(x, training=True), x)


def test_shifting_noise_is_saved_and_loaded(tmp_path):
    net = keras.Sequential([keras.Input((3,)), norm.ShiftingNoise(0.2, 1.5, seed=4)])
    net.save(tmp_path / "net.keras")
    loaded = keras.models.load_model(tmp_path / "net.keras").layers[0]
    assert (loaded.shift, loaded.stretch, loaded.seed) == (0.2, 1.5, 4)
    assert loaded.compute_output_shape((None, 3)) == (None, 3)


@pytest.mark.parametrize(("shift", "stretch"), [(-0.1, 1.0), (0.0, 0.9)])
def test_shifting_noise_refuses_bad_arguments(shift, stretch):
    with pytest.raises(ValueError, match=rf"Received: shift={shift}, stretch={stretch}"):
        norm.ShiftingNoise(shift, stretch)


# Ghosts


def test_ghosts_normalize_group_by_group_as_keras_does():
    x = np.random.default_rng(0).standard_normal((10, 3)).astype("float32")
    ghosts, whole = norm.GhostBatchNormalization(4), keras.layers.BatchNormalization()
    actual = ghosts(x, training=True)
    expected = np.concatenate([whole(x[k : k + 4], training=True) for k in (0, 4, 8)])
    np.testing.assert_allclose(actual, expected, atol=1e-5)
    one = norm.GhostBatchNormalization(10, momentum=0.9)
    all_at_once = keras.layers.BatchNormalization(momentum=0.9)
    for layer in (one, all_at_once):
        layer(x, training=True)
    for mine, theirs in zip(one.get_weights(), all_at_once.get_weights(), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-5)
    np.testing.assert_allclose(one(x), all_at_once(x), atol=1e-5)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras'
def test_ghosts_are_saved_and_refuse_bad_arguments(tmp_path):
    net = keras.Sequential([keras.Input((3,)), norm.GhostBatchNormalization(5, momentum=0.8)])
    net.save(tmp_path / "net.keras")
    loaded = keras.models.load_model(tmp_path / "net.keras").layers[0]
    assert (loaded.size, loaded.momentum, loaded.epsilon) == (5, 0.8, 1e-3)
    assert loaded.compute_output_shape((None, 3)) == (None, 3)
    for name, bad in (
        ("size", {"size": 0}),
        ("size", {"size": "a"}),
        ("size", {"size": None}),
        ("momentum", {"size": 2, "momentum": 1.5}),
        ("momentum", {"size": 2, "momentum": "a"}),
        ("epsilon", {"size": 2, "epsilon": 0}),
    ):
        with pytest.raises((TypeError, ValueError), match=rf"`{name}` must .*{name}={bad[name]!r}"):
            norm.GhostBatchNormalization(**bad)
