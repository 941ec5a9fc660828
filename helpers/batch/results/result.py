"""What came of a run, and the files that keep it: one writer, one reader.

`runs/<id>/notebook.ipynb` is written first and `runs/<id>/run.json` last. Only the latter says
that there is a result, and it holds the digest of the former: whatever is cut off counts as absent.
"""

import hashlib
import json
import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from platform import python_version

from helpers.batch.ask.identity import changed
from helpers.batch.ask.kinds import Value
from helpers.batch.ask.run import Run
from helpers.batch.errors import BatchError
from helpers.batch.execute.executed import finite
from helpers.batch.execute.execution import Outcome
from helpers.batch.results.records import records_of
from helpers.batch.results.store import Store

SCHEMA = 1
STATUSES = ("done", "failed", "timeout", "interrupted")
PACKAGES = ("dnnbook", "tensorflow", "keras", "numpy", "scipy", "scikit-learn", "papermill")


@dataclass(frozen=True)
class Result:
    """What `run.json` says of a run.

    Attributes:
        id: of the run.
        identity: of the run.
        chapter: the notebook's name.
        notebook: the notebook's place.
        given: parameters that were given.
        parameters: all declared parameters.
        status: one of `STATUSES`.
        error: what went wrong, in one or two lines; empty if nothing did.
        traceback: of the failing cell.
        warning: what is to be said although nothing went wrong.
        imported: digests of the files that it was seen to import and that no identity holds, by
            their places seen from the notebook's folder; empty for one that changed meanwhile.
        records: what its claims left.
        started: when, in UTC.
        seconds: wall-clock time.
        cell_seconds: what the cells took of it.
        worker: host and process that did it.
        processor: of which kind that host's is.
        attempts: how often it was sent; what Dask itself sent again is not counted.
        versions: of Python and of the packages there.
        notebook_sha256: digest of the executed notebook; None if there is none.
    """

    id: str
    identity: str
    chapter: str
    notebook: str
    given: Mapping[str, Value]
    parameters: Mapping[str, Value]
    status: str
    error: str = ""
    traceback: str = field(default="", repr=False)
    warning: str = ""
    imported: Mapping[str, str] = field(default_factory=dict, repr=False)
    helpers: Mapping[str, str] = field(default_factory=dict, repr=False)
    records: list[dict] = field(default_factory=list, repr=False)
    started: str = ""
    seconds: float = 0.0
    cell_seconds: float = 0.0
    worker: str = ""
    processor: str = ""
    attempts: int = 1
    versions: Mapping[str, str] = field(default_factory=dict, repr=False)
    notebook_sha256: str | None = None

    @property
    def is_done(self) -> bool:
        """Whether it ended well, and need not run again."""
        return self.status == "done"

    def as_json(self) -> dict:
        """Return strict JSON data."""
        return finite({"schema": SCHEMA, **asdict(self)})


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


def result_of(run: Run, outcome: Outcome, *, started: datetime, **more: object) -> Result:
    """Return the result of a run.

    Args:
        run: what was wanted.
        outcome: what came of it.
        started: when.
        more: further attributes of the result: who did it, how often it was tried.
    """
    executed = outcome.notebook
    return Result(
        **run.planned(),
        status=outcome.status,
        error=outcome.error,
        traceback=outcome.traceback,
        warning=outcome.warning,
        imported=dict(outcome.imported),
        helpers=dict(outcome.helpers),
        records=records_of(json.loads(executed)) if executed else [],
        started=started.astimezone(UTC).isoformat(timespec="seconds"),
        seconds=round(outcome.seconds, 3),
        cell_seconds=round(outcome.cell_seconds, 3),
        notebook_sha256=_sha256(executed) if executed else None,
        **more,
    )


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def save(store: Store, result: Result, executed: str) -> None:
    """Keep a result: the notebook first, then the marker that says that it is there.

    One that did not end well takes the place of one that did, for whoever asked for it knew of a
    change; but nothing is lost: the earlier one stays beside it, as `before`.

    Raises:
        BatchError: The disk is full or not writable; earlier results are as they were.
    """
    if not result.is_done:
        _set_aside(store, result)
    if executed:
        store.write_text(notebook_path(result), executed)
    text = json.dumps(result.as_json(), allow_nan=False, ensure_ascii=False, indent=1)
    store.write_text(marker_path(result.id), text + "\n")


def _set_aside(store: Store, result: Result) -> None:
    """Copy what ended well, is whole and is about to be replaced."""
    before = read_result(store, result.id, result.identity)
    if before is None or not before.is_done or not is_whole(store, before):
        return
    with suppress(FileNotFoundError):
        store.write_text(f"runs/{result.id}/before.ipynb", store.read_text(notebook_path(result)))
        store.write_text(f"runs/{result.id}/before.json", store.read_text(marker_path(result.id)))


def read_result(store: Store, id: str, identity: str) -> Result | None:
    """Return what `run.json` says of a run; None if there is none, or none of this run.

    Values are as they were found: whoever shows a foreign file checks their types.
    """
    try:
        found = json.loads(store.read_text(marker_path(id)))
        is_own = found["schema"] == SCHEMA and found["identity"] == identity
        if not (is_own and found["status"] in STATUSES and isinstance(found["records"], list)):
            return None
        known = {one.name for one in fields(Result)} & found.keys()
        return replace(
            Result(id, identity, "", "", {}, {}, ""), **{name: found[name] for name in known}
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def load(store: Store, run: Run) -> Result | None:
    """Return the kept result of a run, or None if there is none, or none that is whole.

    One of other modules than are there now is none either.
    """
    result = read_result(store, run.id, run.identity)
    if result is None or not is_whole(store, result):
        return None
    try:
        moved = changed(result.imported, run.notebook.path.parent) or changed(result.helpers)
    except (OSError, AttributeError, TypeError):
        return None
    return None if moved else result


def is_whole(store: Store, result: Result) -> bool:
    """Say whether the notebook that lies beside a result is the one that belongs to it."""
    if result.notebook_sha256 is None:
        return True
    try:
        return _sha256(store.read_text(notebook_path(result))) == result.notebook_sha256
    except (OSError, BatchError, ValueError):
        return False


def notebook_path(run: Run | Result) -> str:
    """Return the name of the executed notebook in its store."""
    return f"runs/{run.id}/notebook.ipynb"


def marker_path(id: str) -> str:
    """Return the name of the file that says what came of a run."""
    return f"runs/{id}/run.json"
