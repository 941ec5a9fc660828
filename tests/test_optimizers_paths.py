"""Surfaces, the paths on them, what paths measure, and what optimizers cost."""

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
