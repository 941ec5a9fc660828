"""Batch normalization against Keras, finite differences and hand-worked cases; folding likewise."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers

from helpers import normalization as norm
from helpers.normalization import Moments

# Axes that Keras' layer takes, one for every place of the features in 2, 3 and 4 axes.
SHAPES_AND_AXES = [((6, 3), -1), ((6, 3), 1), ((4, 5, 3), 1), ((4, 5, 3), 2)]
SHAPES_AND_AXES += [((4, 5, 3, 2), axis) for axis in (-1, 1, 2, 3)]
batches = st.integers(0, 2**32 - 1).flatmap(
    lambda seed: st.tuples(st.integers(1, 8), st.integers(1, 4), st.floats(1e-3, 1e3)).map(
        lambda size: np.random.default_rng(seed).standard_normal(size[:2]) * size[2] + size[2]
    )
)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def keras_layer(shape, **options):
    layer = layers.BatchNormalization(dtype="float64", **options)
    layer.build(shape)
    return layer


# Forward


def test_batch_normalization_by_hand():
    # Feature 0: mean 2, variance (4 + 0 + 4) / 3 = 8/3; with ε = 4/3 the root is 2, so that
    # x̂ = (−1, 0, 1). Feature 1 is constant: x̂ = 0, and β is all that is left.
    x = np.array([[0.0, 7.0], [2.0, 7.0], [4.0, 7.0]])
    z = norm.batch_normalization(x, [10.0, 10.0], [1.0, 5.0], epsilon=4 / 3)
    np.testing.assert_allclose(z, [[-9, 5], [1, 5], [11, 5]], rtol=1e-12)


@pytest.mark.parametrize(("shape", "axis"), SHAPES_AND_AXES)
@pytest.mark.parametrize("epsilon", [1e-3, 0.5])
def test_forward_and_gradients_equal_keras(shape, axis, epsilon, rng):
    x, upstream = 3 + 2 * rng.standard_normal(shape), rng.standard_normal(shape)
    gamma, beta = rng.standard_normal((2, shape[axis]))  # negative ones among them
    layer = keras_layer(shape, axis=axis, epsilon=epsilon)
    layer.gamma.assign(gamma)
    layer.beta.assign(beta)
    inputs = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = layer(inputs, training=True)
        loss = tf.reduce_sum(outputs * upstream)
    expected = tape.gradient(loss, [inputs, layer.gamma.value, layer.beta.value])

    z = norm.batch_normalization(x, gamma, beta, axis=axis, epsilon=epsilon)
    actual = norm.batch_normalization_gradients(upstream, x, gamma, axis=axis, epsilon=epsilon)
    np.testing.assert_allclose(z, outputs, rtol=1e-6, atol=1e-9)
    for ours, theirs in zip(actual, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(("shape", "axis"), [*SHAPES_AND_AXES, ((4, 3, 2), (1, 2))])
def test_gradients_equal_central_differences(shape, axis, rng):
    x, upstream = rng.standard_normal(shape), rng.standard_normal(shape)
    features = norm.moments(x, axis=axis).mean.shape
    arguments = {"x": x, "gamma": rng.standard_normal(features), "beta": np.zeros(features)}
    gradients = norm.batch_normalization_gradients(upstream, x, arguments["gamma"], axis=axis)

    def loss(**changed):
        return np.sum(upstream * norm.batch_normalization(**(arguments | changed), axis=axis))

    step = 1e-5  # truncation about step², rounding about 1e-16 / step
    for name, gradient in gradients._asdict().items():
        for place in np.ndindex(gradient.shape):
            shift = np.zeros(gradient.shape)
            shift[place] = step
            up, down = (loss(**{name: arguments[name] + s}) for s in (shift, -shift))
            assert gradient[place] == pytest.approx((up - down) / (2 * step), rel=1e-5, abs=1e-6)


def test_gradients_by_hand():
    # x = (0, 2): μ = 1, σ² = 1, ε = 3, root 2, x̂ = (−½, ½); g = (1, 0), γ = 4.
    # ∂β = 1, ∂γ = −½, mean g = ½, mean g x̂ = −¼:
    # ∂x = 4/2 · (1 − ½ + ½ · (−¼), 0 − ½ − ½ · (−¼)) = 2 · (⅜, −⅜).
    gradients = norm.batch_normalization_gradients([[1.0], [0.0]], [[0.0], [2.0]], 4.0, epsilon=3)
    np.testing.assert_allclose(gradients.x, [[0.75], [-0.75]], rtol=1e-12)
    np.testing.assert_allclose(gradients.gamma, [-0.5], rtol=1e-12)
    np.testing.assert_allclose(gradients.beta, [1.0], rtol=1e-12)


@given(batches, st.floats(1e-4, 1))
def test_outputs_have_mean_0_and_variance_v_over_v_plus_epsilon(x, epsilon):
    variance = x.var(axis=0)
    z = norm.batch_normalization(x, epsilon=epsilon)
    np.testing.assert_allclose(z.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(z.var(axis=0), variance / (variance + epsilon), atol=1e-9)


@given(batches, st.floats(-5, 5), st.floats(0.1, 10))
def test_a_bias_and_a_scale_before_it_are_lost(x, bias, scale):
    # (sx + b − (sμ + b)) / √(s²σ² + ε): with ε scaled by s² nothing of s > 0 and b is left.
    z = norm.batch_normalization(x, epsilon=0.1)
    changed = norm.batch_normalization(scale * x + bias, epsilon=0.1 * scale**2)
    np.testing.assert_allclose(changed, z, atol=1e-8)


@given(batches)
def test_the_gradient_of_the_inputs_sums_to_0_over_the_batch(x):
    upstream = np.sin(np.arange(x.size)).reshape(x.shape)
    gradient = norm.batch_normalization_gradients(upstream, x).x
    np.testing.assert_allclose(gradient.sum(axis=0), 0, atol=1e-9)


def test_a_batch_of_one_leaves_only_beta_and_no_gradient():
    x = np.array([[3.0, -7.0]])
    np.testing.assert_array_equal(norm.batch_normalization(x, 2.0, [1.0, 5.0]), [[1.0, 5.0]])
    assert not norm.batch_normalization_gradients(np.ones((1, 2)), x).x.any()


def test_gamma_0_leaves_beta_and_stops_the_gradient(rng):
    x = rng.standard_normal((5, 2))
    np.testing.assert_array_equal(norm.batch_normalization(x, 0.0, 4.0), np.full((5, 2), 4.0))
    gradients = norm.batch_normalization_gradients(rng.standard_normal((5, 2)), x, 0.0)
    assert not gradients.x.any()
    assert gradients.gamma.all()  # γ itself still learns


def test_inputs_are_left_as_they_are(rng):
    x = rng.standard_normal((5, 2))
    before = x.copy()
    norm.batch_normalization(x, 2.0, 1.0)
    norm.batch_normalization_gradients(x, x, 2.0)
    np.testing.assert_array_equal(x, before)


# Axes


def test_statistics_of_columns_and_of_pixels(rng):
    images = rng.standard_normal((10, 28, 28))
    columns, pixels = norm.moments(images), norm.moments(images, axis=(1, 2))
    assert columns.mean.shape == (28,)
    assert pixels.mean.size == 784
    np.testing.assert_allclose(columns.mean, pixels.mean.mean(axis=0))
    # A pixel each is what Keras does once the image is flat.
    flat = images.reshape(10, -1)
    expected = keras_layer(flat.shape)(flat, training=True)
    actual = norm.batch_normalization(images, axis=(1, 2)).reshape(10, -1)
    np.testing.assert_allclose(actual, expected, atol=1e-9)


def test_the_order_of_axes_is_that_of_the_batch(rng):
    x = rng.standard_normal((5, 2, 3))
    for ours, theirs in zip(norm.moments(x, axis=(2, 1)), norm.moments(x, axis=(1, -1))):  # noqa: B905
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(norm.moments(x, axis=np.int64(1)).mean, x.mean(axis=(0, 2)))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: norm.moments("ab"), "`x` must hold real numbers. Received: an array of type <U2"),
        (lambda: norm.moments(np.eye(2), axis=None), "`axis` must name axes.*axis=None"),
        (lambda: norm.moments(np.eye(2), axis="1"), "`axis` must name axes.*axis='1'"),
        (lambda: norm.moments(np.ma.masked_less(np.eye(2), 1)), "`x` must have no mask"),
        (lambda: norm.batch_normalization(np.eye(2), epsilon="a"), "`epsilon` must be a number"),
        (lambda: norm.batch_normalization(np.eye(2), None), "`gamma` must hold real numbers"),
    ],
)
def test_what_is_of_the_wrong_kind_is_named(call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call()


def test_keras_refuses_several_axes():
    with pytest.raises(TypeError):
        layers.BatchNormalization(axis=[1, 2])


# Moving averages and inference


@pytest.mark.parametrize("momentum", [0.0, 0.9, 1.0])
def test_moving_averages_of_keras_by_hand(momentum, rng):
    layer = keras_layer((6, 3), momentum=momentum, epsilon=0.01)
    mean, variance = np.zeros(3), np.ones(3)
    for _ in range(50):
        x = rng.standard_normal((6, 3)) * 2 + 3
        layer(x, training=True)
        own = norm.moments(x)
        mean = momentum * mean + (1 - momentum) * own.mean
        variance = momentum * variance + (1 - momentum) * own.variance
    np.testing.assert_allclose(mean, layer.moving_mean, rtol=1e-9)
    np.testing.assert_allclose(variance, layer.moving_variance, rtol=1e-9)
    z = norm.batch_normalization(x, statistics=Moments(mean, variance), epsilon=0.01)
    np.testing.assert_allclose(z, layer(x, training=False), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("between", [[], ["relu"]])
def test_a_bias_learns_nothing_directly_before_normalization_alone(between, rng):
    dense = layers.Dense(8, dtype="float64")
    stack = [dense, *map(layers.Activation, between), layers.BatchNormalization(dtype="float64")]
    x, above = rng.standard_normal((16, 4)), rng.standard_normal((16, 8))
    with tf.GradientTape() as tape:
        h = tf.constant(x)
        for layer in stack:
            h = layer(h, training=True)
        loss = tf.reduce_sum(h * above)
    kernel, bias = tape.gradient(loss, [dense.kernel.value, dense.bias.value])
    learns_nothing = np.abs(bias).max() < 1e-9 * np.abs(kernel).max()
    assert bool(learns_nothing) is (between == [])


def test_keras_averages_the_variance_and_divides_it_by_m():
    # Values 0 and 4: variance 4 (by m), 8 (by m − 1); standard deviation 2.
    layer = keras_layer((2, 1), momentum=0.0)
    layer(np.array([[0.0], [4.0]]), training=True)
    assert layer.moving_variance.numpy().item() == pytest.approx(4)


def test_the_root_is_of_variance_plus_epsilon():
    # σ² = 3, ε = 1: by √(σ² + ε) 4 becomes 2; by σ + ε it would become 4 / 2.73.
    layer = keras_layer((1, 1), epsilon=1.0, moving_variance_initializer=lambda *a, **k: [3.0])
    assert layer(np.array([[4.0]])).numpy().item() == pytest.approx(2)


def test_inference_does_not_depend_on_the_rest_of_the_batch(rng):
    x, statistics = rng.standard_normal((5, 3)), Moments(np.ones(3), np.full(3, 2.0))
    together = norm.batch_normalization(x, statistics=statistics)
    alone = norm.batch_normalization(x[:1], statistics=statistics)
    np.testing.assert_array_equal(together[:1], alone)


# Errors of the equations


@pytest.mark.parametrize("shape", [(3,), (0, 3), ()])
def test_a_batch_must_hold_examples_and_features(shape):
    with pytest.raises(ValueError, match=r"`x` must have shape \(examples, ...\) and not be empty"):
        norm.batch_normalization(np.zeros(shape))


@pytest.mark.parametrize("axis", [0, -3, 3, -4, (1, 1), (1, -2), (0, 1), ()])
def test_an_axis_must_be_of_features(axis):
    with pytest.raises(ValueError, match=r"`axis` must name axes 1 to 2 of `x`.* Received: axis="):
        norm.moments(np.zeros((2, 2, 2)), axis=axis)


@pytest.mark.parametrize("epsilon", [0, -1e-3, float("nan")])
def test_epsilon_must_be_above_0(epsilon):
    message = r"`epsilon` must be above 0 and finite. Received: epsilon="
    with pytest.raises(ValueError, match=message):
        norm.batch_normalization(np.zeros((2, 2)), epsilon=epsilon)
    with pytest.raises(ValueError, match=message):
        norm.batch_normalization_gradients(np.zeros((2, 2)), np.zeros((2, 2)), epsilon=epsilon)


def test_parameters_must_have_the_features_shape():
    x, message = np.zeros((4, 2)), r"must have the features' shape \(2,\). Received: shape=\(3,\)"
    with pytest.raises(ValueError, match="`gamma` " + message):
        norm.batch_normalization(x, np.ones(3))
    with pytest.raises(ValueError, match="`beta` " + message):
        norm.batch_normalization(x, 1.0, np.ones(3))
    with pytest.raises(ValueError, match="`gamma` " + message):
        norm.batch_normalization_gradients(x, x, np.ones(3))
    with pytest.raises(ValueError, match="`statistics.mean` " + message):
        norm.normalize(x, Moments(np.ones(3), np.ones(2)))
    with pytest.raises(ValueError, match="`statistics.variance` " + message):
        norm.normalize(x, Moments(np.ones(2), np.ones(3)))


def test_the_upstream_gradient_must_have_the_inputs_shape():
    with pytest.raises(ValueError, match=r"Received: shapes \(4, 1\) and \(4, 2\)"):
        norm.batch_normalization_gradients(np.zeros((4, 1)), np.zeros((4, 2)))


# Folding


def normalization(name="bn", **options):
    """Return a layer whose statistics and parameters are random, negative scales among them."""
    options = {"gamma_initializer": "random_normal", "beta_initializer": "random_normal"} | options
    return layers.BatchNormalization(name=name, **options)


def sequential(shape, *stack, seed=0):
    """Build a model and give its weights values that are typical of none at the start."""
    net = keras.Sequential([keras.Input(shape), *stack])
    rng = np.random.default_rng(seed)
    for weight in net.weights:
        if weight.name == "moving_variance":
            weight.assign(rng.uniform(0.2, 3, weight.shape))
        elif "kernel" not in weight.name:
            weight.assign(rng.standard_normal(weight.shape))
    return net


def fold_and_compare(net, *, shape=None, seed=1):
    """Fold, and show that predictions agree and the model is left alone."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((7, *(shape or net.input_shape[1:]))).astype("float32")
    weights, config = net.get_weights(), json.dumps(net.get_config(), default=str)
    expected = net(x, training=False).numpy()
    folded = norm.fold_batch_normalization(net)
    actual = folded.model(x, training=False).numpy()
    # float32 rounds to 6e-8; sums of up to 100 terms that cancel lose some factors of 10.
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5 * abs(expected).max())
    for old, new in zip(weights, net.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert json.dumps(net.get_config(), default=str) == config
    np.testing.assert_array_equal(net(x, training=False), expected)
    assert not {id(w) for w in net.weights} & {id(w) for w in folded.model.weights}
    assert not {id(layer) for layer in net.layers} & {id(layer) for layer in folded.model.layers}
    return folded


def names(folded):
    return [layer.name for layer in folded.model.layers]


def test_folding_by_hand():
    # Dense 3h + 1, then γ = 4, β = 5, μ = 2, σ² = 3, ε = 1: a = 4/2 = 2, c = 5 − 2 · 2 = 1;
    # together 2 · (3h + 1) + 1 = 6h + 3.
    bn = layers.BatchNormalization(epsilon=1.0)
    net = keras.Sequential([keras.Input((1,)), layers.Dense(1), bn])
    net.set_weights([np.array(w) for w in ([[3.0]], [1.0], [4.0], [5.0], [2.0], [3.0])])
    kernel, bias = norm.fold_batch_normalization(net).model.get_weights()
    assert (kernel.item(), bias.item()) == (6, 3)
    # The other way round: 3 · (2h + 1) + 1 = 6h + 4.
    bn = layers.BatchNormalization(epsilon=1.0)
    net = keras.Sequential([keras.Input((1,)), bn, layers.Dense(1)])
    net.set_weights([np.array(w) for w in ([4.0], [5.0], [2.0], [3.0], [[3.0]], [1.0])])
    kernel, bias = norm.fold_batch_normalization(net).model.get_weights()
    assert (kernel.item(), bias.item()) == (6, 4)


@pytest.mark.parametrize("after", [False, True])
def test_a_perceptron_folds_completely(after):
    stack = [layers.Flatten(), normalization("0")]
    for number, units in enumerate((30, 10), start=1):
        rest = [normalization(f"{number}"), layers.Activation("relu")]
        dense = layers.Dense(units, use_bias=after, name=f"hidden_{number}")
        stack += [dense, *(rest[::-1] if after else rest)]
    folded = fold_and_compare(sequential((8, 8), *stack, layers.Dense(3, name="output")))
    assert folded.unfolded == {}
    # The inputs' goes into the layer after it; the others where no activation is in between.
    expected = ["1", "2", "output"] if after else ["1", "1", "2"]
    assert [name.removeprefix("hidden_") for name in folded.folded.values()] == expected
    assert folded.model.count_params() == 64 * 30 + 30 + 30 * 10 + 10 + 10 * 3 + 3


AFTER_LINEAR = {
    "dense": ((5,), lambda: layers.Dense(4)),
    "dense without bias": ((5,), lambda: layers.Dense(4, use_bias=False)),
    "dense on places": ((3, 5), lambda: layers.Dense(4)),
    "conv1d causal": ((6, 3), lambda: layers.Conv1D(4, 3, padding="causal", dilation_rate=2)),
    "conv2d same": ((6, 6, 3), lambda: layers.Conv2D(4, 3, padding="same", strides=2)),
    "conv2d groups": ((6, 6, 4), lambda: layers.Conv2D(6, 3, groups=2, use_bias=False)),
    "conv3d": ((4, 4, 4, 2), lambda: layers.Conv3D(3, 2)),
    "transpose 1d": ((5, 3), lambda: layers.Conv1DTranspose(4, 3, strides=2)),
    "transpose 2d": ((5, 5, 3), lambda: layers.Conv2DTranspose(4, 3, padding="same")),
    "depthwise 1d": ((6, 3), lambda: layers.DepthwiseConv1D(3, depth_multiplier=2)),
    "depthwise 2d": ((6, 6, 3), lambda: layers.DepthwiseConv2D(3, depth_multiplier=2)),
    "separable 1d": ((6, 3), lambda: layers.SeparableConv1D(4, 3, depth_multiplier=2)),
    "separable 2d": ((6, 6, 3), lambda: layers.SeparableConv2D(4, 3, use_bias=False)),
}


@pytest.mark.parametrize("case", AFTER_LINEAR)
def test_folding_into_the_layer_before(case):
    shape, make = AFTER_LINEAR[case]
    linear = make()
    net = sequential(shape, linear, normalization(), layers.Activation("relu"))
    folded = fold_and_compare(net)
    assert folded.folded == {"bn": linear.name}
    assert names(folded) == [linear.name, net.layers[-1].name]


BEFORE_LINEAR = {
    "dense": ((5,), lambda: layers.Dense(4, activation="tanh")),
    "dense without bias": ((5,), lambda: layers.Dense(4, use_bias=False)),
    "dense on places": ((3, 5), lambda: layers.Dense(4)),
    "conv1d": ((6, 3), lambda: layers.Conv1D(4, 3, dilation_rate=2)),
    "conv2d strides": ((7, 7, 3), lambda: layers.Conv2D(4, 3, strides=2, activation="relu")),
    "conv2d 1x1 same": ((6, 6, 3), lambda: layers.Conv2D(4, 1, padding="same", strides=2)),
    "conv2d groups": ((6, 6, 4), lambda: layers.Conv2D(6, 3, groups=2)),
    "conv3d": ((4, 4, 4, 2), lambda: layers.Conv3D(3, 2, use_bias=False)),
    "depthwise 1d": ((6, 3), lambda: layers.DepthwiseConv1D(3, depth_multiplier=2)),
    "depthwise 2d": ((6, 6, 3), lambda: layers.DepthwiseConv2D(3, depth_multiplier=2)),
    "separable 1d": ((6, 3), lambda: layers.SeparableConv1D(4, 3, depth_multiplier=2)),
    "separable 2d": ((6, 6, 3), lambda: layers.SeparableConv2D(4, 3, depth_multiplier=2)),
}


@pytest.mark.parametrize("case", BEFORE_LINEAR)
def test_folding_into_the_layer_after(case):
    shape, make = BEFORE_LINEAR[case]
    linear = make()
    folded = fold_and_compare(sequential(shape, normalization(), linear))
    assert folded.folded == {"bn": linear.name}
    assert folded.unfolded == {}
    assert names(folded) == [linear.name]


PADDED = {
    "conv2d": ((6, 6, 3), lambda: layers.Conv2D(4, 3, padding="same", name="c")),
    "conv1d": ((6, 3), lambda: layers.Conv1D(4, 3, padding="causal", name="c")),
    "depthwise": ((6, 6, 3), lambda: layers.DepthwiseConv2D(3, padding="same", name="c")),
    "separable": ((6, 6, 3), lambda: layers.SeparableConv2D(4, 3, padding="same", name="c")),
    "transpose": ((6, 6, 3), lambda: layers.Conv2DTranspose(4, 3, name="c")),
}


@pytest.mark.parametrize("case", PADDED)
def test_padding_stops_a_shift_but_not_a_scale(case):
    shape, make = PADDED[case]
    folded = fold_and_compare(sequential(shape, normalization(), make()))
    assert folded.folded == {}
    assert names(folded) == ["bn", "c"]
    kind = type(folded.model.get_layer("c")).__name__
    assert folded.unfolded["bn"] == (
        "before it, there is no layer to take it; "
        f"after it, c ({kind}) pads with zeros, which the shift does not reach"
    )
    net = sequential(shape, normalization(center=False), make())
    net.get_layer("bn").moving_mean.assign(np.zeros(shape[-1]))  # no shift is left
    assert fold_and_compare(net).folded == {"bn": "c"}


PASSABLE = {
    "dropout": ((5,), lambda: [layers.Dropout(0.5), layers.GaussianNoise(1.0)]),
    "identity": ((5,), lambda: [layers.Activation("linear"), layers.Identity()]),
    "flatten": ((3, 5), lambda: [layers.Flatten()]),
    "reshape": ((3, 5), lambda: [layers.Reshape((15,))]),
    "reshape and back": ((3, 4), lambda: [layers.Reshape((2, 6)), layers.Reshape((3, 4))]),
    "permute": ((3, 5), lambda: [layers.Permute((2, 1)), layers.Flatten()]),
    "average": ((6, 6, 2), lambda: [layers.AveragePooling2D(2, padding="same")]),
    "average 4": ((7, 7, 2), lambda: [layers.AveragePooling2D(4, padding="same")]),
    "global average": ((6, 6, 2), lambda: [layers.GlobalAveragePooling2D()]),
    "global kept": ((6, 2), lambda: [layers.GlobalAveragePooling1D(keepdims=True)]),
    "average and flatten": ((6, 2), lambda: [layers.AveragePooling1D(2), layers.Flatten()]),
}


@pytest.mark.parametrize("case", PASSABLE)
def test_what_a_normalization_can_pass_forward(case):
    shape, make = PASSABLE[case]
    between = make()
    folded = fold_and_compare(
        sequential(shape, layers.ReLU(), normalization(), *between, layers.Dense(3, name="d"))
    )
    assert folded.folded == {"bn": "d"}
    assert len(folded.model.layers) == len(between) + 2


BACKWARD = {name: PASSABLE[name] for name in PASSABLE if name not in ("flatten", "reshape")}


@pytest.mark.parametrize("case", BACKWARD)
def test_what_a_normalization_can_pass_backward(case):
    shape, make = BACKWARD[case]
    between = make()
    if case in ("permute", "average and flatten"):  # one scale for many places would not do
        shape = (1, 5)
        between = [layers.Permute((2, 1)), layers.Flatten()]
    net = sequential(shape, layers.Dense(4, name="d"), *between, normalization(), layers.ReLU())
    assert fold_and_compare(net).folded == {"bn": "d"}


def test_a_flat_layer_stays_flat():
    net = sequential((5,), layers.Dense(4, name="d"), layers.Flatten(), normalization())
    assert fold_and_compare(net).folded == {"bn": "d"}


def test_flattened_places_need_scales_of_their_own():
    # 4 · 4 places of 3 channels have 48 scales; the convolution has one weight for each channel.
    conv = layers.Conv2D(3, 3, name="c")
    net = sequential((6, 6, 2), conv, layers.Flatten(), normalization(), layers.ReLU())
    folded = fold_and_compare(net)
    reason = "before it, c (Conv2D) has one weight where features differ"
    assert folded.unfolded["bn"].startswith(reason)
    bn = net.get_layer("bn")
    bn.set_weights([np.tile(weight[:3], 16) for weight in bn.get_weights()])  # alike everywhere
    assert fold_and_compare(net).folded == {"bn": "c"}


@pytest.mark.parametrize("pooling", [layers.MaxPooling2D, layers.GlobalMaxPooling2D])
def test_max_pooling_lets_rising_maps_pass_alone(pooling):
    for sign, passed in ((1, True), (-1, False)):
        stack = [layers.Conv2D(3, 3, name="c"), pooling(name="p"), normalization(), layers.ReLU()]
        ahead = [layers.ReLU(), normalization(), pooling(name="p"), layers.Flatten()]
        for layer_stack, target in ((stack, "c"), ([*ahead, layers.Dense(2, name="d")], "d")):
            net = sequential((6, 6, 2), *layer_stack)
            bn = net.get_layer("bn")
            bn.gamma.assign(sign * abs(bn.gamma.numpy()))
            folded = fold_and_compare(net)
            assert folded.folded == ({"bn": target} if passed else {})
            if not passed:
                reason = f"p ({pooling.__name__}) takes maxima"
                assert reason in folded.unfolded["bn"]


def test_an_axis_in_front_folds_into_the_layer_after_a_flatten():
    # 3 statistics for rows of 5: each of the 15 inputs of the dense layer has its row's.
    net = sequential((3, 5), normalization(axis=1), layers.Flatten(), layers.Dense(4, name="d"))
    assert fold_and_compare(net).folded == {"bn": "d"}
    net = sequential((3, 5), layers.Dense(4, name="d"), normalization(axis=1), layers.ReLU())
    folded = fold_and_compare(net)
    assert "d (Dense) has one weight where features differ" in folded.unfolded["bn"]


def unknown(x):
    """Be linear, which nobody can tell from outside."""
    return x


def test_an_activation_stops_it():
    nets = {
        "d (Dense) applies relu": [layers.Dense(3, activation="relu", name="d")],
        "a (Activation) applies tanh": [layers.Dense(3), layers.Activation("tanh", name="a")],
        "r (LeakyReLU) is not known to take it": [layers.Dense(3), layers.LeakyReLU(name="r")],
        "d (Dense) applies unknown": [layers.Dense(3, activation=unknown, name="d")],
    }
    for reason, stack in nets.items():
        folded = fold_and_compare(sequential((4,), *stack, normalization()))
        assert folded.folded == {}
        assert folded.unfolded["bn"].startswith(f"before it, {reason}")
        assert folded.unfolded["bn"].endswith("after it, there is no layer to take it")


def test_two_in_a_row_go_the_same_way():
    d, e = layers.Dense(4, name="d"), layers.Dense(3, name="e")
    folded = fold_and_compare(
        sequential((5,), d, normalization("first"), normalization("second"), layers.ReLU())
    )
    assert folded.folded == {"first": "d", "second": "d"}
    folded = fold_and_compare(sequential((5,), normalization("first"), normalization("second"), e))
    assert folded.folded == {"first": "second", "second": "e"}


@pytest.mark.parametrize("options", [{}, {"center": False}, {"scale": False, "center": False}])
def test_two_that_cannot_leave_become_one(options):
    both = [normalization("first", **options), normalization("second", **options)]
    folded = fold_and_compare(sequential((4, 4, 3), *both, layers.ReLU()))
    assert folded.folded == {"first": "second"}
    assert list(folded.unfolded) == ["second"]
    assert len(folded.model.layers) == 2


def test_two_along_different_axes_stay_two():
    net = sequential((4, 3), normalization("first", axis=1), normalization("second"))
    folded = fold_and_compare(net)
    assert names(folded) == ["first", "second"]
    assert "after it, second (BatchNormalization) has one weight where" in folded.unfolded["first"]


def test_gamma_0_and_a_frozen_layer_fold_too():
    d = layers.Dense(4, name="d", trainable=False)
    net = sequential((5,), d, normalization(trainable=False), layers.Dense(2, name="e"))
    net.get_layer("bn").gamma.assign([0.0, 1.0, 0.0, -1.0])
    folded = fold_and_compare(net)
    assert folded.folded == {"bn": "d"}
    assert [layer.trainable for layer in folded.model.layers] == [False, True]
    net.trainable = False
    assert not fold_and_compare(net).model.trainable_weights


def test_what_is_not_a_plain_normalization_is_said():
    @keras.saving.register_keras_serializable(package="test")
    class Own(layers.BatchNormalization):
        pass

    inputs = keras.Input((4,))
    branch = keras.Model(inputs, normalization("deep")(inputs), name="branch")
    net = sequential((4,), layers.Dense(4), Own(name="own"), branch)
    folded = fold_and_compare(net)
    assert folded.folded == {}
    assert folded.unfolded == {
        "own": "own (Own) is a subclass, which may compute something else",
        "branch/deep": "it is inside branch (Functional)",
    }
    timed = layers.TimeDistributed(normalization("each"), name="timed")
    folded = fold_and_compare(sequential((3, 4), timed))
    assert folded.unfolded == {"timed/each": "it is inside timed (TimeDistributed)"}


def test_a_sequential_inside_is_folded_by_itself():
    inner = keras.Sequential(
        [layers.Dense(4, name="d"), normalization("n"), layers.ReLU(), normalization("m")],
        name="inner",
    )
    folded = fold_and_compare(sequential((5,), normalization(), inner, layers.Dense(2)))
    assert folded.folded == {"inner/n": "inner/d"}
    assert list(folded.unfolded) == ["inner/m", "bn"]
    assert "inner (Sequential) is not known to take it" in folded.unfolded["bn"]
    assert [layer.name for layer in folded.model.get_layer("inner").layers][-1] == "m"


def test_layers_of_every_other_kind_come_along():
    net = sequential(
        (6,),
        layers.Embedding(10, 4),
        layers.Lambda(lambda x: 2 * x, name="twice"),
        layers.LSTM(3, return_sequences=True),
        layers.Dense(3, activation=lambda x: x * keras.ops.sigmoid(x)),
        layers.Dense(3, activation=layers.PReLU()),
        layers.Dense(3, name="d", kernel_regularizer="l2", kernel_constraint="non_neg"),
        normalization(),
        layers.LayerNormalization(),
    )
    x = np.arange(12).reshape(2, 6) % 10
    folded = norm.fold_batch_normalization(net)
    np.testing.assert_allclose(folded.model(x), net(x), rtol=1e-5, atol=1e-5)
    assert folded.folded == {"bn": "d"}


def test_a_model_without_normalization_is_copied():
    net = sequential((5,), layers.Dense(4, name="renamed"))
    net.compile("sgd", "mse")
    folded = fold_and_compare(net)
    assert (folded.folded, folded.unfolded) == ({}, {})
    assert folded.model.name == net.name
    assert not folded.model.compiled


def test_a_normalization_alone_stays():
    folded = fold_and_compare(sequential((5,), normalization("only")))
    assert folded.unfolded == {
        "only": "before it, there is no layer to take it; after it, there is no layer to take it"
    }


def test_shapes_that_are_not_fixed():
    net = sequential((None, None, 3), layers.Conv2D(4, 3, name="c"), normalization())
    assert fold_and_compare(net, shape=(6, 5, 3)).folded == {"bn": "c"}
    net = sequential((None, 3), normalization(), layers.Flatten(name="f"))
    folded = fold_and_compare(net, shape=(6, 3))
    reason = "after it, f (Flatten) moves features of a shape that is not fixed"
    assert folded.unfolded["bn"].endswith(reason)


def test_statistics_of_each_example_stay():
    net = keras.Sequential(
        [keras.Input(batch_shape=(7, 3)), layers.Dense(3), normalization(axis=0)]
    )
    folded = fold_and_compare(net)
    assert folded.unfolded == {"bn": "bn (BatchNormalization) has statistics for each example"}


def test_lora_weights_are_left_alone():
    net = sequential((5,), layers.Dense(4, name="d"), normalization())
    net.get_layer("d").enable_lora(2)
    part = norm.folding.Part(net.get_layer("d"))
    affine = norm.folding.Affine(np.ones(4), np.ones(4))
    with pytest.raises(norm.folding.BlockedError, match=r"weights of another kind: \['lora_kern"):
        norm.folding.fold_into_outputs(part, affine)


def test_channels_first_folds_along_its_axis():
    conv = layers.Conv2D(4, 3, data_format="channels_first", name="c")
    flat = layers.Flatten(data_format="channels_first")
    net = sequential((3, 6, 6), conv, normalization(axis=1))
    assert fold_and_compare_weights(net) == {"bn": "c"}
    net = sequential((3, 2, 2), normalization(axis=1), flat, layers.Dense(2, name="d"))
    assert fold_and_compare(net).folded == {"bn": "d"}


def fold_and_compare_weights(net):
    """Compare with the same weights in a model with the channels last, which a CPU can run."""
    folded = norm.fold_batch_normalization(net)
    last = keras.Sequential([keras.Input((6, 6, 3)), layers.Conv2D(4, 3), normalization()])
    last.set_weights(net.get_weights())
    expected = norm.fold_batch_normalization(last).model.get_weights()
    for ours, theirs in zip(folded.model.get_weights(), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)
    return folded.folded


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras'
def test_renormalization_and_a_saved_model_fold(tmp_path):
    net = sequential((5,), layers.Dense(4, name="d"), normalization(renorm=True))
    folded = fold_and_compare(net)
    folded.model.save(tmp_path / "folded.keras")
    loaded = keras.models.load_model(tmp_path / "folded.keras")
    x = np.ones((2, 5), dtype="float32")
    np.testing.assert_allclose(loaded(x), folded.model(x), rtol=1e-6)


def test_float64_models_agree_to_float64():
    stack = [layers.Dense(4, dtype="float64"), normalization(dtype="float64")]
    net = keras.Sequential([keras.Input((5,), dtype="float64"), *stack])
    net.set_weights([np.random.default_rng(0).uniform(0.5, 2, w.shape) for w in net.get_weights()])
    x = np.random.default_rng(1).standard_normal((3, 5))
    folded = norm.fold_batch_normalization(net).model
    np.testing.assert_allclose(folded(x), net(x), rtol=1e-12)


@given(
    st.lists(st.sampled_from(["dense", "relu", "bn", "dropout", "linear"]), min_size=1, max_size=7),
    st.integers(0, 2**16),
)
@settings(max_examples=25)
def test_folding_leaves_the_predictions_of_any_stack(kinds, seed):
    make = {
        "dense": lambda name: layers.Dense(4, name=name),
        "relu": lambda name: layers.Activation("relu", name=name),
        "bn": normalization,
        "dropout": lambda name: layers.Dropout(0.5, name=name),
        "linear": lambda name: layers.Activation("linear", name=name),
    }
    stack = [make[kind](f"{kind}_{number}") for number, kind in enumerate(kinds)]
    folded = fold_and_compare(sequential((4,), *stack, seed=seed), seed=seed)
    told = set(folded.folded) | set(folded.unfolded)
    assert told == {layer.name for layer in stack if layer.name.startswith("bn")}
    assert [name for name in names(folded) if name.startswith("bn")] == list(folded.unfolded)
    assert not set(folded.folded) & set(folded.unfolded)


def test_folding_refuses_other_models():
    inputs = keras.Input((3,))
    functional = keras.Model(inputs, layers.Dense(2)(inputs))
    with pytest.raises(TypeError, match=r"must be a keras.Sequential. Received: .* of Functional"):
        norm.fold_batch_normalization(functional)
    with pytest.raises(TypeError, match=r"`model` must be a keras.Sequential. Received: .* of str"):
        norm.fold_batch_normalization("model")

    class Doubled(keras.Sequential):
        def call(self, *args, **kwargs):
            return 2 * super().call(*args, **kwargs)

    with pytest.raises(TypeError, match=r"Received: Doubled, which overrides it"):
        norm.fold_batch_normalization(Doubled([keras.Input((3,)), layers.Dense(2)]))
    for bare in (keras.Sequential(name="bare"), keras.Sequential([layers.Dense(2)], name="bare")):
        with pytest.raises(ValueError, match=r"`model` must be built.* 'bare', not built"):
            norm.fold_batch_normalization(bare)


def test_a_layer_that_cannot_be_copied_is_named():
    class Closed(layers.Layer):
        def __init__(self, secret):
            super().__init__()

        def call(self, x):
            return x

    net = keras.Sequential([keras.Input((3,)), Closed(object()), normalization()])
    with pytest.raises(NotImplementedError, match="Closed"):
        norm.fold_batch_normalization(net)


def test_a_model_built_by_its_first_batch_folds(rng):
    net = keras.Sequential([layers.Dense(3, name="d"), normalization()])
    net(rng.standard_normal((7, 4)))
    assert fold_and_compare(net).folded == {"bn": "d"}
