"""Tests of helpers.gradients: hand-worked cases, GradientTape and SciPy as oracles, properties."""

from functools import partial, reduce

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import approx_fprime

from helpers import gradients as g

RNG_SEED = 7
ACTIVATIONS_OF_KERAS = ["linear", "sigmoid", "tanh", "relu", "elu"]


def examples(features=4, classes=3, n=6):
    rng = np.random.default_rng(RNG_SEED)
    return rng.standard_normal((n, features)), rng.integers(classes, size=n)


def keras_mlp(kernels, activation):
    """The same network in Keras, float64, zero biases."""
    layers = [keras.Input((kernels[0].shape[0],), dtype="float64")]
    for number, kernel in enumerate(kernels, start=1):
        last = number == len(kernels)
        layers.append(
            keras.layers.Dense(
                kernel.shape[1],
                activation="softmax" if last else activation,
                dtype="float64",
                name=f"dense_{number}",
            )
        )
    model = keras.Sequential(layers)
    for layer, kernel in zip(model.layers, kernels, strict=True):
        layer.set_weights([kernel, np.zeros(kernel.shape[1])])
    loss = keras.losses.SparseCategoricalCrossentropy(dtype="float64")
    model.compile(optimizer="sgd", loss=loss)
    return model


class TestActivate:
    def test_logistic_at_zero_and_at_log_three(self):
        # σ(0) = 1/2, slope 1/4; σ(log 3) = 3/4, slope 3/4 · 1/4 = 3/16
        values, slopes = g.activate(np.array([0.0, np.log(3)]), "sigmoid")
        np.testing.assert_allclose(values, [1 / 2, 3 / 4], rtol=1e-15)
        np.testing.assert_allclose(slopes, [1 / 4, 3 / 16], rtol=1e-15)

    @pytest.mark.parametrize("name", ACTIVATIONS_OF_KERAS)
    def test_values_equal_keras(self, name):
        z = np.linspace(-6, 6, 41)
        keras_values = keras.ops.convert_to_numpy(keras.activations.get(name)(z))
        # Keras computes in float32 here or float64: the looser of the two
        np.testing.assert_allclose(g.activate(z, name)[0], keras_values, rtol=1e-5, atol=1e-6)

    @pytest.mark.parametrize("name", g.ACTIVATIONS)
    def test_slopes_equal_finite_differences(self, name):
        z = np.linspace(-6, 6, 40)  # an even number: 0, where ReLU has no slope, is left out
        step = 1e-6
        up, down = g.activate(z + step, name)[0], g.activate(z - step, name)[0]
        # error of central differences: rounding / step, about 1e-16 / 1e-6
        np.testing.assert_allclose(g.activate(z, name)[1], (up - down) / (2 * step), atol=1e-8)

    @pytest.mark.parametrize("name", g.ACTIVATIONS)
    def test_huge_sums_stay_finite(self, name):
        values, slopes = g.activate(np.array([-1e4, 1e4]), name)
        assert np.isfinite(values).all()
        assert np.isfinite(slopes).all()

    def test_centred_logistic_has_mean_zero_and_the_same_slope(self):
        z = np.linspace(-5, 5, 21)
        centred, logistic = g.activate(z, "centered_sigmoid"), g.activate(z, "sigmoid")
        assert centred[0].mean() == pytest.approx(0, abs=1e-15)
        np.testing.assert_allclose(centred[1], logistic[1], atol=1e-15)

    def test_unknown_name(self):
        with pytest.raises(ValueError, match=r"`activation` must be one of 'linear'.*'swish'"):
            g.activate(np.zeros(1), "swish")


