"""Figures that several chapters share: arrays and an Axes in, the Axes out."""

from collections.abc import Mapping, Sequence
from importlib.resources import files

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from helpers.claims import mean_interval

BAND_OPACITY = 0.18
POINT_OPACITY = 0.45


def use_style() -> None:
    """Switch Matplotlib to the book's style sheet."""
    plt.style.use(str(files("helpers").joinpath("book.mplstyle")))


def plot_replicas(
    values: np.ndarray,
    *,
    x: Sequence[float] | None = None,
    ax: Axes | None = None,
    label: str | None = None,
    **line,
) -> Axes:
    """Draw the mean over replicas as a line and the whole range of replicas as a band.

    Args:
        values: Shape (replicas, n); NaN where a replica has no value, as after it has stopped.
        x: Shape (n,); 1 … n by default, as epochs and layers are counted.
        ax: Where to draw; a new figure by default.
        label: Name of the line in the legend.
        **line: Passed on to `Axes.plot`.

    Returns:
        The Axes.

    Raises:
        ValueError: `values` is not two-dimensional, or `x` does not fit it.

    Example:
        >>> ax = plot_replicas(np.array([[1.0, 2.0], [3.0, 4.0]]))
        >>> ax.lines[0].get_ydata().tolist()
        [2.0, 3.0]
    """
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 2 or values.size == 0:
        raise ValueError(f"`values` must have shape (replicas, n). Received: shape={values.shape}")
    x = np.arange(1, values.shape[1] + 1) if x is None else np.asarray(x)
    if x.shape != values.shape[1:]:
        raise ValueError(f"`x` must have shape {values.shape[1:]}. Received: shape={x.shape}")
    ax = _axes(ax)
    seen = np.isfinite(values).any(axis=0)  # a column of NaN alone has no mean to draw
    x, values = x[seen], values[:, seen]
    with np.errstate(invalid="ignore"):  # the mean of ∞ and -∞ is undefined, and a gap
        mean = np.nanmean(values, axis=0)
    (drawn,) = ax.plot(x, mean, label=label, **line)
    low, high = np.nanmin(values, axis=0), np.nanmax(values, axis=0)
    ax.fill_between(x, low, high, color=drawn.get_color(), alpha=BAND_OPACITY, linewidth=0)
    return ax


def plot_heatmap(
    matrix: np.ndarray,
    *,
    rows: Sequence[str],
    columns: Sequence[str],
    ax: Axes | None = None,
    label: str | None = None,
    fmt: str = ".1f",
    **image,
) -> Axes:
    """Draw a matrix as colours with each value written in its cell.

    Args:
        matrix: Shape (rows, columns); a cell that is not finite stays empty.
        rows: Names of the rows, top to bottom.
        columns: Names of the columns, left to right.
        ax: Where to draw; a new figure by default.
        label: What the colours mean, beside the colour bar.
        fmt: Format of the written values.
        **image: Passed on to `Axes.imshow`.

    Returns:
        The Axes.

    Raises:
        ValueError: The names do not fit the matrix.

    Example:
        >>> ax = plot_heatmap(np.eye(2), rows=["a", "b"], columns=["c", "d"])
        >>> [text.get_text() for text in ax.texts]
        ['1.0', '0.0', '0.0', '1.0']
    """
    matrix = np.asarray(matrix, dtype=np.float64)
    if matrix.shape != (len(rows), len(columns)):
        raise ValueError(
            f"`matrix` must have shape ({len(rows)}, {len(columns)}) to fit the names. "
            f"Received: shape={matrix.shape}"
        )
    ax = _axes(ax)
    drawn = ax.imshow(matrix, aspect="auto", **image)
    ax.set_xticks(range(len(columns)), columns)
    ax.set_yticks(range(len(rows)), rows)
    ax.grid(visible=False)
    for (row, column), value in np.ndenumerate(matrix):
        if np.isfinite(value):
            colour = _readable_on(drawn.to_rgba(value))
            ax.text(column, row, format(value, fmt), ha="center", va="center", color=colour)
    ax.figure.colorbar(drawn, ax=ax, label=label)
    return ax


def plot_intervals(groups: Mapping[str, Sequence[float]], *, ax: Axes | None = None) -> Axes:
    """Draw each group's replicas as points, their mean, and its 95% interval, one row a group.

    Args:
        groups: Name → values of shape (replicas,), at least 2; the first is drawn on top.
        ax: Where to draw; a new figure by default.

    Returns:
        The Axes; the quantity is along x.

    Raises:
        ValueError: There is no group, or a group has fewer than 2 finite values.

    Example:
        >>> ax = plot_intervals({"a": [1.0, 2.0], "b": [2.0, 3.0]})
        >>> [label.get_text() for label in ax.get_yticklabels()]
        ['a', 'b']
    """
    if not groups:
        raise ValueError("`groups` must hold at least one group. Received: none")
    intervals = [_interval_of(name, values) for name, values in groups.items()]
    ax = _axes(ax)
    for row, (values, (mean, low, high)) in enumerate(zip(groups.values(), intervals, strict=True)):
        reach = [[mean - low], [high - mean]]
        ax.plot(values, np.full(len(values), row), "o", color="0.35", alpha=POINT_OPACITY)
        ax.errorbar(mean, row, xerr=reach, fmt="D", color=f"C{row}", capsize=5, markersize=7)
    ax.set_yticks(range(len(groups)), list(groups))
    ax.set_ylim(len(groups) - 0.5, -0.5)
    return ax


def _axes(ax: Axes | None) -> Axes:
    return plt.subplots()[1] if ax is None else ax


def _interval_of(name: str, values: Sequence[float]) -> tuple[float, ...]:
    try:
        return mean_interval(values)
    except ValueError as error:
        raise ValueError(f"`groups`, {name!r}: {error}") from error


def _readable_on(colour: Sequence[float]) -> str:
    """Return black or white, whichever contrasts more with an RGBA colour on a white page.

    The contrast is that of the Web Content Accessibility Guidelines, (a + 0.05) / (b + 0.05) of
    relative luminances a ≥ b; black and white are equally far from √(1.05 · 0.05) - 0.05 = 0.179,
    so that the better of them always reaches 4.58.
    """
    *rgb, opacity = colour
    seen = 1 - opacity * (1 - np.array(rgb))
    linear = np.where(seen <= 0.04045, seen / 12.92, ((seen + 0.055) / 1.055) ** 2.4)
    return "black" if linear @ [0.2126, 0.7152, 0.0722] > 0.179 else "white"
