"""Activations against Keras, finite differences, hand-worked values and closed forms."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtr

from helpers import activations
from helpers.activations import ACTIVATIONS, RReLU

# Keras' own functions, with the arguments that ours have by default.
KERAS = {
    "logistic": keras.activations.sigmoid,
    "tanh": keras.activations.tanh,
    "relu": keras.activations.relu,
    "leaky_relu": lambda z: keras.activations.leaky_relu(z, negative_slope=0.01),
    "rrelu": RReLU(),
    "prelu": keras.layers.PReLU(alpha_initializer=keras.initializers.Constant(0.25)),
    "elu": keras.activations.elu,
    "selu": keras.activations.selu,
    "gelu": lambda z: keras.activations.gelu(z, approximate=False),
    "gelu_tanh": lambda z: keras.activations.gelu(z, approximate=True),
    "silu": keras.activations.silu,
    "mish": keras.activations.mish,
    "softplus": keras.activations.softplus,
}
GRID = np.linspace(-6, 6, 121).reshape(11, 11)  # 0 is among them
NAMES = sorted(ACTIVATIONS)
arrays = st.lists(st.floats(-700, 700), min_size=1, max_size=20).map(np.array)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def keras_value_and_gradient(name, z):
    import tensorflow as tf

    z = tf.constant(z, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(z)
        y = KERAS[name](z)
    return y.numpy(), tape.gradient(y, z).numpy()


def test_keras_oracle_covers_every_activation():
    assert sorted(KERAS) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_value_equals_keras(name):
    # Keras computes in float32, whose relative spacing is 1.2e-7; values reach 6.
    expected, _ = keras_value_and_gradient(name, GRID)
    np.testing.assert_allclose(ACTIVATIONS[name].function(GRID), expected, atol=2e-6)


@pytest.mark.parametrize("name", NAMES)
def test_derivative_equals_keras_gradient(name):
    _, expected = keras_value_and_gradient(name, GRID)
    actual = ACTIVATIONS[name].derivative(GRID)
    if name in ("prelu", "selu"):  # at the kink Keras takes 0 and the right slope instead
        at_kink = {"prelu": 0.0, "selu": activations.SELU_SCALE}[name]
        actual = np.where(GRID == 0, at_kink, actual)
    # Where tanh saturates, float32 rounds 1 + tanh to 6e-8, which GELU's slope multiplies by z³.
    np.testing.assert_allclose(actual, expected, atol=5e-6)


@pytest.mark.parametrize("name", NAMES)
def test_derivative_equals_central_differences(name):
    z = GRID[np.abs(GRID) > 1e-3]  # a kink has no derivative
    step = 1e-6  # error of order step² plus 1e-16 / step
    function = ACTIVATIONS[name].function
    expected = (function(z + step) - function(z - step)) / (2 * step)
    np.testing.assert_allclose(ACTIVATIONS[name].derivative(z), expected, atol=1e-8)


@pytest.mark.parametrize("name", NAMES)
@given(z=arrays)
def test_finite_everywhere_and_bounded_growth(name, z):
    value, slope = ACTIVATIONS[name].function(z), ACTIVATIONS[name].derivative(z)
    assert value.shape == slope.shape == z.shape
    assert np.isfinite(value).all()
    assert np.isfinite(slope).all()
    assert (np.abs(value) <= 2 * np.abs(z) + 2).all()


@pytest.mark.parametrize("name", NAMES)
def test_keeps_float32(name):
    z = GRID.astype(np.float32)
    assert ACTIVATIONS[name].function(z).dtype == np.float32


@pytest.mark.parametrize("name", NAMES)
def test_takes_whole_numbers_and_scalars(name):
    whole = ACTIVATIONS[name].function(np.array([-2, 0, 3]))
    np.testing.assert_array_equal(whole, ACTIVATIONS[name].function(np.array([-2.0, 0.0, 3.0])))
    assert np.shape(ACTIVATIONS[name].function(1.0)) == ()


def test_values_worked_by_hand():
    z = np.array([-1.0, 0.0, np.log(3)])
    # σ(ln 3) = 1/(1 + 1/3) = 3/4; tanh(ln 3) = (3 − 1/3)/(3 + 1/3) = 4/5
    np.testing.assert_allclose(activations.logistic(z)[1:], [0.5, 0.75])
    np.testing.assert_allclose(activations.tanh(z)[1:], [0.0, 0.8])
    # exp(−1) − 1 = −0.6321…; softplus(ln 3) = ln 4; SiLU(ln 3) = ¾ ln 3
    np.testing.assert_allclose(activations.elu(z, alpha=2.0)[0], 2 * (np.exp(-1) - 1))
    np.testing.assert_allclose(activations.softplus(z)[1:], [np.log(2), np.log(4)])
    np.testing.assert_allclose(activations.silu(z)[2], 0.75 * np.log(3))
    # tanh(ln 4) = (4 − 1/4)/(4 + 1/4) = 15/17
    np.testing.assert_allclose(activations.mish(z)[2], np.log(3) * 15 / 17)
    np.testing.assert_allclose(activations.gelu(z)[0], -ndtr(-1.0))


def test_logistic_keeps_its_precision_far_out():
    np.testing.assert_allclose(activations.logistic(np.array([-700.0])), np.exp(-700.0))


def test_swish_at_large_beta_is_relu():
    # At β = 200 and |z| ≥ 0.1 the logistic is within exp(−20) of a step.
    z = GRID[GRID != 0]
    np.testing.assert_allclose(activations.silu(z, beta=200.0), activations.relu(z), atol=1e-7)


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_leaky_relu_is_the_maximum_up_to_alpha_one(alpha):
    np.testing.assert_array_equal(
        activations.leaky_relu(GRID, alpha=alpha), np.maximum(alpha * GRID, GRID)
    )


def test_leaky_relu_is_not_the_maximum_beyond_alpha_one():
    assert activations.leaky_relu(-1.0, alpha=2.0) == -2.0
    assert np.maximum(2.0 * -1.0, -1.0) == -1.0


def test_keras_has_two_default_leaks():
    # The chapter warns of them: neither is the 0.01 of the papers.
    assert keras.layers.LeakyReLU().negative_slope == pytest.approx(0.3)
    assert float(keras.activations.leaky_relu(np.float32(-1.0))) == pytest.approx(-0.2)


def test_a_logistic_layer_with_four_times_the_kernel_is_a_shifted_tanh_layer(rng):
    # σ(z) = ½ + ½ tanh(z/2); with z = 4W(½ + ½t) it is z/2 = Wt + W1.
    kernel, t = rng.normal(size=(5, 3)), rng.uniform(-1, 1, size=(7, 5))
    logistic = activations.logistic((0.5 + 0.5 * t) @ (4 * kernel))
    shifted = activations.tanh(t @ kernel + kernel.sum(axis=0))
    np.testing.assert_allclose(logistic, 0.5 + 0.5 * shifted, rtol=1e-12)


def test_the_errors_mean_square_grows_by_a_fourteenth_in_each_selu_layer():
    slope = activations.ACTIVATIONS["selu"].derivative
    mean, variance = activations.moments_after(slope)
    z = np.random.default_rng(0).standard_normal(1_000_000)
    # A slope lies between 0 and 1.76; the mean of a million squares has an error below 0.001.
    assert mean**2 + variance == pytest.approx(np.mean(slope(z) ** 2), abs=3e-3)
    assert mean**2 + variance == pytest.approx(1.0716, abs=1e-4)


@pytest.mark.parametrize("alpha", [0.5, 1.0, 3.0])
def test_elu_tends_to_minus_alpha(alpha):
    assert activations.elu(-50.0, alpha=alpha) == -alpha


def test_prelu_has_a_slope_for_each_unit_and_its_gradient_is_keras(rng):
    import tensorflow as tf

    z, upstream = rng.normal(size=(2, 6, 3))
    alpha = np.array([0.1, 0.5, 0.0])
    layer = keras.layers.PReLU()
    layer.build((None, 3))
    layer.set_weights([alpha])
    with tf.GradientTape() as tape:
        y = layer(tf.constant(z, tf.float32))
        loss = tf.reduce_sum(y * tf.constant(upstream, tf.float32))
    np.testing.assert_allclose(activations.prelu(z, alpha=alpha), y, atol=1e-6)
    np.testing.assert_allclose(
        activations.prelu_slope_gradient(z, upstream),
        tape.gradient(loss, layer.alpha),
        atol=1e-6,
    )


def test_rrelu_slopes_lie_in_their_range(rng):
    slopes = activations.rrelu(np.full((200, 50), -1.0), lower=0.2, upper=0.4, rng=rng) / -1.0
    assert slopes.min() >= 0.2
    assert slopes.max() <= 0.4
    # The mean of 10,000 uniform draws has a standard error of 0.2/√12/100 = 0.0006.
    assert slopes.mean() == pytest.approx(0.3, abs=0.003)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: activations.leaky_relu(1.0, alpha=-0.1), "`alpha` must be 0 or more. R.*=-0.1"),
        (lambda: activations.elu(1.0, alpha=-1.0), "`alpha` must be 0 or more. Rec.*alpha=-1.0"),
        (lambda: activations.elu(1.0, alpha=np.nan), "`alpha` must be 0 or more. .*alpha=nan"),
        (lambda: activations.rrelu(1.0, lower=0.4, upper=0.3), "lower=0.4, upper=0.3"),
        (lambda: RReLU(lower=-0.1), "0 <= lower <= upper. Received: lower=-0.1"),
        (lambda: activations.moments_after(np.tanh, variance=0.0), "must be positive.*=0.0"),
        (lambda: activations.dead_units(np.zeros(3)), r"examples, units.*shape=\(3,\)"),
        (lambda: activations.dead_units(np.zeros((0, 3))), r"at least one example.*\(0, 3\)"),
        (lambda: activations.sleeping_units(np.full((2, 3), np.nan)), "`outputs` must be finite"),
        (
            lambda: activations.propagate(np.ones((2, 2)), widths=[], replicas=1, seed=0),
            r"`widths` must hold.*widths=\[\]",
        ),
        (
            lambda: activations.propagate(np.ones((2, 2)), widths=[3], replicas=0, seed=0),
            "`replicas` must be at least 1.*replicas=0",
        ),
        (
            lambda: activations.propagate(
                np.ones((2, 2)), widths=[3], replicas=1, seed=0, weights="xavier"
            ),
            "`weights` must be one of 'lecun', 'he', 'glorot'. Received: weights='xavier'",
        ),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


class TestRReLULayer:
    def test_inference_takes_the_mean_slope(self):
        z = GRID.astype(np.float32)
        np.testing.assert_allclose(RReLU(seed=1)(z), activations.rrelu(z), rtol=1e-6)

    def test_training_draws_a_slope_for_each_unit_and_example(self):
        z = -np.ones((50, 40), np.float32)
        slopes = -keras.ops.convert_to_numpy(RReLU(lower=0.1, upper=0.5, seed=1)(z, training=True))
        assert slopes.min() >= 0.1
        assert slopes.max() <= 0.5
        # A uniform law on [0.1, 0.5] has a deviation of 0.4/√12 = 0.115, along either axis.
        assert slopes.std(axis=0).min() > 0.08
        assert slopes.std(axis=1).min() > 0.08

    def test_training_leaves_positive_inputs_alone_and_never_repeats(self):
        z = np.array([[2.0, -1.0, -1.0, -1.0]], np.float32)
        layer = RReLU(seed=1)
        first, second = layer(z, training=True), layer(z, training=True)
        assert float(first[0, 0]) == float(second[0, 0]) == 2.0
        assert not np.array_equal(first, second)

    def test_same_seed_same_slopes(self):
        z = -np.ones((4, 4), np.float32)
        np.testing.assert_array_equal(
            RReLU(seed=3)(z, training=True), RReLU(seed=3)(z, training=True)
        )

    def test_gradient_is_the_drawn_slope(self):
        import tensorflow as tf

        z = tf.constant([[-2.0, 3.0]])
        with tf.GradientTape() as tape:
            tape.watch(z)
            y = RReLU(seed=1)(z, training=True)
        np.testing.assert_allclose(tape.gradient(y, z), y / z, rtol=1e-6)

    def test_config_makes_an_equal_layer(self):
        layer = RReLU(lower=0.1, upper=0.2, seed=7, name="leak")
        assert RReLU.from_config(layer.get_config()).get_config() == layer.get_config()

    @pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras'
    def test_saves_and_loads(self, tmp_path):
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4), RReLU(lower=0.2)])
        model.save(tmp_path / "net.keras")
        loaded = keras.models.load_model(tmp_path / "net.keras")
        x = np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3)
        np.testing.assert_array_equal(loaded(x), model(x))
        assert loaded.layers[-1].lower == 0.2

    def test_knows_its_output_shape(self):
        assert RReLU().compute_output_shape((None, 5)) == (None, 5)


class TestMoments:
    def test_relu_by_hand(self):
        # z ~ N(0, σ²): E[relu] = σ/√(2π), E[relu²] = σ²/2.
        mean, variance = activations.moments_after(activations.relu, variance=4.0)
        assert mean == pytest.approx(2 / np.sqrt(2 * np.pi), abs=1e-12)
        assert variance == pytest.approx(2 - 4 / (2 * np.pi), abs=1e-12)

    def test_linear_map_keeps_both(self):
        moments = activations.moments_after(lambda z: z, mean=-1.5, variance=0.3)
        assert moments == pytest.approx((-1.5, 0.3), abs=1e-12)

    def test_against_sampling(self, rng):
        z = 0.4 + 1.3 * rng.standard_normal(400_000)
        mean, variance = activations.moments_after(activations.elu, mean=0.4, variance=1.69)
        # Standard errors are about 1.1/√400000 = 0.002.
        assert activations.elu(z).mean() == pytest.approx(mean, abs=0.01)
        assert activations.elu(z).var() == pytest.approx(variance, abs=0.02)


class TestSeluConstants:
    def test_equal_the_closed_form(self):
        # With a = E[1 − exp(z); z < 0] = ½ − √e Φ(−1), mean 0 means αa = E[z; z > 0] = 1/√(2π);
        # E[(exp(z) − 1)²; z < 0] = e²Φ(−2) − 2√eΦ(−1) + ½ then gives λ from the variance.
        tail = np.sqrt(np.e) * ndtr(-1)
        alpha = 1 / np.sqrt(2 * np.pi) / (0.5 - tail)
        square = np.e**2 * ndtr(-2) - 2 * tail + 0.5
        scale = 1 / np.sqrt(0.5 + alpha**2 * square)
        assert activations.selu_constants() == pytest.approx((alpha, scale), rel=1e-11)

    def test_are_the_ones_in_use(self):
        expected = (activations.SELU_ALPHA, activations.SELU_SCALE)
        assert activations.selu_constants() == pytest.approx(expected, rel=1e-11)

    def test_selu_has_them_as_fixed_point(self):
        assert activations.moments_after(activations.selu) == pytest.approx((0, 1), abs=1e-12)

    def test_nearby_moments_are_drawn_in(self):
        mean, variance = 0.3, 1.5
        for _ in range(30):
            # LeCun weights give pre-activations of mean 0 and the inputs' second moment.
            mean, variance = activations.moments_after(
                activations.selu, variance=variance + mean**2
            )
        assert (mean, variance) == pytest.approx((0, 1), abs=1e-3)


class TestCensus:
    def test_dead_and_sleeping_units_by_hand(self):
        outputs = np.array([[[0.0, -1.0, 0.0, 5.0], [0.0, -2.0, 1.0, 6.0]]])
        assert activations.dead_units(outputs).tolist() == [[True, False, False, False]]
        assert activations.sleeping_units(outputs).tolist() == [[True, True, False, False]]

    @given(st.integers(0, 2**32 - 1))
    def test_dead_units_are_asleep_and_agree_for_relu(self, seed):
        z = np.random.default_rng(seed).normal(-1.5, 1.0, size=(5, 8))
        outputs = activations.relu(z)
        dead, asleep = activations.dead_units(outputs), activations.sleeping_units(outputs)
        np.testing.assert_array_equal(dead, asleep)
        np.testing.assert_array_equal(dead, activations.sleeping_units(activations.elu(z)))


class TestPropagate:
    def test_linear_layers_follow_the_variance_formula(self, rng):
        x = rng.standard_normal((64, 50))
        moments = activations.propagate(
            x, widths=[400] * 3, function=lambda z: z, weights="he", replicas=4, seed=0
        )
        assert moments.mean.shape == moments.std.shape == (4, 4)
        # Each layer doubles the variance; 400 units and 4 networks leave about 2% of noise.
        np.testing.assert_allclose(
            moments.std.mean(axis=0) / moments.std[0, 0], np.sqrt(2.0) ** np.arange(4), rtol=0.1
        )

    @pytest.mark.parametrize(
        ("weights", "variance"), [("lecun", 1 / 300), ("he", 2 / 300), ("glorot", 2 / 1300)]
    )
    def test_schemes_have_their_variance(self, rng, weights, variance):
        x = rng.standard_normal((64, 300))
        moments = activations.propagate(
            x, widths=[1000], function=lambda z: z, weights=weights, replicas=4, seed=0
        )
        # A sum over 300 inputs of variance 1; 4 × 64 × 1,000 outputs leave under 1% of noise.
        np.testing.assert_allclose(moments.std[:, 1] ** 2, 300 * variance, rtol=0.05)

    def test_layer_zero_is_the_input(self, rng):
        x = rng.normal(3.0, 2.0, size=(10, 4, 4))
        moments = activations.propagate(x, widths=[2], replicas=2, seed=0)
        np.testing.assert_allclose(moments.mean[:, 0], x.mean(), rtol=1e-5)
        np.testing.assert_allclose(moments.std[:, 0], x.std(), rtol=1e-5)

    def test_skip_adds_the_input_from_the_second_layer_on(self, rng):
        x = rng.standard_normal((8, 3))
        plain = activations.propagate(x, widths=[5, 5], function=np.zeros_like, replicas=1, seed=0)
        skip = activations.propagate(
            x, widths=[5, 5], function=np.ones_like, replicas=1, seed=0, skip=True
        )
        assert plain.mean[0, 1:].tolist() == [0, 0]
        assert skip.mean[0, 1:].tolist() == [1, 2]

    def test_noise_comes_after_the_activation(self, rng):
        x = rng.standard_normal((8, 3))
        moments = activations.propagate(
            x, widths=[5, 5], noise=lambda h: h * 0 + 7, replicas=1, seed=0
        )
        assert moments.mean[0, 1:].tolist() == [7, 7]

    def test_same_seed_same_networks(self, rng):
        x = rng.standard_normal((8, 3))
        first, second = (
            activations.propagate(x, widths=[5, 5], replicas=2, seed=5) for _ in range(2)
        )
        np.testing.assert_array_equal(first.std, second.std)
        assert first.std[0, 1] != first.std[1, 1]
