"""Schedules as functions of the step: by hand, against Keras, and by their properties."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import schedules

K = keras.optimizers.schedules
STEPS = np.arange(120)
RATES = st.floats(1e-4, 10.0)
COUNTS = st.integers(3, 500)
STEP = st.integers(0, 2000)
SHARES = st.just(0.0) | st.floats(0.001, 1)

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
    "cosine": (schedules.cosine(0.1, decay_steps=50), K.CosineDecay(0.1, 50)),
    "cosine with warm-up": (
        schedules.cosine(0.01, decay_steps=50, alpha=0.1, warmup_target=0.1, warmup_steps=9),
        K.CosineDecay(0.01, 50, alpha=0.1, warmup_target=0.1, warmup_steps=9),
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


def test_warmup_stable_decay_by_hand():
    # Up over 4 of 20 steps by quarters, down over 5 by fifths, and nothing from the end on.
    schedule = schedules.warmup_stable_decay(2.0, steps=20, warmup=0.2, decay=0.25)
    expected = [0.5, 1.0, 1.5] + 13 * [2.0] + [1.6, 1.2, 0.8, 0.4, 0, 0]
    np.testing.assert_allclose(schedule([0, 1, 2, *range(3, 16), 16, 17, 18, 19, 20, 99]), expected)


def test_warmup_stable_decay_without_either_is_constant_until_the_end():
    schedule = schedules.warmup_stable_decay(0.3, steps=5, decay=0.0)
    assert schedule([0, 4, 5]).tolist() == [0.3, 0.3, 0]


def test_a_decay_of_1_is_the_straight_line_of_keras():
    ours = schedules.warmup_stable_decay(0.1, steps=50, decay=1.0)
    theirs = K.PolynomialDecay(0.1, 50, end_learning_rate=0.0)
    expected = [float(theirs(int(step))) for step in STEPS]
    np.testing.assert_allclose(ours(STEPS), expected, rtol=2e-6, atol=1e-8)


@settings(max_examples=40)
@given(steps=COUNTS, warmup=SHARES, decay=SHARES, step=STEP)
def test_warmup_stable_decay_stays_between_0_and_its_rate(steps, warmup, decay, step):
    schedule = schedules.warmup_stable_decay(2.0, steps=steps, warmup=warmup, decay=decay)
    assert 0 <= schedule(step) <= 2.0
    assert (schedule(np.arange(steps)) > 0).all()  # no step is wasted


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


EVERY = {
    "constant": schedules.constant(0.1),
    "a whole number": schedules.constant(1),
    "one_cycle": schedules.one_cycle(0.1, steps=100),
    "one_cycle_momentum": schedules.one_cycle_momentum(steps=100),
    "warmup_stable_decay": schedules.warmup_stable_decay(0.1, steps=100, warmup=0.1, decay=0.3),
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
        schedules.warmup_stable_decay(rate, steps=steps, decay=0.4),
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
    (lambda: schedules.warmup_stable_decay(0.0, steps=9), "`learning_rate` must be above 0 and"),
    (lambda: schedules.warmup_stable_decay(0.1, steps=0), "`steps` must be at least 1. Received"),
    (
        lambda: schedules.warmup_stable_decay(0.1, steps=9, warmup=1.5),
        "`warmup` must be in [0, 1]. Received: warmup=1.5",
    ),
    (
        lambda: schedules.warmup_stable_decay(0.1, steps=9, decay=-0.1),
        "`decay` must be in [0, 1]. Received: decay=-0.1",
    ),
    (lambda: schedules.AverageEpochs(-1), "`first` must be at least 0. Received: first=-1"),
    (lambda: schedules.one_cycle(0.1, steps=2), "`steps` must be at least 3. Received: steps=2"),
    (
        lambda: schedules.one_cycle(0.1, steps=9, annihilation=0.0),
        "`annihilation` must be in (0, 1). Received: annihilation=0.0",
    ),
    (
        lambda: schedules.one_cycle(0.1, steps=10, initial_learning_rate=1.0),
        "nor that one `max_learning_rate`. Received: final_learning_rate=0.001, initial_learning_",
    ),
    (
        lambda: schedules.one_cycle(0.1, steps=10, final_learning_rate=0.05),
        "`final_learning_rate` must not exceed `initial_learning_rate`",
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
        (
            lambda: schedules.warmup_stable_decay(0.1, steps=9, warmup="a"),
            "`warmup` must be a number. Received: warmup='a'",
        ),
        (lambda: schedules.AverageEpochs(1.5), "`first` must be an integer. Received: first=1.5"),
        (lambda: schedules.InterruptAt(True), "`epoch` must be an integer. Received: epoch=True"),
        (
            lambda: schedules.piecewise_constant(0.1, boundaries=[3]),
            "`values` must hold one number more than `boundaries`. Received: 1 values and 1 bound",
        ),
        (
            lambda: schedules.piecewise_constant(["a", 0.1], boundaries=[3]),
            "`values` must hold real numbers. Received: an array of type <U",
        ),
        (
            lambda: schedules.piecewise_constant([0.1, 0.2], boundaries=None),
            "`boundaries` must hold real numbers. Received: boundaries=None",
        ),
        (lambda: schedules.as_keras(lambda t: [None] * 3, steps=3), "`values` must hold real numb"),
        (lambda: schedules.smooth("abc"), "`losses` must hold real numbers. Received: an array of"),
        (lambda: schedules.training_state("net"), "`model` must be a Keras model. Received: 'net'"),
    ],
)
def test_names_what_is_of_the_wrong_kind(call, message):
    with pytest.raises((TypeError, ValueError)) as error:
        call()
    assert message in str(error.value)