class TestDrawKernels:
    @pytest.mark.parametrize(
        ("initializer", "variance"),
        [
            ("unit_normal", 1.0),
            ("small_normal", 1e-4),
            ("glorot_normal", 2 / 400),
            ("lecun_normal", 1 / 300),
            ("he_normal", 2 / 300),
        ],
    )
    def test_variance(self, initializer, variance):
        (kernel,) = g.draw_kernels([300, 100], initializer=initializer, replicas=2, seed=0)
        # 60,000 draws: the standard error of a variance is √(2 / 60,000) = 0.6 %
        assert kernel.var() == pytest.approx(variance, rel=0.03)
        assert kernel.mean() == pytest.approx(0, abs=4 * np.sqrt(variance / 60_000))

    def test_nets_that_differ_in_the_initializer_are_paired(self):
        he = g.draw_kernels([3, 5, 2], initializer="he_normal", replicas=2, seed=1)
        unit = g.draw_kernels([3, 5, 2], initializer="unit_normal", replicas=2, seed=1)
        np.testing.assert_allclose(he[1], unit[1] * np.sqrt(2 / 5), rtol=1e-14)

    def test_replicas_differ(self):
        (kernel,) = g.draw_kernels([2, 2], initializer="unit_normal", replicas=2, seed=0)
        assert not np.allclose(kernel[0], kernel[1])

    @pytest.mark.parametrize(("widths", "replicas"), [([3], 2), ([3, 0], 2), ([3, 2], 0)])
    def test_bad_sizes(self, widths, replicas):
        with pytest.raises(ValueError, match=r"`widths` must hold at least 2 numbers.*Received"):
            g.draw_kernels(widths, initializer="he_normal", replicas=replicas, seed=0)

    def test_unknown_initializer(self):
        with pytest.raises(ValueError, match=r"`initializer` must be one of 'unit_normal'"):
            g.draw_kernels([3, 2], initializer="zeros", replicas=2, seed=0)


class TestBackpropagate:
    def test_chain_by_hand(self):
        # One logistic unit, two classes, x = 1, w = 0: h = 1/2, kernels out (1, −1): logits ±1/2,
        # p₀ = e^½ / (e^½ + e^−½) = σ(1). Label 0: δ = (σ(1) − 1)(1, −1), so
        # ∂J/∂out = h δ and ∂J/∂w = x · ¼ · (δ · (1, −1)) = (σ(1) − 1) / 2.
        miss = 1 / (1 + np.exp(-1)) - 1
        kernels = [np.zeros((1, 1)), np.array([[1.0, -1.0]])]
        lower, upper = g.backpropagate(
            np.ones((1, 1)), np.array([0]), kernels, activation="sigmoid"
        )
        np.testing.assert_allclose(upper, [[miss / 2, -miss / 2]], rtol=1e-14)
        np.testing.assert_allclose(lower, [[miss / 2]], rtol=1e-14)

    @pytest.mark.parametrize("activation", ACTIVATIONS_OF_KERAS)
    def test_equals_gradient_tape(self, activation):
        x, y = examples()
        kernels = g.draw_kernels([4, 5, 5, 3], initializer="he_normal", replicas=2, seed=3)
        ours = g.backpropagate(x, y, kernels, activation=activation)
        for replica in range(2):
            model = keras_mlp([kernel[replica] for kernel in kernels], activation)
            theirs = g.model_gradients(model, x, y)
            for mine, tape in zip(ours, theirs.values(), strict=True):
                # both float64; Keras clips probabilities at 1e-7, far from these
                np.testing.assert_allclose(mine[replica], tape, rtol=1e-9, atol=1e-12)

    @pytest.mark.parametrize("activation", g.ACTIVATIONS)
    def test_equals_numerical_gradient(self, activation):
        x, y = examples()
        kernels = [
            k[0] for k in g.draw_kernels([4, 5, 3], initializer="lecun_normal", replicas=1, seed=5)
        ]
        ours = g.backpropagate(x, y, kernels, activation=activation)[0]
        options = {"x": x, "y": y, "kernels": kernels, "activation": activation}
        numerical = g.numerical_gradient(partial(g.kernel_loss, layer=0, **options), kernels[0])
        np.testing.assert_allclose(ours, numerical, atol=1e-9)  # rounding 1e-16 / step 1e-5, ample

    @given(scale=st.floats(0.1, 10), seed=st.integers(0, 1000))
    @settings(max_examples=25)
    def test_of_a_homogeneous_net_every_layer_has_the_same_inner_product(self, scale, seed):
        # ReLU without biases: the logits scale with each kernel alike, so ⟨Wₗ, ∂J/∂Wₗ⟩ is one
        # number for all layers (Euler's theorem), whatever the scale of the weights
        x, y = examples()
        kernels = g.draw_kernels([4, 6, 6, 3], initializer="he_normal", replicas=2, seed=seed)
        kernels = [scale * kernel for kernel in kernels]
        gradients = g.backpropagate(x, y, kernels, activation="relu")
        products = [np.sum(w * d, axis=(-2, -1)) for w, d in zip(kernels, gradients, strict=True)]
        size = max(np.abs(products).max(), scale**3)
        np.testing.assert_allclose(products[1:], [products[0]] * 2, atol=1e-11 * size)

    def test_norms_are_those_of_the_gradients(self):
        x, y = examples()
        kernels = g.draw_kernels([4, 5, 3], initializer="he_normal", replicas=3, seed=0)
        norms = g.gradient_norms(x, y, kernels, activation="tanh")
        gradients = g.backpropagate(x, y, kernels, activation="tanh")
        assert norms.shape == (3, 2)
        assert norms[2, 1] == pytest.approx(np.sqrt(np.sum(gradients[1][2] ** 2)), rel=1e-14)

    def test_unequal_lengths(self):
        with pytest.raises(ValueError, match=r"equally long. Received: lengths 2 and 1"):
            g.backpropagate(np.ones((2, 1)), np.array([0]), [np.ones((1, 2))], activation="relu")

    def test_probabilities_sum_to_one_for_huge_logits(self):
        outputs, _ = g.forward(np.full((1, 2), 1e4), [np.eye(2), np.eye(2)], activation="relu")
        assert outputs[-1].sum() == pytest.approx(1)


