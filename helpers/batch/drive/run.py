"""A batch of one, in this process: the same kernel, the same record, and it is not run twice."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from typing_extensions import override

from helpers.batch.ask.kinds import Value
from helpers.batch.ask.parameters import parameters_of, validate
from helpers.batch.ask.run import make_runs
from helpers.batch.drive.data import check_data
from helpers.batch.drive.progress import Watcher
from helpers.batch.execute.execution import TIMEOUT, execute, processors, request_for
from helpers.batch.notebook import read
from helpers.batch.results.processor import this_processor
from helpers.batch.results.result import (
    Result,
    load,
    notebook_path,
    result_of,
    save,
    this_worker,
    versions,
)
from helpers.batch.results.store import Folder


class Notebooks(Folder):
    """A folder of executed notebooks, each with its record hidden beside it."""

    @override
    def place(self, name: str) -> Path:
        id, kind = Path(name).parent.name, Path(name).name
        return self.path / (f"{id}.ipynb" if kind == "notebook.ipynb" else f".{id}.{kind}")


def run_once(
    notebook: Path,
    parameters: Mapping[str, Value],
    *,
    folder: Path,
    timeout: float = TIMEOUT,
    kernel: str = "auto",
    again: bool = False,
    watcher: Watcher | None = None,
) -> tuple[Result, Path]:
    """Validate the parameters, execute the notebook, and keep the executed one.

    Args:
        notebook: what to execute; it is only read.
        parameters: values by name.
        folder: where the executed notebook goes.
        timeout: seconds that the run may take.
        kernel: "warm", "spawn" or "auto".
        again: whether to run again what ended well.
        watcher: is told whether the run is there already.

    Returns:
        The result, and the path of the executed notebook, which after a failure holds the cells up
        to the failing one.

    Raises:
        UsageError: The request is wrong; nothing has run.
    """
    source = read(notebook)
    (run,) = make_runs([(source, validate(parameters, parameters_of(source)))])
    store = Notebooks(folder)
    place = store.place(notebook_path(run))
    kept = None if again else load(store, run)
    if kept is not None and kept.is_done:
        watcher = watcher or Watcher()
        watcher.begin(1, 1)
        watcher.end()
        return kept, place
    check_data([run])
    store.make()
    started = datetime.now(UTC)
    more = {"timeout": timeout, "kernel": kernel, "threads": processors()}
    more |= {"sources": run.sources, "beside": run.beside}
    outcome = execute(request_for(run.notebook, parameters=run.given, name=run.id, **more))
    here = {"worker": this_worker(), "processor": this_processor(), "versions": versions()}
    result = result_of(run, outcome, started=started, **here)
    save(store, result, outcome.notebook)
    return result, place
