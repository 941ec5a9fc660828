"""Schedules as functions of the step: by hand, against Keras, and by their properties."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import schedules
from helpers.schedules import checks

K = keras.optimizers.schedules
STEPS = np.arange(120)
RATES = st.floats(1e-4, 10.0)
COUNTS = st.integers(3, 500)
STEP = st.integers(0, 2000)

# Keras computes in float32, whose relative rounding error is 6e-8; a few operations make it 1e-6.
# Where a cosine ends near 0, only an absolute error is small.
PAIRS = {
    "power": (schedules.power(0.1, decay_steps=20), K.InverseTimeDecay(0.1, 20, 1)),
    "exponential": (
        schedules.exponential(0.1, decay_steps=20, decay_rate=0.3),
        K.ExponentialDecay(0.1, 20, 0.3),
    ),
    "staircase": (
        schedules.exponential(0.1, decay_steps=20, staircase=True),
        K.ExponentialDecay(0.1, 20, 0.1, staircase=True),
    ),
    "piecewise": (
        schedules.piecewise_constant([0.1, 0.03, 0.01], boundaries=[20, 40]),
        K.PiecewiseConstantDecay([20, 40], [0.1, 0.03, 0.01]),
    ),
    "polynomial": (
        schedules.polynomial(0.1, decay_steps=50, end_learning_rate=0.01, power=2.0),
        K.PolynomialDecay(0.1, 50, 0.01, power=2.0),
    ),
    "cosine": (schedules.cosine(0.1, decay_steps=50), K.CosineDecay(0.1, 50)),
    "cosine with warm-up": (
        schedules.cosine(0.01, decay_steps=50, alpha=0.1, warmup_target=0.1, warmup_steps=9),
        K.CosineDecay(0.01, 50, alpha=0.1, warmup_target=0.1, warmup_steps=9),
    ),
    "restarts, growing": (
        schedules.cosine_restarts(0.1, first_decay_steps=16, t_mul=2.0, m_mul=0.5, alpha=0.1),
        K.CosineDecayRestarts(0.1, 16, t_mul=2.0, m_mul=0.5, alpha=0.1),
    ),
    "restarts, even": (
        schedules.cosine_restarts(0.1, first_decay_steps=15, t_mul=1.0),
        K.CosineDecayRestarts(0.1, 15, t_mul=1.0),
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_equals_keras_step_by_step(name):
    ours, theirs = PAIRS[name]
    expected = [float(theirs(int(step))) for step in STEPS]
    np.testing.assert_allclose(ours(STEPS), expected, rtol=2e-6, atol=1e-8)


def test_power_by_hand():
    # 0.1 / (1 + 30/10)² = 0.1 / 16
    assert schedules.power(0.1, decay_steps=10, exponent=2.0)(30) == pytest.approx(0.00625)


def test_first_value_of_piecewise_holds_one_step_more_than_its_boundary():
    values = schedules.piecewise_constant([3.0, 2.0, 1.0], boundaries=[2, 4])(np.arange(7))
    assert values.tolist() == [3, 3, 3, 2, 2, 1, 1]


def test_one_cycle_by_hand():
    # 21 steps, annihilation 0.2: the peak at 0.8 · 20 / 2 = 8, back at 16, the end at 20.
    cycle = schedules.one_cycle(
        1.0, steps=21, initial_learning_rate=0.2, final_learning_rate=0.002, annihilation=0.2
    )
    expected = [0.2, 0.6, 1.0, 0.6, 0.2, 0.101, 0.002, 0.002]
    np.testing.assert_allclose(cycle([0, 4, 8, 12, 16, 18, 20, 50]), expected)


def test_one_cycle_momentum_mirrors_the_rate():
    rate = schedules.one_cycle(1.0, steps=101)(np.arange(101))
    momentum = schedules.one_cycle_momentum(steps=101)(np.arange(101))
    assert rate.argmax() == momentum.argmin() == 45
    assert momentum[0] == momentum[-1] == pytest.approx(0.95)
    assert momentum.min() == pytest.approx(0.85)
    middle = slice(0, 91)  # before the annihilation both are straight lines in between
    share = (rate[middle] - 0.1) / 0.9
    np.testing.assert_allclose(momentum[middle], 0.95 - 0.1 * share)


def test_cosine_is_halfway_down_halfway():
    cosine = schedules.cosine(0.2, decay_steps=10, alpha=0.5)
    np.testing.assert_allclose(cosine([0, 5, 10, 99]), [0.2, 0.15, 0.1, 0.1])


def test_restarts_begin_where_the_periods_of_growing_length_end():
    # Periods of 10, 30 and 90 steps begin at 0, 10, 40 and 130.
    restarts = schedules.cosine_restarts(1.0, first_decay_steps=10, t_mul=3.0, m_mul=0.5)
    np.testing.assert_allclose(restarts([0, 10, 40, 130]), [1.0, 0.5, 0.25, 0.125])


EVERY = {
    "constant": schedules.constant(0.1),
    "one_cycle": schedules.one_cycle(0.1, steps=100),
    "one_cycle_momentum": schedules.one_cycle_momentum(steps=100),
} | {name: ours for name, (ours, _) in PAIRS.items()}


@pytest.mark.parametrize("schedule", EVERY.values(), ids=EVERY)
def test_takes_arrays_of_any_shape_and_single_steps(schedule):
    grid = np.arange(24).reshape(4, 6)
    values = schedule(grid)
    assert values.shape == (4, 6)
    assert values.dtype == np.float64
    assert isinstance(schedule(3), float)  # np.float64 is one, as Keras' callback asks
    assert schedule(3) == values[0, 3]
    assert schedule([]).shape == (0,)


@pytest.mark.parametrize("schedule", EVERY.values(), ids=EVERY)
@pytest.mark.parametrize("step", [-1, [0, -2], np.nan])
def test_refuses_steps_below_0(schedule, step):
    with pytest.raises(ValueError, match=r"`step` must be 0 or more\. Received"):
        schedule(step)


def test_refuses_steps_that_are_no_numbers():
    with pytest.raises(TypeError, match=r"`step` must hold real numbers\. Received: an array of"):
        schedules.constant(0.1)("3")


@settings(max_examples=40)
@given(rate=RATES, steps=COUNTS, one=STEP, other=STEP)
def test_decays_never_rise_and_never_exceed_their_first_rate(rate, steps, one, other):
    early, late = sorted((one, other))
    for schedule in (
        schedules.power(rate, decay_steps=steps),
        schedules.exponential(rate, decay_steps=steps, decay_rate=0.5),
        schedules.exponential(rate, decay_steps=steps, decay_rate=0.5, staircase=True),
        schedules.polynomial(rate, decay_steps=steps, end_learning_rate=0.0),
        schedules.cosine(rate, decay_steps=steps),
        schedules.piecewise_constant([rate, rate / 2], boundaries=[steps]),
    ):
        assert 0 <= schedule(late) <= schedule(early) <= rate


@settings(max_examples=40)
@given(rate=RATES, steps=COUNTS, annihilation=st.floats(0.05, 0.95), step=STEP)
def test_one_cycle_stays_between_its_end_and_its_peak(rate, steps, annihilation, step):
    cycle = schedules.one_cycle(rate, steps=steps, annihilation=annihilation)
    assert rate / 1e4 * (1 - 1e-9) <= cycle(step) <= rate * (1 + 1e-9)
    assert cycle(0) == pytest.approx(rate / 10)
    assert cycle(steps - 1) == cycle(steps + step) == pytest.approx(rate / 1e4)


@settings(max_examples=40)
@given(growth=st.sampled_from([1.0, 1.5, 2.0, 3.0]), first=st.integers(1, 50), step=STEP)
def test_restarts_stay_between_0_and_their_first_rate(growth, first, step):
    restarts = schedules.cosine_restarts(1.0, first_decay_steps=first, t_mul=growth)
    assert 0 <= restarts(step) <= 1


ERRORS = [
    (lambda: schedules.constant(0.0), "`learning_rate` must be above 0 and finite. Received: lear"),
    (lambda: schedules.power(np.inf, decay_steps=1), "`initial_learning_rate` must be above 0"),
    (lambda: schedules.power(0.1, decay_steps=0), "`decay_steps` must be above 0 and finite"),
    (lambda: schedules.power(0.1, decay_steps=1, exponent=-1), "`exponent` must be above 0"),
    (lambda: schedules.exponential(0.1, decay_steps=1, decay_rate=0), "`decay_rate` must be ab"),
    (
        lambda: schedules.piecewise_constant([0.1], boundaries=[1]),
        "`values` must hold one number more than `boundaries`. Received: 1 values and 1 bound",
    ),
    (
        lambda: schedules.piecewise_constant([0.1, 0.2, 0.3], boundaries=[2, 2]),
        "`boundaries` must be 1 or more finite numbers that increase. Received: boundaries=[2.0",
    ),
    (lambda: schedules.piecewise_constant([0.1, 0], boundaries=[2]), "`values` must be above 0"),
    (lambda: schedules.piecewise_constant([0.1], boundaries=[]), "`boundaries` must be 1 or more"),
    (
        lambda: schedules.polynomial(0.1, decay_steps=1, end_learning_rate=-1),
        "`end_learning_rate` must be 0 or more and finite. Received: end_learning_rate=-1",
    ),
    (lambda: schedules.polynomial(0.1, decay_steps=1, power=0), "`power` must be above 0"),
    (lambda: schedules.cosine(0.0, decay_steps=1), "`initial_learning_rate` must be above 0"),
    (lambda: schedules.cosine(0.1, decay_steps=1, alpha=1), "`alpha` must be in [0, 1). Received"),
    (
        lambda: schedules.cosine(0.1, decay_steps=1, warmup_steps=5),
        "`warmup_steps` need a `warmup_target`. Received: warmup_steps=5, warmup_target=None",
    ),
    (
        lambda: schedules.cosine(0.1, decay_steps=1, warmup_target=0.0, warmup_steps=5),
        "`warmup_target` must be above 0",
    ),
    (lambda: schedules.cosine_restarts(0.1, first_decay_steps=0), "`first_decay_steps` must be at"),
    (
        lambda: schedules.cosine_restarts(0.1, first_decay_steps=2, t_mul=0.5),
        "`t_mul` must be 1 or more. Received: t_mul=0.5",
    ),
    (lambda: schedules.one_cycle(0.1, steps=2), "`steps` must be at least 3. Received: steps=2"),
    (
        lambda: schedules.one_cycle(0.1, steps=9, annihilation=0.0),
        "`annihilation` must be in (0, 1). Received: annihilation=0.0",
    ),
    (
        lambda: schedules.one_cycle_momentum(0.8, steps=9),
        "`min_momentum` must not exceed `max_momentum`. Received: min_momentum=0.85, max_mom",
    ),
]


@pytest.mark.parametrize(("call", "message"), ERRORS)
def test_names_what_is_out_of_range(call, message):
    with pytest.raises(ValueError) as error:
        call()
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: schedules.power("0.1", decay_steps=1), "`initial_learning_rate` must be a number"),
        (lambda: schedules.power(True, decay_steps=1), "`initial_learning_rate` must be a number"),
        (lambda: schedules.one_cycle(0.1, steps=9.0), "`steps` must be an integer. Received: ste"),
        (lambda: checks.check_count(0, epoch=True), "`epoch` must be an integer. Received: epoch"),
    ],
)
def test_names_what_is_of_the_wrong_kind(call, message):
    with pytest.raises(TypeError) as error:
        call()
    assert message in str(error.value)


class OneWeight:
    """What `ReduceLROnPlateau` needs of a model."""

    def __init__(self, rate):
        self.optimizer = keras.optimizers.SGD(rate)
        self.metrics = []


def keras_plateau(losses, *, rate, **options):
    """Return the rate of each epoch and of the next as Keras' own callback sets it."""
    callback = keras.callbacks.ReduceLROnPlateau(**options)
    callback.set_model(OneWeight(rate))
    callback.on_train_begin()
    rates = [rate]
    for epoch, loss in enumerate(losses):
        callback.on_epoch_end(epoch, {"val_loss": loss})
        rates.append(float(callback.model.optimizer.learning_rate.numpy()))
    return rates


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of Keras
@settings(max_examples=60)
@given(
    losses=st.lists(st.sampled_from([0.5, 0.9, 0.9999, 1.0, 1.5, 2.0]), max_size=25),
    factor=st.sampled_from([0.1, 0.5]),
    patience=st.integers(1, 4),
    cooldown=st.integers(0, 3),
    min_delta=st.sampled_from([0.0, 1e-2]),
    min_lr=st.sampled_from([0.0, 0.02]),
)
def test_performance_equals_keras(losses, **options):
    ours = schedules.performance(losses, initial_learning_rate=0.1, **options)
    theirs = keras_plateau(losses, rate=0.1, **options)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)  # Keras rounds to float32 each time


