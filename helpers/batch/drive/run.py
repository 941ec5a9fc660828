"""A batch of one, in this process: the same kernel, the same record, and it is not run twice."""

from collections.abc import Mapping
from pathlib import Path

from typing_extensions import override

from helpers.batch.ask.kinds import Value
from helpers.batch.ask.parameters import parameters_of, validate
from helpers.batch.ask.run import make_runs
from helpers.batch.drive.data import check_data
from helpers.batch.drive.progress import Watcher
from helpers.batch.drive.worker import carry_out
from helpers.batch.execute.execution import TIMEOUT, processors
from helpers.batch.notebook import read
from helpers.batch.results.result import Result, load, notebook_path, save
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
    result, executed = carry_out(run, timeout=timeout, kernel=kernel, threads=processors())
    save(store, result, executed)
    return result, place
