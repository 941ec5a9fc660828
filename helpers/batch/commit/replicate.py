"""Confirming runs by a grid: what is there is not run again, and each run is kept as it ends.

A run is there if `results/` has one of its chapter on its data set with the same parameters, and
the claims that it judged are those of the chapter as it is committed, word by word.
"""

from collections.abc import Callable
from pathlib import Path

from helpers.batch.ask.grid.points import Point, plan
from helpers.batch.ask.parameters import read_parameters
from helpers.batch.ask.run import make_runs
from helpers.batch.book import chapter_name
from helpers.batch.commit.confirm import confirm, data_of, given_to_confirm, judged
from helpers.batch.drive.data import check_data
from helpers.batch.errors import BatchError, UsageError
from helpers.batch.results.confirmed import read_confirmed

ASKED = ("statement", "scale", "unit", "margin")


def confirm_grid(
    grid: Path, *, root: Path, timeout: float, again: bool = False, say: Callable[[str], None]
) -> list[BatchError]:
    """Make the confirming runs that a grid asks for, one after the other.

    Args:
        grid: The grid file. Of its chapters those are run that judge claims over draws.
        root: The book's folder.
        timeout: Seconds that one run may take.
        again: Whether to run again what is there already.
        say: Takes a line when a run ends.

    Returns:
        The errors of the runs that failed; all others are kept.

    Raises:
        UsageError: The grid has mistakes, asks for a seed that was looked at, or twice for a
            chapter on one data set, or data cannot be loaded. Nothing has run.
    """
    points = [point for point in plan(grid, root=root).points if judged(point.notebook.path)]
    _check(points)
    left = [point for point in points if again or not is_there(point, root)]
    check_data(make_runs([(point.notebook, point.given) for point in left]))
    if len(left) < len(points):
        say(f"{len(points) - len(left)} of {len(points)} runs are there already")
    errors = []
    for number, point in enumerate(left, 1):
        notebook = point.notebook.path
        name, data = chapter_name(notebook), data_of(notebook, point.given)
        what = f"[{number}/{len(left)}] {name} on {data}"
        try:
            path, claims = confirm(notebook, point.given, root=root, timeout=timeout)
            say(f"{what}: {len(claims)} claims in {path.relative_to(root)}")
        except BatchError as error:
            say(f"{what}: failed")
            errors.append(error)
    return errors


def _check(points: list[Point]) -> None:
    """Refuse what cannot be filed: a seed that was looked at, two runs for one place."""
    if not points:
        raise UsageError("a grid to confirm must name chapters that judge claims over draws.")
    places = set()
    for point in points:
        given_to_confirm(point.notebook.path, point.given)
        place = chapter_name(point.notebook.path), data_of(point.notebook.path, point.given)
        if place in places:
            raise UsageError(
                "a grid to confirm must ask once for a chapter on a data set. "
                f"Received: {place[0]} on {place[1]} twice"
            )
        places.add(place)


def is_there(point: Point, root: Path) -> bool:
    """Return whether `results/` has the run that a point asks for."""
    notebook = point.notebook.path
    run = read_confirmed(root, chapter_name(notebook)).get(data_of(notebook, point.given))
    if run is None:
        return False
    defaults = {one.name: one.default for one in read_parameters(notebook)}
    wanted = defaults | given_to_confirm(notebook, point.given)
    return defaults | run["parameters"] == wanted and (
        _asked(run["claims"]) == _asked(judged(notebook))
    )


def _asked(claims: dict[str, dict]) -> dict[str, list]:
    return {id: [record.get(name) for name in ASKED] for id, record in claims.items()}
