"""Tests of helpers.plotting: what stands on the axes, read back from Matplotlib's artists."""

import math
import re

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import LogNorm, to_rgb
from matplotlib.container import ErrorbarContainer
from scipy import stats

from helpers import plotting
from helpers.plotting import plot_heatmap, plot_intervals, plot_replicas, use_style

NAN, INF = math.nan, math.inf


@pytest.fixture(autouse=True)
def _figures():
    """Draw without a screen, and leave neither figures nor settings behind."""
    plt.switch_backend("agg")
    with mpl.rc_context():
        yield
    plt.close("all")


def refused(message):
    """Expect an error whose whole message is this one."""
    return pytest.raises(ValueError, match=f"^{re.escape(message)}$")


def line_of(ax, number=0):
    return ax.lines[number].get_xydata().tolist()


def band_of(ax):
    """Return the corners of the band as a set of points."""
    (band,) = ax.collections
    return {tuple(point) for path in band.get_paths() for point in path.vertices.tolist()}


def contrast(first, second):
    """Return WCAG's contrast of two colours, from 1 to 21."""

    def luminance(colour):
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in colour]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted([luminance(to_rgb(first)), luminance(to_rgb(second))])
    return (high + 0.05) / (low + 0.05)


class TestStyle:
    def test_lines_differ_in_colour_and_in_dash(self):
        use_style()
        cycle = mpl.rcParams["axes.prop_cycle"].by_key()
        assert len(cycle["color"]) == 7
        assert len(set(cycle["color"])) == 7
        assert len(set(map(str, cycle["linestyle"]))) == 7

    def test_lines_are_drawn_with_the_dashes(self):
        use_style()
        _, ax = plt.subplots()
        lines = [ax.plot([0, 1])[0] for _ in range(7)]
        ax.figure.canvas.draw()
        dashes = {str(line._unscaled_dash_pattern) for line in lines}
        assert len(dashes) == len({line.get_color() for line in lines}) == 7

    def test_every_colour_stands_out_from_the_page(self):
        # Okabe and Ito's palette is no text: what is asked of graphics is a contrast that is seen
        # at all, and the two lightest, sky blue and orange, reach 2.2
        use_style()
        colours = mpl.rcParams["axes.prop_cycle"].by_key()["color"]
        assert min(contrast(colour, mpl.rcParams["figure.facecolor"]) for colour in colours) > 2

    def test_every_setting_reaches_matplotlib(self):
        use_style()
        assert mpl.rcParams["image.cmap"] == "cividis"
        assert mpl.rcParams["axes.labelsize"] == 11
        assert mpl.rcParams["figure.figsize"] == [6.4, 3.8]


