"""Twelve update rules against Keras' optimizers, the papers' formulas and hand-worked steps."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import optimizers
from helpers.optimizers import OPTIMIZERS, keras_trajectory, trajectory
from helpers.optimizers.optimizer import guarded

STEPS = 200
# Variants that the catalogue leaves to the reader.
VARIANTS = OPTIMIZERS | {
    "rmsprop momentum": OPTIMIZERS["rmsprop"]._replace(options={"momentum": 0.9}),
    "rmsprop centered": OPTIMIZERS["rmsprop"]._replace(options={"centered": True}),
    "rmsprop both": OPTIMIZERS["rmsprop"]._replace(options={"centered": True, "momentum": 0.5}),
    "amsgrad": OPTIMIZERS["adam"]._replace(options={"amsgrad": True}),
    "adamw amsgrad": OPTIMIZERS["adamw"]._replace(options={"amsgrad": True}),
    "lion decay": OPTIMIZERS["lion"]._replace(options={"weight_decay": 0.1}),
}
RATED = {name: entry for name, entry in OPTIMIZERS.items() if name != "ftrl"}
SHARES = {"momentum", "rho", "beta_1", "beta_2"}
FLAGS = {"nesterov", "centered", "amsgrad"}


def ours(entry, **options):
    return entry.make(**{**entry.options, **options})


def keras_twin(entry, **options):
    return getattr(keras.optimizers, entry.keras_name)(**{**entry.options, **options})


def hard_gradients(seed, steps=STEPS, shape=(3, 4)):
    """Return gradients of which some are 0, some 1e-12 and some 1e6 in size."""
    rng = np.random.default_rng(seed)
    scales = rng.choice([0, 1e-12, 1e-3, 1, 1e6], size=(steps, *shape))
    return scales * rng.normal(size=(steps, *shape))


def replay(run, optimizer, gradients, start):
    """Return the path under a fixed sequence of gradients."""
    sequence = iter(gradients)
    steps = len(gradients)
    return run(optimizer, lambda theta: next(sequence), start=start, steps=steps)


def random_options(entry, seed):
    """Return random values for every argument, all of them exact in float32.

    Keras rounds some coefficients to float32 whatever the variable's type; these it leaves alone.
    """
    rng = np.random.default_rng(seed)
    config = keras_twin(entry).get_config()
    code = entry.make.__code__
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    values = {}
    for name in names:
        if name in FLAGS:
            values[name] = bool(rng.integers(2))
        elif name in SHARES:
            values[name] = float(np.float32(rng.uniform(0.1, 0.999)))
        elif name == "learning_rate_power":
            values[name] = -float(np.float32(rng.uniform(0.2, 1)))
        else:
            values[name] = float(np.float32(10 ** rng.uniform(-4, -1)))
    assert set(values) <= set(config)
    return values


@pytest.mark.parametrize("name", VARIANTS)
def test_equals_keras_by_default(name):
    entry = VARIANTS[name]
    gradients, start = hard_gradients(0), np.linspace(1, 2, 12).reshape(3, 4)
    mine = replay(trajectory, ours(entry), gradients, start)
    theirs = replay(keras_trajectory, keras_twin(entry), gradients, start)
    assert mine.shape == theirs.shape == (STEPS + 1, 3, 4)
    # Keras has learning rates and momenta in float32, 6e-8 from ours. Relative to the farthest that
    # each parameter gets, since it may pass through 0.
    scale = np.abs(theirs).max(axis=0)
    assert (np.abs(mine - theirs) <= 1e-6 * scale).all()


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_equals_keras_with_random_arguments(name, seed):
    entry = OPTIMIZERS[name]
    options = random_options(entry, seed)
    gradients, start = hard_gradients(seed), np.random.default_rng(seed).normal(size=(3, 4))
    mine = replay(trajectory, ours(entry, **options), gradients, start)
    theirs = replay(keras_trajectory, keras_twin(entry, **options), gradients, start)
    # Only rounding in float64 is left, of sums whose terms are up to 1e6 times the result; and
    # Nadam's 0.96, which Keras rounds to float32.
    scale = np.abs(theirs).max(axis=0)
    tolerance = 1e-6 if name == "nadam" else 1e-9
    assert (np.abs(mine - theirs) <= tolerance * scale).all(), options


@pytest.mark.parametrize("name", ["momentum", "adam", "nadam", "ftrl"])
def test_a_schedule_counts_steps_from_0_as_in_keras(name):
    entry = OPTIMIZERS[name]
    decay = keras.optimizers.schedules.InverseTimeDecay(0.125, decay_steps=4, decay_rate=0.5)
    gradients = np.random.default_rng(0).normal(size=(30, 2))
    mine = ours(entry, learning_rate=lambda step: 0.125 / (1 + 0.5 * step / 4))
    path = replay(trajectory, mine, gradients, np.ones(2))
    kept = replay(trajectory, ours(entry, learning_rate=decay), gradients, np.ones(2))
    theirs = replay(keras_trajectory, keras_twin(entry, learning_rate=decay), gradients, np.ones(2))
    # Keras' schedule is in float32.
    np.testing.assert_allclose(path, theirs, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(kept, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_arguments_and_defaults_are_those_of_keras(name):
    entry = OPTIMIZERS[name]
    code = entry.make.__code__
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    values = *entry.make.__defaults__, *entry.make.__kwdefaults__.values()
    defaults = dict(zip(names, values, strict=True))
    config = getattr(keras.optimizers, entry.keras_name)().get_config()
    for argument, default in defaults.items():
        kept = default if default is None else pytest.approx(default, rel=1e-7)  # as float32
        assert config[argument] == kept, argument


# Two steps by hand, θ from 0, gradients g = 1 and 3, η = 1, ε = 0, exact fractions.
# momentum ½: m = −1, then −½ − 3 = −3.5; θ = −1, −4.5
# Nesterov ½: m the same; moves −½ − 1 = −1.5 and −1.75 − 3 = −4.75; θ = −1.5, −6.25
# AdaGrad from s = 3: s = 4, 13: −1/2, −3/√13
# RMSProp ρ = ¾: s = ¼, 3/16 + 9/4 = 39/16: −2, −3 · 4/√39
# centered: a = ¼, 3/16 + 3/4 = 15/16; s − a² = 3/16, 39/16 − 225/256 = 399/256
# AdaDelta ρ = ¾, ε = 1: s = ¼, 39/16; d = −√1/√(5/4) = −2/√5; u = ¼ · 4/5 = 1/5;
#   d = −√(6/5)/√(55/16) · 3
# Adam β₁ = ½, β₂ = ¾: m = ½, 7/4; s = ¼, 39/16; m̂ = 1, 7/3; ŝ = 1, (39/16)/(7/16) = 39/7
# AMSGrad with g = 3, then 1, see below
# Adamax β₁ = ½, β₂ = ¾: u = 1, 3: −1, −(7/3)/3
# Lion β₁ = ½: −1, −1
HAND = {
    "sgd": (optimizers.sgd(1.0), [-1, -4]),
    "momentum": (optimizers.sgd(1.0, momentum=0.5), [-1, -4.5]),
    "nesterov": (optimizers.sgd(1.0, momentum=0.5, nesterov=True), [-1.5, -6.25]),
    "adagrad": (
        optimizers.adagrad(1.0, initial_accumulator_value=3.0, epsilon=0.0),
        [-0.5, -0.5 - 3 / 13**0.5],
    ),
    "rmsprop": (optimizers.rmsprop(1.0, rho=0.75, epsilon=0.0), [-2, -2 - 12 / 39**0.5]),
    "rmsprop momentum": (
        optimizers.rmsprop(1.0, rho=0.75, epsilon=0.0, momentum=0.5),
        [-2, -2 - 1 - 12 / 39**0.5],
    ),
    "rmsprop centered": (
        optimizers.rmsprop(1.0, rho=0.75, epsilon=0.0, centered=True),
        [-4 / 3**0.5, -4 / 3**0.5 - 48 / 399**0.5],
    ),
    "adadelta": (
        optimizers.adadelta(1.0, rho=0.75, epsilon=1.0),
        [-2 / 5**0.5, -2 / 5**0.5 - 3 * (6 / 5 * 16 / 55) ** 0.5],
    ),
    "adam": (
        optimizers.adam(1.0, beta_1=0.5, beta_2=0.75, epsilon=0.0),
        [-1, -1 - 7 / 3 * (7 / 39) ** 0.5],
    ),
    "adamax": (optimizers.adamax(1.0, beta_1=0.5, beta_2=0.75, epsilon=0.0), [-1, -1 - 7 / 9]),
    "lion": (optimizers.lion(1.0, beta_1=0.5), [-1, -2]),
}


@pytest.mark.parametrize("name", HAND)
def test_two_steps_by_hand(name):
    optimizer, expected = HAND[name]
    path = replay(trajectory, optimizer, [1.0, 3.0], 0.0)
    np.testing.assert_allclose(path[1:], expected, rtol=1e-14)


def test_amsgrad_by_hand():
    # β₁ = 0, β₂ = ¾, gradients 4 and 0 and 1. s = 4, 3, 2.5; the largest stays 4.
    # Step 3: η √(1 − 27/64) · 1 / √4 = √37/8 / 2.
    plain = optimizers.adam(1.0, beta_1=0.0, beta_2=0.75, epsilon=0.0)
    kept = optimizers.adam(1.0, beta_1=0.0, beta_2=0.75, epsilon=0.0, amsgrad=True)
    moves = [
        np.diff(replay(trajectory, optimizer, [4.0, 0, 1], 0.0)) for optimizer in (plain, kept)
    ]
    root = 37**0.5 / 8
    np.testing.assert_allclose(moves, [[-1, 0, -root / 2.5**0.5], [-1, 0, -root / 2]], rtol=1e-14)


def test_adamw_by_hand():
    # β = 0: Adam's step is η sign(g). 2 (1 − ½ · 0.1) − ½ = 1.4.
    optimizer = optimizers.adamw(0.5, weight_decay=0.1, beta_1=0.0, beta_2=0.0, epsilon=0.0)
    assert optimizer.update(7.0, optimizer.init(2.0), 2.0)[0] == pytest.approx(1.4, rel=1e-14)


def test_decoupled_decay_is_not_a_penalty():
    # Erratum 24. Two weights of 1, one of them on a slope 100 times as steep that changes its
    # sign: the penalty's 0.1 θ is lost in the steep one, the decay is the same for both.
    scales = np.array([1.0, 100.0])
    signs = np.random.default_rng(0).choice([-1, 1], size=400)
    decay = optimizers.adamw(0.01, weight_decay=0.1)
    kept, penalized = optimizers.adam(0.01), optimizers.adam(0.01)

    def run(optimizer, penalty=0.0):
        sequence = iter(signs)

        def slope(theta):
            return next(sequence) * scales + penalty * theta

        return trajectory(optimizer, slope, start=[1.0, 1.0], steps=400)[-1]

    plain, decayed, pulled = run(kept), run(decay), run(penalized, 0.1)
    shrunk, gone = plain - decayed, plain - pulled
    assert shrunk[0] == pytest.approx(shrunk[1], rel=0.05)
    assert gone[0] > 10 * abs(gone[1])


def test_nadam_by_hand():
    # β₁ = ½: μ₁ = ½ (1 − 0.48) = 0.26, μ₂ = ½ (1 − 0.4608) = 0.2696; m = ½, ŝ = 1.
    # m̂ = 0.2696 · ½ / (1 − 0.26 · 0.2696) + 0.74 / 0.74
    optimizer = optimizers.nadam(1.0, beta_1=0.5, epsilon=0.0)
    expected = -(0.1348 / (1 - 0.070096) + 1)
    assert optimizer.update(1.0, optimizer.init(0.0), 0.0)[0] == pytest.approx(expected, rel=1e-12)


class TestFtrl:
    def test_by_hand(self):
        # n = 3 + 1 = 4; z = 1 − (2 − √3) / ½ · 2; θ = (1 − z) / (2 / ½ + 2) where z < −1.
        optimizer = optimizers.ftrl(
            0.5,
            initial_accumulator_value=3.0,
            l1_regularization_strength=0.05,
            l2_regularization_strength=1.0,
        )
        z = 1 - (2 - 3**0.5) * 4
        theta, state = optimizer.update(1.0, optimizer.init(2.0), 2.0)
        assert (state.square_sum, state.linear) == (4, pytest.approx(z, rel=1e-14))
        assert theta == pytest.approx((-0.05 - z) / 6, rel=1e-12)

    @given(
        st.lists(st.integers(-80, 80).map(lambda eighths: eighths / 8), min_size=1, max_size=20),
        st.floats(0, 5),
    )
    def test_is_exactly_0_where_the_linear_term_is_small(self, gradients, strength):
        optimizer = optimizers.ftrl(0.1, l1_regularization_strength=strength)
        theta, state = np.zeros(1), optimizer.init(np.zeros(1))
        for gradient in gradients:
            theta, state = optimizer.update([gradient], state, theta)
            assert (theta == 0) == (np.abs(state.linear) <= strength)

    @pytest.mark.parametrize("run", [trajectory, keras_trajectory])
    def test_the_first_step_forgets_the_start(self, run):
        # Ours and Keras': without a slope 5 becomes 0, with a slope of 1 the share kept is
        # 1 − √(0.1 / 1.1), and the step beyond that is −η / √1.1.
        def make():
            rule = optimizers.ftrl if run is trajectory else keras.optimizers.Ftrl
            return rule(learning_rate=0.125)

        paths = [run(make(), lambda theta, g=g: g, start=5.0, steps=1) for g in (0.0, 1.0)]
        assert paths[0][1] == 0
        expected = 5 * (1 - (0.1 / 1.1) ** 0.5) - 0.125 / 1.1**0.5
        assert paths[1][1] == pytest.approx(expected, rel=1e-6)

    def test_without_an_accumulator_the_start_is_kept(self):
        # n = 0, g = 2: θ = 5 − η g / √4.
        optimizer = optimizers.ftrl(0.5, initial_accumulator_value=0.0)
        assert optimizer.update(2.0, optimizer.init(5.0), 5.0)[0] == pytest.approx(4.5)


def test_nesterov_takes_the_gradient_ahead():
    # The textbook form: m ← β m − η ∇f(θ + β m), θ ← θ + m. Keras' θ is the textbook's θ + β m.
    surface, rate, beta = optimizers.rosenbrock(), 2e-4, 0.9
    theta, velocity, ahead = surface.start, np.zeros(2), [surface.start]
    for _ in range(100):
        velocity = beta * velocity - rate * surface.gradient(theta + beta * velocity)
        theta = theta + velocity
        ahead.append(theta + beta * velocity)
    optimizer = optimizers.sgd(rate, momentum=beta, nesterov=True)
    path = trajectory(optimizer, surface.gradient, start=surface.start, steps=100)
    np.testing.assert_allclose(path, ahead, rtol=1e-9)


def test_nesterov_without_momentum_is_plain_descent():
    plain, ahead = optimizers.sgd(0.1), optimizers.sgd(0.1, nesterov=True)
    gradients = np.random.default_rng(0).normal(size=(5, 3))
    paths = [replay(trajectory, optimizer, gradients, np.zeros(3)) for optimizer in (plain, ahead)]
    np.testing.assert_array_equal(*paths)


class TestTerminalVelocity:
    def test_by_hand(self):
        # −0.1 · 2 / (1 − 0.9) = −2; after two steps 1 − 0.81 = 19% of it.
        options = {"learning_rate": 0.1, "momentum": 0.9}
        assert optimizers.terminal_velocity(2.0, **options) == pytest.approx(-2)
        assert optimizers.terminal_velocity(2.0, **options, steps=2) == pytest.approx(-0.38)

    @pytest.mark.parametrize("nesterov", [False, True])
    def test_both_momenta_reach_it(self, nesterov):
        optimizer = optimizers.sgd(0.1, momentum=0.8, nesterov=nesterov)
        path = trajectory(optimizer, lambda theta: [1.0, -3.0], start=np.zeros(2), steps=200)
        expected = optimizers.terminal_velocity([1.0, -3.0], learning_rate=0.1, momentum=0.8)
        np.testing.assert_allclose(path[-1] - path[-2], expected, rtol=1e-12)

    @given(st.floats(0, 0.99), st.floats(-1e3, 1e3))
    @settings(max_examples=25)
    def test_on_the_way_there(self, momentum, gradient):
        optimizer = optimizers.sgd(0.1, momentum=momentum)
        path = trajectory(optimizer, lambda theta: gradient, start=0.0, steps=20)
        expected = optimizers.terminal_velocity(
            gradient, learning_rate=0.1, momentum=momentum, steps=np.arange(1, 21)
        )
        np.testing.assert_allclose(np.diff(path), expected, rtol=1e-9, atol=1e-9)

    def test_refuses_negative_steps(self):
        with pytest.raises(ValueError, match=r"`steps` must be 0 or more. Received: steps=-1"):
            optimizers.terminal_velocity(1.0, learning_rate=0.1, momentum=0.9, steps=-1)


def test_adagrad_keeps_a_sum_that_keras_starts_at_a_tenth():
    # Erratum 20: with gradients of 1, s = 0.1 + t, no average, which would stay at 1.
    optimizer = optimizers.adagrad(1.0)
    path = trajectory(optimizer, lambda theta: 1.0, start=0.0, steps=400)
    expected = 1 / np.sqrt(0.1 + np.arange(1, 401) + 1e-7)
    np.testing.assert_allclose(-np.diff(path), expected, rtol=1e-12)


@pytest.mark.parametrize("run", [trajectory, keras_trajectory])
def test_adadelta_hardly_moves_at_keras_rate(run):
    # Erratum 19: 1,000 steps on x² from 5 end at 4.998.
    rule = optimizers.adadelta if run is trajectory else keras.optimizers.Adadelta
    path = run(rule(), lambda theta: 2 * theta, start=5.0, steps=1000)
    assert round(float(path[-1]), 3) == 4.998


def test_adadelta_uses_the_update_before():
    # As the notes print it, d = −√(u + ε) / √(s + ε) · g with the u that d is yet to enter. Solved
    # for d, ρ = ¾, g = 1, ε = 1: d² (1 + ¼ − ¼) = 1, d = −1 instead of −2/√5.
    optimizer = optimizers.adadelta(1.0, rho=0.75, epsilon=1.0)
    first = optimizer.update(1.0, optimizer.init(0.0), 0.0)[0]
    assert first == pytest.approx(-2 / 5**0.5)
    assert abs(first) < 1


@pytest.mark.parametrize("run", [trajectory, keras_trajectory])
def test_rmsprop_centered_can_end_in_nan(run):
    # A variance of a gradient that never changes is a difference of rounding errors in the end,
    # here of squares of some 1e13, and ε = 1e-7 does not lift it above 0.
    rule = optimizers.rmsprop if run is trajectory else keras.optimizers.RMSprop
    gradients = np.random.default_rng(0).uniform(1e6, 1e7, size=1000)
    path = run(rule(centered=True), lambda theta: gradients, start=np.zeros(1000), steps=400)
    assert np.isfinite(path[:200]).all()
    assert 0 < np.isnan(path[-1]).mean() < 1


positive_rates = st.floats(1e-4, 1.0)


@given(positive_rates, st.floats(-3, 3))
@settings(max_examples=25)
@pytest.mark.parametrize("name", ["adam", "adamw", "adamax", "rmsprop", "lion", "nadam"])
def test_the_scale_of_the_loss_does_not_matter_without_epsilon(name, rate, exponent):
    entry = OPTIMIZERS[name]
    options = {} if name == "lion" else {"epsilon": 0.0}
    gradients = np.random.default_rng(0).normal(size=(20, 3))
    paths = [
        replay(
            trajectory, ours(entry, learning_rate=rate, **options), factor * gradients, np.ones(3)
        )
        for factor in (1.0, 10.0**exponent)
    ]
    np.testing.assert_allclose(*paths, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_each_component_by_itself(name):
    entry = OPTIMIZERS[name]
    gradients = np.random.default_rng(0).normal(size=(10, 2, 3))
    whole = replay(trajectory, ours(entry), gradients, np.ones((2, 3)))
    for place in np.ndindex(2, 3):
        single = replay(trajectory, ours(entry), gradients[:, *place], 1.0)
        np.testing.assert_array_equal(whole[:, *place], single)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_update_is_pure(name):
    optimizer = ours(OPTIMIZERS[name])
    theta, gradient = np.array([1.0, 2.0]), np.array([3.0, -4.0])
    state = optimizer.init(theta)
    before = repr((theta, gradient, state))
    first, second = (optimizer.update(gradient, state, theta) for _ in range(2))
    assert repr((theta, gradient, state)) == before
    assert repr(first) == repr(second)
    assert first[0].dtype == np.float64


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("shape", [(), (0,), (1, 1, 1), (2, 3)])
def test_any_shape(name, shape):
    optimizer = ours(OPTIMIZERS[name])
    theta, state = optimizer.update(np.ones(shape), optimizer.init(np.ones(shape)), np.ones(shape))
    assert isinstance(theta, np.ndarray)
    assert theta.shape == shape
    theta, _ = optimizer.update(np.ones(shape), state, theta)
    assert theta.shape == shape


@pytest.mark.parametrize("name", RATED)
def test_without_a_slope_nothing_moves_but_by_decay(name):
    path = trajectory(ours(OPTIMIZERS[name]), np.zeros_like, start=[1.0, -2.0], steps=3)
    factor = (1 - 0.001 * 0.004) ** np.arange(4)[:, None] if name == "adamw" else 1.0
    np.testing.assert_allclose(path, factor * np.array([[1.0, -2.0]] * 4), rtol=1e-14)


def test_what_is_not_finite_stays_in_its_component():
    optimizer = optimizers.adam()
    path = replay(trajectory, optimizer, [[np.nan, 1e300, 1.0]] * 2, np.zeros(3))
    assert np.isnan(path[1:, 0]).all()
    assert np.isfinite(path[:, 2]).all()


class TestFirstStep:
    @pytest.mark.parametrize("gradient", [1e-5, -3.0, 0.0])
    def test_keras_form_is_what_both_do(self, gradient):
        expected = -optimizers.adam_first_step(gradient)
        path = trajectory(optimizers.adam(), lambda theta: gradient, start=0.0, steps=1)
        theirs = keras_trajectory(
            keras.optimizers.Adam(), lambda theta: gradient, start=0.0, steps=1
        )
        assert path[1] == pytest.approx(expected, rel=1e-12)
        assert theirs[1] == pytest.approx(expected, rel=2e-5)  # β₂ in float32: 1 − β₂ to 1e-5

    def test_where_epsilon_stands(self):
        # Erratum 17, at g = 1e-5 and ε = 1e-7, as shares of η:
        # inside 1e-5 / √(1e-10 + 1e-7) = 0.0316; outside 1e-5 / 1.01e-5 = 0.990;
        # Keras 1e-5 / (1e-5 + 1e-7 / √0.001) = 0.760, which is neither.
        steps = {
            form: optimizers.adam_first_step(1e-5, form=form, learning_rate=1.0)
            for form in ("inside", "outside", "keras")
        }
        expected = {"inside": 0.0316, "outside": 0.990, "keras": 0.760}
        assert steps == pytest.approx(expected, rel=1e-3)

    @given(st.floats(-1e3, 1e3).filter(lambda g: abs(g) > 1e-3))
    def test_the_misprint_is_a_hundred_times_as_long(self, gradient):
        # Erratum 16: (1 − β₁) / (1 − β₂) = 0.1 / 0.001 = 100, exactly so for every ε.
        right = optimizers.adam_first_step(gradient, form="outside")
        wrong = optimizers.adam_first_step(gradient, form="misprint")
        assert wrong / right == pytest.approx(100, rel=1e-12)

    def test_without_correction(self):
        # 0.1 / √0.001 = 3.162 η.
        step = optimizers.adam_first_step(2.0, form="uncorrected", epsilon=0.0, learning_rate=1.0)
        assert step == pytest.approx(10**0.5, rel=1e-12)

    def test_refuses_unknown_forms(self):
        forms = "keras, outside, inside, uncorrected, misprint"
        with pytest.raises(ValueError, match=f"`form` must be one of {forms}. Received: form='x'"):
            optimizers.adam_first_step(1.0, form="x")

    def test_no_gradient_and_no_epsilon_is_nan(self):
        assert np.isnan(optimizers.adam_first_step(0.0, epsilon=0.0))


class TestStepRatio:
    @given(st.floats(0, 0.99), st.floats(0.5, 0.9999))
    @settings(max_examples=25)
    def test_equals_the_rules_under_a_constant_gradient(self, beta_1, beta_2):
        t = np.arange(1, 31)
        means = squares = 0.0
        ratios = {"corrected": [], "uncorrected": [], "misprint": []}
        for step in t:
            means = beta_1 * means + (1 - beta_1) * 7
            squares = beta_2 * squares + (1 - beta_2) * 49
            root = (squares / (1 - beta_2**step)) ** 0.5
            ratios["corrected"].append(means / (1 - beta_1**step) / root)
            ratios["uncorrected"].append(means / squares**0.5)
            ratios["misprint"].append(means / (1 - beta_2**step) / root)
        for form, expected in ratios.items():
            ratio = optimizers.adam_step_ratio(t, form=form, beta_1=beta_1, beta_2=beta_2)
            np.testing.assert_allclose(ratio, expected, rtol=1e-9)

    def test_starts_and_ends(self):
        starts = {"corrected": 1, "uncorrected": 10**0.5, "misprint": 100}
        for form, start in starts.items():
            first, last = optimizers.adam_step_ratio([1, 100_000], form=form)
            assert first == pytest.approx(start, rel=1e-12)
            assert last == pytest.approx(1, rel=1e-12)

    def test_refuses_steps_below_1(self):
        with pytest.raises(ValueError, match=r"`step` must be 1 or more. Received: step=0"):
            optimizers.adam_step_ratio(0, form="corrected")

    def test_refuses_unknown_forms(self):
        with pytest.raises(ValueError, match=r"`form` must be one of corrected, uncorrected, mis"):
            optimizers.adam_step_ratio(1, form="outside")


class TestRefusals:
    @pytest.mark.parametrize(
        ("name", "argument"),
        [
            (name, argument)
            for name, arguments in {
                "sgd": ["momentum"],
                "rmsprop": ["rho", "momentum"],
                "adadelta": ["rho"],
                "adam": ["beta_1", "beta_2"],
                "adamw": ["beta_1", "beta_2"],
                "adamax": ["beta_1", "beta_2"],
                "nadam": ["beta_1", "beta_2"],
                "lion": ["beta_1", "beta_2"],
            }.items()
            for argument in arguments
        ],
    )
    @pytest.mark.parametrize("value", [-0.1, 1.0, np.nan])
    def test_shares(self, name, argument, value):
        message = rf"`{argument}` must be in \[0, 1\). Received: {argument}={value}"
        with pytest.raises(ValueError, match=message):
            OPTIMIZERS[name].make(**{argument: value})

    @pytest.mark.parametrize(
        ("name", "argument"),
        [
            *((name, "epsilon") for name in ("adagrad", "rmsprop", "adadelta", "adam")),
            *((name, "epsilon") for name in ("adamw", "adamax", "nadam")),
            ("adagrad", "initial_accumulator_value"),
            ("adamw", "weight_decay"),
            ("lion", "weight_decay"),
            ("ftrl", "initial_accumulator_value"),
            ("ftrl", "l1_regularization_strength"),
            ("ftrl", "l2_regularization_strength"),
            ("ftrl", "l2_shrinkage_regularization_strength"),
            ("ftrl", "beta"),
        ],
    )
    @pytest.mark.parametrize("value", [-1e-3, np.inf, np.nan])
    def test_amounts(self, name, argument, value):
        message = rf"`{argument}` must be 0 or more and finite. Received: {argument}={value}"
        with pytest.raises(ValueError, match=message):
            OPTIMIZERS[name].make(**{argument: value})

    @pytest.mark.parametrize("value", [0.5, -np.inf])
    def test_power(self, value):
        message = "`learning_rate_power` must be 0 or less and finite. Received: learning_rate_po"
        with pytest.raises(ValueError, match=message):
            optimizers.ftrl(learning_rate_power=value)

    @pytest.mark.parametrize("name", OPTIMIZERS)
    @pytest.mark.parametrize("value", [0, -1.0, np.inf, np.nan])
    def test_rates(self, name, value):
        message = f"`learning_rate` must be above 0 and finite. Received: learning_rate={value}"
        with pytest.raises(ValueError, match=message):
            OPTIMIZERS[name].make(value)

    @pytest.mark.parametrize("value", ["0.1", None, True])
    @pytest.mark.parametrize("argument", ["learning_rate", "momentum"])
    def test_kinds(self, argument, value):
        message = f"`{argument}` must be a number. Received: {argument}={value!r}"
        with pytest.raises(TypeError, match=message):
            optimizers.sgd(**{argument: value})

    @pytest.mark.parametrize(
        ("name", "argument"), [("sgd", "nesterov"), ("rmsprop", "centered"), ("adam", "amsgrad")]
    )
    def test_flags(self, name, argument):
        message = f"`{argument}` must be True or False. Received: {argument}=0.9"
        with pytest.raises(TypeError, match=message):
            OPTIMIZERS[name].make(**{argument: 0.9})

    def test_shapes(self):
        optimizer = optimizers.sgd(momentum=0.9)
        message = (
            r"must have the same shape. Received: gradient \(3,\), state \[\(2,\)\], theta \(2"
        )
        with pytest.raises(ValueError, match=message):
            optimizer.update(np.ones(3), optimizer.init(np.ones(2)), np.ones(2))
        with pytest.raises(ValueError, match=r"state \[\(1,\)\]"):
            optimizer.update(np.ones(2), optimizer.init(np.ones(1)), np.ones(2))

    @pytest.mark.parametrize("values", ["a", [1j], [None]])
    def test_what_is_no_real_number(self, values):
        optimizer = optimizers.sgd()
        with pytest.raises(
            TypeError, match=r"`theta` must hold real numbers. Received: (an array|theta=)"
        ):
            optimizer.init(values)
        with pytest.raises(TypeError, match="`gradient` must hold real numbers"):
            optimizer.update(values, optimizer.init(0.0), 0.0)


def test_guarded_turns_integers_into_float64():
    optimizer = guarded(lambda theta: (theta,), lambda g, state, theta: (theta - g, state))
    (kept,) = optimizer.init([1, 2])
    assert kept.dtype == np.float64
    assert optimizer.update([1, 1], (kept,), [3, 4])[0].tolist() == [2.0, 3.0]
