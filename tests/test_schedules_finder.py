"""The learning-rate finder, and the state that it puts back."""

import keras
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import schedules

RNG = np.random.default_rng(0)
X = RNG.normal(size=(48, 3)).astype(np.float32)
Y = X @ np.array([[1.0], [-2.0], [0.5]], np.float32)


def line(optimizer=None, *layers):
    keras.utils.set_random_seed(3)
    model = keras.Sequential([keras.Input((3,)), *layers, keras.layers.Dense(1, use_bias=False)])
    model.compile(optimizer or keras.optimizers.SGD(0.01, momentum=0.5), loss="mse")
    return model


def test_smooth_by_hand():
    # s = 0.1·4 = 0.4, 0.9·0.4 + 0.1·2 = 0.56; divided by 1 − 0.9 = 0.1 and 1 − 0.81 = 0.19.
    np.testing.assert_allclose(schedules.smooth([4.0, 2.0]), [4.0, 0.56 / 0.19])
    assert schedules.smooth([4.0, 2.0], smoothing=0.0).tolist() == [4.0, 2.0]


@settings(max_examples=40)
@given(losses=st.lists(st.floats(0.1, 10.0), min_size=1, max_size=30), smoothing=st.floats(0, 0.99))
def test_smoothing_is_a_weighted_mean(losses, smoothing):
    smoothed = schedules.smooth(losses, smoothing=smoothing)
    weights = smoothing ** np.arange(len(losses))[::-1]
    assert smoothed[-1] == pytest.approx(np.average(losses, weights=weights))
    assert min(losses) * (1 - 1e-9) <= smoothed.min() <= smoothed.max() <= max(losses) * 1.000001


def test_the_sweep_follows_its_definition_step_by_step():
    model = line()
    w, velocity = model.get_weights()[0].astype(np.float64), 0.0
    sweep = schedules.find_learning_rate(
        model, X, Y, low=1e-3, high=1e-1, steps=9, batch_size=16, seed=5
    )
    # A new order for each epoch of three batches.
    rng = np.random.default_rng(5)
    order = np.concatenate([rng.permutation(48) for _ in range(3)]).reshape(9, 16)
    for batch, rate, loss in zip(order, np.geomspace(1e-3, 1e-1, 9), sweep.losses, strict=True):
        error = X[batch] @ w - Y[batch]
        assert loss == pytest.approx(float(np.mean(error**2)), rel=1e-5)
        velocity = 0.5 * velocity - rate * 2 * X[batch].T @ error / 16
        w = w + velocity
    np.testing.assert_allclose(sweep.rates, np.geomspace(1e-3, 1e-1, 9))
    np.testing.assert_allclose(sweep.smoothed, schedules.smooth(sweep.losses))
    assert not sweep.diverged
    assert sweep.lowest == sweep.rates[sweep.smoothed.argmin()]
    assert sweep.suggestion == sweep.lowest / 10


def test_the_sweep_stops_where_the_loss_explodes():
    sweep = schedules.find_learning_rate(line(), X, Y, low=1e-3, high=1e3, steps=80, batch_size=16)
    assert sweep.diverged
    assert len(sweep.rates) < 80
    assert sweep.smoothed[-1] > 4 * sweep.smoothed.min()
    assert (sweep.smoothed[:-1] <= 4 * np.minimum.accumulate(sweep.smoothed)[:-1]).all()


def test_the_suggestion_trains():
    model = line()
    sweep = schedules.find_learning_rate(model, X, Y, low=1e-4, high=1e2, batch_size=16)
    model.optimizer.learning_rate = sweep.suggestion
    losses = model.fit(X, Y, epochs=20, batch_size=16, verbose=0).history["loss"]
    assert losses[-1] < 0.1 * losses[0]


