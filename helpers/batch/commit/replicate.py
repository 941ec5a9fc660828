"""Confirming runs by a grid: what is there is not run again, and each run is kept as it ends.

A run is there if `results/` has one of its chapter on its data set with the same parameters, which
judged all claims of the chapter as it is committed, word by word; on the data and sizes that the
chapter itself has, also by the same design.
"""

from collections.abc import Callable, Iterable
from pathlib import Path

from helpers.batch.ask.grid.points import plan
from helpers.batch.ask.parameters import read_parameters
from helpers.batch.ask.run import Run
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
        grid: The grid file. Of its chapters those are run that judge claims over draws and declare
            a seed.
        root: The book's folder.
        timeout: Seconds that one run may take.
        again: Whether to run again what is there already.
        say: Takes a line when a run ends.

    Returns:
        The errors of the runs that failed; all others are kept.

    Raises:
        UsageError: The grid has mistakes, names a notebook that is no chapter, asks for a seed that
            was looked at, or twice for a chapter on one data set, or data cannot be loaded. Nothing
            has run.
    """
    wanted = plan(grid, root=root).runs
    runs = [run for run in wanted if "seed" in run.parameters and judged(run.notebook.path)]
    _check(runs, root)
    left = [run for run in runs if again or not is_there(run, root)]
    check_data(left)
    if len(left) < len(runs):
        say(f"{len(runs) - len(left)} of {len(runs)} runs are there already")
    errors = []
    for number, run in enumerate(left, 1):
        notebook = run.notebook.path
        name, data = chapter_name(notebook), data_of(notebook, run.given)
        what = f"[{number}/{len(left)}] {name} on {data}"
        try:
            path, claims = confirm(notebook, run.given, root=root, timeout=timeout, again=again)
            say(f"{what}: {len(claims)} claims in {path.relative_to(root)}")
        except BatchError as error:
            *_, reason = str(error).splitlines()
            say(f"{what}: failed: {reason}")  # now, for the others may take hours
            errors.append(error)
    return errors


def _check(runs: list[Run], root: Path) -> None:
    """Refuse what cannot be filed: no chapter, a seed that was looked at, two for one place."""
    if not runs:
        raise UsageError("a grid to confirm must name chapters that judge claims over draws.")
    places = set()
    for run in runs:
        notebook = run.notebook.path
        given_to_confirm(notebook, run.given, root=root)
        place = chapter_name(notebook), data_of(notebook, run.given)
        if place in places:
            raise UsageError(
                "a grid to confirm must ask once for a chapter on a data set. "
                f"Received: {place[0]} on {place[1]} twice"
            )
        places.add(place)


def is_there(run: Run, root: Path) -> bool:
    """Return whether `results/` has a run that is wanted."""
    notebook = run.notebook.path
    kept = read_confirmed(root, chapter_name(notebook)).get(data_of(notebook, run.given))
    if kept is None:
        return False
    defaults = {one.name: one.default for one in read_parameters(notebook)}
    wanted = defaults | given_to_confirm(notebook, run.given, root=root)
    # A design names data and sizes, so that it is the committed one where only the seed is another.
    is_home = wanted == defaults | {"seed": wanted["seed"]}
    names = (*ASKED, "design") if is_home else ASKED
    asked = _asked(kept["claims"], names)
    return defaults | kept["parameters"] == wanted and all(
        asked.get(id) == words for id, words in _asked(judged(notebook), names).items()
    )


def _asked(claims: dict[str, dict], names: Iterable[str]) -> dict[str, list]:
    return {id: [record.get(name) for name in names] for id, record in claims.items()}
