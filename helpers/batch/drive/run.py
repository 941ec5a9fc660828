"""One run of one notebook, in this process, kept in a folder."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from helpers.batch.ask.kinds import Value
from helpers.batch.ask.parameters import parameters_of, validate
from helpers.batch.ask.run import make_runs
from helpers.batch.drive.data import check_data
from helpers.batch.execute.execution import TIMEOUT, execute, processors, request_for
from helpers.batch.notebook import read
from helpers.batch.results.result import Result, result_of, this_worker, versions
from helpers.batch.results.store import Folder


def run_once(
    notebook: Path,
    parameters: Mapping[str, Value],
    *,
    folder: Path,
    timeout: float = TIMEOUT,
) -> tuple[Result, Path]:
    """Validate the parameters, execute the notebook, and keep the executed one.

    Args:
        notebook: what to execute; it is only read.
        parameters: values by name.
        folder: where the executed notebook goes.
        timeout: seconds that the run may take.

    Returns:
        The result, and the path of the executed notebook, which after a
        failure holds the cells up to the failing one.

    Raises:
        UsageError: The request is wrong; nothing has run.
    """
    source = read(notebook)
    (run,) = make_runs([(source, validate(parameters, parameters_of(source)))])
    check_data([run])
    store = Folder(folder)
    store.make()
    started = datetime.now(UTC)
    request = request_for(
        run.notebook,
        parameters=run.given,
        timeout=timeout,
        kernel="spawn",
        threads=processors(),
        sources=run.sources,
    )
    outcome = execute(request)
    store.write_text(f"{run.id}.ipynb", outcome.notebook)
    result = result_of(run, outcome, started=started, worker=this_worker(), versions=versions())
    return result, folder / f"{run.id}.ipynb"
