"""One notebook, executed by papermill in this process, on a kernel that ends with it.

papermill's `cwd` argument would change the directory of the whole process, and after a dead kernel
or a timeout its output says that every cell completed. Hence the kernel gets its folder from its
manager, a watchdog limits the whole notebook, and what counts is the outcome returned here.
"""

import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from helpers.batch.ask.imported import imported_packages
from helpers.batch.ask.run import Run, seen_helpers, seen_imports
from helpers.batch.errors import ExecutionError, InfrastructureError, NotebookError
from helpers.batch.execute.executed import (
    ERROR_SIZE,
    cell_seconds,
    describe,
    shortened,
    without_marks,
    written,
)
from helpers.batch.execute.papermilling import import_papermill, register_engine
from helpers.batch.execute.surroundings import event_loop, kernel_environment, kernel_folder
from helpers.batch.notebook import read

TIMEOUT = 14_400.0  # seconds for one notebook; a chapter on the largest data set needs minutes
LINGERING = 10  # seconds that what a notebook has begun may go on after its last cell
SILENCE = 60  # seconds until output must have come when its cell has ended; a machine may be busy


@dataclass(frozen=True)
class Outcome:
    """What came of one execution.

    It is no result yet: kernels know nothing of records, of who asks, or of how often they did, and
    whoever refreshes a chapter wants nothing else.

    Attributes:
        status: "done", "failed" or "timeout".
        notebook: the executed notebook as JSON text, up to the failing cell; strict JSON.
        seconds: wall-clock time.
        cell_seconds: what the cells took of it.
        error: what went wrong, in one or two lines; empty if nothing did.
        traceback: of the failing cell, without colours.
        warning: what is to be said although nothing went wrong.
        imported: digests of the files that it was seen to import, as `seen_imports` gives them.
        helpers: digests of those of `helpers`, as `seen_helpers` gives them.
    """

    status: str
    notebook: str = field(repr=False)
    seconds: float
    cell_seconds: float = 0.0
    error: str = ""
    traceback: str = field(default="", repr=False)
    warning: str = ""
    imported: Mapping[str, str] = field(default_factory=dict, repr=False)
    helpers: Mapping[str, str] = field(default_factory=dict, repr=False)


def execute(
    run: Run,
    *,
    timeout: float = TIMEOUT,
    kernel: str = "auto",
    threads: int | None = None,
    elsewhere: bool = False,
    wanted: Callable[[], bool] = lambda: True,
) -> Outcome:
    """Execute a notebook with the parameters that a run gives it.

    Args:
        run: what is to be executed.
        timeout: seconds that the whole notebook may take.
        kernel: "warm", "spawn", or "auto" for the better of those that the machine allows. Where a
            warm one would make a difference, an ordinary one serves.
        threads: of linear algebra and of one TensorFlow operation; the libraries' own choice if
            not given. Their variables in the environment count more.
        elsewhere: whether the kernel works in a new, empty folder and not in the notebook's, as it
            does wherever that is not there.
        wanted: asked twice a second; when it says no, the kernel is killed.

    Returns:
        The outcome. A failing cell, a dead kernel and a timeout are outcomes, not exceptions.

    Raises:
        InfrastructureError: No kernel could be had, or the server of warm kernels died.
    """
    from helpers.batch.execute.kernels.managing import warm_server

    started, begun = time.monotonic(), datetime.now(UTC).timestamp()
    folder = None if elsewhere else run.notebook.path.parent
    beside = [folder / name for name in run.beside] if folder else []
    codes = [*run.notebook.code, *(code for file in beside for code in _code(file))]
    server = warm_server() if _kind(codes, run.beside if folder else (), kernel) == "warm" else None
    environment = kernel_environment(threads, quiet="quiet.py" in run.sources)
    imports = imported_packages(codes)
    execution = _Execution(run, server, environment, imports, timeout=timeout, wanted=wanted)
    with event_loop():
        status, error, traceback = execution.run(folder)
    files = execution.farewell.get("files", ())
    imported = seen_imports(run, files, since=begun)
    return Outcome(
        status,
        written(execution.notebook),
        time.monotonic() - started,
        cell_seconds(execution.notebook),
        error,
        traceback,
        _warning(execution.farewell, imported if elsewhere else ()),
        {} if elsewhere else imported,
        seen_helpers(run, files, since=begun),
    )


def _code(file: Path) -> list[str]:
    """Return the code of a module, or of a notebook that another one runs."""
    if file.suffix == ".py":
        return [file.read_text("utf-8", "replace")]
    with suppress(NotebookError):  # as of another language; the cell that runs it says so
        return read(file).code if file.suffix == ".ipynb" else []
    return []


def _warning(farewell: Mapping, strange: Iterable[str]) -> str:
    """Return what is to be said of an execution that ended well.

    Args:
        farewell: what its kernel said.
        strange: modules that it has imported and the driver cannot see.
    """
    when = f"still ran {LINGERING} s after the last cell: what they show later is lost"
    said = [f"{kind} {when} ({left})" for kind, left in farewell.get("left", {}).items()]
    said += [
        shortened(f"an asyncio task ended with {error}", ERROR_SIZE)
        for error in farewell.get("errors", ())
    ]
    if strange:
        names = shortened(", ".join(sorted(Path(file).name for file in strange)), ERROR_SIZE)
        said.append(f"modules of the worker's own were imported, whose changes go unseen: {names}")
    return "; ".join(said)


