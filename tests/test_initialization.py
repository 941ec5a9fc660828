"""Initialization: fans and variances against Keras, signals against GradientTape."""

import math
from functools import partial
from itertools import pairwise

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from helpers import initialization as init

KERNEL_SHAPES = st.lists(st.integers(1, 6), min_size=2, max_size=4)
KERAS = {
    "glorot": (init.glorot, keras.initializers.GlorotNormal, keras.initializers.GlorotUniform),
    "he": (init.he, keras.initializers.HeNormal, keras.initializers.HeUniform),
    "lecun": (init.lecun, keras.initializers.LecunNormal, keras.initializers.LecunUniform),
}
KERAS_NAMES = {"logistic": "sigmoid"}
# A kernel of 60,000 weights: the sample variance of a normal has a relative standard error of
# sqrt(2 / 60,000) = 0.6%, of a uniform less; 3% is five of them.
SHAPE, TOLERANCE = (3, 2, 100, 100), 0.03


@pytest.fixture
def rng():
    return np.random.default_rng(0)


# Fans and variance


def test_fans_by_hand():
    # A 3 × 3 window over 32 channels: each output sums 9 · 32 = 288 numbers, and each input is
    # met at 9 places by 64 filters.
    assert init.fans((3, 3, 32, 64)) == (288, 576)
    assert init.fans((7, 5)) == (7, 5)
    assert init.fans((5, 2, 3)) == (10, 15)


@given(KERNEL_SHAPES)
def test_fans_equal_keras(shape):
    from keras.src.initializers.random_initializers import compute_fans

    assert init.fans(shape) == compute_fans(shape)


@given(st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 4), st.integers(1, 4)))
@settings(max_examples=10)
def test_fans_count_what_a_convolution_sums_and_feeds(shape):
    # With ones everywhere, an inner output is the number of terms it sums, and the gradient of
    # the sum of all outputs at an inner input is the number of outputs it feeds.
    images = tf.ones((1, 9, 9, shape[2]))
    with tf.GradientTape() as tape:
        tape.watch(images)
        outputs = tf.nn.conv2d(images, tf.ones(shape), strides=1, padding="SAME")
    gradient = tape.gradient(outputs, images)
    assert init.fans(shape) == (outputs[0, 4, 4, 0], gradient[0, 4, 4, 0])


@pytest.mark.parametrize(
    "shape", [(), (5,), (0, 3), (3, 3, -1, 2), None, 5, "ab", (None, 3), (2.5, 3), [[2, 3]]]
)
def test_fans_refuse_what_is_no_kernel(shape, rng):
    message = r"`shape` must have at least 2 axes, each a whole number of at least 1\. Received: sh"
    for draw in (init.fans, *(partial(one, rng=rng) for one in (init.he, init.glorot))):
        with pytest.raises(ValueError, match=message):
            draw(shape)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: init.he((2, 3), rng=0), "`rng` must be a generator.*Received: rng=0"),
        (
            lambda: init.orthogonal((2, 3), rng=None),
            "`rng` must be a generator.*rng=None",
        ),
        (lambda: init.weight_variance((2, 3), scale="2"), "`scale` must be a number.*scale='2'"),
        (lambda: init.next_variance("relu", None, scale=1.0), "`variance` must be a number.*None"),
        (lambda: init.next_correlation("relu", "a", 1.0), "`correlation` must be a number"),
        (lambda: list(init.draw_kernels([2, 3], init.he, seeds=8)), "`seeds` must hold one for ea"),
        (lambda: init.Scale("a"), "`initial` must be a number. Received: initial='a'"),
    ],
)
def test_what_is_of_the_wrong_kind_is_named(call, message):
    with pytest.raises(TypeError, match=message):
        call()


def test_weight_variance_by_hand():
    # fan_in 4, fan_out 8, fan_avg 6, scale 3.
    shape = (4, 8)
    assert init.weight_variance(shape, scale=3.0, mode="fan_in") == 0.75
    assert init.weight_variance(shape, scale=3.0, mode="fan_out") == 0.375
    assert init.weight_variance(shape, scale=3.0, mode="fan_avg") == 0.5


