"""A run, its identity, and the files that keep its result.

`runs/<id>/notebook.ipynb` is written first and `runs/<id>/run.json` last. Only the latter says
that there is a result, and it holds the digest of the former: whatever is cut off counts as absent.
"""

import hashlib
import json
import os
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from platform import python_version

from helpers.batch.ask.identity import (
    digests,
    imported_digests,
    notebook_identity,
    run_id,
    with_parameters,
)
from helpers.batch.ask.imported import local_modules
from helpers.batch.ask.kinds import Value
from helpers.batch.ask.parameters import parameters_of
from helpers.batch.errors import BatchError
from helpers.batch.execute.executed import finite
from helpers.batch.execute.execution import Outcome
from helpers.batch.notebook import Notebook, read
from helpers.batch.results.records import records_of
from helpers.batch.results.store import Store

SCHEMA = 1
STATUSES = ("done", "failed", "timeout", "interrupted")
PACKAGES = ("dnnbook", "tensorflow", "keras", "numpy", "scipy", "scikit-learn", "papermill")


@dataclass(frozen=True)
class Run:
    """One run that is wanted.

    Attributes:
        id: the name of its folder.
        identity: the digest of all that its result depends on.
        notebook: the notebook, as it was read when its identity was taken.
        given: validated parameters that differ from the defaults or were given.
        parameters: all declared parameters.
        sources: digests of the files of `helpers` that its code reads.
        beside: digests of the modules beside the notebook, and of files that the user has named,
            by their places seen from the notebook's folder.
    """

    id: str
    identity: str
    notebook: Notebook
    given: Mapping[str, Value]
    parameters: Mapping[str, Value]
    sources: Mapping[str, str] = field(default_factory=dict, repr=False)
    beside: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def loads_data(self) -> bool:
        """Whether its code loads the data sets of the book."""
        return any(name.startswith("data/") for name in self.sources)

    def planned(self) -> dict:
        """Return what the list of planned runs says of it."""
        return {
            "id": self.id,
            "identity": self.identity,
            "chapter": self.notebook.name,
            "notebook": self.notebook.path.as_posix(),
            "given": dict(self.given),
            "parameters": dict(self.parameters),
        }


def make_run(notebook: Path, given: Mapping[str, Value]) -> Run:
    """Return the run of a notebook's file with validated parameters."""
    return make_runs([(read(notebook), given)])[0]


def make_runs(
    points: Iterable[tuple[Notebook, Mapping[str, Value]]], *, files: Iterable[Path] = ()
) -> list[Run]:
    """Return the runs of notebooks with validated parameters.

    Args:
        points: notebooks and what each is given.
        files: what else all of them rest on.
    """
    files, read_once, runs = list(files), {}, []
    for notebook, given in points:
        if notebook.path not in read_once:
            read_once[notebook.path] = _shared(notebook, files)
        shared, defaults, named, more = read_once[notebook.path]
        parameters = defaults | dict(given)
        identity = with_parameters(shared, parameters, named)
        key = run_id(notebook.name, identity)
        runs.append(Run(key, identity, notebook, dict(given), parameters, **more))
    return runs


def _shared(notebook: Notebook, files: Iterable[Path]) -> tuple[str, dict, dict, dict]:
    """Return what all runs of a notebook share: identity, defaults, digests of files."""
    folder = notebook.path.parent
    named = digests(files, folder)
    more = {
        "sources": imported_digests(notebook.content),
        "beside": digests(local_modules(notebook.code, folder), folder) | named,
    }
    defaults = {parameter.name: parameter.default for parameter in parameters_of(notebook)}
    return notebook_identity(notebook.content, notebook.path), defaults, named, more


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that results depend on."""
    found = {"python": python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "missing"
    return found


def this_worker() -> str:
    """Return host and process id of this process."""
    return f"{socket.gethostname()}:{os.getpid()}"


def result_of(run: Run, outcome: Outcome, *, started: datetime, worker: str, **more) -> dict:
    """Return what `run.json` is to say of an outcome.

    Args:
        run: what was wanted.
        outcome: what came of it.
        started: when.
        worker: where.
        more: further fields, as `attempts` and `versions`.
    """
    return {
        **run.planned(),
        "schema": SCHEMA,
        "status": outcome.status,
        "error": outcome.error,
        "traceback": outcome.traceback,
        "warning": outcome.warning,
        "records": records_of(json.loads(outcome.notebook)) if outcome.notebook else [],
        "started": started.astimezone(UTC).isoformat(timespec="seconds"),
        "seconds": round(outcome.seconds, 3),
        "cell_seconds": round(outcome.cell_seconds, 3),
        "worker": worker,
        **more,
    }


def save(store: Store, result: Mapping, notebook: str) -> None:
    """Keep a result: the notebook first, then the marker that says that it is there.

    Raises:
        BatchError: The disk is full or not writable; earlier results are as they were.
    """
    folder = f"runs/{result['id']}"
    sha256 = hashlib.sha256(notebook.encode()).hexdigest() if notebook else None
    if notebook:
        store.write_text(f"{folder}/notebook.ipynb", notebook)
    marker = finite({**result, "notebook_sha256": sha256})
    text = json.dumps(marker, allow_nan=False, ensure_ascii=False, indent=1)
    store.write_text(f"{folder}/run.json", text + "\n")


def load(store: Store, run: Run) -> dict | None:
    """Return the kept result of a run, or None if there is none, or none that is whole."""
    folder = f"runs/{run.id}"
    try:
        result = json.loads(store.read_text(f"{folder}/run.json"))
        is_whole = result["schema"] == SCHEMA and result["identity"] == run.identity
        is_whole = is_whole and result["status"] in STATUSES
        if is_whole and result["notebook_sha256"] is not None:
            notebook = store.read_text(f"{folder}/notebook.ipynb")
            is_whole = hashlib.sha256(notebook.encode()).hexdigest() == result["notebook_sha256"]
    except (OSError, ValueError, KeyError, TypeError, BatchError):
        return None
    return result if is_whole else None


def notebook_path(run: Run) -> str:
    """Return the name of the executed notebook in its store."""
    return f"runs/{run.id}/notebook.ipynb"
