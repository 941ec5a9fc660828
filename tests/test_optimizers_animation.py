"""The animation's page: what it draws, how it is operated, and that it asks no other host."""

import re
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from IPython.display import HTML

from helpers import optimizers
from helpers.optimizers import OPTIMIZERS, animate_trajectories, trajectory
from helpers.optimizers.animation import BOTTOM, HEADS, LEFT, RIGHT, TOP
from helpers.optimizers.player import DARK, DASHES, LIGHT

BOWL = optimizers.elongated_bowl()  # x in [−5, 5], y in [−2, 2]
VOID = {"input", "path", "rect", "polyline", "br", "meta"}


class Page(HTMLParser):
    """The elements of a page as ``(tag, attributes)``, with what was closed checked."""

    def __init__(self, page):
        super().__init__()
        self.elements, self.open, self.text = [], [], ""
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data

    def find(self, tag, **wanted):
        wanted = {key.strip("_").replace("_", "-"): value for key, value in wanted.items()}
        return [
            attributes
            for name, attributes in self.elements
            if name == tag and wanted.items() <= attributes.items()
        ]


def straight(steps=4, end=(5.0, 2.0)):
    return np.linspace([-5.0, -2.0], end, steps + 1)


def animate(paths, surface=BOWL, **options):
    options = {"name": "bowl", "description": "Paths lead down.", **options}
    return animate_trajectories(surface, paths, **options)


def points(page):
    """Return each path's points in pixels."""
    lines = Page(page.data).find("polyline", class_="path")
    return [
        np.array(
            [[float(number) for number in point.split(",")] for point in line["points"].split()]
        )
        for line in lines
    ]