class TestJacobians:
    def test_one_unit_by_hand(self):
        # z = 2 · log 3 · ½ = log 3: slope 3/16, so ∂h/∂x = 3/16 · 2
        (jacobian,) = g.layer_jacobians(
            np.array([np.log(3) / 2]), [np.array([[2.0]]), np.eye(1)], activation="sigmoid"
        )
        assert jacobian.item() == pytest.approx(3 / 8)

    def test_product_equals_the_tape(self):
        x = np.random.default_rng(0).standard_normal(4)
        kernels = [
            k[0] for k in g.draw_kernels([4, 5, 6, 3], initializer="he_normal", replicas=1, seed=0)
        ]
        product = reduce(
            lambda lower, upper: upper @ lower, g.layer_jacobians(x, kernels, activation="tanh")
        )
        inputs = tf.constant(x[None])
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            hidden = tf.tanh(tf.tanh(inputs @ kernels[0]) @ kernels[1])
        theirs = tape.jacobian(hidden, inputs).numpy()[0, :, 0, :]
        np.testing.assert_allclose(product, theirs, rtol=1e-12)

    def test_replicas_keep_their_axis(self):
        kernels = g.draw_kernels([4, 5, 3], initializer="he_normal", replicas=3, seed=0)
        assert g.layer_jacobians(np.ones(4), kernels, activation="relu")[0].shape == (3, 5, 4)


class TestBackwardGains:
    def test_linear_net_with_unit_gain(self):
        kernels = g.draw_kernels([50, 50, 50], initializer="lecun_normal", replicas=4, seed=0)
        _, slopes = g.forward(np.ones((1, 50)), kernels, activation="linear")
        # 2,500 weights: the standard error of their mean square is √(2 / 2,500) = 2.8 %
        np.testing.assert_allclose(g.backward_gains(kernels, slopes), np.ones((4, 1)), rtol=0.06)

    def test_their_product_predicts_how_a_logistic_net_vanishes(self):
        x, y = examples(features=50, n=64)
        kernels = g.draw_kernels([50] * 11 + [3], initializer="glorot_normal", replicas=8, seed=0)
        _, slopes = g.forward(x, kernels, activation="sigmoid")
        norms = g.gradient_norms(x, y, kernels, activation="sigmoid")
        predicted = np.log(g.backward_gains(kernels, slopes)[:, 1:-1]).sum(axis=-1)
        measured = np.log(norms[:, 1] / norms[:, -2])
        # layers 2 to 10, eight gains of about ¼: within 10 % of the exponent
        np.testing.assert_allclose(measured.mean(), predicted.mean(), rtol=0.1)

    def test_wrong_count(self):
        with pytest.raises(ValueError, match=r"one more than `slopes`. Received: 1 kernels and 1"):
            g.backward_gains([np.eye(2)], [np.eye(2)])


