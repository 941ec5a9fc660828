"""One notebook, executed by papermill in a process of its own.

papermill changes the directory of its whole process, and after a dead kernel or a timeout its
output says that every cell completed. Hence the process of its own, and the report on its standard
output: a run has succeeded when that report says so, whatever the notebook says.
"""

import ctypes
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from helpers.batch.errors import ExecutionError
from helpers.batch.parameters import Value

CELL_TIMEOUT = 3600.0  # seconds; a cell of a chapter takes under one minute on the largest data
_running: set[subprocess.Popen] = set()
_running_lock = threading.Lock()


@dataclass(frozen=True)
class Outcome:
    """What came of one execution.

    Attributes:
        seconds: wall-clock time.
        error: what went wrong, in one or two lines; empty if nothing did.
        traceback: of the failing cell, without colours.
    """

    seconds: float
    error: str = ""
    traceback: str = ""


def execute(
    notebook: Path,
    output: Path,
    *,
    parameters: Mapping[str, Value],
    folder: Path | None = None,
    cell_timeout: float = CELL_TIMEOUT,
    threads: int | None = None,
) -> Outcome:
    """Execute a notebook and write the executed one.

    Args:
        notebook: what to execute; it is only read.
        output: where the executed notebook goes; written beside it first, then renamed. After a
            failure it holds the cells up to the failing one.
        parameters: validated values by name.
        folder: where the kernel works; the notebook's own folder if not given.
        cell_timeout: seconds that a single cell may take.
        threads: threads of one TensorFlow operation; TensorFlow's own choice if not given.
            ``TF_NUM_INTRAOP_THREADS`` in the environment counts more.

    Returns:
        The outcome. A failing cell is an outcome, not an exception.
    """
    request = {
        "notebook": str(notebook.resolve()),
        "output": str(output.resolve()),
        "parameters": dict(parameters),
        "folder": str((folder or notebook.parent).resolve()),
        "cell_timeout": cell_timeout,
    }
    started = time.monotonic()
    process = _start(threads)
    try:
        reply, complaints = process.communicate(json.dumps(request))
    except BaseException:
        _stop(process)
        raise
    finally:
        with _running_lock:
            _running.discard(process)
    return _read_reply(reply, complaints, process.returncode, time.monotonic() - started)


def _start(threads: int | None) -> subprocess.Popen:
    limits = {} if threads is None else {"TF_NUM_INTRAOP_THREADS": str(threads)}
    environment = {"TF_CPP_MIN_LOG_LEVEL": "3", **limits, **os.environ, "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "helpers.batch.execution"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env=environment,
        cwd=Path(__file__).resolve().parents[2],
        start_new_session=True,  # Ctrl-C reaches the driver alone, which then ends each kernel
    )
    with _running_lock:
        _running.add(process)
    return process


def _stop(process: subprocess.Popen, patience: float = 15.0) -> None:
    """End a process and its kernel: politely, then by force."""
    process.terminate()
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def stop_all() -> None:
    """End all executions that are under way in this process's threads."""
    with _running_lock:
        processes = list(_running)
    for process in processes:
        process.terminate()
    for process in processes:
        _stop(process)


def _read_reply(reply: str, complaints: str, code: int, seconds: float) -> Outcome:
    lines = reply.splitlines()
    try:
        return Outcome(**json.loads(lines[-1]))
    except (IndexError, TypeError, ValueError):
        last = complaints.strip().splitlines()[-1:] or [f"exit code {code}"]
        return Outcome(seconds, f"the process died without a report: {last[0]}", complaints)


def _serve(request: dict) -> Outcome:
    """Execute what is asked for, in this process."""
    # jsonschema would build a grammar for URLs for 1.7 s; no notebook is checked for those.
    sys.modules["rfc3987_syntax"] = None
    import nbformat
    import papermill
    from nbclient.exceptions import CellTimeoutError, DeadKernelError

    started = time.monotonic()
    output = Path(request["output"])
    error = traceback = ""
    draft = output.with_name(f".{os.getpid()}-{output.name}")
    try:
        papermill.execute_notebook(
            _literal(request["notebook"]),
            _literal(str(draft)),
            parameters=request["parameters"],
            kernel_name="python3",
            progress_bar=False,
            cwd=request["folder"],
            execution_timeout=request["cell_timeout"],
        )
    except papermill.PapermillExecutionError as failure:
        error, traceback = _describe(failure, nbformat.read(draft, as_version=4))
    except DeadKernelError:
        error = "kernel died"
    except CellTimeoutError:
        error = f"a cell took more than {request['cell_timeout']:g} s"
    finally:
        if draft.exists():
            draft.replace(output)
    return Outcome(time.monotonic() - started, error, traceback)


def _literal(path: str) -> str:
    # papermill fills {name} in paths; braces in a folder's name are meant as they stand.
    return path.replace("{", "{{").replace("}", "}}")


def _describe(failure, notebook) -> tuple[str, str]:
    """Say which cell failed, under which heading, with what."""
    added = {"papermill-error-cell-tag", "injected-parameters"}
    marked = [cell for cell in notebook.cells if "papermill-error-cell-tag" not in _tags(cell)]
    before = [cell for cell in marked[: failure.cell_index] if not added & set(_tags(cell))]
    headings = [
        line.strip("# ")
        for cell in before
        if cell.cell_type == "markdown"
        for line in cell.source.splitlines()
        if re.match(r"#{1,6} ", line)
    ]
    place = f"cell {len(before) + 1}"
    if headings:
        place += f", section {headings[-1]!r}"
    message = f"{place}: {failure.ename}: {failure.evalue}"
    traceback = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(failure.traceback))
    return message, traceback


def _tags(cell) -> list[str]:
    return cell.metadata.get("tags", [])


def require(outcome: Outcome, notebook: Path) -> None:
    """Raise the outcome's error, if it has one.

    Raises:
        ExecutionError: The execution failed; the message names the notebook, the cell and why.
    """
    if outcome.error:
        raise ExecutionError(
            f"{notebook.stem} failed: {outcome.error}\n{outcome.traceback}".strip()
        )


def _on_terminate(*_: object) -> None:
    raise KeyboardInterrupt  # papermill then shuts its kernel down


def _die_with_driver() -> None:
    """Have Linux end this process, and so its kernel, when the driver is gone without a word."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)


def main() -> None:
    """Serve the one request on standard input and report on standard output."""
    signal.signal(signal.SIGTERM, _on_terminate)
    _die_with_driver()
    # The kernel and the libraries may print; the report alone goes to the real output.
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    outcome = _serve(json.load(sys.stdin))
    print(json.dumps(asdict(outcome)), file=channel, flush=True)


if __name__ == "__main__":
    main()
