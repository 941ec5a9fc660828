"""A batch of one, in this process: the same kernel, the same record, and it is not run twice."""

from collections.abc import Mapping
from pathlib import Path

from typing_extensions import override

from helpers.batch.ask.kinds import Value
from helpers.batch.ask.parameters import parameters_of
from helpers.batch.ask.run import make_runs
from helpers.batch.ask.validation import validate
from helpers.batch.drive.data import check_data
from helpers.batch.drive.progress import Watcher
from helpers.batch.drive.worker import carry_out
from helpers.batch.execute.execution import TIMEOUT
from helpers.batch.execute.surroundings import processors
from helpers.batch.notebook import read
from helpers.batch.results.kept import keep, require_keepable
from helpers.batch.results.result import Result, load, notebook_path, save
from helpers.batch.results.store import Folder


class Notebooks(Folder):
    """A folder of executed notebooks, each with its record hidden beside it."""

    @override
    def place(self, name: str) -> Path:
        id, kind = Path(name).parent.name, Path(name).name
        shown = {"notebook.ipynb": f"{id}.ipynb", "before.ipynb": f"{id}.before.ipynb"}
        return self.path / shown.get(kind, f".{id}.{kind}")


def run_once(
    notebook: Path,
    parameters: Mapping[str, Value],
    *,
    folder: Path,
    timeout: float = TIMEOUT,
    kernel: str = "auto",
    again: bool = False,
    kept_as: Path | None = None,
    confirming: bool = False,
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
        kept_as: a file for what it found, if it ends well.
        confirming: whether it is to confirm claims, as `make_runs` takes it.
        watcher: is told whether the run is there already.

    Returns:
        The result, and the path of the executed notebook, which after a failure holds the cells up
        to the failing one.

    Raises:
        UsageError: The request is wrong; nothing has run.
    """
    source = read(notebook)
    point = source, validate(parameters, parameters_of(source))
    (run,) = make_runs([point], confirming=confirming)
    store = Notebooks(folder)
    if kept_as is not None:
        require_keepable(kept_as)
    result = None if again else load(store, run)
    if result is not None and result.is_done:
        watcher = watcher or Watcher()
        watcher.begin(1, 1)
        watcher.end()
    else:
        check_data([run])
        store.make()
        result, executed = carry_out(run, timeout=timeout, kernel=kernel, threads=processors())
        save(store, result, executed)
    if kept_as is not None and result.is_done:
        keep(result, kept_as)
    return result, store.place(notebook_path(run))
