"""Runs chapters on seeds and draws that nobody has looked at, and keeps what came of their claims.

The files lie in `results/` and are committed. `helpers.claims` reads them: a claim whose design
is the one that was run here is confirmed or not, any other is exploratory.
"""

from collections.abc import Mapping
from pathlib import Path

from helpers.batch.ask.kinds import Value
from helpers.batch.ask.parameters import read_parameters
from helpers.batch.book import chapter_name, chapters
from helpers.batch.drive.run import run_once
from helpers.batch.errors import ExecutionError, ParameterError, UsageError
from helpers.batch.results.confirmed import keep_confirmed
from helpers.batch.results.kept import of_machine
from helpers.batch.results.records import read_records
from helpers.claims.confirming import FIRST_CONFIRMING_SEED

# Of a claim's record: what decides whether it was confirmed, and what a reader may want to see.
KEPT = (
    *("statement", "design", "verdict", "effect", "low", "high", "p_value", "replicas", "scale"),
    *("unit", "margin", "scope"),
)
DEFAULT_DATA = "digits"


def judged(notebook: Path) -> dict[str, dict]:
    """Return the records of a chapter's claims that are judged over draws, by their ids."""
    return {record["id"]: record for record in read_records(notebook) if record.get("design")}


def confirmable(root: Path) -> list[Path]:
    """Return the chapters of the book in `root` whose claims are judged over draws."""
    return [notebook for notebook in chapters(root) if judged(notebook)]


def given_to_confirm(
    notebook: Path, parameters: Mapping[str, Value], *, root: Path
) -> dict[str, Value]:
    """Return what a confirming run of a chapter is given: its parameters, with a fresh seed.

    Raises:
        UsageError: The notebook is no chapter of the book in `root`; another one of a chapter's
            name would take its place in `results/`.
        ParameterError: The chapter has no seed, or the seed belongs to other runs.
    """
    name = chapter_name(notebook)
    if notebook.resolve() not in {chapter.resolve() for chapter in chapters(root)}:
        raise UsageError(f"what is confirmed must be a chapter of {root}. Received: {notebook}")
    if "seed" not in {one.name for one in read_parameters(notebook)}:
        raise ParameterError(f"a chapter to confirm must declare `seed`. Received: {name}")
    given = {"seed": FIRST_CONFIRMING_SEED, **parameters}
    seed = given["seed"]
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < FIRST_CONFIRMING_SEED:
        raise ParameterError(
            f"`seed` must be a whole number from {FIRST_CONFIRMING_SEED} on: smaller ones were "
            f"looked at. Received: {seed!r}"
        )
    return given


def data_of(notebook: Path, given: Mapping[str, Value]) -> str:
    """Return the data set under which a run of a chapter is filed."""
    declared = {one.name: one.default for one in read_parameters(notebook)}
    return str(given.get("dataset", declared.get("dataset", DEFAULT_DATA)))


def confirm(
    notebook: Path,
    parameters: Mapping[str, Value],
    *,
    root: Path,
    timeout: float,
    again: bool = True,
) -> tuple[Path, dict[str, dict]]:
    """Run a chapter on fresh seeds and draws; keep its claims' records in `results/`.

    Args:
        notebook: The chapter.
        parameters: Values for it, as the name of another data set.
        root: The book's folder.
        timeout: Seconds that the run may take.
        again: Whether to run again what `_build/confirm` has already.

    Returns:
        The file, and id → record of the claims that were judged over draws.

    Raises:
        UsageError: The notebook is no chapter of this book.
        ParameterError: The chapter has no seed, a seed that belongs to other runs was given, or
            no claim of it is judged over draws.
        ExecutionError: The run failed; the file is as it was.
    """
    name = chapter_name(notebook)
    given = given_to_confirm(notebook, parameters, root=root)
    folder = root / "_build" / "confirm"
    result, _ = run_once(
        notebook, given, folder=folder, timeout=timeout, again=again, confirming=True
    )
    if not result.is_done:
        raise ExecutionError(f"{name} failed: {result.error}\n{result.traceback}")
    claims = {
        record["id"]: {key: record.get(key) for key in KEPT} | {"sentence": spoken(record)}
        for record in result.records
        if record["kind"] == "claim" and record.get("design")
    }
    if not claims:
        raise ParameterError(
            f"a chapter to confirm must judge claims over draws. Received: {name}, which has none"
        )
    run = {
        "parameters": given,
        "claims": claims,
        "machine": of_machine(result),
    }
    return keep_confirmed(root, name, data_of(notebook, given), run), claims


def spoken(record: Mapping) -> str:
    """Return what a claim's verdict says, without an aside on another run."""
    return record.get("variants", {}).get(record["verdict"], "")