@pytest.mark.parametrize("fitted_before", [False, True])
def test_model_and_optimizer_come_back_as_they_were(fitted_before):
    model = line(keras.optimizers.Adam(0.01), keras.layers.Dropout(0.5))  # a random state, too
    if fitted_before:
        model.fit(X, Y, epochs=2, verbose=0)
    before = schedules.training_state(model)
    schedules.find_learning_rate(model, X, Y, high=1e3, steps=30)
    after = schedules.training_state(model)
    for one, other in zip(before, after, strict=True):
        for value, same in zip(one, other, strict=True):
            np.testing.assert_array_equal(value, same)
    assert int(model.optimizer.iterations) == (4 if fitted_before else 0)
    # What follows is what would have followed without the search.
    follow = model.fit(X, Y, shuffle=False, verbose=0).history["loss"]
    schedules.restore_state(model, before)
    assert model.fit(X, Y, shuffle=False, verbose=0).history["loss"] == follow


def test_the_model_comes_back_after_an_error():
    model = line()
    before = schedules.training_state(model)
    broken = np.concatenate([Y, Y], axis=1)[:, :0]  # no column: the loss cannot be reckoned
    with pytest.raises(Exception, match=r".+"):
        schedules.find_learning_rate(model, X, broken.astype("U1"), steps=5)
    np.testing.assert_array_equal(schedules.training_state(model).model[0], before.model[0])
    assert float(model.optimizer.learning_rate.numpy()) == pytest.approx(0.01)


def test_the_same_seed_gives_the_same_sweep():
    model = line()
    sweeps = [
        schedules.find_learning_rate(model, X, Y, steps=10, batch_size=8, seed=seed)
        for seed in (1, 1, 2)
    ]
    np.testing.assert_array_equal(sweeps[0].losses, sweeps[1].losses)
    assert (sweeps[0].losses != sweeps[2].losses).any()


def test_rows_are_taken_by_position_not_by_label():
    shuffled = RNG.permutation(len(X))
    frame = pd.DataFrame(X).iloc[shuffled]
    series = pd.Series(Y[:, 0]).iloc[shuffled]
    options = {"steps": 12, "seed": 4}
    ours = schedules.find_learning_rate(line(), frame, series, **options)
    arrays = schedules.find_learning_rate(line(), X[shuffled], Y[shuffled], **options)
    np.testing.assert_allclose(ours.losses, arrays.losses, rtol=1e-6)


class Late(keras.Model):
    """A model of one's own, whose `build` makes no weights: the first call does."""

    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(1)

    def call(self, inputs):
        return self.dense(inputs)


@pytest.mark.filterwarnings(r"ignore:.build\(\). was called on layer")
def test_a_model_that_makes_its_weights_late_comes_back_too():
    model = Late()
    model.build((None, 3))
    model.compile(keras.optimizers.SGD(0.01, momentum=0.5), "mse")
    schedules.find_learning_rate(model, X, Y, high=1e3, steps=30)
    assert np.abs(model.get_weights()[0]).max() < 2  # as drawn
    assert not model.get_weights()[1].any()
    model.fit(X, Y, verbose=0)  # its optimizer knows the weights
    assert model.get_weights()[1].any()


def test_a_loss_that_falls_below_0_is_swept_to_the_end_or_until_it_explodes():
    model = line()
    model.compile(keras.optimizers.SGD(0.01), "cosine_similarity")
    whole = schedules.find_learning_rate(model, X, Y, steps=30, high=1.0)
    assert len(whole.rates) == 30
    assert whole.losses.min() < 0

    def height(y, y_pred):
        return keras.ops.mean(keras.ops.square(y - y_pred), axis=-1) - 1.0

    model.compile(keras.optimizers.SGD(0.01), height)
    assert schedules.find_learning_rate(model, X, Y, steps=60, high=1e3).diverged


def test_read_sweep_leaves_out_what_is_not_finite():
    read = schedules.read_sweep([0.1, 1.0, 10.0], [2.0, 1.0, np.nan], smoothing=0.0)
    assert read.diverged
    assert read.rates.tolist() == [0.1, 1.0]
    assert (read.lowest, read.suggestion) == (1.0, 0.1)


def unbuilt():
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


def uncompiled():
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])


def scheduled():
    return line(keras.optimizers.SGD(schedules.as_keras(schedules.constant(0.1), steps=3)))


