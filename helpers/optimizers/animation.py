"""Paths over a surface, drawn as SVG with controls that play them in the page.

Matplotlib's own `to_jshtml` holds a picture for each frame, megabytes in all, on white in the dark
theme too, with symbols from another host. Here each path is one line, of which a script shows more
and more; colours follow the page.
"""

import re
from collections.abc import Mapping
from html import escape
from string import Template

import numpy as np
from IPython.display import HTML
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from helpers.checks import as_reals, check_count, check_positive
from helpers.optimizers.optimizer import Array
from helpers.optimizers.player import DARK, DASHES, LIGHT, PAGE, SCRIPT, STYLE
from helpers.optimizers.surfaces import Surface

WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 640, 400, 52, 10, 630, 350
FRAME = f'x="{LEFT}" y="{TOP}" width="{RIGHT - LEFT}" height="{BOTTOM - TOP}"'
HEADS = (
    "M0-5a5 5 0 1 0 .1 0Z",
    "M-5-5H5V5H-5Z",
    "M0-6L6 5H-6Z",
    "M0-7L6 0 0 7-6 0Z",
    "M0 6L6-5H-6Z",
    "M-6-2H-2V-6H2V-2H6V2H2V6H-2V2H-6Z",
    "M6 0L-5 6V-6Z",
    "M-6 0L5 6V-6Z",
)


def animate_trajectories(
    surface: Surface,
    trajectories: Mapping[str, Array],
    *,
    name: str,
    description: str,
    seconds: float = 8.0,
    contours: int = 12,
) -> HTML:
    """Return an animation of paths over a surface's contours, for a page without a kernel.

    It shows the whole paths, and plays them from the start when the reader presses its button. It
    loads nothing.

    Args:
        surface: What is descended on.
        trajectories: Paths of shape (steps + 1, 2) by name, 8 at most, all of one length. One that
            diverges ends with its last finite point.
        name: Identity in the page, of its own: small letters, digits, hyphens.
        description: What the animation shows, for those who cannot see it.
        seconds: How long it plays, above 0.
        contours: Number of contour lines, at least 1; between two of them lie equal shares of the
            surface.

    Returns:
        HTML of some 30 kilobytes and 12 bytes for each point of a path.

    Raises:
        TypeError: An argument is of the wrong kind.
        ValueError: An argument is out of its range, or the paths' shapes do not fit.

    Example:
        >>> from helpers.optimizers.surfaces import saddle
        >>> path = np.array([[-1.0, 0.5], [-0.5, 0.8], [0.0, 1.0]])
        >>> page = animate_trajectories(
        ...     saddle(), {"by hand": path}, name="saddle", description="It slides to a minimum."
        ... )
        >>> page.data.count('class="path"'), 'max="2"' in page.data
        (1, True)
    """
    _check_words(name, description)
    check_positive(seconds=seconds)
    check_count(1, contours=contours)
    paths = _checked_paths(trajectories)
    drawing = [_contours(surface, contours), _axes(surface), _minima(surface)]
    lines = [_path(surface, path, number) for number, path in enumerate(paths.values())]
    drawing += [f'<g clip-path="url(#{name}-frame)">', *lines, "</g>"]
    page = Template(PAGE).substitute(
        name=name,
        title=f"Paths of {len(paths)} optimizers on the {escape(surface.name)}",
        description=escape(description),
        style=_style(),
        script=Template(SCRIPT).substitute(name=name, milliseconds=round(1000 * seconds)),
        drawing="\n".join(drawing),
        legend=" ".join(_legend(label, number) for number, label in enumerate(paths)),
        last=len(next(iter(paths.values()))) - 1,
        width=WIDTH,
        height=HEIGHT,
        frame=FRAME,
    )
    return HTML(page)


def _check_words(name: str, description: str) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9-]*", name):
        raise ValueError(
            "`name` must be small letters, digits and hyphens, beginning with a letter. "
            f"Received: name={name!r}"
        )
    if not description.strip():
        raise ValueError(f"`description` must not be empty. Received: description={description!r}")


