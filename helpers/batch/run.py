"""One run of one notebook, in this process, kept in a folder."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from helpers.batch.datasets import check_data
from helpers.batch.execution import TIMEOUT, execute, read_request
from helpers.batch.parameters import Value, read_parameters, validate
from helpers.batch.runs import make_run, result_of, this_worker
from helpers.batch.store import Folder


def run_once(
    notebook: Path,
    parameters: Mapping[str, Value],
    *,
    folder: Path,
    timeout: float = TIMEOUT,
) -> tuple[dict, Path]:
    """Validate the parameters, execute the notebook, and keep the executed one.

    Args:
        notebook: what to execute; it is only read.
        parameters: values by name.
        folder: where the executed notebook goes.
        timeout: seconds that the run may take.

    Returns:
        The result, as `result_of` makes it, and the path of the executed notebook, which after a
        failure holds the cells up to the failing one.

    Raises:
        UsageError: The request is wrong; nothing has run.
    """
    run = make_run(notebook, validate(parameters, read_parameters(notebook)))
    check_data([run.parameters])
    store = Folder(folder)
    store.make()
    started = datetime.now(UTC)
    request = read_request(notebook, parameters=dict(run.given), timeout=timeout, kernel="spawn")
    outcome = execute(request)
    store.write_text(f"{run.id}.ipynb", outcome.notebook)
    result = result_of(run, outcome, started=started, worker=this_worker())
    return result, folder / f"{run.id}.ipynb"