class TestPlotReplicas:
    def test_by_hand(self):
        # (1, 2) and (3, 6): means (2, 4), from 1 to 3 and from 2 to 6
        ax = plot_replicas(np.array([[1, 2], [3, 6]]), label="both")
        assert line_of(ax) == [[1, 2], [2, 4]]
        assert band_of(ax) == {(1, 1), (1, 3), (2, 2), (2, 6)}
        assert ax.get_legend_handles_labels()[1] == ["both"]

    @given(
        st.integers(1, 5).flatmap(
            lambda n: st.lists(
                st.lists(st.floats(-1e6, 1e6), min_size=n, max_size=n), min_size=1, max_size=6
            )
        )
    )
    @settings(max_examples=25)
    def test_line_lies_in_the_band(self, values):
        fig, ax = plt.subplots()
        plot_replicas(values, ax=ax)
        line = np.array(line_of(ax))
        points = np.array(sorted(band_of(ax)))
        for x, mean in line:
            across = points[points[:, 0] == x, 1]
            slack = 1e-9 * np.abs(across).max()  # rounding of the mean
            assert across.min() - slack <= mean <= across.max() + slack
        plt.close(fig)

    def test_draws_on_the_given_axes(self):
        figure, (left, right) = plt.subplots(1, 2)
        assert plot_replicas([[1.0, 2.0]], ax=left) is left
        assert plt.get_fignums() == [figure.number]
        assert not right.lines

    def test_makes_axes_of_its_own(self):
        first, second = plot_replicas([[1.0, 2.0]]), plot_replicas([[1.0, 2.0]])
        assert first.figure is not second.figure

    def test_own_places_and_look(self):
        ax = plot_replicas([[1.0, 2.0]], x=[10, 20], color="C3", linestyle=":")
        assert line_of(ax) == [[10, 1], [20, 2]]
        assert (ax.lines[0].get_color(), ax.lines[0].get_linestyle()) == ("C3", ":")
        assert to_rgb(ax.collections[0].get_facecolor()[0][:3]) == to_rgb("C3")

    def test_band_has_the_colour_of_its_line(self):
        _, ax = plt.subplots()
        for _ in range(2):
            plot_replicas([[1.0, 2.0], [2.0, 3.0]], ax=ax)
        for line, band in zip(ax.lines, ax.collections, strict=True):
            assert tuple(band.get_facecolor()[0][:3]) == to_rgb(line.get_color())
            assert band.get_facecolor()[0][3] == plotting.BAND_OPACITY

    def test_nan_is_left_out(self):
        # After the second epoch only one replica goes on, after the third none
        ax = plot_replicas([[1.0, 2.0, 3.0, NAN], [3.0, 4.0, NAN, NAN]])
        assert line_of(ax) == [[1, 2], [2, 3], [3, 3]]

    def test_nothing_but_nan_draws_nothing(self):
        ax = plot_replicas([[NAN, NAN]])
        ax.figure.canvas.draw()
        assert line_of(ax) == []

    def test_infinite_values_make_gaps_without_a_warning(self):
        ax = plot_replicas([[INF, 1.0, INF, 1.0], [-INF, 3.0, 5.0, 3.0], [0.0, 2.0, 6.0, 2.0]])
        ax.figure.canvas.draw()
        means = ax.lines[0].get_ydata()
        assert means[[1, 3]].tolist() == [2, 2]
        assert not np.isfinite(means[[0, 2]]).any()
        assert np.isfinite(ax.get_ylim()).all()

    def test_bad_values(self):
        with refused("`values` must have shape (replicas, n). Received: shape=(3,)"):
            plot_replicas([1.0, 2.0, 3.0])
        with refused("`values` must have shape (replicas, n). Received: shape=(0, 4)"):
            plot_replicas(np.empty((0, 4)))
        with refused("`values` must have shape (replicas, n). Received: shape=(2, 2, 1)"):
            plot_replicas(np.zeros((2, 2, 1)))
        with refused("`x` must have shape (2,). Received: shape=(3,)"):
            plot_replicas([[1.0, 2.0]], x=[1, 2, 3])
        assert not plt.get_fignums()


class TestPlotHeatmap:
    def test_by_hand(self):
        ax = plot_heatmap([[1, 2.25], [3, -4]], rows=["a", "b"], columns=["c", "d"], label="size")
        written = {text.get_position(): text.get_text() for text in ax.texts}
        # positions are (column, row)
        assert written == {(0, 0): "1.0", (1, 0): "2.2", (0, 1): "3.0", (1, 1): "-4.0"}
        assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b"]
        assert [label.get_text() for label in ax.get_xticklabels()] == ["c", "d"]
        assert ax.images[0].get_array().tolist() == [[1, 2.25], [3, -4]]
        assert ax.figure.axes[1].get_ylabel() == "size"

    def test_draws_on_the_given_axes(self):
        _, (left, right) = plt.subplots(1, 2)
        assert plot_heatmap(np.eye(2), rows="ab", columns="cd", ax=right) is right
        assert not left.images

    def test_format_and_look(self):
        ax = plot_heatmap(
            [[0.12345]], rows=["a"], columns=["b"], fmt=".1%", cmap="viridis", vmin=0, vmax=1
        )
        assert ax.texts[0].get_text() == "12.3%"
        assert ax.images[0].get_cmap().name == "viridis"
        assert ax.images[0].get_clim() == (0, 1)

    def test_no_label_leaves_the_colour_bar_bare(self):
        assert plot_heatmap([[1.0]], rows="a", columns="b").figure.axes[1].get_ylabel() == ""

    @pytest.mark.parametrize("matrix", [[[1.0, NAN]], [[1.0, INF]], [[1.0, -INF]]])
    def test_cells_that_are_not_finite_stay_empty(self, matrix):
        ax = plot_heatmap(matrix, rows="a", columns="bc")
        ax.figure.canvas.draw()
        assert [text.get_text() for text in ax.texts] == ["1.0"]

    def test_nothing_but_nan(self):
        ax = plot_heatmap([[NAN, NAN]], rows="a", columns="bc")
        ax.figure.canvas.draw()
        assert not ax.texts

    @pytest.mark.parametrize("cmap", ["cividis", "viridis", "coolwarm", "Greys"])
    def test_every_number_is_legible(self, cmap):
        # The better of black and white has a contrast of at least √21 = 4.58 to any colour
        matrix = np.linspace(0, 1, 64).reshape(4, 16)
        ax = plot_heatmap(matrix, rows=list("abcd"), columns=list(range(16)), cmap=cmap)
        (image,) = ax.images
        for text, value in zip(ax.texts, matrix.ravel(), strict=True):
            assert contrast(text.get_color(), image.to_rgba(value)[:3]) >= 4.5

    def test_number_on_a_cell_without_a_colour_is_black(self):
        # On a logarithmic scale 0 has no colour: the white page shows through
        ax = plot_heatmap([[0.0, 1.0, 100.0]], rows="a", columns="bcd", norm=LogNorm())
        assert ax.texts[0].get_color() == "black"

    def test_names_that_do_not_fit(self):
        message = "`matrix` must have shape ({}) to fit the names. Received: shape=({})"
        with refused(message.format("1, 2", "2, 2")):
            plot_heatmap(np.eye(2), rows=["a"], columns=["b", "c"])
        with refused(message.format("2, 3", "2, 2")):
            plot_heatmap(np.eye(2), rows=["a", "b"], columns=["c", "d", "e"])
        with refused(message.format("2, 1", "2,")):
            plot_heatmap([1.0, 2.0], rows=["a", "b"], columns=["c"])
        assert not plt.get_fignums()


