"""Temperatures, readings and error detection against scikit-learn; SAM against the engine."""

import keras
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from helpers import data
from helpers import regularization as reg
from helpers.claims import judge
from helpers.numerics import cross_entropy, softmax
from helpers.replicas import fit_replicas


@pytest.fixture
def rng():
    return np.random.default_rng(0)


# Temperature


def test_temper_by_hand():
    # At T = 1/2 the probabilities are squared: 0.04 and 0.64, of 0.68.
    np.testing.assert_allclose(reg.temper([0.2, 0.8], 0.5), [0.04 / 0.68, 0.64 / 0.68])


@given(st.floats(0.05, 20), st.integers(0, 100))
def test_temper_is_the_softmax_of_divided_logits(temperature, seed):
    logits = np.random.default_rng(seed).normal(scale=3, size=(4, 5))
    found = reg.temper(softmax(logits), temperature)
    np.testing.assert_allclose(found, softmax(logits / temperature), rtol=1e-9, atol=1e-12)
    assert (found.argmax(axis=1) == logits.argmax(axis=1)).all()


def test_temper_takes_a_probability_of_0():
    found = reg.temper(np.array([0.0, 1.0]), 2.0)
    assert 0 <= found[0] < 1e-15
    assert found.sum() == pytest.approx(1)


def test_fit_temperature_by_hand():
    # Right three times of four: the best confidence is 3/4, whose logit is log 3; that of 0.9 is
    # log 9, twice as large.
    p, labels = np.tile([0.9, 0.1], (4, 1)), np.array([0, 0, 0, 1])
    assert reg.fit_temperature(p, labels) == pytest.approx(2, rel=1e-4)


def test_fit_temperature_undoes_a_temperature(rng):
    p = rng.dirichlet(np.ones(4), size=20_000)
    labels = (p.cumsum(axis=1) < rng.random((20_000, 1))).sum(axis=1)
    assert reg.fit_temperature(p, labels) == pytest.approx(1, abs=0.03)
    assert reg.fit_temperature(reg.temper(p, 1 / 3), labels) == pytest.approx(3, rel=0.03)


def test_fit_temperature_of_very_sure_answers_is_not_lost_where_the_loss_is_flat():
    # One of 400 is wrong: the best confidence has the logit log 399.
    p, labels = np.tile([1.0, 1e-36], (400, 1)), np.arange(400) == 0
    expected = np.log(1e36) / np.log(399)
    assert reg.fit_temperature(p, labels) == pytest.approx(expected, rel=1e-4)


def test_fit_temperature_of_answers_that_are_all_right_is_near_0():
    assert reg.fit_temperature(np.array([[0.9, 0.1]]), np.array([0])) < 0.05


def test_temperature_checks():
    for bad in (0.0, -1.0, np.inf):
        with pytest.raises(ValueError, match=f"above 0 and finite. Received: temperature={bad}"):
            reg.temper([0.5, 0.5], bad)
    for p, labels in ((np.ones(3), np.zeros(3)), (np.ones((2, 3)), [0]), (np.ones((0, 3)), [])):
        with pytest.raises(ValueError, match=r"`probabilities` must have shape \(n, classes\)"):
            reg.fit_temperature(p, labels)


# Error detection


def test_error_detection_by_hand():
    # Wrong: 0.5 and 0.2; right: 0.2 and 0.1. Of the four pairs three are in order, one is a draw.
    found = reg.error_detection([0.5, 0.2, 0.2, 0.1], [True, True, False, False])
    assert found == pytest.approx(3.5 / 4)


def test_error_detection_equals_scikit_learn(rng):
    unsure = rng.integers(0, 20, 300) / 20  # with draws
    wrong = rng.random(300) < unsure
    assert reg.error_detection(unsure, wrong) == pytest.approx(roc_auc_score(wrong, unsure))


@pytest.mark.parametrize("wrong", [[True, True], [False, False]])
def test_error_detection_with_nothing_to_tell_apart_is_a_coin(wrong):
    assert reg.error_detection([0.1, 0.2], wrong) == 0.5


def test_error_detection_checks():
    with pytest.raises(ValueError, match=r"one shape \(n,\). Received: \(2,\) and \(1,\)"):
        reg.error_detection([0.1, 0.2], [True])


# Readings


def seen():
    answers = np.array([[[0.9, 0.1], [0.6, 0.4], [0.3, 0.7], [0.8, 0.2]]])
    calls = []

    def predict(rows):
        calls.append(rows)
        return answers[:, rows[0]]

    y, tune = np.array([0, 1, 1, 0]), np.array([[0, 1]])
    return reg.Predictions(predict, y, tune, design="by hand"), answers[0], y, calls