def test_performance_by_hand():
    # Best 1.0; 1.0 and 1.0 bring nothing: halved. Two more: halved again.
    rates = schedules.performance([1.0] * 5, initial_learning_rate=0.8, factor=0.5, patience=2)
    assert rates.tolist() == [0.8, 0.8, 0.8, 0.4, 0.4, 0.2]
    assert schedules.performance([], initial_learning_rate=0.8).tolist() == [0.8]


def test_a_nan_is_no_improvement():
    rates = schedules.performance([1.0, np.nan], initial_learning_rate=1.0, patience=1)
    assert rates.tolist() == [1.0, 1.0, 0.1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"losses": [[1.0]]}, "`losses` must have shape (epochs,). Received: (1, 1)"),
        ({"factor": 1.0}, "`factor` must be in (0, 1). Received: factor=1.0"),
        ({"patience": 0}, "`patience` must be at least 1. Received: patience=0"),
        ({"cooldown": -1}, "`cooldown` must be at least 0. Received: cooldown=-1"),
        ({"min_delta": -1}, "`min_delta` must be 0 or more and finite. Received: min_delta=-1"),
        ({"initial_learning_rate": 0}, "`initial_learning_rate` must be above 0 and finite"),
    ],
)
def test_performance_names_what_is_wrong(options, message):
    with pytest.raises(ValueError) as error:
        schedules.performance(**({"losses": [1.0], "initial_learning_rate": 0.1} | options))
    assert message in str(error.value)