class TestPlotIntervals:
    def test_by_hand(self):
        # (0, 2): mean 1, and the interval reaches t(0.975; 1) = 12.7 to both sides
        ax = plot_intervals({"a": [0.0, 2.0], "b": [5.0, 5.0]})
        reach = math.tan(0.475 * math.pi)
        bars = [part for part in ax.containers if isinstance(part, ErrorbarContainer)]
        (whole,) = bars[0].lines[2][0].get_segments()
        np.testing.assert_allclose(whole, [[1 - reach, 0], [1 + reach, 0]])
        assert bars[0].lines[0].get_xydata().tolist() == [[1, 0]]
        assert bars[1].lines[0].get_xydata().tolist() == [[5, 1]]  # no spread, no width
        assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b"]

    def test_points_are_the_replicas(self):
        ax = plot_intervals({"a": [1.0, 4.0, 2.0]})
        points = next(line for line in ax.lines if line.get_marker() == "o")
        assert points.get_xydata().tolist() == [[1, 0], [4, 0], [2, 0]]

    def test_equals_scipy(self):
        values = np.random.default_rng(0).standard_normal(8)
        expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
        (bar,) = plot_intervals({"a": values}).containers
        (segment,) = bar.lines[2][0].get_segments()
        np.testing.assert_allclose(segment[:, 0], [expected.low, expected.high])

    def test_first_group_is_on_top(self):
        bottom, top = plot_intervals({"a": [1.0, 2.0], "b": [1.0, 2.0]}).get_ylim()
        assert (bottom, top) == (1.5, -0.5)

    def test_groups_differ_in_colour(self):
        use_style()
        ax = plot_intervals({name: [1.0, 2.0] for name in "abcdefghi"})
        means = [to_rgb(line.get_color()) for line in ax.lines if line.get_marker() == "D"]
        assert len(means) == 9
        assert means[:2] == means[7:]  # seven colours, then from the start again
        assert len(set(means)) == 7

    def test_draws_on_the_given_axes(self):
        _, (left, right) = plt.subplots(1, 2)
        assert plot_intervals({"a": [1.0, 2.0]}, ax=left) is left
        assert not right.lines

    def test_bad_groups(self):
        with refused("`groups` must hold at least one group. Received: none"):
            plot_intervals({})
        with refused(
            "`groups`, 'b': `values` must hold at least 2 replicas: one has no spread. Received: 1"
        ):
            plot_intervals({"a": [1.0, 2.0], "b": [1.0]})
        with refused("`groups`, 'b': `values` must be finite. Received: [ 1. nan]"):
            plot_intervals({"a": [1.0, 2.0], "b": [1.0, NAN]})
        assert not plt.get_fignums()