def test_readings_by_hand():
    found, answers, y, _ = seen()
    rows = np.array([[1, 2, 3]])
    assert found.read("accuracy", rows) == pytest.approx(200 / 3)
    expected = -np.log([0.4, 0.7, 0.8]).mean()
    assert found.read("loss", rows) == pytest.approx(expected)
    temperature = reg.fit_temperature(answers[:2], y[:2])
    assert found.temperatures() == pytest.approx(temperature)
    tempered = cross_entropy(reg.temper(answers[1:], temperature), y[1:]).mean()
    assert found.read("tempered loss", rows) == pytest.approx(tempered)
    # Wrong is the first, with the entropy of 0.6, the highest of the three.
    assert found.read("error detection", rows) == 1


def test_predictions_are_computed_once_for_each_set_of_rows():
    found, _, _, calls = seen()
    for _ in range(3):
        found.read("loss", np.array([[1, 2]]))
        found.read("tempered loss", np.array([[2, 3]]))
    assert len(calls) == 3  # twice judged, once tuned


def test_an_unknown_reading_is_refused():
    with pytest.raises(ValueError, match=r"`reading` must be one of accuracy.*reading='speed'"):
        seen()[0].read("speed", np.array([[0]]))


def test_judge_takes_readings():
    pool = data.load_pool("digits")
    draws = pool.draw(replicas=2, sizes=(100, 200, 200))
    even = np.full((2, len(draws.tune[0]), 10), 0.1)
    found = reg.Predictions(lambda rows: even[:, : rows.shape[1]], pool.y, draws.tune, design=1)
    arms = {name: reg.Reading(found, name) for name in ("loss", "accuracy")}
    judged = judge(draws, arms, measure=reg.read, scope="even answers")
    np.testing.assert_allclose(judged["loss"], np.log(10))
    assert len(arms["loss"]) == 2
    assert arms["loss"].design == ["loss", 1]


# Sharpness-aware minimization


def perceptron():
    dense = [keras.layers.Dense(6, "relu"), keras.layers.Dense(3, "softmax")]
    return keras.Sequential([keras.Input((4,)), *dense])


def task(rng):
    x = rng.normal(size=(40, 4)).astype(np.float32)
    return x, rng.integers(0, 3, 40), np.stack([np.arange(24), np.arange(10, 34)])


def test_sam_of_radius_0_is_adam(rng):
    x, y, rows = task(rng)
    run = fit_replicas(
        perceptron, x, y, rows=rows, optimizer=keras.optimizers.Adam(0.01), epochs=3, batch_size=10,
        loss="sparse_categorical_crossentropy", replicas=2, seed=5,
    )  # fmt: skip
    options = {"learning_rate": 0.01, "epochs": 3, "batch_size": 10, "seeds": run.seeds}
    found = reg.fit_sam(run.initial_weights, x, y, rows, rho=[0, 0], **options)
    for ours, theirs in zip(found, run.weights, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        softmax(np.array(reg.perceptron(found, x))), run.predict(x), atol=1e-4
    )
    one, both = (
        reg.fit_sam(run.initial_weights, x, y, rows, rho=rho, **options)
        for rho in ([0.1, 0.0], [0.1, 0.3])
    )
    np.testing.assert_allclose(one[0][0], both[0][0], rtol=1e-4, atol=1e-6)  # replicas are apart
    assert np.abs(one[0][1] - both[0][1]).max() > 1e-3


def test_a_step_of_sam_takes_the_gradient_uphill(rng):
    # Adam's first step is the rate times the sign of the gradient at w + e, computed here with a
    # tape of its own.
    x, y, _ = task(rng)
    keras.utils.set_random_seed(1)
    model = perceptron()
    start = [w[None] for w in model.get_weights()]
    entropy = keras.losses.sparse_categorical_crossentropy
    tf = pytest.importorskip("tensorflow")

    def gradient():
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(entropy(y, model(x)))
        return tape.gradient(loss, model.trainable_variables)

    here = gradient()
    size = tf.linalg.global_norm(here)
    for variable, g in zip(model.trainable_variables, here, strict=True):
        variable.assign_add(0.5 * g / size)
    there = gradient()
    found = reg.fit_sam(
        start, x, y, np.arange(40)[None], rho=[0.5], learning_rate=0.01, epochs=1, batch_size=40,
        seeds=[0],
    )  # fmt: skip
    for before, after, g in zip(start, found, there, strict=True):
        clear = np.abs(g) > 1e-4
        moved = (after - before)[0]
        np.testing.assert_allclose(moved[clear], -0.01 * np.sign(g)[clear], rtol=1e-2)