@pytest.fixture(scope="module")
def eight():
    surface = optimizers.rosenbrock()
    names = ["sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "nadam", "lion"]
    paths = {
        name: trajectory(
            OPTIMIZERS[name].make(1e-3, **OPTIMIZERS[name].options),
            surface.gradient,
            start=surface.start,
            steps=200,
        )
        for name in names
    }
    return animate(paths, surface)


def test_corners_by_hand():
    # From the extent's lower left corner to its upper right: the frame's corners in pixels.
    (line,) = points(animate({"a": straight(2)}))
    middle = [(LEFT + RIGHT) / 2, (TOP + BOTTOM) / 2]
    assert line.tolist() == [[LEFT, BOTTOM], middle, [RIGHT, TOP]]


@given(st.lists(st.tuples(st.floats(-5, 5), st.floats(-2, 2)), min_size=2, max_size=9))
@settings(max_examples=20)
def test_points_are_to_a_tenth_of_a_pixel(path):
    (line,) = points(animate({"a": np.array(path)}, contours=1))
    x = -5 + 10 * (line[:, 0] - LEFT) / (RIGHT - LEFT)
    y = -2 + 4 * (BOTTOM - line[:, 1]) / (BOTTOM - TOP)
    assert np.abs(np.column_stack([x, y]) - path)[:, 0].max() <= 0.0501 * 10 / (RIGHT - LEFT)
    assert np.abs(np.column_stack([x, y]) - path)[:, 1].max() <= 0.0501 * 4 / (BOTTOM - TOP)


def test_contours_follow_the_surface(eight):
    # Each contour's points have one height, to what a pixel and the grid blur.
    page = animate({"a": straight()}, contours=3)
    (drawn,) = Page(page.data).find("path", class_="contour")
    segments = [
        np.array([[float(number) for number in point.split(",")] for point in segment.split()])
        for segment in drawn["d"].split("M")[1:]
    ]
    heights = [
        BOWL.value(
            np.column_stack(
                [
                    -5 + 10 * (segment[:, 0] - LEFT) / (RIGHT - LEFT),
                    -2 + 4 * (BOTTOM - segment[:, 1]) / (BOTTOM - TOP),
                ]
            )
        )
        for segment in segments
    ]
    assert all(np.ptp(height) < 0.6 for height in heights)
    # Between the contours lie equal shares of the surface: quarters for three.
    values = BOWL.grid(201)[2].ravel()
    shares = [(values < height.mean()).mean() for height in heights]
    for share in shares:
        assert min(abs(share - quarter) for quarter in (0.25, 0.5, 0.75)) < 0.03


def test_nothing_is_asked_of_another_host(eight):
    assert isinstance(eight, HTML)
    assert not re.search(r"https?:|//\w|\burl\((?!#)|@import|\bsrc=|\bhref=|\bfetch\b", eight.data)
    page = Page(eight.data)
    assert not page.find("link")
    assert not page.find("img")
    assert not page.find("iframe")


def test_it_is_small(eight):
    assert len(eight.data.encode()) < 80_000  # 8 paths of 200 steps
    assert len(animate({"a": straight()}).data.encode()) < 40_000


def test_it_is_the_same_every_time():
    assert animate({"a": straight()}).data == animate({"a": straight()}).data


def test_it_can_be_operated_and_read(eight):
    page = Page(eight.data)
    (picture,) = page.find("svg", role="img")
    labels = picture["aria-labelledby"].split()
    named = {attributes["id"]: tag for tag, attributes in page.elements if "id" in attributes}
    assert [named[label] for label in labels] == ["title", "desc"]
    assert "Paths of 8 optimizers on the Rosenbrock's valley" in page.text
    assert "Paths lead down." in page.text
    assert len(page.find("button", type="button")) == 1
    (slider,) = page.find("input", type="range")
    assert (slider["aria-label"], slider["min"], slider["max"]) == ("Step", "0", "200")
    assert slider["aria-valuetext"] == "Step 200 of 200"
    assert "▶ Play" in page.text
    (controls,) = page.find("div", role="group")
    assert controls["aria-label"].startswith("Controls of the animation")
    assert "hidden" in controls  # until the script that serves them has run


def test_nothing_moves_before_it_is_asked_to(eight):
    # The only way to `play` is the button's click; so no reader's wish for less motion is passed
    # over. Without the script the paths are complete.
    script = eight.data.partition("<script>")[2]
    assert re.findall(r".*\bplay\(\).*", script) == [
        '  button.addEventListener("click", () => (playing ? pause() : play()));'
    ]
    assert not re.search(r"autoplay|<animate|@keyframes|setInterval", eight.data)
    assert all(len(line) == 201 for line in points(eight))


def test_every_path_has_a_line_a_head_and_a_legend(eight):
    page = Page(eight.data)
    assert len(page.find("polyline", class_="path")) == 8
    heads = page.find("path", class_="head")
    assert len({head["d"] for head in heads}) == 8
    assert len({line["style"] for line in page.find("polyline", class_="path")}) == 8
    for name in ("momentum", "nesterov", "lion"):
        assert name in page.text
    for line, head in zip(points(eight), heads, strict=True):
        assert head["transform"] == "translate({:.1f},{:.1f})".format(*line[-1])


def luminance(colour):
    shares = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize(
    ("colours", "paper"), [(LIGHT, "#ffffff"), (DARK, "#14181e"), (DARK, "#111111")]
)
def test_lines_stand_out_from_the_page(colours, paper):
    # WCAG 2.1, 1.4.11: at least 3 to 1 for what a drawing needs to be understood.
    for colour in colours:
        light, dark = sorted([luminance(colour), luminance(paper)], reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 3, colour


def test_there_are_as_many_looks_as_paths_allowed():
    assert len(set(LIGHT)) == len(set(DARK)) == len(set(DASHES)) == len(set(HEADS)) == 8


def test_what_diverges_ends_where_it_was_finite():
    path = straight()
    path[3:] = np.nan
    far = straight()
    far[2:] = [1e30, 0]
    first, second = points(animate({"nan": path, "far": far}))
    assert len(first) == 3
    assert second[2:, 0].tolist() == [LEFT + 4 * (RIGHT - LEFT)] * 3  # far outside the frame


def test_labels_are_text():
    page = animate({'<b>&"': straight()}, description="a <i> & b")
    assert "&lt;b&gt;&amp;&quot;" in page.data
    assert "a &lt;i&gt; &amp; b" in page.data
    assert not Page(page.data).find("b")


def test_ids_belong_to_the_name():
    pages = [animate({"a": straight()}, name=name).data for name in ("one", "two-2")]
    ids = [set(re.findall(r'\bid="([^"]+)"', page)) for page in pages]
    assert not ids[0] & ids[1]
    assert 'getElementById("two-2")' in pages[1]


def test_seconds_are_the_script_s():
    assert "/ 2500)" in animate({"a": straight()}, seconds=2.5).data


def test_shortest_path():
    (line,) = points(animate({"a": straight(1)}))
    assert len(line) == 2


class TestRefusals:
    @pytest.mark.parametrize("count", [0, 9])
    def test_number_of_paths(self, count):
        message = f"`trajectories` must hold 1 to 8 paths. Received: {count}"
        with pytest.raises(ValueError, match=message):
            animate({str(number): straight() for number in range(count)})

    @pytest.mark.parametrize(
        "shapes", [[(3, 2), (4, 2)], [(3, 3)], [(1, 2)], [(2,)], [()], [(3, 2, 2)]]
    )
    def test_shapes(self, shapes):
        received = ", ".join(sorted(map(str, set(shapes))))
        with pytest.raises(ValueError, match="must hold paths of one shape") as error:
            animate({str(number): np.zeros(shape) for number, shape in enumerate(shapes)})
        assert str(error.value).endswith(f"Received: {received}")

    def test_start(self):
        with pytest.raises(ValueError, match="`trajectories` must start at finite points"):
            animate({"a": np.full((3, 2), np.nan)})

    def test_kind(self):
        with pytest.raises(TypeError, match="`trajectories` must hold real numbers"):
            animate({"a": [["x", "y"], ["x", "y"]]})

    @pytest.mark.parametrize("name", ["", "2a", "a b", "A", 'a"'])
    def test_name(self, name):
        message = "`name` must be small letters, digits and hyphens, beginning with a letter. Rec"
        with pytest.raises(ValueError, match=message):
            animate({"a": straight()}, name=name)

    def test_description(self):
        message = "`description` must not be empty. Received: description=' '"
        with pytest.raises(ValueError, match=message):
            animate({"a": straight()}, description=" ")

    @pytest.mark.parametrize("seconds", [0, -1, np.inf])
    def test_seconds(self, seconds):
        message = f"`seconds` must be above 0 and finite. Received: seconds={seconds}"
        with pytest.raises(ValueError, match=message):
            animate({"a": straight()}, seconds=seconds)

    def test_contours(self):
        with pytest.raises(
            ValueError, match=r"`contours` must be at least 1. Received: contours=0"
        ):
            animate({"a": straight()}, contours=0)


def test_increasing_contours_add_lines():
    lengths = [len(animate({"a": straight()}, contours=count).data) for count in (1, 6, 12)]
    assert all(before < after for before, after in pairwise(lengths))
