"""What happens on a worker: a run is executed and its result handed back.

A worker needs this package and nothing else; it shares no disk with the driver.
"""

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import packages_distributions

from helpers.batch.ask.identity import (
    PACKAGE,
    changed,
    confirmed_digests,
    data_digests,
    installed,
    places,
)
from helpers.batch.ask.imported import imported_packages
from helpers.batch.ask.run import Run
from helpers.batch.errors import InfrastructureError
from helpers.batch.execute.execution import execute
from helpers.batch.execute.surroundings import processors
from helpers.batch.results.processor import this_processor
from helpers.batch.results.result import Result, result_of, this_worker, versions


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


def unlike(imports: Iterable[str], driver: Iterable[str], data: Mapping[str, str]) -> str:
    """Say in what this machine differs from the driver's, of what counts for some notebooks.

    What the driver lacks is not compared, nor data that is not a file here.

    Args:
        imports: names of the packages that the notebooks import.
        driver: names and versions of the distributions that the driver has.
        data: digests of the data files that the driver has, by their names.

    Returns:
        The differences; nothing if there are none.
    """
    wanted = {_plain(one) for name in imports for one in _distributions().get(name, ())}
    theirs, own = _versions(driver), _versions(installed())
    wanted &= theirs.keys() & own.keys()
    other = differences({n: theirs[n] for n in wanted}, {n: own[n] for n in wanted})
    here = data_digests({"datasets": list(data)})
    files = [f"another {name}.npz in DNNBOOK_DATA" for name in here if here[name] != data[name]]
    return "; ".join([*([other] if other else []), *files])


_distributions = cache(packages_distributions)  # it reads the metadata of all that is installed


def _versions(installed: Iterable[str]) -> dict[str, str]:
    return {_plain(name): version for name, _, version in (one.partition("-") for one in installed)}


def _plain(name: str) -> str:
    """Return a distribution's name as all ways to write it are compared."""
    return re.sub(r"[-_.]+", "-", name).lower()


def carry_out(run: Run, *, elsewhere: bool = False, **how: object) -> tuple[Result, str]:
    """Execute a run in this process, and return its result and the executed notebook.

    If something changed meanwhile on which the run rests, the result is a failure, and hours of
    work are still there to be read.

    Args:
        run: what is to be executed.
        elsewhere: whether the notebook's folder belongs to another machine.
        how: what `execute` takes besides.

    Raises:
        InfrastructureError: No kernel could be had.
    """
    started = datetime.now(UTC)
    outcome = execute(run, elsewhere=elsewhere, **how)
    if outcome.status == "done":
        try:
            what = "changed while it ran, so that it is unknown what it read"
            require_unchanged(run, what, elsewhere)
        except InfrastructureError as error:
            outcome = replace(outcome, status="failed", error=str(error))
    here = {"worker": this_worker(), "processor": this_processor(), "versions": versions()}
    return result_of(run, outcome, started=started, **here), outcome.notebook


def require_unchanged(run: Run, what: str, elsewhere: bool) -> None:
    """Refuse to call something the result of what is not there, or not any more.

    Args:
        run: what rests on it.
        what: what happened, as the message is to say.
        elsewhere: whether the notebook's folder belongs to another machine. Then what is here is
            compared with what the driver has, as far as that can be.

    Raises:
        InfrastructureError: `what` happened to some of it.
    """
    files = changed(run.sources)
    if files:
        raise InfrastructureError(
            f"worker {this_worker()} has other sources than the batch began with: "
            f"helpers/{', helpers/'.join(files)}"
        )
    if elsewhere:
        other = unlike(imported_packages(run.notebook.code), places(run.installed), run.data)
        if other:
            raise InfrastructureError(f"worker {this_worker()} differs from the driver: {other}")
    elif moved := _moved(run):
        raise InfrastructureError(f"{what}: {', '.join(moved)}. The same command runs it again")


def _moved(run: Run) -> list[str]:
    """Name what is gone or another, of that on which a run rests on the driver's machine.

    What has come is not named: it was not there to be read, or the notebook made it itself.
    """
    data, confirmed = data_digests(run.parameters), confirmed_digests(run.notebook.code)
    return [
        *changed(run.beside, run.notebook.path.parent),
        *(f"{name}.npz" for name in run.data if data.get(name) != run.data[name]),
        *(f"results/{n}" for n in run.confirmed if confirmed.get(n) != run.confirmed[n]),
        *(name for name, place in places(run.installed).items() if not os.path.exists(place)),
    ]


def perform(
    run: Run, *, driver: Mapping[str, str], slots: Mapping[str, int], elsewhere: bool, **how: object
) -> tuple[Result, str]:
    """Carry out a run as a task of Dask.

    Args:
        run: what is to be executed.
        driver: the versions of the driver's packages.
        slots: how many runs a host does at a time, by its address.
        elsewhere: whether the notebook's folder belongs to another machine.
        how: what else `execute` takes.

    Raises:
        InfrastructureError: No kernel could be had, this worker has other versions, or something
            changed on which the run rests.
    """
    other = differences(driver, packages())
    if other:
        raise InfrastructureError(f"worker {this_worker()} has other versions: {other}")
    require_unchanged(run, "changed since the batch began", elsewhere)
    from distributed import get_worker
    from distributed.comm import get_address_host

    worker = get_worker()
    at_a_time = max(slots.get(get_address_host(worker.address), 1), worker.state.nthreads)
    how |= {"threads": max(1, processors() // at_a_time), "wanted": _is_wanted(worker)}
    return carry_out(run, elsewhere=elsewhere, **how)


def _is_wanted(worker: object) -> Callable[[], bool]:
    """Return a function that says whether the scheduler still waits for the present task."""
    from distributed.worker import thread_state

    key = thread_state.key

    def wanted() -> bool:
        task = worker.state.tasks.get(key)
        return task is not None and task.state == "executing"

    return wanted