def test_sam_takes_data_by_position_in_any_form(rng):
    x, y, rows = task(rng)
    weights = [np.stack([one, one]) for one in perceptron().get_weights()]
    options = {
        "rho": [0.1, 0.2], "learning_rate": 0.01, "epochs": 1, "batch_size": 10, "seeds": [1, 2],
    }  # fmt: skip
    expected = reg.fit_sam(weights, x, y, rows, **options)
    shuffled = rng.permutation(40)
    table, series = pd.DataFrame(x, index=shuffled), pd.Series(y, index=shuffled)
    for form in ((table, series, rows), (x.tolist(), y[:, None], rows.tolist())):
        for ours, theirs in zip(reg.fit_sam(weights, *form, **options), expected, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-5)
    with pytest.raises(ValueError, match=r"`seeds` must be 2, one for each.* Received: seeds=\[1"):
        reg.fit_sam(weights, x, y, rows, **options | {"seeds": [1]})


@pytest.mark.parametrize("rho", [0.0, 0.3])
def test_a_model_takes_the_steps_of_the_stacked_one(rng, rho):
    x, y, _ = task(rng)
    keras.utils.set_random_seed(1)
    model = reg.SAM(perceptron().layers)
    model.rho = rho
    stacked = reg.fit_sam(
        [w[None] for w in model.get_weights()], x, y, np.arange(40)[None], rho=[rho],
        learning_rate=0.01, epochs=3, batch_size=40, seeds=[0],
    )  # fmt: skip
    loss = "sparse_categorical_crossentropy"
    model.compile(keras.optimizers.Adam(0.01), loss, metrics=["accuracy"])
    first = model.evaluate(x, y, verbose=0)
    history = model.fit(x, y, batch_size=40, epochs=3, verbose=0).history
    np.testing.assert_allclose([history["loss"][0], history["accuracy"][0]], first, rtol=1e-5)
    for ours, theirs in zip(model.get_weights(), stacked, strict=True):
        np.testing.assert_allclose(ours, theirs[0], rtol=1e-3, atol=1e-4)


def small_sam(optimizer=None, **options):
    keras.utils.set_random_seed(1)
    model = reg.SAM([keras.Input((4,)), *perceptron().layers])
    model.rho = 0.3
    optimizer = optimizer or keras.optimizers.SGD(0.5)
    model.compile(optimizer, "sparse_categorical_crossentropy", **options)
    return model


def test_sam_trains_as_well_under_a_scaled_loss(rng):
    x, y, _ = task(rng)
    plain, wrapped = (
        small_sam(),
        small_sam(keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.5))),
    )
    for model in (plain, wrapped):
        model.fit(x, y, batch_size=10, epochs=2, verbose=0, shuffle=False)
    for ours, theirs in zip(wrapped.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


def test_sam_weighs_a_smaller_last_batch_as_keras_does(rng):
    x, y, _ = task(rng)
    model = small_sam(keras.optimizers.SGD(0.0), metrics=["accuracy"])
    expected = model.evaluate(x, y, batch_size=15, verbose=0)
    history = model.fit(x, y, batch_size=15, shuffle=False, verbose=0).history
    np.testing.assert_allclose([history["loss"][0], history["accuracy"][0]], expected, rtol=1e-5)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras'
def test_sam_survives_a_file(rng, tmp_path):
    model = small_sam()
    model.save(tmp_path / "sam.keras")
    again = keras.models.load_model(tmp_path / "sam.keras")
    assert (type(again), again.rho) == (reg.SAM, 0.3)


def test_sam_goes_as_far_uphill_over_an_embedding():
    layers = [keras.layers.Embedding(3, 2), keras.layers.Flatten(), keras.layers.Dense(1)]
    model = reg.SAM([keras.Input((4,)), *layers])
    model.compile("sgd", "mse")
    words, y = np.zeros((5, 4), int), np.ones((5, 1))
    _, _, found = model.gradients(words, y)
    assert [tuple(g.shape) for g in found] == [tuple(w.shape) for w in model.trainable_variables]
    assert all(hasattr(g, "numpy") for g in found)


@pytest.mark.parametrize("rho", [[-0.1, 0], [np.inf, 0], [0.1]])
def test_sam_checks(rng, rho):
    x, y, rows = task(rng)
    with pytest.raises(ValueError, match="`rho` must be 2 numbers of 0 or more"):
        reg.fit_sam(
            [], x, y, rows, rho=rho, learning_rate=0.1, epochs=1, batch_size=8, seeds=[0, 1]
        )