def test_weight_variance_refuses_bad_arguments():
    with pytest.raises(ValueError, match=r"`scale` must be above 0 and finite. Received: scale=0"):
        init.weight_variance((4, 8), scale=0)
    with pytest.raises(ValueError, match=r"`scale` must be above 0 and finite.*scale=nan"):
        init.weight_variance((4, 8), scale=math.nan)
    with pytest.raises(ValueError, match=r"`mode` must be one of .* Received: mode='fan'"):
        init.weight_variance((4, 8), mode="fan")


# Distributions


@pytest.mark.parametrize("bound", [0.5, 1.0, 2.0, 3.0, 8.0])
def test_truncated_normal_std_equals_scipy(bound):
    assert init.truncated_normal_std(bound) == pytest.approx(stats.truncnorm.std(-bound, bound))


def test_truncated_normal_std_is_the_constant_in_keras():
    assert init.truncated_normal_std() == pytest.approx(0.87962566103423978, abs=1e-15)


def test_truncated_normal_std_refuses_no_bound():
    with pytest.raises(ValueError, match=r"`bound` must be above 0 and finite. Received: bound=0"):
        init.truncated_normal_std(0)


@pytest.mark.parametrize("distribution", init.DISTRIBUTIONS)
@pytest.mark.parametrize("mode", init.MODES)
def test_variance_scaling_equals_keras_in_distribution(mode, distribution, rng):
    ours = init.variance_scaling(
        SHAPE, rng=rng, scale=1.7, mode=mode, distribution=distribution
    ).ravel()
    keras_draw = keras.initializers.VarianceScaling(1.7, mode, distribution, seed=1)
    theirs = np.asarray(keras_draw(SHAPE)).ravel()
    # Two samples of one distribution: the Kolmogorov-Smirnov p-value is uniform, so a p below
    # 1e-4 comes once in 10,000 seeds, and this seed is fixed.
    assert stats.ks_2samp(ours, theirs).pvalue > 1e-4
    assert ours.var() == pytest.approx(theirs.var(), rel=TOLERANCE)


@pytest.mark.parametrize("name", KERAS)
def test_named_schemes_equal_keras(name, rng):
    ours, normal, uniform = KERAS[name]
    for distribution, theirs in (("truncated_normal", normal), ("uniform", uniform)):
        kernel = ours((200, 300), rng=rng, distribution=distribution)
        keras_kernel = np.asarray(theirs(seed=1)((200, 300)))
        assert kernel.var() == pytest.approx(keras_kernel.var(), rel=TOLERANCE)
        # Both fill the same bounded support: of 60,000 draws the largest is close to the end.
        assert abs(kernel).max() == pytest.approx(abs(keras_kernel).max(), rel=0.01)


def test_variances_of_the_named_schemes(rng):
    # fan_in 200, fan_out 300, fan_avg 250.
    for scheme, variance in ((init.glorot, 1 / 250), (init.he, 2 / 200), (init.lecun, 1 / 200)):
        assert scheme((200, 300), rng=rng).var() == pytest.approx(variance, rel=TOLERANCE)


@given(KERNEL_SHAPES, st.floats(0.1, 10), st.integers(0, 2**32 - 1))
def test_draws_stay_within_their_bounds(shape, scale, seed):
    sigma = math.sqrt(init.weight_variance(shape, scale=scale))
    limits = {
        "uniform": math.sqrt(3) * sigma,
        "truncated_normal": 2 * sigma / init.truncated_normal_std(),
    }
    for distribution, limit in limits.items():
        rng = np.random.default_rng(seed)
        kernel = init.variance_scaling(shape, rng=rng, scale=scale, distribution=distribution)
        assert kernel.shape == tuple(shape)
        assert abs(kernel).max() <= limit * (1 + 1e-12)