class TestSaturatedFraction:
    def test_by_hand(self):
        slopes = np.array([[[0.25, 0.0124], [0.0126, 0.0]]])  # 5 % of ¼ is 0.0125
        assert g.saturated_fraction(slopes, largest_slope=0.25).tolist() == [0.5]

    def test_of_normal_sums_equals_the_normal_distribution(self):
        from scipy import stats

        z = 5 * np.random.default_rng(0).standard_normal((400, 500))
        _, slopes = g.activate(z, "tanh")
        edge = np.arctanh(np.sqrt(0.95))  # 1 − tanh² < 0.05
        share = g.saturated_fraction(slopes, largest_slope=1.0)
        # 200,000 draws: standard error 0.1 %
        assert share == pytest.approx(2 * stats.norm.sf(edge / 5), abs=0.005)

    def test_out_of_range(self):
        with pytest.raises(ValueError, match=r"`largest_slope` must be above 0. Received"):
            g.saturated_fraction(np.ones((1, 1)), largest_slope=0)
        with pytest.raises(ValueError, match=r"`threshold` must be in \(0, 1\). Received"):
            g.saturated_fraction(np.ones((1, 1)), largest_slope=1, threshold=1)


class TestNumericalGradient:
    def test_cubic_by_hand(self):
        # ((1 + h)³ − (1 − h)³) / 2h = 3 + h²: the error is h² exactly
        gradient = g.numerical_gradient(lambda x: x[0] ** 3, np.array([1.0]), step=0.1)
        assert gradient[0] == pytest.approx(3.01, rel=1e-13)

    def test_equals_scipy(self):
        x = np.array([0.3, -1.2, 2.0])
        scipy_gradient = approx_fprime(x, lambda x: np.sin(x).prod(), 1e-8)
        # SciPy's forward differences are the coarser: error about √(machine precision)
        np.testing.assert_allclose(
            g.numerical_gradient(lambda x: np.sin(x).prod(), x), scipy_gradient, atol=1e-7
        )

    def test_leaves_its_argument_alone(self):
        x = np.array([[1.0, 2.0]])
        g.numerical_gradient(np.sum, x)
        assert x.tolist() == [[1.0, 2.0]]

    def test_float32_is_differentiated_in_float64(self):
        gradient = g.numerical_gradient(lambda x: np.sum(x**2), np.ones(2, np.float32))
        np.testing.assert_allclose(gradient, [2, 2], rtol=1e-9)

    @pytest.mark.parametrize("step", [0, -1e-5, float("nan")])
    def test_bad_step(self, step):
        with pytest.raises(ValueError, match=r"`step` must be above 0. Received: step="):
            g.numerical_gradient(np.sum, np.ones(1), step=step)


class TestKernelLoss:
    def test_equals_keras(self):
        x, y = examples()
        kernels = [
            k[0] for k in g.draw_kernels([4, 5, 3], initializer="he_normal", replicas=1, seed=0)
        ]
        theirs = keras_mlp(kernels, "tanh").evaluate(x, y, verbose=0)
        other = [np.ones((4, 5)), kernels[1]]
        ours = g.kernel_loss(kernels[0], layer=0, x=x, y=y, kernels=other, activation="tanh")
        assert ours == pytest.approx(theirs, rel=1e-6)  # Keras reports its losses in float32

    def test_wrong_shape(self):
        options = {"x": np.ones((1, 1)), "y": np.array([0]), "kernels": [np.ones((1, 2))]}
        with pytest.raises(ValueError, match=r"shape \(1, 2\). Received: shape=\(2, 1\)"):
            g.kernel_loss(np.ones((2, 1)), layer=0, activation="tanh", **options)


