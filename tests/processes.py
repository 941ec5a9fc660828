"""For tests: real processes, of which none is left when a test ends, and grids for them."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil
import yaml

from tests.waiting import LIMIT, wait_for

ROOT = Path(__file__).parents[1]
ACTS = ROOT / "tests" / "fixtures" / "acts.ipynb"
MARK = "DNNBOOK_TEST_MARK"
# For tests that are not about warm kernels, whose server takes longer to start than a few runs.
SPAWN = ("--kernel", "spawn")
ENVIRONMENT = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}


@dataclass
class Started:
    """A process whose output goes to files."""

    process: subprocess.Popen
    folder: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def stdout(self) -> str:
        return (self.folder / "stdout").read_text(errors="replace")

    @property
    def stderr(self) -> str:
        return (self.folder / "stderr").read_text(errors="replace")

    def wait(self) -> int:
        """Return the exit code."""
        try:
            return self.process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running; it said: {self.stdout}{self.stderr}") from None

    def send(self, kind: signal.Signals) -> None:
        self.process.send_signal(kind)

    def says(self, text: str) -> None:
        """Wait until it has said something."""
        wait_for(lambda: text in self.stdout + self.stderr or self.process.poll() is not None)
        assert text in self.stdout + self.stderr


class Processes:
    """Starts processes, and finds them and all their descendants by a mark in the environment."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._mark = uuid.uuid4().hex
        self._started: list[subprocess.Popen] = []

    def start(self, *arguments: object, env: dict | None = None, **options: object) -> Started:
        """Start a process in a session of its own, as a terminal does."""
        folder = self._folder / f"process-{uuid.uuid4().hex[:6]}"
        folder.mkdir(parents=True)
        environment = {**os.environ, **ENVIRONMENT, MARK: self._mark, **(env or {})}
        with (folder / "stdout").open("wb") as out, (folder / "stderr").open("wb") as errors:
            process = subprocess.Popen(
                [str(argument) for argument in arguments],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=errors,
                env=environment,
                start_new_session=True,
                **{"cwd": ROOT, **options},
            )
        self._started.append(process)
        return Started(process, folder)

    def dnnbook(self, *arguments: object, **options: object) -> Started:
        """Start the command `dnnbook`."""
        return self.start(sys.executable, "-m", "helpers.batch.cli", *arguments, **options)

    def left(self, *, without: Started | None = None) -> dict[int, str]:
        """Return what runs: command lines by process id."""
        found = {}
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.environ().get(MARK) == self._mark:
                    found[process.pid] = " ".join(process.cmdline())
        if without is not None:
            found.pop(without.pid, None)
        return found

    def wait_until_nothing_is_left(self) -> None:
        """Wait until all processes have ended."""
        with contextlib.suppress(AssertionError):
            wait_for(lambda: not self.left())
        assert self.left() == {}

    def kill(self) -> None:
        """Kill what is left, and what that starts in the meantime."""
        while left := self.left():
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        for process in self._started:
            process.wait()


@contextlib.contextmanager
def processes_in(folder: Path) -> Iterator[Processes]:
    """Give a means to start processes, and kill what is left of them."""
    processes = Processes(folder)
    try:
        yield processes
    finally:
        processes.kill()


class Batch:
    """A grid of runs of the notebook `acts`, what they log, and the folder of their results."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.log = folder / "log"
        self.gate = folder / "gate"
        self.output = folder / "out"

    def grid(
        self, acts: Mapping[int, str | dict], *, name: str = "grid", **parameters: object
    ) -> Path:
        """Write a grid file: by its number, what each run does, or parameters of its own."""
        own = self.parameters(list(acts))
        include = [
            {"number": number, **({"act": act} if isinstance(act, str) else act)}
            for number, act in acts.items()
        ]
        grid = {"chapters": [str(ACTS)], "parameters": own | parameters, "include": include}
        path = self.folder / f"{name}.yml"
        path.write_text(yaml.safe_dump(grid, sort_keys=False, allow_unicode=True))
        return path

    def parameters(self, number: object = 1, **more: object) -> dict:
        """Return parameters of `acts`: where it logs, what it waits for, its number and more."""
        return {"log": str(self.log), "gate": str(self.gate), "number": number, **more}

    def begun(self) -> list[int]:
        """Return the number of each execution whose act has begun, in ascending order."""
        return sorted(int(line.split()[0]) for line in self._lines())

    def kernel(self, number: int) -> psutil.Process:
        """Return the kernel of a run's last execution."""
        lines = [line.split() for line in self._lines()]
        return psutil.Process([int(pid) for own, pid in lines if int(own) == number][-1])

    def _lines(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []

    def results(self) -> dict[int, dict]:
        """Return the results by the runs' numbers."""
        found = [json.loads(file.read_text()) for file in self.output.glob("runs/*/run.json")]
        assert len({result["parameters"]["number"] for result in found}) == len(found)
        return {result["parameters"]["number"]: result for result in found}

    def statuses(self) -> dict[int, str]:
        """Return what became of each run, by its number."""
        return {number: result["status"] for number, result in sorted(self.results().items())}
