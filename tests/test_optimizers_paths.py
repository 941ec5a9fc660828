"""Surfaces, the paths on them, what paths measure, and what optimizers cost."""

import itertools

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from helpers import optimizers
from helpers.optimizers import OPTIMIZERS, keras_trajectory, trajectory

SURFACES = {
    "bowl": optimizers.elongated_bowl(),
    "valley": optimizers.rosenbrock(),
    "saddle": optimizers.saddle(),
    "steep valley": optimizers.rosenbrock(3.0),
}
coordinates = st.floats(-4, 4)
paths = arrays(
    np.float64,
    st.tuples(st.integers(2, 12), st.integers(1, 3), st.integers(1, 3)),
    elements=st.integers(-3, 3).map(float),
)


# Surfaces


@pytest.mark.parametrize("name", SURFACES)
@given(coordinates, coordinates)
@settings(max_examples=50)
def test_gradients_equal_central_differences(name, x, y):
    surface, step = SURFACES[name], 1e-5
    expected = [
        (surface.value([x + dx, y + dy]) - surface.value([x - dx, y - dy])) / (2 * step)
        for dx, dy in ((step, 0), (0, step))
    ]
    # The error is step² times the third derivative, up to 1e4 here, and rounding of values of up
    # to 4e4, 1e-11, over the step.
    np.testing.assert_allclose(surface.gradient([x, y]), expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("name", SURFACES)
@given(coordinates, coordinates)
@settings(max_examples=50)
def test_no_point_is_lower_than_the_minima(name, x, y):
    surface = SURFACES[name]
    lowest = surface.value(surface.minima)
    assert np.ptp(lowest) == 0
    assert surface.value([x, y]) >= lowest[0]
    np.testing.assert_array_equal(surface.gradient(surface.minima), 0 * surface.minima)
    assert surface.distance(surface.minima).max() == 0


def test_surfaces_by_hand():
    # ½ (9 + 25 · 4) = 54.5; (1 − 2)² + 100 (3 − 4)² = 101, slopes 2 + 800 and −200;
    # ½ − 2 + 4 = 2.5, slopes 1 and 8 − 2.
    bowl, valley, saddle = (SURFACES[name] for name in ("bowl", "valley", "saddle"))
    assert bowl.value([3, -2]) == 54.5
    assert bowl.gradient([3, -2]).tolist() == [3, -50]
    assert valley.value([2, 3]) == 101
    assert valley.gradient([2, 3]).tolist() == [802, -200]
    assert saddle.value([1, 2]) == 2.5
    assert saddle.gradient([1, 2]).tolist() == [1, 6]


def test_the_saddle_is_one():
    saddle = SURFACES["saddle"]
    assert saddle.gradient([0, 0]).tolist() == [0, 0]
    assert saddle.value([0.1, 0]) > saddle.value([0, 0]) > saddle.value([0, 0.1])
    assert saddle.distance([[3, 1], [0, -5]]).tolist() == [3, 4]


@pytest.mark.parametrize("name", SURFACES)
def test_surfaces_take_many_points_at_once(name):
    surface = SURFACES[name]
    points = np.random.default_rng(0).normal(size=(4, 5, 2))
    values, slopes = surface.value(points), surface.gradient(points)
    assert (values.shape, slopes.shape) == ((4, 5), (4, 5, 2))
    for place in np.ndindex(4, 5):
        assert values[place] == surface.value(points[place])
        np.testing.assert_array_equal(slopes[place], surface.gradient(points[place]))


@pytest.mark.parametrize("name", SURFACES)
def test_a_grid_covers_the_extent_where_start_and_minima_lie(name):
    surface = SURFACES[name]
    x, y, height = surface.grid(5)
    assert ((x.min(), x.max()), (y.min(), y.max())) == surface.extent
    assert height[3, 1] == surface.value([x[3, 1], y[3, 1]])
    for point in (surface.start, *surface.minima):
        assert ((point > (x.min(), y.min())) & (point < (x.max(), y.max()))).all()


@pytest.mark.parametrize("make", [optimizers.elongated_bowl, optimizers.rosenbrock])
def test_surfaces_refuse_bad_arguments(make):
    for value in (0, -1.0, np.inf, np.nan):
        message = f"`curvature` must be above 0 and finite. Received: curvature={value}"
        with pytest.raises(ValueError, match=message):
            make(value)
    with pytest.raises(TypeError, match=r"`curvature` must be a number. Received: curvature='a'"):
        make("a")
    surface = make()
    for call in (surface.value, surface.gradient, surface.distance):
        with pytest.raises(ValueError, match=r"`theta` must have shape \(..., 2\). Received: \(3"):
            call([1, 2, 3])
        with pytest.raises(ValueError, match=r"Received: \(\)"):
            call(1.0)
    with pytest.raises(ValueError, match=r"`points` must be at least 2. Received: points=1"):
        surface.grid(1)
    with pytest.raises(TypeError, match=r"`points` must be an integer. Received: points=2.5"):
        surface.grid(2.5)


# Trajectories


@pytest.mark.parametrize("run", [trajectory, keras_trajectory])
def test_descent_by_hand(run):
    # f = x², η = ¼: each step halves x.
    rule = optimizers.sgd if run is trajectory else keras.optimizers.SGD
    path = run(rule(0.25), lambda theta: 2 * theta, start=[8.0, -1.0], steps=2)
    assert path.tolist() == [[8, -1], [4, -0.5], [2, -0.25]]
    assert run(rule(0.25), lambda theta: theta, start=3.0, steps=0).tolist() == [3]


@pytest.mark.parametrize("name", [name for name in OPTIMIZERS if name not in ("ftrl", "adadelta")])
@pytest.mark.parametrize("surface", ["bowl", "valley", "saddle"])
def test_every_rule_descends(name, surface):
    entry, surface = OPTIMIZERS[name], SURFACES[surface]
    optimizer = entry.make(5e-4, **entry.options)
    path = trajectory(optimizer, surface.gradient, start=surface.start, steps=300)
    assert surface.value(path[-1]) < surface.value(path[0])


def test_many_starts_at_once():
    surface, optimizer = SURFACES["valley"], optimizers.adam(0.01)
    starts = np.random.default_rng(0).normal(size=(6, 2))
    together = trajectory(optimizer, surface.gradient, start=starts, steps=20)
    for place, start in enumerate(starts):
        single = trajectory(optimizer, surface.gradient, start=start, steps=20)
        np.testing.assert_array_equal(together[:, place], single)


def test_divergence_is_silent_and_ends_in_infinities():
    surface = SURFACES["valley"]
    path = trajectory(optimizers.sgd(1.0), surface.gradient, start=surface.start, steps=30)
    assert np.isfinite(path[0]).all()
    assert not np.isfinite(path[-1]).any()
    assert optimizers.step_lengths(path).shape == (30,)


def test_the_start_is_not_changed():
    start = np.array([1, 2])
    trajectory(optimizers.sgd(0.5), lambda theta: theta, start=start, steps=2)
    assert start.tolist() == [1, 2]


@pytest.mark.parametrize("run", [trajectory, keras_trajectory])
def test_trajectories_refuse_bad_arguments(run):
    def make():
        return optimizers.sgd() if run is trajectory else keras.optimizers.SGD()

    with pytest.raises(ValueError, match=r"`steps` must be at least 0. Received: steps=-1"):
        run(make(), np.copy, start=1.0, steps=-1)
    with pytest.raises(TypeError, match=r"`steps` must be an integer. Received: steps=2.0"):
        run(make(), np.copy, start=1.0, steps=2.0)
    with pytest.raises(TypeError, match="`start` must hold real numbers"):
        run(make(), np.copy, start="a", steps=1)
    with pytest.raises(ValueError, match=r"must have the same shape. Received: gradient \(2,\)"):
        run(make(), lambda theta: [1.0, 2.0], start=1.0, steps=1)


def test_keras_trajectory_wants_a_new_optimizer():
    used = keras.optimizers.SGD()
    keras_trajectory(used, np.copy, start=1.0, steps=1)
    message = "`optimizer` must be a new one. Received: SGD, which has been used"
    with pytest.raises(ValueError, match=message):
        keras_trajectory(used, np.copy, start=1.0, steps=1)


# What paths say

ZIGZAG = np.array([[3.0, 0], [-1, 4], [1, 4], [0, 7]])  # moves (−4, 4), (2, 0), (−1, 3)


def test_measures_by_hand():
    np.testing.assert_allclose(optimizers.step_lengths(ZIGZAG), [32**0.5, 2, 10**0.5])
    assert optimizers.total_variation(ZIGZAG).tolist() == [7, 7]
    assert optimizers.reversals(ZIGZAG).tolist() == [2, 0]
    assert optimizers.crossings(ZIGZAG).tolist() == [2, 0]  # 0 itself is passed over
    assert optimizers.crossings(ZIGZAG, [-2, 5]).tolist() == [0, 1]


@given(paths)
def test_measures_equal_plain_loops(path):
    for place in np.ndindex(path.shape[1:]):
        values = [float(value) for value in path[:, *place]]
        moves = [after - before for before, after in itertools.pairwise(values)]
        for signs, measure in ((moves, optimizers.reversals), (values, optimizers.crossings)):
            sides = [value > 0 for value in signs if value]
            changes = sum(before != after for before, after in itertools.pairwise(sides))
            assert measure(path)[place] == changes
        assert optimizers.total_variation(path)[place] == sum(map(abs, moves))


@given(paths)
def test_measures_bound_each_other(path):
    travelled = optimizers.total_variation(path)
    net = np.abs(path[-1] - path[0])
    assert (travelled >= net).all()
    assert (
        travelled[optimizers.reversals(path) == 0] == net[optimizers.reversals(path) == 0]
    ).all()
    lengths = optimizers.step_lengths(path).sum(axis=0)
    assert (lengths <= travelled.sum(axis=-1) + 1e-9).all()
    assert (lengths >= np.linalg.norm(path[-1] - path[0], axis=-1) - 1e-9).all()


@pytest.mark.parametrize("curvature", [5.0, 25.0, 100.0])
def test_nesterov_travels_less_than_momentum_across_the_bowl(curvature):
    # η κ = ½: across, momentum's eigenvalues have modulus √β = 0.95, Nesterov's
    # √(β (1 − η κ)) = 0.67.
    bowl = optimizers.elongated_bowl(curvature)
    travelled = [
        optimizers.total_variation(
            trajectory(
                optimizers.sgd(0.5 / curvature, momentum=0.9, nesterov=nesterov),
                bowl.gradient,
                start=bowl.start,
                steps=100,
            )
        )[1]
        for nesterov in (False, True)
    ]
    assert travelled[0] > 3 * travelled[1]


@pytest.mark.parametrize(
    "measure",
    [
        optimizers.step_lengths,
        optimizers.total_variation,
        optimizers.reversals,
        optimizers.crossings,
    ],
)
def test_measures_refuse_what_is_no_path(measure):
    message = r"`path` must have shape \(steps \+ 1, ..., dims\) with at least one step. Received: "
    for path in ([1.0, 2.0], [[1.0, 2.0]]):
        with pytest.raises(ValueError, match=message):
            measure(path)
    with pytest.raises(TypeError, match="`path` must hold real numbers"):
        measure([["a"], ["b"]])


# Costs

SIZES = {
    "sgd": 0,
    "momentum": 1,
    "nesterov": 1,
    "adagrad": 1,
    "rmsprop": 1,
    "adadelta": 2,
    "adam": 2,
    "adamax": 2,
    "nadam": 2,
    "adamw": 2,
    "ftrl": 2,
    "lion": 1,
}
MORE_SIZES = [
    ("rmsprop", {"momentum": 0.9}, 2),
    ("rmsprop", {"centered": True}, 2),
    ("rmsprop", {"centered": True, "momentum": 0.9}, 3),
    ("adam", {"amsgrad": True}, 3),
    ("adamw", {"amsgrad": True}, 3),
    ("sgd", {"nesterov": True}, 0),
]


@pytest.mark.parametrize(
    ("name", "options", "size"), [*((name, {}, size) for name, size in SIZES.items()), *MORE_SIZES]
)
def test_memory_equals_keras(name, options, size):
    entry = OPTIMIZERS[name]
    options = {**entry.options, **options}
    theirs = getattr(keras.optimizers, entry.keras_name)(**options)
    assert optimizers.state_size(entry.make(**options), np.zeros((4, 3))) == size
    assert optimizers.keras_state_size(theirs) == size


def test_every_optimizer_is_counted():
    assert set(SIZES) == set(OPTIMIZERS)


@pytest.mark.parametrize("shape", [(), (1,), (2, 3, 4)])
def test_memory_does_not_depend_on_the_shape(shape):
    assert optimizers.state_size(optimizers.nadam(), np.zeros(shape)) == 2


def test_memory_refuses_bad_arguments():
    with pytest.raises(ValueError, match=r"`theta` must not be empty. Received: shape \(0, 3\)"):
        optimizers.state_size(optimizers.sgd(), np.zeros((0, 3)))
    used = keras.optimizers.SGD()
    optimizers.keras_state_size(used)
    with pytest.raises(ValueError, match=r"`optimizer` must be a new one. Received: SGD, which"):
        optimizers.keras_state_size(used)


def test_numpy_step_repeats_its_step():
    call = optimizers.numpy_step(optimizers.adam(), size=5)
    (first, state), (second, _) = call(), call()
    np.testing.assert_array_equal(first, second)
    assert state.step == 2


def test_keras_step_goes_on():
    optimizer = keras.optimizers.Lion()
    call = optimizers.keras_step(optimizer, size=5)
    call(), call()
    assert int(optimizer.iterations) == 2


@pytest.mark.parametrize("make", ["numpy_step", "keras_step"])
def test_steps_refuse_bad_sizes(make):
    def call(size):
        optimizer = optimizers.sgd() if make == "numpy_step" else keras.optimizers.SGD()
        getattr(optimizers, make)(optimizer, size=size)

    with pytest.raises(ValueError, match=r"`size` must be at least 1. Received: size=0"):
        call(0)
    with pytest.raises(TypeError, match=r"`size` must be an integer. Received: size=2.0"):
        call(2.0)