class TestRecurrence:
    def test_one_unit_by_hand(self):
        # hₜ = 2 hₜ₋₁ + xₜ: the input k steps back counts 2ᵏ times
        norms = g.recurrent_gradient_norms(np.full((1, 1, 1), 2.0), np.zeros((1, 4, 1)))
        assert norms.tolist() == [[1, 2, 4, 8]]

    @pytest.mark.parametrize("activation", ["linear", "tanh"])
    def test_equals_keras_simple_rnn(self, activation):
        rng = np.random.default_rng(0)
        kernel, x = rng.standard_normal((2, 3, 3)), rng.standard_normal((2, 5, 3))
        ours = g.recurrent_gradient_norms(kernel, x, activation=activation)
        for replica in range(2):
            layer = keras.layers.SimpleRNN(3, activation=activation, dtype="float64")
            inputs = tf.constant(x[replica : replica + 1])
            layer(inputs)
            layer.set_weights([np.eye(3), kernel[replica], np.zeros(3)])
            with tf.GradientTape() as tape:
                tape.watch(inputs)
                last = tf.reduce_mean(layer(inputs))
            theirs = np.linalg.norm(tape.gradient(last, inputs).numpy()[0], axis=-1)[::-1]
            np.testing.assert_allclose(ours[replica], theirs, rtol=1e-10)

    def test_orthogonal_kernel_keeps_the_norm(self):
        orthogonal, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((1, 4, 4)))
        norms = g.recurrent_gradient_norms(orthogonal, np.zeros((1, 30, 4)))
        np.testing.assert_allclose(norms, np.full((1, 30), 0.5), rtol=1e-12)

    @given(radius=st.floats(0.1, 3))
    @settings(max_examples=20)
    def test_scaled_matrices_have_the_radius(self, radius):
        matrices = np.random.default_rng(1).standard_normal((3, 5, 5))
        scaled = g.scale_to_radius(matrices, radius)
        radii = np.abs(np.linalg.eigvals(scaled)).max(axis=-1)
        np.testing.assert_allclose(radii, np.full(3, radius), rtol=1e-9)

    def test_errors(self):
        with pytest.raises(ValueError, match=r"`radius` must be at least 0. Received: radius=-1"):
            g.scale_to_radius(np.eye(2), -1)
        with pytest.raises(ValueError, match=r"eigenvalue other than 0. Received: spectral radius"):
            g.scale_to_radius(np.array([[0.0, 1.0], [0.0, 0.0]]), 1)
        with pytest.raises(ValueError, match=r"`kernel` must have shape \(replicas, n, n\)"):
            g.recurrent_gradient_norms(np.ones((1, 2, 2)), np.ones((1, 4, 3)))


class TestRelativeUpdate:
    def test_by_hand(self):
        before = np.array([[[3.0, 0.0], [0.0, 4.0]], [[1.0, 0.0], [0.0, 0.0]]])  # norms 5 and 1
        after = before + np.array([[[1.0, 0.0], [0.0, 0.0]]])
        np.testing.assert_allclose(g.relative_update(before, after), [0.2, 1.0])

    def test_tiny_float32_moves_are_seen(self):
        before = np.ones((1, 4), np.float32)
        after = np.nextafter(before, np.float32(2))
        assert g.relative_update(before, after)[0] == pytest.approx(2.0**-23)

    def test_different_shapes(self):
        with pytest.raises(ValueError, match=r"same shape. Received: shapes \(1, 2\) and \(1, 3\)"):
            g.relative_update(np.ones((1, 2)), np.ones((1, 3)))