def test_the_same_generator_state_gives_the_same_kernel():
    first, second = (init.he((4, 5), rng=np.random.default_rng(7)) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_variance_scaling_refuses_an_unknown_distribution(rng):
    with pytest.raises(ValueError, match=r"`distribution` must be one of .*distribution='normal'"):
        init.variance_scaling((4, 5), rng=rng, distribution="normal")


# Orthogonal


@given(
    st.lists(st.integers(1, 6), min_size=2, max_size=4),
    st.floats(0.1, 10),
    st.integers(0, 2**32 - 1),
)
def test_orthogonal_is_orthogonal(shape, gain, seed):
    kernel = init.orthogonal(shape, rng=np.random.default_rng(seed), gain=gain)
    matrix = kernel.reshape(-1, shape[-1])
    if matrix.shape[0] < matrix.shape[1]:
        matrix = matrix.T
    expected = gain**2 * np.eye(matrix.shape[1])
    assert kernel.shape == tuple(shape)
    np.testing.assert_allclose(matrix.T @ matrix, expected, atol=1e-12 * gain**2)


def test_orthogonal_and_keras_have_the_same_singular_values(rng):
    ours = init.orthogonal((3, 2, 4, 5), rng=rng, gain=1.5).reshape(-1, 5)
    theirs = np.asarray(keras.initializers.Orthogonal(1.5, seed=1)((3, 2, 4, 5))).reshape(-1, 5)
    np.testing.assert_allclose(np.linalg.svd(ours)[1], 1.5)
    np.testing.assert_allclose(np.linalg.svd(theirs)[1], 1.5, rtol=1e-5)  # float32


def test_orthogonal_signs_are_not_fixed(rng):
    # QR alone would give a diagonal of one sign; half of 400 is 200 ± 10.
    diagonal = [init.orthogonal((1, 1), rng=rng).item() for _ in range(400)]
    assert 150 < sum(value > 0 for value in diagonal) < 250


def test_orthogonal_refuses_bad_arguments(rng):
    with pytest.raises(ValueError, match=r"`gain` must be above 0 and finite. Received: gain=0"):
        init.orthogonal((3, 3), rng=rng, gain=0)
    with pytest.raises(ValueError, match=r"`shape` must have at least 2 axes"):
        init.orthogonal((3,), rng=rng)


# Activations and their matched scales


@pytest.mark.parametrize("name", init.ACTIVATIONS)
def test_activations_and_slopes_equal_keras(name):
    z = np.linspace(-4, 4, 41) + 0.05  # misses the kink at 0
    theirs = keras.activations.get(KERAS_NAMES.get(name, name))
    inputs = tf.constant(z, "float32")
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = theirs(inputs)
    slopes = tape.gradient(outputs, inputs)
    ours = init.ACTIVATIONS[name]
    np.testing.assert_allclose(ours.value(z), outputs, atol=1e-6)  # float32
    np.testing.assert_allclose(ours.derivative(z), slopes, atol=1e-6)


def test_matched_scales_by_hand():
    # ReLU passes half of a symmetric signal, and half of the gradient; SELU is built to be 1.
    assert init.matched_scale("linear") == pytest.approx((1, 1))
    assert init.matched_scale("relu") == pytest.approx((2, 2))
    assert init.matched_scale("selu").forward == pytest.approx(1)


@pytest.mark.parametrize("name", ["logistic", "tanh", "elu", "selu", "gelu", "silu"])
def test_matched_scales_equal_scipy_quadrature(name):
    def mean_square(function):
        def integrand(z):
            return float(function(np.array(z)) ** 2) * stats.norm.pdf(z)

        return sum(integrate.quad(integrand, *half)[0] for half in ((-12, 0), (0, 12)))

    for function, scale in zip(init.ACTIVATIONS[name], init.matched_scale(name), strict=True):
        assert scale == pytest.approx(1 / mean_square(function), rel=1e-6)


def test_matched_scale_refuses_an_unknown_activation():
    with pytest.raises(ValueError, match=r"`activation` must be one of .* activation='sine'"):
        init.matched_scale("sine")


# Signals


def test_draw_kernels_is_lazy_and_pairs_replicas():
    kernels = init.draw_kernels([4, 3, 2], init.he, seeds=[3, 3])
    first = next(kernels)
    assert first.shape == (2, 4, 3)
    np.testing.assert_array_equal(first[0], first[1])  # equal seeds, equal weights
    np.testing.assert_array_equal(first[0], init.he((4, 3), rng=np.random.default_rng(3)))


@pytest.mark.parametrize("activation", init.ACTIVATIONS)
def test_propagate_equals_gradient_tape(activation, rng):
    widths, gain = [5, 4, 6], 1.3
    kernels = [rng.standard_normal(shape) for shape in pairwise(widths)]
    x, gradient = rng.standard_normal((7, 5)), rng.standard_normal((7, 6))
    signal = init.propagate(x, kernels, activation=activation, gradient=gradient, gain=gain)

    function = keras.activations.get(KERAS_NAMES.get(activation, activation))
    outputs = [tf.constant(x)]
    with tf.GradientTape() as tape:
        tape.watch(outputs[0])
        for kernel in kernels:
            outputs.append(function(gain * tf.matmul(outputs[-1], kernel)))
        target = tf.reduce_sum(outputs[-1] * gradient)
    expected = tape.gradient(target, outputs)
    np.testing.assert_allclose(signal.second_moment, [np.mean(np.square(o)) for o in outputs])
    np.testing.assert_allclose(signal.gradient, [np.mean(np.square(g)) for g in expected])


def test_propagate_treats_replicas_one_by_one(rng):
    kernels = [rng.standard_normal((3, 4, 4)) for _ in range(2)]
    x, gradient = rng.standard_normal((2, 6, 4))
    together = init.propagate(x, kernels, activation="relu", gradient=gradient)
    for replica in range(3):
        own = [kernel[replica] for kernel in kernels]
        alone = init.propagate(x, own, activation="relu", gradient=gradient)
        for both, one in zip(together, alone, strict=True):
            assert both.shape == (3, 3)
            np.testing.assert_allclose(both[replica], one)


def test_forward_moments_equal_propagate_and_take_an_iterator(rng):
    kernels = [rng.standard_normal((2, 4, 4)) for _ in range(3)]
    x = rng.standard_normal((5, 4))
    signal = init.propagate(x, kernels, activation="tanh", gradient=x)
    moments = init.forward_moments(x, iter(kernels), activation="tanh")
    np.testing.assert_allclose(moments, signal.second_moment[:, 1:])


@pytest.mark.parametrize("activation", ["linear", "relu"])
def test_the_matched_scale_keeps_the_signal_on_average(activation, rng):
    # 400 nets of 5 layers: the layers' factors vary by sqrt(5 · 5 / 64) = 0.6, their mean by 0.03.
    draw = partial(init.variance_scaling, scale=init.matched_scale(activation).forward)
    x = rng.standard_normal((4, 64))
    kernels = init.draw_kernels([64] * 6, draw, seeds=range(400))
    moments = init.forward_moments(x, kernels, activation=activation)
    assert moments[:, -1].mean() == pytest.approx((x**2).mean(), rel=0.15)


def test_signals_refuse_an_unknown_activation():
    x = np.ones((1, 2))
    with pytest.raises(ValueError, match=r"`activation` must be one of"):
        init.forward_moments(x, [np.eye(2)], activation="sine")
    with pytest.raises(ValueError, match=r"`activation` must be one of"):
        init.propagate(x, [np.eye(2)], activation="sine", gradient=x)


# Nets of infinite width


@pytest.mark.parametrize("activation", init.ACTIVATIONS)
def test_next_variance_equals_scipy_quadrature(activation):
    value = init.ACTIVATIONS[activation].value

    def integrand(z):
        return float(value(np.array(1.3 * z)) ** 2) * stats.norm.pdf(z)

    expected = 0.7 * sum(integrate.quad(integrand, *half)[0] for half in ((-8, 0), (0, 8)))
    # Beyond 8 standard deviations nothing is left; midpoints 0.04 apart err by 0.04² / 24.
    found = init.next_variance(activation, 1.3**2, scale=0.7)
    assert found == pytest.approx(expected, rel=2e-4)


@given(st.floats(0.1, 9), st.floats(-1, 1))
@settings(max_examples=30)
def test_next_correlation_of_relu_equals_the_arc_cosine_kernel(variance, correlation):
    # Cho and Saul (2009): (√(1 − c²) + c (π − arccos c)) / π, whatever the variance.
    angle = math.acos(correlation)
    expected = (math.sin(angle) + (math.pi - angle) * correlation) / math.pi
    found = init.next_correlation("relu", correlation, variance)
    assert found == pytest.approx(expected, abs=2e-3)


@pytest.mark.parametrize("activation", ["tanh", "gelu", "silu", "logistic"])
def test_next_correlation_equals_gauss_hermite_quadrature(activation):
    value, c, size = init.ACTIVATIONS[activation].value, 0.4, 1.2
    z, weight = np.polynomial.hermite_e.hermegauss(80)  # exact for smooth functions
    weight = weight / weight.sum()
    other = c * z[:, None] + math.sqrt(1 - c**2) * z
    both = weight @ (value(size * z)[:, None] * value(size * other)) @ weight
    expected = both / (value(size * z) ** 2 @ weight)
    assert init.next_correlation(activation, c, size**2) == pytest.approx(expected, abs=1e-4)


@given(st.sampled_from(sorted(init.ACTIVATIONS)), st.floats(0.1, 4))
@settings(max_examples=20)
def test_equal_signals_stay_equal(activation, variance):
    assert init.next_correlation(activation, 1.0, variance) == pytest.approx(1.0)


@pytest.mark.parametrize("scale", [1.5, 2.0, 4.0])
def test_layer_slope_is_the_slope_of_the_correlation_map_at_its_fixed_point(scale):
    variance = init.fixed_variance("tanh", scale=scale)
    assert init.next_variance("tanh", variance, scale=scale) == pytest.approx(variance, abs=1e-8)
    step = 1e-4
    fall = (1 - init.next_correlation("tanh", 1 - step, variance)) / step
    # The map bends: its slope over a step of 1e-4 is off by about the step.
    assert fall == pytest.approx(init.layer_slope("tanh", variance, scale=scale), rel=2e-3)


def test_what_is_too_large_or_too_small_has_no_fixed_variance():
    assert init.fixed_variance("relu", scale=2.5) == math.inf
    assert init.fixed_variance("tanh", scale=0.5) == pytest.approx(0, abs=1e-8)
    assert init.fixed_variance("relu", scale=2.0, start=3.0) == pytest.approx(3.0)


def test_mean_field_predicts_a_wide_net(rng):
    # 2,000 units: the mean square of one layer is off by some 1/√2000 = 2%, over 3 layers 4%.
    kernels = [math.sqrt(3 / 2000) * rng.standard_normal((2000, 2000)) for _ in range(3)]
    x = rng.standard_normal((1, 2000))
    found = init.forward_moments(x, kernels, activation="tanh")[-1]
    variance = 3 * np.mean(x**2)
    for _ in range(2):
        variance = init.next_variance("tanh", variance, scale=3.0)
    assert found == pytest.approx(init.next_variance("tanh", variance, scale=1.0), rel=0.1)


def test_mean_field_refuses_bad_arguments():
    with pytest.raises(ValueError, match=r"`variance` must be 0 or more and finite. R.*=-1"):
        init.next_variance("tanh", -1.0, scale=1.0)
    with pytest.raises(ValueError, match=r"`scale` must be above 0 and finite. Received: scale=0"):
        init.layer_slope("tanh", 1.0, scale=0)
    with pytest.raises(ValueError, match=r"`correlation` must be in \[-1, 1\]. Received: .*1.5"):
        init.next_correlation("tanh", 1.5, 1.0)
    with pytest.raises(ValueError, match=r"`variance` must be above 0 and finite. R.*=0"):
        init.next_correlation("tanh", 0.5, 0)
    with pytest.raises(ValueError, match=r"`activation` must be one of"):
        init.next_variance("sine", 1.0, scale=1.0)


# The layer of residual branches


def test_scale_multiplies_and_learns():
    layer = init.Scale(0.5)
    x = tf.constant([[1.0, -2.0]])
    with tf.GradientTape() as tape:
        y = tf.reduce_sum(layer(x))
    assert float(y) == -0.5
    # The derivative of α (1 − 2) with respect to α.
    assert float(tape.gradient(y, layer.trainable_variables[0])) == -1.0


def test_scale_that_is_not_trained_is_still_a_weight():
    layer = init.Scale(3.0, trainable=False)
    layer.build((None, 2))
    assert not layer.trainable_variables
    assert [float(weight) for weight in layer.weights] == [3.0]


def test_scale_survives_its_config():
    layer = init.Scale.from_config(init.Scale(0.25, name="branch").get_config())
    assert (layer.initial, layer.name) == (0.25, "branch")


def test_scale_refuses_what_is_not_finite():
    with pytest.raises(ValueError, match=r"`initial` must be finite. Received: initial=nan"):
        init.Scale(math.nan)
