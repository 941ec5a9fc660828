"""DropConnect, the soft threshold and a watched norm, against NumPy, Keras and scikit-learn."""

from functools import partial
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from helpers import data
from helpers import regularization as reg
from helpers.replicas import fit_replicas

MASKS = ["example", "batch"]
KERAS_SAVES = "ignore:__array__ implementation:DeprecationWarning"


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def saved_and_loaded(model, folder):
    path = folder / "model.keras"
    model.save(path)
    return keras.saving.load_model(path)


# DropConnect


def built(masks="example", rate=0.5, **options):
    layer = reg.DropConnect(3, rate=rate, masks=masks, seed=1, **options)
    layer.build((None, 4))
    return layer


@pytest.mark.parametrize("masks", MASKS)
def test_in_inference_it_is_a_dense_layer(rng, masks):
    x = rng.normal(size=(5, 4)).astype(np.float32)
    layer = built(masks, activation="relu")
    expected = np.maximum(x @ layer.kernel.numpy() + layer.bias.numpy(), 0)
    np.testing.assert_allclose(layer(x), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(layer(x), layer(x, training=False))


def test_in_training_it_equals_the_function_given_its_masks():
    # The identity as inputs, one row a weight of each unit, shows the mask of a batch.
    layer = built("batch", use_bias=False)
    rows = layer(np.eye(4, dtype=np.float32), training=True).numpy()
    kernel = layer.kernel.numpy()
    expected = reg.drop_connect(
        np.eye(4), kernel, np.zeros(3), rows != 0, np.ones(3, bool), rate=0.5
    )
    np.testing.assert_allclose(rows, expected, rtol=1e-6)
    assert 0 < (rows != 0).mean() < 1


def test_each_example_has_a_mask_of_its_own_and_a_batch_has_one():
    x = np.ones((50, 4), np.float32)
    own = built("example")(x, training=True).numpy()
    shared = built("batch")(x, training=True).numpy()
    assert len(np.unique(own, axis=0)) > 25
    assert len(np.unique(shared, axis=0)) == 1


def test_masks_are_drawn_anew_in_every_call():
    layer, x = built(), np.ones((4, 4), np.float32)
    assert not np.array_equal(layer(x, training=True), layer(x, training=True))


@pytest.mark.parametrize("rate", [0.2, 0.5])
def test_moments_are_those_of_the_formula(rng, rate):
    # Each term wx / (1 - p) with m ~ Bernoulli(1 - p) has the mean wx and the variance
    # (wx)² p / (1 - p); so has the bias.
    layer = built(rate=rate, bias_initializer="ones")
    x = rng.normal(size=4).astype(np.float32)
    kernel = layer.kernel.numpy()
    drawn = layer(np.repeat(x[None], 40_000, axis=0), training=True).numpy()
    variance = ((kernel.T * x) ** 2).sum(axis=1) + 1
    variance *= rate / (1 - rate)
    error = np.sqrt(variance / 40_000)
    assert (np.abs(drawn.mean(axis=0) - (x @ kernel + 1)) < 5 * error).all()
    np.testing.assert_allclose(drawn.var(axis=0), variance, rtol=0.05)


@pytest.mark.filterwarnings(KERAS_SAVES)
@pytest.mark.parametrize("masks", MASKS)
def test_drop_connect_survives_a_file(rng, masks, tmp_path):
    x = rng.normal(size=(5, 4)).astype(np.float32)
    model = keras.Sequential(
        [keras.Input((4,)), reg.DropConnect(3, rate=0.3, masks=masks, seed=7, activation="tanh")]
    )
    loaded = saved_and_loaded(model, tmp_path)
    layer = loaded.layers[0]
    assert type(layer) is reg.DropConnect
    assert (layer.rate, layer.masks, layer.seed) == (0.3, masks, 7)
    np.testing.assert_array_equal(loaded(x), model(x))
    assert loaded.layers[-1].get_config() == model.layers[-1].get_config()


def test_drop_connect_trains_alone_and_stacked():
    digits = data.load("digits", train_size=64)

    def build():
        dense = [keras.layers.Dense(12, "relu"), reg.DropConnect(8, activation="relu")]
        body = [keras.layers.Flatten(), *dense, keras.layers.Dense(10, "softmax")]
        return keras.Sequential([keras.Input(digits.image_shape), *body])

    model = build()
    model.compile("adam", "sparse_categorical_crossentropy")
    assert np.isfinite(model.fit(digits.x_train, digits.y_train, verbose=0).history["loss"][0])
    loss = "sparse_categorical_crossentropy"
    run = fit_replicas(build, digits, optimizer="adam", loss=loss, epochs=2, replicas=2)
    assert (np.ptp(run.history["loss"], axis=0) > 0).all()
    assert np.isfinite(run.history["loss"]).all()


def test_drop_connect_with_rate_0_is_dense_in_training(rng):
    x = rng.normal(size=(5, 4)).astype(np.float32)
    layer = built(rate=0)
    np.testing.assert_array_equal(layer(x, training=True), layer(x))


def test_drop_connect_checks():
    with pytest.raises(ValueError, match=r"`masks` must be one of .*Received: masks='step'"):
        reg.DropConnect(3, masks="step")
    with pytest.raises(ValueError, match=r"flatten them first. Received: shape=\(None, 8, 8\)"):
        reg.DropConnect(3).build((None, 8, 8))


# Constraints and norms


def test_soft_threshold_constraint_equals_the_function(rng):
    w = rng.normal(size=(4, 3)).astype(np.float32)
    np.testing.assert_allclose(reg.SoftThreshold(0.3)(w), reg.soft_threshold(w, 0.3), atol=1e-7)


def test_gradient_descent_with_it_is_proximal():
    # One step on the loss w² at w = (3, 0.05): 3 - 0.1 · 6 = 2.4 → 2.3; 0.05 - 0.01 = 0.04 → 0.
    variable = keras.Variable([3.0, 0.05])
    variable.constraint = reg.SoftThreshold(0.1)
    keras.optimizers.SGD(0.1).apply([2 * keras.ops.convert_to_tensor(variable)], [variable])
    np.testing.assert_allclose(variable.numpy(), [2.3, 0.0], rtol=1e-6)


@pytest.mark.filterwarnings(KERAS_SAVES)
def test_soft_threshold_survives_a_file(tmp_path):
    layer = keras.layers.Dense(2, kernel_constraint=reg.SoftThreshold(0.25))
    loaded = saved_and_loaded(keras.Sequential([keras.Input((3,)), layer]), tmp_path)
    assert loaded.layers[0].kernel_constraint.amount == 0.25


def regression(features, **options):
    def build():
        output = keras.layers.Dense(3, "softmax", use_bias=False, name="output", **options)
        return keras.Sequential([keras.Input((features,)), output])

    return build


SGD = {"optimizer": keras.optimizers.SGD(1.0), "loss": "sparse_categorical_crossentropy"}
PULLS = {
    "output.kernel_constraint.amount": {"kernel_constraint": reg.SoftThreshold(0)},
    "output.kernel_regularizer.l1": {"kernel_regularizer": keras.regularizers.L1()},
}


def test_proximal_training_reaches_the_solution_of_scikit_learn(rng):
    x = rng.normal(size=(120, 6)).astype(np.float32)
    y = (x[:, 0] - x[:, 1] + 0.3 * rng.normal(size=120) > 0).astype(int) + (x[:, 2] > 1)
    strength = 0.03
    build = regression(6, kernel_constraint=reg.SoftThreshold(strength))
    run = fit_replicas(build, x, y, epochs=400, batch_size=120, replicas=2, **SGD)
    # Scikit-learn minimizes C times the summed loss plus ‖W‖₁: C = 1 / (nλ).
    oracle = LogisticRegression(
        C=1 / (120 * strength), l1_ratio=1.0, solver="saga", fit_intercept=False,
        tol=1e-7, max_iter=20_000,
    ).fit(x, y)  # fmt: skip
    for kernel in run.weights[0]:  # from both starts
        np.testing.assert_allclose(kernel.T, oracle.coef_, atol=1e-3)
        np.testing.assert_array_equal(kernel.T == 0, np.abs(oracle.coef_) < 1e-6)


@pytest.mark.parametrize("name", PULLS)
def test_a_strength_for_each_replica_is_the_strength_of_its_net(rng, name):
    x, y = rng.normal(size=(40, 4)).astype(np.float32), rng.integers(0, 3, 40)
    run = fit_replicas(
        regression(4, **PULLS[name]), x, y, epochs=3, replicas=2, seed=[7, 7],
        each={name: [0.0, 0.2]}, **SGD,
    )  # fmt: skip
    alone = {
        "output.kernel_constraint.amount": {"kernel_constraint": reg.SoftThreshold(0.2)},
        "output.kernel_regularizer.l1": {"kernel_regularizer": keras.regularizers.L1(0.2)},
    }[name]
    expected = fit_replicas(regression(4, **alone), x, y, epochs=3, replicas=1, seed=7, **SGD)
    np.testing.assert_allclose(run.weights[0][1], expected.weights[0][0], rtol=1e-5, atol=1e-6)
    assert (run.weights[0][0] != run.weights[0][1]).any()
    assert ((run.weights[0][1] == 0).mean() > 0.1) == (name == "output.kernel_constraint.amount")


def test_a_watched_norm_is_the_largest_of_a_unit(rng):
    x, y = rng.normal(size=(40, 4)).astype(np.float32), rng.integers(0, 3, 40)
    watch = {"norm": partial(reg.largest_norm, kernel=0)}
    limit = regression(4, kernel_constraint=keras.constraints.MaxNorm(0.5))
    run = fit_replicas(limit, x, y, epochs=2, replicas=2, watch=watch, **SGD)
    first = np.linalg.norm(run.initial_weights[0], axis=1).max(axis=1)
    np.testing.assert_allclose(run.steps["norm"][:, 0], first, rtol=1e-6)
    assert run.steps["norm"].shape == (2, 4)
    assert (run.steps["norm"][:, 1:] <= 0.5 + 1e-6).all()


def test_largest_norm_of_convolutions():
    # Of a convolution (1, 2, 2, 1) all four weights come into the one unit: norm √(9+16+144) = 13.
    # As a depthwise kernel each channel has a unit of its own: norms √(9+144) and 4.
    kernel = np.array([[[[3.0], [4.0]], [[12.0], [0.0]]]])
    step = SimpleNamespace(weights=[keras.ops.array(kernel)])
    assert float(reg.largest_norm(step, kernel=0, axis=(0, 1, 2))) == pytest.approx(13)
    assert float(reg.largest_norm(step, kernel=0, axis=(0, 1))) == pytest.approx(153**0.5)


@pytest.mark.parametrize(
    ("make", "axis"),
    [
        (lambda limit: keras.layers.Conv2D(3, 2, kernel_constraint=limit), (0, 1, 2)),
        (lambda limit: keras.layers.DepthwiseConv2D(2, depthwise_constraint=limit), (0, 1)),
    ],
)
def test_max_norm_over_the_same_axes_holds(rng, make, axis):
    layer = make(keras.constraints.MaxNorm(0.5, axis=list(axis)))
    model = keras.Sequential([keras.Input((4, 4, 2)), layer, keras.layers.Flatten()])
    model.compile("sgd", "mse")
    x = rng.normal(size=(8, 4, 4, 2)).astype(np.float32)
    model.train_on_batch(x, 10 * np.ones(model(x).shape, np.float32))
    step = SimpleNamespace(weights=[keras.ops.convert_to_tensor(layer.weights[0])])
    assert float(reg.largest_norm(step, kernel=0, axis=axis)) == pytest.approx(0.5, rel=1e-5)