def small_model():
    keras.utils.set_random_seed(0)
    layers = [
        keras.Input((4,)),
        keras.layers.Dense(5, activation="tanh", name="lower"),
        keras.layers.Dropout(0.5),
        keras.layers.Dense(3, activation="softmax", name="upper"),
    ]
    model = keras.Sequential(layers)
    model.compile(keras.optimizers.SGD(0.1), loss="sparse_categorical_crossentropy")
    return model


class TestGradientMonitor:
    def fitted(self, epochs=2, **options):
        x, y = examples(n=12)
        model, monitor = small_model(), g.GradientMonitor(x[:8], y[:8], **options)
        history = model.fit(x, y, batch_size=4, epochs=epochs, verbose=0, callbacks=[monitor])
        return model, monitor, history

    def test_norms_are_those_of_the_tape(self):
        model, monitor, _ = self.fitted()
        theirs = g.model_gradients(model, *[part[:8] for part in examples(n=12)])
        assert monitor.layer_names == ["lower", "upper"]
        np.testing.assert_allclose(
            monitor.gradient_norms[-1], [np.linalg.norm(d) for d in theirs.values()], rtol=1e-6
        )

    def test_one_plain_step_moves_by_rate_times_gradient(self):
        # One epoch of one batch without dropout: W − W_before = −0.1 ∂J/∂W
        x, y = examples()
        model = keras_mlp([np.full((4, 2), 0.3), np.array([[0.1, 0.2, 0.3]] * 2)], "tanh")
        model.optimizer.learning_rate = 0.1
        before = np.linalg.norm(model.get_weights()[0])
        gradient = g.model_gradients(model, x, y)["dense_1"]
        monitor = g.GradientMonitor(x, y)
        model.fit(x, y, batch_size=len(x), verbose=0, callbacks=[monitor])
        assert monitor.relative_updates[0, 0] == pytest.approx(
            0.1 * np.linalg.norm(gradient) / before, rel=1e-6
        )

    def test_does_not_touch_the_training(self):
        x, y = examples(n=12)
        plain = small_model()
        alone = plain.fit(x, y, batch_size=4, epochs=2, verbose=0)
        watched, _, history = self.fitted()
        assert history.history["loss"] == alone.history["loss"]
        for one, other in zip(plain.get_weights(), watched.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)

    def test_starts_anew_with_each_training(self):
        x, y = examples(n=12)
        model, monitor, _ = self.fitted(epochs=3)
        model.fit(x, y, epochs=1, verbose=0, callbacks=[monitor])
        assert monitor.gradient_norms.shape == monitor.relative_updates.shape == (1, 2)

    def test_writes_what_tensorboard_reads(self, tmp_path):
        _, monitor, _ = self.fitted(epochs=3, log_dir=tmp_path)
        events = [
            event
            for file in tmp_path.iterdir()
            for record in tf.data.TFRecordDataset(str(file))
            for event in [tf.compat.v1.Event.FromString(record.numpy())]
        ]
        values = [value for event in events for value in event.summary.value]
        first = next(value for value in values if value.tag == "gradient/lower")
        assert first.metadata.plugin_data.plugin_name == "histograms"
        buckets = tf.make_ndarray(first.tensor)
        assert buckets[:, 2].sum() == 4 * 5  # every weight of the layer is counted once
        assert (buckets[:, 1] >= buckets[:, 0]).all()
        tags = [(event.step, value.tag) for event in events for value in event.summary.value]
        assert {step for step, _ in tags} == {0, 1, 2}
        assert {tag for _, tag in tags} == {
            f"{figure}/{layer}"
            for figure in ("gradient", "gradient_norm", "relative_update")
            for layer in monitor.layer_names
        }

    def test_writes_nothing_unasked(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        self.fitted()
        assert list(tmp_path.iterdir()) == []

    def test_bad_batch(self):
        with pytest.raises(ValueError, match=r"equally long and not empty. Received: lengths 2"):
            g.GradientMonitor(np.ones((2, 1)), np.ones(1))
        with pytest.raises(ValueError, match=r"not empty. Received: lengths 0 and 0"):
            g.GradientMonitor(np.ones((0, 1)), np.ones(0))