def _kind(codes: list[str], files: Iterable[str], kernel: str) -> str:
    """Return the kind of the kernel; a warm one only where it makes no difference.

    Args:
        codes: the code of the notebook's cells and of the modules beside it that they import.
        files: what lies beside the notebook and is read.
        kernel: the kind that is wanted.
    """
    from helpers.batch.execute.kernels.choosing import default_kind, needs_ordinary

    kind = default_kind() if kernel == "auto" else kernel
    return "spawn" if kind == "warm" and needs_ordinary(codes, files) else kind


class _Execution:
    """One execution while it is under way: the notebook that papermill fills, and its kernel."""

    def __init__(
        self,
        run: Run,
        server: object,
        environment: dict[str, str],
        imports: list[str],
        *,
        timeout: float,
        wanted: Callable[[], bool],
    ) -> None:
        self._papermill = import_papermill()
        self._parameters, self._server, self._environment = run.given, server, environment
        self._imports = imports
        self._timeout, self._wanted = timeout, wanted
        self.notebook = self._papermill.iorw.nbformat.reads(run.notebook.text, as_version=4)
        self._manager = self._client = None
        self._expired = False

    def run(self, folder: Path | None) -> tuple[str, str, str]:
        """Execute in a folder, or a new one, and return status, error and traceback."""
        from nbclient.exceptions import CellTimeoutError, DeadKernelError

        try:
            with kernel_folder(folder, self._server) as (place, sockets), self._watchdog():
                self._execute(place, sockets)
        except self._papermill.PapermillExecutionError:
            pass  # raised for an error that a tag allows, too, but not for `sys.exit()`
        except (CellTimeoutError, DeadKernelError, RuntimeError) as failure:
            return *self._explain(failure), ""
        complaint = describe(self.notebook)
        if complaint is not None:
            return "failed", *complaint
        self.notebook.cells = without_marks(self.notebook.cells)
        return "done", "", ""

    def _explain(self, failure: Exception) -> tuple[str, str]:
        from nbclient.exceptions import CellTimeoutError, DeadKernelError

        if self._expired:
            return "timeout", f"it took more than {self._timeout:g} s"
        if self._server is not None and not self._server.alive:
            raise InfrastructureError("the server of warm kernels died") from failure
        if self._client is not None and self._client.fell_idle:
            raise InfrastructureError("the kernel fell idle without a reply") from failure
        if isinstance(failure, CellTimeoutError):
            return "failed", "the kernel ended a cell and did not send the end of its output"
        if not isinstance(failure, DeadKernelError):  # it never answered
            raise InfrastructureError(f"the kernel did not start: {failure}") from failure
        code = self._manager.exit_code
        by = f" ({signal.Signals(-code).name})" if code and -code in set(signal.Signals) else ""
        return "failed", f"kernel died{by}"

    def _execute(self, folder: str, sockets: Path) -> None:
        from helpers.batch.execute.kernels.managing import PATIENCE

        self._papermill.execute_notebook(
            self.notebook,
            None,
            parameters=dict(self._parameters),
            engine_name=register_engine(),
            kernel_name="python3",
            language="python",
            progress_bar=False,
            started=self._started,
            kernel_manager_class=self._manager_class(sockets),
            resources={"metadata": {"path": folder}},
            shutdown_kernel="graceful",
            start_timeout=int(PATIENCE),
            iopub_timeout=SILENCE,
            silence=float(SILENCE),
            patience=float(LINGERING),
        )

    def _started(self, notebook: object, client: object) -> None:
        """Keep what papermill fills: it is not to be had from the exceptions."""
        self.notebook, self._client = notebook, client

    @property
    def farewell(self) -> dict:
        """What the kernel said of itself after the last cell; nothing if it could not."""
        return self._client.farewell if self._client is not None else {}

    def _manager_class(self, sockets: Path) -> type:
        from helpers.batch.execute.kernels.managing import KernelManager

        execution = self

        class Manager(KernelManager):
            server = execution._server
            imports = execution._imports

            def __init__(self, **options: object) -> None:
                super().__init__(connection_file=str(sockets / "k.json"), **options)
                execution._manager = self

            def kernel_environment(self) -> dict[str, str]:
                return execution._environment

        return Manager

    @contextmanager
    def _watchdog(self) -> Iterator[None]:
        """End the kernel when the time is up or nobody waits; papermill notices in a second."""
        over = threading.Event()
        deadline = time.monotonic() + self._timeout

        def watch() -> None:
            while not over.wait(0.5 if self._expired else _until(deadline)):
                self._expired = self._expired or time.monotonic() >= deadline
                if self._manager is not None and (self._expired or not self._wanted()):
                    self._manager.kill()

        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            if self._manager is not None:
                self._manager.kill()


def _until(deadline: float) -> float:
    return min(0.5, max(0.0, deadline - time.monotonic()))


def require(outcome: Outcome, name: str) -> None:
    """Raise the outcome's error, if it has one.

    Raises:
        ExecutionError: The execution failed; the message names the notebook, the cell and why.
    """
    if outcome.error:
        raise ExecutionError(f"{name} failed: {outcome.error}\n{outcome.traceback}".strip())