def test_noisy_descent_equals_the_mean_over_many_runs():
    schedule = schedules.power(0.5, decay_steps=5)
    expected = schedules.noisy_descent(schedule, steps=30, start=3.0, noise=2.0)
    rng, runs = np.random.default_rng(0), 200_000
    w = np.full(runs, 3.0)
    for step in range(30):
        w -= schedule(step) * (w + 2.0 * rng.normal(size=runs))
    # The standard error of a mean over n runs is the deviation over √n, that of a variance
    # √(2/n) of it; four of them.
    spread = expected.variance[-1] ** 0.5
    assert abs(w.mean() - expected.mean[-1]) < 4 * spread / runs**0.5
    assert abs(w.var() - expected.variance[-1]) < 4 * expected.variance[-1] * (2 / runs) ** 0.5
    assert expected.loss[-1] == (expected.mean[-1] ** 2 + expected.variance[-1]) / 2


@settings(max_examples=30)
@given(rate=st.floats(0.01, 1.9))
def test_variance_of_a_constant_rate_tends_to_its_floor(rate):
    variance = schedules.noisy_descent(schedules.constant(rate), steps=3000).variance
    assert variance[-1] == pytest.approx(rate / (2 - rate), rel=1e-6)


def test_noisy_descent_names_what_is_wrong():
    with pytest.raises(ValueError, match=r"`steps` must be at least 1\. Received: steps=0"):
        schedules.noisy_descent(schedules.constant(0.1), steps=0)
    with pytest.raises(ValueError, match=r"`noise` must be 0 or more and finite\. Received: noise"):
        schedules.noisy_descent(schedules.constant(0.1), steps=1, noise=-1.0)
