"""Tests of helpers.models: counts by hand, NumPy and Keras' functional models as oracles."""

import re
from itertools import pairwise

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.models import mlp


def kernels(model):
    return [layer.get_weights()[0] for layer in model.layers if layer.get_weights()]


def images(shape, n=6):
    return np.random.default_rng(0).random((n, *shape), dtype=np.float32)


class TestMlp:
    def test_layers_by_hand(self):
        # 8 · 8 = 64 pixels: (64 + 1) · 100 + (100 + 1) · 50 + (50 + 1) · 10 = 12,060 parameters
        model = mlp((8, 8), 10, hidden=[100, 50])
        assert [layer.name for layer in model.layers[1:]] == ["hidden_1", "hidden_2", "output"]
        assert isinstance(model.layers[0], keras.layers.Flatten)
        assert [kernel.shape for kernel in kernels(model)] == [(64, 100), (100, 50), (50, 10)]
        assert model.count_params() == 6500 + 5050 + 510 == 12_060

    def test_softmax_regression_by_hand(self):
        # No hidden layer: (28 · 28 + 1) · 10 = 7,850 parameters
        model = mlp((28, 28), 10, hidden=[])
        assert [layer.name for layer in model.layers[1:]] == ["output"]
        assert model.count_params() == 7850

    @given(
        st.lists(st.integers(1, 6), min_size=1, max_size=3),
        st.integers(1, 5),
        st.lists(st.integers(1, 9), max_size=4),
    )
    @settings(max_examples=15)
    def test_parameters_of_any_shape(self, image_shape, classes, hidden):
        widths = [int(np.prod(image_shape)), *hidden, classes]
        expected = sum((fan_in + 1) * fan_out for fan_in, fan_out in pairwise(widths))
        assert mlp(image_shape, classes, hidden=hidden).count_params() == expected

    @pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
    def test_predicts_what_numpy_does(self, activation):
        model = mlp((4, 3), 5, hidden=[7, 6], activation=activation)
        function = {
            "relu": lambda z: np.maximum(z, 0),
            "tanh": np.tanh,
            "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
        }[activation]
        x = images((4, 3))
        *lower, top = kernels(model)  # the biases begin at 0
        signal = x.reshape(6, 12)
        for kernel in lower:
            signal = function(signal @ kernel)
        scores = np.exp(signal @ top)
        # float32 keeps 24 bits, 6e-8 of sums of at most 12 terms
        np.testing.assert_allclose(
            model(x), scores / scores.sum(axis=1, keepdims=True), rtol=1e-5, atol=1e-6
        )

    def test_equals_a_functional_model_of_keras(self):
        model = mlp((2, 2, 3), 4, hidden=[5])
        x = inputs = keras.Input((2, 2, 3))
        x = keras.layers.Dense(5, activation="relu")(keras.layers.Reshape((12,))(x))
        other = keras.Model(inputs, keras.layers.Dense(4, activation="softmax")(x))
        other.set_weights(model.get_weights())
        np.testing.assert_array_equal(model(images((2, 2, 3))), other(images((2, 2, 3))))

    def test_is_built_but_not_compiled(self):
        model = mlp((8, 8), 10, hidden=[4])
        assert model.built
        assert not model.compiled
        assert model.input_shape == (None, 8, 8)
        assert model.output_shape == (None, 10)

    def test_biases_begin_at_zero(self):
        for layer in mlp((8, 8), 10, hidden=[4, 4]).layers[1:]:
            assert not layer.get_weights()[1].any()


class TestInitializers:
    @pytest.mark.parametrize("initializer", ["he_normal", keras.initializers.HeNormal()])
    def test_layers_of_equal_shape_draw_different_kernels(self, initializer):
        first, second, third, _ = kernels(
            mlp((2, 2), 3, hidden=[4, 4, 4], kernel_initializer=initializer)
        )
        assert (first != second).all()
        assert (second != third).all()

    @pytest.mark.parametrize("initializer", ["he_normal", keras.initializers.HeNormal()])
    def test_two_models_draw_different_kernels(self, initializer):
        first, second = (
            kernels(mlp((2, 2), 3, hidden=[4], kernel_initializer=initializer))[0] for _ in range(2)
        )
        assert (first != second).all()

    @pytest.mark.parametrize("initializer", ["he_normal", keras.initializers.HeNormal()])
    def test_keras_seed_repeats_all_weights(self, initializer):
        weights = []
        for _ in range(2):
            keras.utils.set_random_seed(3)
            model = mlp((2, 2), 3, hidden=[4, 4], kernel_initializer=initializer)
            weights.append(kernels(model))
        for first, second in zip(*weights, strict=True):
            np.testing.assert_array_equal(first, second)

    def test_seeded_instance_repeats_itself_in_layers_of_equal_shape(self):
        seeded = keras.initializers.HeNormal(seed=1)
        first, second, _ = kernels(mlp((2, 2), 3, hidden=[4, 4], kernel_initializer=seeded))
        np.testing.assert_array_equal(first, second)

    def test_given_instance_is_left_alone(self):
        # Used up, it would draw something else than its twin
        used, twin = (keras.initializers.HeNormal(seed=1) for _ in range(2))
        mlp((2, 2), 3, hidden=[4], kernel_initializer=used, output_initializer=used)
        np.testing.assert_array_equal(used((3, 3)), twin((3, 3)))

    def test_each_layer_gets_its_own_kind(self):
        model = mlp(
            (2, 2),
            5,
            hidden=[3, 3],
            kernel_initializer=keras.initializers.Constant(0.5),
            output_initializer="zeros",
        )
        *lower, top = kernels(model)
        for kernel in lower:
            assert (kernel == 0.5).all()
        assert not top.any()
        # Equal scores, hence equal probabilities: 1/5
        np.testing.assert_allclose(model(images((2, 2))), np.full((6, 5), 0.2), rtol=1e-6)

    def test_variance_is_that_of_he(self):
        # Var = 2 / fan_in; 64 · 500 draws estimate it within √(2 / 32,000) = 0.8%, but for the
        # truncation at two standard deviations, which Keras makes up for
        kernel = kernels(mlp((8, 8), 2, hidden=[500], kernel_initializer="he_normal"))[0]
        assert kernel.var() == pytest.approx(2 / 64, rel=5 * 0.008)


class TestErrors:
    @pytest.mark.parametrize(
        ("hidden", "classes"), [([0], 10), ([100, -1], 10), ([100], 0), ([], -2)]
    )
    def test_widths_below_one(self, hidden, classes):
        message = (
            "`hidden` and `classes` must be at least 1. "
            f"Received: hidden={hidden}, classes={classes}"
        )
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            mlp((8, 8), classes, hidden=hidden)

    def test_unknown_names_are_named_by_keras(self):
        with pytest.raises(ValueError, match="he_nromal"):
            mlp((8, 8), 10, hidden=[4], kernel_initializer="he_nromal")
        with pytest.raises(ValueError, match="rleu"):
            mlp((8, 8), 10, hidden=[4], activation="rleu")
