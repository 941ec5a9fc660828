"""DropConnect, the soft threshold, a watched norm and the nets, against NumPy, Keras and
scikit-learn."""

from functools import partial

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
        return reg.regularized_mlp(
            digits.image_shape, 10, hidden=[12, 8], dense=[keras.layers.Dense, reg.DropConnect]
        )

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
    output = partial(keras.layers.Dense, use_bias=False, **options)
    return partial(reg.regularized_mlp, (features,), 3, hidden=[], output=output)


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


# Nets and augmentation


def kinds(model):
    return [type(layer).__name__ for layer in model.layers]


def test_regularized_mlp_has_what_is_asked_for():
    model = reg.regularized_mlp(
        (8, 8),
        10,
        hidden=[7, 5],
        dense=[keras.layers.Dense, reg.DropConnect],
        before=lambda: [keras.layers.GaussianNoise(0.1)],
        after=[lambda: keras.layers.Dropout(0.5), None],
    )
    assert kinds(model) == ["GaussianNoise", "Flatten", "Dense", "Dropout", "DropConnect", "Dense"]
    assert [layer.name for layer in model.layers if layer.weights] == [
        "hidden_1",
        "hidden_2",
        "output",
    ]
    np.testing.assert_allclose(model(np.ones((2, 8, 8))).numpy().sum(axis=1), 1, rtol=1e-6)


@pytest.mark.parametrize(
    "regularization",
    [
        {"after": partial(keras.layers.Dropout, 0.5)},
        {"after": [None, partial(keras.layers.AlphaDropout, 0.1)]},
        {"dense": [partial(reg.DropConnect, rate=0.5), keras.layers.Dense]},
        {"before": lambda: reg.augmentation_layers((8, 8))},
        {"before": lambda: [keras.layers.GaussianNoise(0.3)]},
    ],
)
def test_first_weights_do_not_depend_on_the_regularization(regularization):
    weights = []
    for options in ({}, regularization):
        keras.utils.set_random_seed(3)
        model = reg.regularized_mlp((8, 8), 10, hidden=[7, 5], **options)
        weights.append([w.numpy() for w in model.trainable_variables])
    assert all(map(np.array_equal, *weights))
    assert len({w.std() for w in weights[0]}) == 4  # three kernels that differ, and zeros


def test_regularized_mlp_checks():
    with pytest.raises(ValueError, match=r"`hidden` and `classes` must be at least 1. Received"):
        reg.regularized_mlp((8, 8), 10, hidden=[0])
    with pytest.raises(ValueError, match=r"one entry for each hidden layer.* 1 entries for 2"):
        reg.regularized_mlp((8, 8), 10, hidden=[3, 3], after=[None])


@pytest.mark.parametrize("shape", [(8, 8), (28, 28), (32, 32, 3)])
@pytest.mark.parametrize("mirror", [True, False])
def test_augmentation_keeps_shape_and_range_and_acts_in_training_only(rng, shape, mirror):
    x = rng.random((6, *shape)).astype(np.float32)
    layers = reg.augmentation_layers(shape, mirror=mirror)
    model = keras.Sequential([keras.Input(shape), *layers])
    expected = x.reshape(6, *shape[:2], -1)
    np.testing.assert_array_equal(model(x, training=False), expected)
    assert np.abs(model(x) - expected).max() > 0.01  # Keras' own default is training
    changed = model(x, training=True).numpy()
    assert changed.shape == expected.shape
    assert np.abs(changed - expected).max() > 0.01
    # Interpolation takes means of pixels.
    assert changed.min() >= -1e-5
    assert changed.max() <= 1 + 1e-5
    assert ("RandomFlip" in kinds(model)) == mirror


def test_a_shift_of_0_has_no_layer():
    layers = reg.augmentation_layers((8, 8), shift=0)
    assert kinds(keras.Sequential(layers)) == ["Reshape", "RandomZoom", "RandomRotation"]


def test_augmentation_checks():
    with pytest.raises(ValueError, match=r"`image_shape` must be .*Received: image_shape=\(64,\)"):
        reg.augmentation_layers((64,))
    for wrong in ({"shift": 1}, {"zoom": -0.1}, {"turn": 0.6}):
        with pytest.raises(ValueError, match=r"`shift` and `zoom` must be in \[0, 1\) and `turn`"):
            reg.augmentation_layers((8, 8), **wrong)


# Losses


def test_final_losses_leave_out_penalties_and_noise():
    digits = data.load("digits", train_size=50)

    def build():
        return reg.regularized_mlp(
            digits.image_shape,
            10,
            hidden=[8],
            dense=lambda *a, **k: keras.layers.Dense(*a, kernel_regularizer="l2", **k),
            after=lambda: keras.layers.Dropout(0.5),
        )

    loss = "sparse_categorical_crossentropy"
    run = fit_replicas(build, digits, optimizer="adam", loss=loss, epochs=1, replicas=2)
    found = reg.final_losses(run, digits)
    for k in range(2):
        model = run.model(k)
        for values, x, y in (
            (found.train, digits.x_train, digits.y_train),
            (found.valid, digits.x_valid, digits.y_valid),
        ):
            expected = keras.losses.sparse_categorical_crossentropy(y, model(x)).numpy().mean()
            assert values[k] == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(found.gap, found.valid - found.train)
