"""What happens on a worker: a run is executed and its result handed back.

A worker needs this package and nothing else; it shares no disk with the driver.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from helpers.batch.ask.identity import PACKAGE, changed
from helpers.batch.errors import InfrastructureError
from helpers.batch.execute.execution import Outcome, Request, execute, processors
from helpers.batch.results.processor import this_processor
from helpers.batch.results.result import this_worker, versions


@dataclass(frozen=True)
class Result:
    """What a worker hands back.

    Attributes:
        outcome: what came of the execution.
        started: when it began, in UTC.
        worker: host and process that did it.
        processor: of which kind that host's is.
        versions: of Python and of the packages there.
    """

    outcome: Outcome
    started: datetime
    worker: str
    processor: str
    versions: Mapping[str, str]


def packages() -> dict[str, str]:
    """Return the versions that must be equal on driver and workers."""
    found = versions()
    found["python"] = ".".join(found["python"].split(".")[:2])  # a patch release may differ
    return found


def fingerprint() -> dict[str, str]:
    """Return the versions that must be equal, and a digest of all of `helpers`."""
    content = hashlib.sha256()
    for file in sorted(PACKAGE.rglob("*.py")):
        content.update(f"{file.relative_to(PACKAGE).as_posix()}\n".encode())
        content.update(file.read_bytes())
    return {**packages(), "helpers": content.hexdigest()[:12]}


def differences(driver: Mapping[str, str], worker: Mapping[str, str]) -> str:
    """Say in what the worker's versions differ from the driver's; nothing if in none.

    >>> differences({"keras": "3.15.1", "numpy": "2"}, {"keras": "3.14.0", "numpy": "2"})
    'keras 3.14.0, driver 3.15.1'
    """
    names = sorted(driver.keys() | worker.keys())
    return "; ".join(
        f"{name} {worker.get(name, 'missing')}, driver {driver.get(name, 'missing')}"
        for name in names
        if worker.get(name) != driver.get(name)
    )


def perform(request: Request, *, driver: Mapping[str, str], slots: Mapping[str, int]) -> Result:
    """Execute a request as a task of Dask.

    Args:
        request: what is to be executed.
        driver: the versions of the driver's packages.
        slots: how many runs a host does at a time, by its address.

    Raises:
        InfrastructureError: No kernel could be had, or this worker has other versions.
    """
    other = differences(driver, packages())
    if other:
        raise InfrastructureError(f"worker {this_worker()} has other versions: {other}")
    files = changed(request.sources)
    if files:
        raise InfrastructureError(
            f"worker {this_worker()} has other sources than the batch began with: "
            f"helpers/{', helpers/'.join(files)}"
        )
    moved = changed(request.beside, Path(request.folder)) if request.folder else []
    if moved:
        raise InfrastructureError(f"changed since the batch began: {', '.join(moved)}")
    from distributed import get_worker
    from distributed.comm import get_address_host

    started = datetime.now(UTC)
    worker = get_worker()
    at_a_time = max(slots.get(get_address_host(worker.address), 1), worker.state.nthreads)
    threads = max(1, processors() // at_a_time)
    outcome = execute(replace(request, threads=threads), wanted=_is_wanted(worker))
    return Result(outcome, started, this_worker(), this_processor(), versions())


def _is_wanted(worker: object) -> Callable[[], bool]:
    """Return a function that says whether the scheduler still waits for the present task."""
    from distributed.worker import thread_state

    key = thread_state.key

    def wanted() -> bool:
        task = worker.state.tasks.get(key)
        return task is not None and task.state == "executing"

    return wanted