def _checked_paths(trajectories: Mapping[str, Array]) -> dict[str, Array]:
    if not 1 <= len(trajectories) <= len(HEADS):
        raise ValueError(
            f"`trajectories` must hold 1 to {len(HEADS)} paths. Received: {len(trajectories)}"
        )
    paths = {label: as_reals("trajectories", path) for label, path in trajectories.items()}
    shapes = {path.shape for path in paths.values()}
    shape = next(iter(shapes))
    if len(shapes) > 1 or len(shape) != 2 or shape[0] < 2 or shape[1] != 2:
        raise ValueError(
            "`trajectories` must hold paths of one shape (steps + 1, 2), with at least one step. "
            f"Received: {', '.join(sorted(map(str, shapes)))}"
        )
    if not all(np.isfinite(path[0]).all() for path in paths.values()):
        raise ValueError("`trajectories` must start at finite points")
    return paths


def _pixels(surface: Surface, points: Array) -> str:
    """Return points as SVG has them, to a tenth of a pixel; far outside, they stop at an edge."""
    low, high = np.transpose(surface.extent)
    share = np.clip((points - low) / (high - low), -3, 4)
    x = LEFT + share[:, 0] * (RIGHT - LEFT)
    y = BOTTOM - share[:, 1] * (BOTTOM - TOP)
    return " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))


def _contours(surface: Surface, count: int) -> str:
    x, y, height = surface.grid(81)
    levels = np.unique(np.quantile(height, np.linspace(0, 1, int(count) + 2)[1:-1]))
    lines = Figure().add_subplot().contour(x, y, height, levels=levels).allsegs
    segments = [f"M{_pixels(surface, line)}" for level in lines for line in level]
    return f'<path class="contour" d="{"".join(segments)}"/>'


def _axes(surface: Surface) -> str:
    """Return frame, ticks and labels."""
    width, height = RIGHT - LEFT, BOTTOM - TOP
    parts = [f'<rect class="frame" {FRAME}/>']
    (x_low, x_high), (y_low, y_high) = surface.extent
    for tick in MaxNLocator(5, steps=[1, 2, 5, 10]).tick_values(x_low, x_high):
        if x_low <= tick <= x_high:
            x = LEFT + (tick - x_low) / (x_high - x_low) * width
            parts.append(
                f'<text x="{x:.1f}" y="{BOTTOM + 17}" text-anchor="middle">{tick:g}</text>'
            )
    for tick in MaxNLocator(5, steps=[1, 2, 5, 10]).tick_values(y_low, y_high):
        if y_low <= tick <= y_high:
            y = BOTTOM - (tick - y_low) / (y_high - y_low) * height + 4
            parts.append(f'<text x="{LEFT - 7}" y="{y:.1f}" text-anchor="end">{tick:g}</text>')
    middle, centre = (LEFT + RIGHT) / 2, (TOP + BOTTOM) / 2
    parts.append(
        f'<text x="{middle}" y="{BOTTOM + 38}" text-anchor="middle">first parameter</text>'
    )
    parts.append(
        f'<text transform="translate(13 {centre}) rotate(-90)" text-anchor="middle">'
        "second parameter</text>"
    )
    return "\n".join(parts)


def _minima(surface: Surface) -> str:
    """Return a cross at each minimum."""
    points = _pixels(surface, surface.minima).split()
    crosses = "".join(f"M{point}m-5-5l10 10m0-10l-10 10" for point in points)
    return f'<path class="minimum" d="{crosses}"/>'


def _path(surface: Surface, path: Array, number: int) -> str:
    """Return one path up to where it ceases to be finite, and its head."""
    finite = np.isfinite(path).all(axis=1)
    points = _pixels(surface, path[: len(path) if finite.all() else finite.argmin()])
    return (
        f'<polyline class="path" {_stroke(number)} points="{points}"/>'
        f'<path class="head" {_fill(number)} d="{HEADS[number]}" '
        f'transform="translate({points.split()[-1]})"/>'
    )


def _legend(label: str, number: int) -> str:
    return (
        '<span><svg viewBox="0 0 46 14" aria-hidden="true">'
        f'<polyline class="sample" {_stroke(number)} points="0,7 46,7"/>'
        f'<path {_fill(number)} d="{HEADS[number]}" transform="translate(23,7)"/>'
        f"</svg> {escape(label)}</span>"
    )


def _stroke(number: int) -> str:
    return f'style="stroke:var(--path-{number});stroke-dasharray:{DASHES[number]}"'


def _fill(number: int) -> str:
    return f'style="fill:var(--path-{number})"'


def _style() -> str:
    light, dark = (
        " ".join(f"--path-{number}: {colour};" for number, colour in enumerate(colours))
        for colours in (LIGHT, DARK)
    )
    return Template(STYLE).substitute(light=light, dark=dark)
