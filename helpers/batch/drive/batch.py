"""Every run of a plan, kept in a store as it ends; what ended well is not run again."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from helpers.batch.ask.run import Run
from helpers.batch.drive.cluster import ClusterOptions, open_cluster
from helpers.batch.drive.data import check_data, check_data_on
from helpers.batch.drive.dispatch import run_all
from helpers.batch.drive.progress import Watcher
from helpers.batch.errors import UsageError
from helpers.batch.execute.execution import TIMEOUT, Outcome
from helpers.batch.execute.surroundings import processors
from helpers.batch.results.result import SCHEMA, Result, load, result_of, save
from helpers.batch.results.store import Folder, Store, now


@dataclass(frozen=True)
class BatchOptions:
    """How a batch is executed.

    Attributes:
        cluster: where.
        timeout: seconds that one run may take.
        kernel: "warm", "spawn" or "auto".
        fresh: whether to run again what ended well.
        again: the notebooks of which all runs are run again.
    """

    cluster: ClusterOptions = field(default_factory=ClusterOptions)
    timeout: float = TIMEOUT
    kernel: str = "auto"
    fresh: bool = False
    again: frozenset[Path] = frozenset()


def run_batch(
    runs: Iterable[Run],
    *,
    store: Store,
    name: str,
    options: BatchOptions,
    grid: Path | None = None,
    watcher: Watcher | None = None,
) -> list[Result]:
    """Execute what has no result yet, keep each result as it comes, and return all of them.

    Args:
        runs: what is wanted, no two with one identity.
        store: where results are kept. One driver at a time works in it.
        name: of the batch, for its report.
        options: how it is executed.
        grid: the file that asks for it. Another one of this name may not have its batch here.
        watcher: is told how it goes.

    Returns:
        The results in the order of the runs.

    Raises:
        UsageError: The request is wrong; nothing has run.
        BatchError: A result could not be written; those before it are kept.
        KeyboardInterrupt: The user stopped it; what had not ended is marked `interrupted`.
    """
    runs, watcher = list(runs), watcher or Watcher()
    with store.lock():
        plan = _new_plan(store, name, grid)
        results = {} if options.fresh else _kept(runs, options.again, store)
        missing = [run for run in runs if run.id not in results]
        if not options.cluster.scheduler:
            check_data(missing)
        watcher.begin(len(runs), len(results))
        try:
            with _cluster_for(missing, options) as client:
                plan["runs"] = [run.planned() for run in runs]
                store.write_text("batch.json", json.dumps(plan, allow_nan=False, indent=1) + "\n")
                for result, executed, running in _completed(missing, client, options):
                    save(store, result, executed)
                    results[result.id] = result
                    watcher.ended(result, running)
        except KeyboardInterrupt:
            _mark_interrupted(runs, results, store)
            raise
        finally:
            watcher.end()
    return [results[run.id] for run in runs]


def _kept(runs: Iterable[Run], again: frozenset[Path], store: Store) -> dict[str, Result]:
    """Return the results that are there and need no other run."""
    loaded = {run.id: load(store, run) for run in runs if run.notebook.path not in again}
    return {key: found for key, found in loaded.items() if found and found.is_done}


def _new_plan(store: Store, name: str, grid: Path | None) -> dict:
    """Return the head of the list of runs: whose they are, and when they were first begun.

    Raises:
        UsageError: There is the list of another grid of this name, or a foreign file.
    """
    folder = store.path if isinstance(store, Folder) else Path("/")  # folders may move with grids
    plan = {"schema": SCHEMA, "grid": name, "created": now()}
    if grid is not None:
        plan["place"] = Path(os.path.relpath(grid, folder)).as_posix()
    try:
        before = json.loads(store.read_text("batch.json"))
        other = folder / before.get("place", ".") if before["grid"] == name else folder
        plan["created"] = before["created"]
    except FileNotFoundError:
        return plan
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"{store.address}/batch.json must be what `dnnbook batch` wrote. Received: another file"
            f", which would be lost. Name another folder with -o"
        ) from error
    if grid is not None and other.is_file() and not other.samefile(grid):
        raise UsageError(
            f"{store.address} must hold one grid named {name}. Received: {grid}, while there are "
            f"the results of {os.path.normpath(other)}. Name another folder with -o"
        )
    return plan


@contextmanager
def _cluster_for(missing: list[Run], options: BatchOptions) -> Iterator[object]:
    """Give a client, or None if there is nothing to do."""
    if not missing:
        yield None
        return
    with open_cluster(replace(options.cluster, workers=_limit(missing, options))) as client:
        if options.cluster.scheduler:
            check_data_on(client, missing)
        yield client


def _completed(
    missing: list[Run], client: object, options: BatchOptions
) -> Iterator[tuple[Result, str, int]]:
    if not missing:
        return iter(())
    how = {"timeout": options.timeout, "kernel": options.kernel}
    how["elsewhere"] = options.cluster.scheduler is not None
    retries, limit = options.cluster.retries, _limit(missing, options)
    return run_all(client, missing, retries=retries, limit=limit, **how)


def _limit(missing: list[Run], options: BatchOptions) -> int | None:
    """Return how many runs this machine does at a time; None where a scheduler knows its own."""
    if options.cluster.scheduler:
        return None
    return min(len(missing), options.cluster.workers or processors())


def _mark_interrupted(runs: Iterable[Run], results: Mapping[str, Result], store: Store) -> None:
    """Say of each run without a result, of an earlier call either, that the user stopped it."""
    outcome = Outcome("interrupted", "", 0.0, error="stopped by the user")
    for run in runs:
        if run.id not in results and load(store, run) is None:
            result = result_of(run, outcome, started=datetime.now(UTC), attempts=0)
            save(store, result, "")
