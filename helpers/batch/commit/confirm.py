"""Runs chapters on seeds and draws that nobody has looked at, and keeps what came of their claims.

The files lie in `results/` and are committed. `helpers.claims` reads them: a claim whose design
is the one that was run here is confirmed or not, any other is exploratory.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from helpers.batch.ask.kinds import Value
from helpers.batch.ask.parameters import read_parameters
from helpers.batch.book import chapter_name, chapters
from helpers.batch.drive.run import run_once
from helpers.batch.errors import ExecutionError, ParameterError
from helpers.batch.results.records import read_records
from helpers.batch.results.store import Folder
from helpers.claims.confirming import FIRST_CONFIRMING_SEED

SCHEMA = 1
# Of a claim's record: what decides whether it was confirmed, and what a reader may want to see.
KEPT = (
    *("statement", "design", "verdict", "effect", "low", "high", "p_value", "replicas", "scale"),
    *("unit", "margin", "scope"),
)
DEFAULT_DATA = "digits"


def confirmable(root: Path) -> list[Path]:
    """Return the chapters of the book in `root` whose claims are judged over draws."""
    return [
        notebook
        for notebook in chapters(root)
        if any(record.get("design") for record in read_records(notebook))
    ]


def confirm(
    notebook: Path, parameters: Mapping[str, Value], *, root: Path, timeout: float
) -> tuple[Path, dict[str, dict]]:
    """Run a chapter on fresh seeds and draws; keep its claims' records in `results/`.

    Args:
        notebook: The chapter.
        parameters: Values for it, as the name of another data set.
        root: The book's folder.
        timeout: Seconds that the run may take.

    Returns:
        The file, and id → record of the claims that were judged over draws.

    Raises:
        ParameterError: The chapter has no seed, a seed that belongs to other runs was given, or
            no claim of it is judged over draws.
        ExecutionError: The run failed; the file is as it was.
    """
    name = chapter_name(notebook)
    declared = {one.name: one.default for one in read_parameters(notebook)}
    if "seed" not in declared:
        raise ParameterError(f"a chapter to confirm must declare `seed`. Received: {name}")
    given = {"seed": FIRST_CONFIRMING_SEED, **parameters}
    seed = given["seed"]
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < FIRST_CONFIRMING_SEED:
        raise ParameterError(
            f"`seed` must be a whole number from {FIRST_CONFIRMING_SEED} on: smaller ones were "
            f"looked at. Received: {seed!r}"
        )
    result, _ = run_once(notebook, given, folder=root / "_build" / "confirm", timeout=timeout)
    if not result.is_done:
        raise ExecutionError(f"{name} failed: {result.error}\n{result.traceback}")
    claims = {
        record["id"]: {key: record.get(key) for key in KEPT}
        for record in result.records
        if record["kind"] == "claim" and record.get("design")
    }
    if not claims:
        raise ParameterError(
            f"a chapter to confirm must judge claims over draws. Received: {name}, which has none"
        )
    data = str(given.get("dataset", declared.get("dataset", DEFAULT_DATA)))
    path = root / "results" / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    whole = json.loads(path.read_text("utf-8")) if path.is_file() else {"data": {}}
    whole["schema"] = SCHEMA
    whole["data"][data] = {"parameters": dict(given), "claims": claims}
    text = json.dumps(whole, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    Folder(path.parent).write_text(path.name, text + "\n")
    return path, claims
