"""Tests of helpers.gradients: hand-worked cases, GradientTape as an oracle, properties."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import gradients as g
from helpers.numerics import cross_entropy

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
    def test_equals_finite_differences_of_the_forward_pass(self, activation):
        x, y = examples()
        kernels = [
            k[0] for k in g.draw_kernels([4, 5, 3], initializer="lecun_normal", replicas=1, seed=5)
        ]
        ours = g.backpropagate(x, y, kernels, activation=activation)[0]
        nudge = np.zeros_like(kernels[0])
        nudge[1, 2] = step = 1e-5
        up, down = (
            cross_entropy(g.forward(x, [moved, kernels[1]], activation=activation)[0][-1], y).mean()
            for moved in (kernels[0] + nudge, kernels[0] - nudge)
        )
        # rounding 1e-16 / step, ample
        assert ours[1, 2] == pytest.approx((up - down) / (2 * step), abs=1e-9)

    def test_biases_equal_gradient_tape(self):
        x, y = examples()
        kernels = g.draw_kernels([4, 5, 3], initializer="he_normal", replicas=2, seed=3)
        biases = [np.full((2, 5), 0.4), np.array([[0.1, -0.2, 0.3]] * 2)]
        ours = g.backpropagate(x, y, kernels, activation="tanh", biases=biases)
        model = keras_mlp([kernel[1] for kernel in kernels], "tanh")
        for layer, bias in zip(model.layers, biases, strict=True):
            layer.set_weights([layer.get_weights()[0], bias[1]])
        for mine, tape in zip(ours, g.model_gradients(model, x, y).values(), strict=True):
            np.testing.assert_allclose(mine[1], tape, rtol=1e-9, atol=1e-12)

    def test_each_replica_may_have_examples_of_its_own(self):
        x, y = examples()
        kernels = g.draw_kernels([4, 5, 3], initializer="he_normal", replicas=2, seed=3)
        both = np.stack([x, x[::-1] + 1]), np.stack([y, y[::-1]])
        ours = g.backpropagate(*both, kernels, activation="tanh")
        alone = g.backpropagate(both[0][1], both[1][1], kernels, activation="tanh")
        np.testing.assert_allclose(ours[0][1], alone[0][1], rtol=1e-13)

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
        with pytest.raises(ValueError, match=r"as many examples. Received: shapes \(2, 1\) and"):
            g.backpropagate(np.ones((2, 1)), np.array([0]), [np.ones((1, 2))], activation="relu")

    def test_probabilities_sum_to_one_for_huge_logits(self):
        outputs, _ = g.forward(np.full((1, 2), 1e4), [np.eye(2), np.eye(2)], activation="relu")
        assert outputs[-1].sum() == pytest.approx(1)


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


class TestNoiseScales:
    def test_by_hand(self):
        # Kernel 0, two classes, label 0: δ = (−½, ½), so gᵢ = xᵢ (−½, ½) and ‖gᵢ‖² = xᵢ² / 2.
        # x = 1, 3: mean of squares 5 / 2, square of the mean 4 / 2: B = (5 − 4) / 4.
        x, y = np.array([[1.0], [3.0]]), np.array([0, 0])
        assert g.noise_scales(x, y, [np.zeros((1, 1, 2))], activation="relu").tolist() == [[0.25]]

    def test_equals_gradients_of_single_examples(self):
        x, y = examples()
        kernels = g.draw_kernels([4, 5, 3], initializer="he_normal", replicas=2, seed=3)
        biases = [np.full((2, 5), 0.4), np.zeros((2, 3))]
        options = {"activation": "tanh", "biases": biases}
        ours = g.noise_scales(x, y, kernels, **options)
        for layer in range(2):
            single = np.stack(
                [
                    g.backpropagate(x[i : i + 1], y[i : i + 1], kernels, **options)[layer]
                    for i in range(len(x))
                ]
            )
            mean = single.mean(axis=0)
            noise = np.square(single - mean).sum(axis=(-2, -1)).mean(axis=0)
            theirs = noise / np.square(mean).sum(axis=(-2, -1))
            np.testing.assert_allclose(ours[:, layer], theirs, rtol=1e-10)

    def test_does_not_depend_on_the_size_of_the_gradient(self):
        # A linear net with tiny logits: the errors are (−½, ½) · W, whatever the size c of W, so
        # that all gradients of the lower kernel scale with c. Logits of 3e-3 change them by 0.2 %.
        x, y = np.array([[1.0], [3.0]]), np.array([0, 0])
        lower, upper = np.full((1, 1, 1), 1e-3), np.array([[[1.0, -1.0]]])
        nets = [[lower, c * upper] for c in (1, 1e-6)]
        found = [g.noise_scales(x, y, net, activation="linear")[0, 0] for net in nets]
        assert found[0] == pytest.approx(found[1], rel=0.01)

    def test_without_any_signal_it_is_infinite(self):
        x, y = np.ones((2, 1)), np.array([0, 1])  # errors (−½, ½) and (½, −½) cancel
        assert g.noise_scales(x, y, [np.zeros((1, 1, 2))], activation="relu") == [[np.inf]]

    def test_wrong_lengths(self):
        with pytest.raises(ValueError, match=r"as many examples. Received: shapes"):
            g.noise_scales(np.ones((3, 1)), np.zeros(2, int), [np.eye(1)], activation="relu")


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


def test_the_monitor_takes_data_of_several_inputs_and_outputs():
    x, y = examples(n=12)
    image, other = keras.Input((4,), name="image"), keras.Input((4,), name="other")
    both = keras.layers.Concatenate()([image, other])
    outputs = [keras.layers.Dense(1, name=name)(both) for name in ("up", "down")]
    data = {"image": x, "other": x}
    monitor = g.GradientMonitor(data, [y, y])
    model = keras.Model({"image": image, "other": other}, outputs)
    model.compile("sgd", loss=["mse", "mse"])
    model.fit(data, [y, y], verbose=0, callbacks=[monitor])
    assert monitor.layer_names == ["up", "down"]
    assert monitor.gradient_norms.shape == (1, 2)
    with pytest.raises(ValueError, match=r"equally long.* Received: lengths 12, 12 and 12, 3"):
        g.GradientMonitor(data, [y, y[:3]])


class TwoOfOneName(keras.Model):
    def __init__(self):
        super().__init__()
        self.stack = [keras.layers.Dense(2, name="same"), keras.layers.Dense(1, name="same")]

    def call(self, inputs):
        return self.stack[1](self.stack[0](inputs))


def test_the_monitor_takes_models_that_the_first_batch_builds_and_layers_of_one_name():
    x, y = examples(n=12)
    for model in (keras.Sequential([keras.layers.Dense(2), keras.layers.Dense(1)]), TwoOfOneName()):
        model.compile("sgd", "mse")
        monitor = g.GradientMonitor(x, y)
        model.fit(x, y, epochs=2, verbose=0, callbacks=[monitor])
        assert monitor.gradient_norms.shape == (2, 2)
    assert monitor.layer_names == ["same", "same (2)"]


def test_biases_of_two_axes_and_kernels_of_zeros_are_no_matter():
    x, y = np.ones((4, 3, 2), "float32"), np.ones(4)
    dense = keras.layers.Dense(1, kernel_initializer="zeros", name="dense")
    model = keras.Sequential([keras.Input((3, 2)), keras.layers.GRU(2, name="gru"), dense])
    model.compile(keras.optimizers.SGD(0.1), "mse")
    monitor = g.GradientMonitor(x, y)
    model.fit(x, y, epochs=2, verbose=0, callbacks=[monitor])
    assert monitor.layer_names == ["gru/gru_cell", "gru/gru_cell/recurrent_kernel", "dense"]
    assert np.isinf(monitor.relative_updates).tolist() == [[False, False, True], [False] * 3]


def test_the_monitor_takes_sparse_gradients_and_missing_ones():
    # The mean of a looked-up row: of the embedding only row 1 has a gradient; the unused layer of
    # the model, whose output counts for nothing, has none at all.
    tokens = keras.Input((2,), dtype="int32")
    embedded = keras.layers.Embedding(3, 2, name="table")(tokens)
    flat = keras.layers.Flatten()(embedded)
    used = keras.layers.Dense(1, name="used")(flat)
    unused = keras.layers.Dense(1, name="unused")(flat)
    model = keras.Model(tokens, [used, unused])
    model.compile("sgd", loss=["mse", None])
    x, y = np.ones((4, 2), np.int32), np.ones((4, 1), np.float32)
    found = g.model_gradients(model, x, [y, y])
    assert found["unused"].tolist() == [[0.0]] * 4
    table = next(value for name, value in found.items() if name.startswith("table"))
    assert (table[[0, 2]] == 0).all()
    assert (table[1] != 0).all()
    # Both positions look up row 1: its gradient is the sum of those of the two positions, which
    # are the error times the kernel's rows, doubled for the square.
    error = float(np.asarray(model(x)[0])[0, 0]) - 1
    kernel = model.get_layer("used").kernel.numpy().reshape(2, 2)
    np.testing.assert_allclose(table[1], 2 * error * kernel.sum(axis=0), rtol=1e-5)