def wrapped():
    model = scheduled()
    model.compile(keras.optimizers.LossScaleOptimizer(model.optimizer), "mse")
    return model


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        (line, {"low": 0}, "`low` must be above 0 and finite. Received: low=0"),
        (line, {"low": 2.0, "high": 1.0}, "`low` must be below `high`. Received: low=2.0, high=1"),
        (line, {"divergence": 1.0}, "`divergence` must be above 1. Received: divergence=1.0"),
        (line, {"steps": 2}, "`steps` must be at least 3. Received: steps=2"),
        (line, {"batch_size": 0}, "`batch_size` must be at least 1. Received: batch_size=0"),
        (line, {"smoothing": 1.0}, "`smoothing` must be in [0, 1). Received: smoothing=1.0"),
        (
            line,
            {"y": Y[:5]},
            "of equally many examples, at least 1. Received: shapes (48, 3) and (5",
        ),
        (
            line,
            {"x": 1, "y": 2},
            "of equally many examples, at least 1. Received: shapes () and ()",
        ),
        (line, {"seed": -1}, "`seed` must be at least 0. Received: seed=-1"),
        (unbuilt, {}, "`model` must be built, with a `keras.Input` or `model.build`. Received"),
        (uncompiled, {}, "`model` must be compiled with an optimizer. Received"),
        (
            line,
            {"x": [X, X[:, :2]]},
            "`x` must be one array of examples. Received: a list of 2 whose shapes differ",
        ),
        (wrapped, {}, "must have a constant rate, which the finder can set. Received: Tabulat"),
        (scheduled, {}, "must have a constant rate, which the finder can set. Received: Tabulat"),
        (
            line,
            {"x": np.full_like(X, np.inf)},
            "the loss must be finite at the lowest rates. Received: 0 finite losses of 1",
        ),
    ],
)
def test_the_finder_names_what_is_wrong(model, options, message):
    with pytest.raises(ValueError) as error:
        schedules.find_learning_rate(model(), **({"x": X, "y": Y} | options))
    assert message in str(error.value)


def test_smoothing_is_checked_before_a_step():
    model = line()
    with pytest.raises(ValueError, match=r"`smoothing` must be in \[0, 1\)"):
        schedules.find_learning_rate(model, X, Y, smoothing=1.5)
    assert not model.optimizer.built


def test_the_finder_takes_a_model_alone():
    with pytest.raises(TypeError, match=r"`model` must be a Keras model\. Received: None"):
        schedules.find_learning_rate(None, X, Y)


@pytest.mark.parametrize(
    ("rates", "losses", "message"),
    [
        ([1, 0.1, 0.01], [1, 2, 3], r"`rates` must be 1 or more finite numbers that increase. Rec"),
        ([], [], r"`rates` must be 1 or more finite numbers that increase. Received: rates=\[\]"),
        ([0.1, 1.0], [1.0], r"`losses` as many. Received: rates from 0.1, 2 rates and 1 losses"),
        ([0.0, 1.0], [1.0, 2.0], r"`rates` must be above 0, and `losses` as many. Received: rates"),
        ([0.1, 1.0], [None, 2.0], r"`losses` must hold real numbers. Received: losses=\[None, 2.0"),
    ],
)
def test_a_sweep_has_growing_rates_and_a_loss_for_each(rates, losses, message):
    with pytest.raises((TypeError, ValueError), match=message):
        schedules.read_sweep(rates, losses)


def test_restore_state_refuses_another_model():
    state = schedules.training_state(line())
    wider = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    wider.compile("sgd", "mse")
    with pytest.raises(ValueError, match="must have the variables that `state` was taken from"):
        schedules.restore_state(wider, state)


def test_interrupt_at_names_what_is_wrong():
    with pytest.raises(ValueError, match=r"`epoch` must be at least 0\. Received: epoch=-1"):
        schedules.InterruptAt(-1)
    schedules.InterruptAt(3).on_epoch_begin(2)  # not yet


def test_restore_state_needs_an_optimizer():
    with pytest.raises(ValueError, match=r"compiled with an optimizer\. Received: .* without one"):
        schedules.restore_state(uncompiled(), schedules.training_state(line()))
