"""Good ranges of rates, searches for the best path, turned surfaces."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import optimizers
from helpers.optimizers import OPTIMIZERS, good_range, search_path

RATES = [0.01, 0.1, 1.0, 10.0]


class TestGoodRange:
    def test_by_hand(self):
        # Best 1 at rate 0.1, allowed 2. To the left the loss falls from 4 to 1 over a decade: 2 is
        # half of the way in logarithms. To the right it stays, then rises from 1 to 16: a quarter.
        found = good_range(RATES, [[4.0], [1.0], [1.0], [16.0]], level=2.0)
        np.testing.assert_allclose(np.log10(found.low), [-1.5])
        np.testing.assert_allclose(np.log10(found.high), [0.25])
        np.testing.assert_allclose(found.decades, [1.75])
        assert found.inside.tolist() == [True]

    def test_ends_with_the_rates_and_says_so(self):
        found = good_range(RATES, [[1.5, 9.0], [1.0, 1.0], [9.0, 1.5], [9.0, 1.2]], level=2.0)
        assert found.low[0] == pytest.approx(0.01)
        assert found.high[1] == pytest.approx(10.0)
        assert found.inside.tolist() == [False, False]

    def test_is_the_range_around_the_best_alone(self):
        # 10 is good as well, but between it and 0.1 lies a bad rate.
        found = good_range(RATES, [[8.0], [1.0], [8.0], [1.1]], level=2.0)
        assert found.high[0] < 1.0

    @settings(max_examples=50)
    @given(
        st.lists(st.floats(0.1, 100.0), min_size=4, max_size=4),
        st.floats(1.0, 5.0),
        st.integers(-9, 9),
    )
    def test_properties(self, losses, factor, exponent):
        column = np.array(losses)[:, None]
        found = good_range(RATES, column, level=factor * column.min())
        best = RATES[int(column.argmin())]
        assert found.low[0] <= best * (1 + 1e-12)
        assert found.high[0] >= best * (1 - 1e-12)
        wider = good_range(RATES, column, level=2 * factor * column.min())
        assert wider.decades[0] >= found.decades[0] - 1e-9
        # The unit of the loss does not matter; powers of 2 leave every digit as it is.
        same = good_range(
            RATES, 2.0**exponent * column, level=2.0**exponent * factor * column.min()
        )
        np.testing.assert_allclose(same.decades, found.decades, atol=1e-6)

    def test_has_no_width_where_no_rate_gets_below_the_level(self):
        found = good_range(RATES, [[4.0], [3.0], [5.0], [9.0]], level=2.0)
        assert found.decades.tolist() == [0.0]

    def test_a_level_for_each_replica(self):
        losses = np.array([[4.0, 8.0], [1.0, 2.0], [1.0, 2.0], [16.0, 32.0]])
        found = good_range(RATES, losses, level=[2.0, 4.0])
        np.testing.assert_allclose(found.decades, [1.75, 1.75])

    @pytest.mark.parametrize("level", [0.0, -1.0, [1.0, 2.0, 3.0]])
    def test_refuses_a_level_that_is_none(self, level):
        with pytest.raises(ValueError, match=r"`level` must be above 0, one number or 1. Received"):
            good_range(RATES, np.ones((4, 1)), level=level)


@pytest.mark.parametrize(
    ("rates", "losses", "message"),
    [
        ([1.0], [[1.0]], r"`rates` must be two or more .* Received: rates=\[1.0\]"),
        ([0.0, 1.0], [[1.0], [1.0]], r"`rates` .* above 0"),
        ([2.0, 1.0], [[1.0], [1.0]], r"`rates` .* increasing"),
        ([1.0, np.inf], [[1.0], [1.0]], r"`rates` .* finite"),
        ([1.0, 2.0], [1.0, 1.0], r"`losses` must have shape \(2, replicas\). Received: \(2,\)"),
        ([1.0, 2.0], [[1.0]], r"`losses` must have shape"),
        ([1.0, 2.0], [[], []], r"`losses` must have shape"),
        ([1.0, 2.0], [[1.0], [np.nan]], r"`losses` must be above 0 and finite"),
        ([1.0, 2.0], [[1.0], [0.0]], r"`losses` .* Received: from 0 to 1"),
    ],
)
def test_a_search_that_is_none_is_refused(rates, losses, message):
    with pytest.raises(ValueError, match=message):
        good_range(rates, losses, level=1.0)


class TestSearchPath:
    def test_finds_the_rate_known_from_theory(self):
        # On ½ (x² + κ y²) gradient descent is fastest at 2 / (1 + κ).
        rates = np.linspace(0.05, 0.6, 12)
        rate, path = search_path(
            optimizers.sgd, optimizers.elongated_bowl(4.0), rates=rates, steps=60
        )
        assert rate == pytest.approx(0.4)
        assert path.shape == (61, 2)

    def test_leaves_what_diverges(self):
        bowl = optimizers.elongated_bowl(4.0)
        assert search_path(optimizers.sgd, bowl, rates=[100.0, 0.1], steps=500)[0] == 0.1

    def test_what_diverges_is_still_a_path(self):
        bowl = optimizers.elongated_bowl(4.0)
        rate, path = search_path(optimizers.sgd, bowl, rates=[200.0, 100.0], steps=500)
        assert (rate, path.shape) == (100.0, (501, 2))

    def test_a_single_step(self):
        bowl = optimizers.elongated_bowl(4.0)
        assert search_path(optimizers.sgd, bowl, rates=[0.1], steps=1)[1].shape == (2, 2)

    def test_refuses_no_rates_and_no_steps(self):
        bowl = optimizers.elongated_bowl(4.0)
        with pytest.raises(ValueError, match=r"`rates` must not be empty. Received: none"):
            search_path(optimizers.sgd, bowl, rates=[], steps=3)
        with pytest.raises(ValueError, match=r"`steps` must be at least 1. Received: steps=0"):
            search_path(optimizers.sgd, bowl, rates=[0.1], steps=0)


class TestRotated:
    @pytest.mark.parametrize("degrees", [0.0, 30.0, 45.0, -120.0])
    def test_descent_turns_with_the_surface(self, degrees):
        valley = optimizers.rosenbrock()
        turned = optimizers.rotated(valley, degrees)
        paths = [
            optimizers.trajectory(
                optimizers.sgd(1e-3, momentum=0.5), s.gradient, start=s.start, steps=30
            )
            for s in (valley, turned)
        ]
        np.testing.assert_allclose(
            turned.value(paths[1]), valley.value(paths[0]), rtol=1e-8, atol=1e-10
        )
        np.testing.assert_allclose(turned.distance(paths[1]), valley.distance(paths[0]), rtol=1e-8)

    def test_by_hand(self):
        # A quarter turn takes (1, 0) to (0, 1).
        turned = optimizers.rotated(optimizers.rosenbrock(), 90)
        np.testing.assert_allclose(turned.minima, [[-1, 1]], atol=1e-12)
        assert turned.name == "Rosenbrock's valley, turned"

    def test_adagrad_does_not_turn_with_it(self):
        bowl = optimizers.elongated_bowl(25.0)
        ends = [
            float(
                s.value(
                    optimizers.trajectory(
                        optimizers.adagrad(1.0), s.gradient, start=s.start, steps=60
                    )[-1]
                )
            )
            for s in (bowl, optimizers.rotated(bowl, 45))
        ]
        assert ends[1] > 1000 * ends[0]

    def test_refuses_what_is_no_angle(self):
        bowl = optimizers.elongated_bowl()
        with pytest.raises(ValueError, match=r"`degrees` must be finite. Received: degrees=inf"):
            optimizers.rotated(bowl, np.inf)
        with pytest.raises(TypeError, match=r"`degrees` must hold real numbers"):
            optimizers.rotated(bowl, "north")


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_entry_makes_both_with_its_options(name):
    entry = OPTIMIZERS[name]
    assert type(entry.keras()).__name__ == entry.keras_name
    config = entry.keras(learning_rate=entry.usual_rate).get_config()
    assert config["learning_rate"] == pytest.approx(entry.usual_rate)
    assert {key: config[key] for key in entry.options} == dict(entry.options)
    moved, _ = entry.ours(learning_rate=1.0).update(1.0, entry.ours().init(0.0), 0.0)
    assert moved < 0
