"""A run's figures and claims as a file to be committed: no paths and no hosts in it."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

from helpers.batch.errors import NotebookError, UsageError
from helpers.batch.results.result import Result
from helpers.batch.results.store import Folder

SCHEMA = 1
OF_MACHINE = ("processor", "seconds", "versions")  # seconds by the clock
LEFT_OUT = {"part", "summary"}  # kinds of records that repeat others


def of_machine(result: Result) -> dict:
    """Return on what kind of machine a run was made, in how long, with which versions."""
    return {name: getattr(result, name) for name in OF_MACHINE}


def require_keepable(file: Path) -> None:
    """Make the folder of a file that is to be kept.

    Raises:
        UsageError: Something else lies in the file's place, or nothing can be written there.
    """
    try:
        if os.path.lexists(file):
            read_kept(file)
    except NotebookError as error:
        rule = "--keep must name a new file, or one that --keep wrote"
        raise UsageError(f"{rule}. Received: {file}") from error
    Folder(file.parent).make()


def keep(result: Result, file: Path) -> None:
    """Write what a run found into a file, to be committed."""
    whole = {
        "schema": SCHEMA,
        "notebook": result.chapter,
        "parameters": dict(result.parameters),
        "machine": of_machine(result),
        "records": [record for record in result.records if record["kind"] not in LEFT_OUT],
    }
    text = json.dumps(whole, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    Folder(file.parent).write_text(file.name, text + "\n")


def read_kept(file: Path) -> Mapping:
    """Return what `keep` has written.

    Raises:
        NotebookError: The file is missing or damaged.
    """
    try:
        found = json.loads(file.read_text("utf-8"))
        is_own = (
            found["schema"] == SCHEMA
            and isinstance(found["parameters"], dict)
            and isinstance(found["machine"], dict)
            and all(record["kind"] for record in found["records"])
        )
        if not is_own:
            raise ValueError("something else")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NotebookError(
            f"{file.name} must hold what `dnnbook run --keep` wrote. Received: {error!r}"
        ) from error
    return found
