"""What a run costs beyond its cells, what a kernel weighs, and 500 runs in one batch."""

import json
import os
import tempfile
import time
from pathlib import Path
from statistics import median

import psutil
from measuring import QUICK, ROOT, write_rows
from typing_extensions import override

from helpers.batch.ask.run import make_run, make_runs
from helpers.batch.drive.batch import BatchOptions, run_batch
from helpers.batch.drive.progress import Watcher
from helpers.batch.execute.execution import execute
from helpers.batch.execute.kernels.managing import warm_server
from helpers.batch.notebook import read
from helpers.batch.results.result import Result
from helpers.batch.results.store import Folder

TRIVIAL = ROOT / "tests" / "fixtures" / "succeeds.ipynb"
# What every chapter imports; a kernel that has imported nothing weighs nothing of interest.
IMPORTS = "import helpers.quiet, keras, scipy.stats, sklearn.datasets, matplotlib.pyplot"


def beyond_cells(kind: str, runs: int) -> float:
    """Return the median over runs of the time beyond the cells' own."""
    run = make_run(TRIVIAL, {})
    execute(run, kernel=kind)  # starts the server
    outcomes = [execute(run, kernel=kind) for _ in range(runs)]
    return median(outcome.seconds - outcome.cell_seconds for outcome in outcomes)


def weight(kind: str, kernels: int = 3) -> float:
    """Return the megabytes (PSS) that one more kernel adds while several are alive."""
    import threading

    server = warm_server()
    with tempfile.TemporaryDirectory() as folder:
        run = make_run(_reporting(Path(folder)), {})
        (Path(folder) / "end").touch()
        execute(run, kernel=kind)  # the server imports for the first what it shares with all
        (Path(folder) / "end").unlink()
        for file in Path(folder).glob("[0-9]*"):
            file.unlink()
        threads = [
            threading.Thread(target=execute, args=(run,), kwargs={"kernel": kind})
            for _ in range(kernels)
        ]
        before = _pss(server)
        for thread in threads:
            thread.start()
        _wait_for(folder, kernels)
        total = _pss(server) + sum(
            psutil.Process(int(file.name)).memory_full_info().pss
            for file in Path(folder).glob("[0-9]*")
        )
        (Path(folder) / "end").touch()
        for thread in threads:
            thread.join()
    return (total - before) / kernels / 1e6


def _pss(server: object) -> int:
    return psutil.Process(server._process.pid).memory_full_info().pss


def _reporting(folder: Path) -> Path:
    """Write a notebook that imports what chapters do, says so, and waits for the end."""
    code = (
        f"{IMPORTS}\nimport os, pathlib, time\n"
        "pathlib.Path(str(os.getpid())).touch()\n"
        "while not pathlib.Path('end').exists(): time.sleep(0.1)"
    )
    cell = {"cell_type": "code", "id": "a", "metadata": {}, "source": code, "outputs": []}
    notebook = {"cells": [{**cell, "execution_count": None}], "metadata": {}}
    path = folder / "reports.ipynb"
    path.write_text(json.dumps({**notebook, "nbformat": 4, "nbformat_minor": 5}))
    return path


def _wait_for(folder: str, kernels: int) -> None:
    while len(list(Path(folder).glob("[0-9]*"))) < kernels:
        time.sleep(0.1)


class Growth(Watcher):
    """Notes the driver's memory after the first runs and after the last."""

    def __init__(self, after: int) -> None:
        self._after, self._ended = after, 0
        self.first = self.last = 0.0

    @override
    def ended(self, result: Result, running: int) -> None:
        self._ended += 1
        self.last = psutil.Process(os.getpid()).memory_info().rss / 1e6
        if self._ended == self._after:
            self.first = self.last


def many(runs: int) -> tuple[float, float]:
    """Return runs per second, and the megabytes by which the driver grows after the 20th run."""
    growth = Growth(after=20)
    wanted = make_runs((read(TRIVIAL), {"seed": seed}) for seed in range(runs))
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        results = run_batch(
            wanted, store=Folder(Path(folder)), name="many", options=BatchOptions(), watcher=growth
        )
        took = time.perf_counter() - started
    assert all(result.is_done for result in results)
    return runs / took, growth.last - growth.first


def main() -> None:
    runs = 20 if QUICK else 500
    warm, spawn = beyond_cells("warm", 10), beyond_cells("spawn", 3)
    light, heavy = weight("warm"), weight("spawn")
    rate, grown = many(runs)
    rows = [
        {"what": "time of a run beyond its cells, warm kernel, s", "value": round(warm, 2)},
        {"what": "the same, ordinary kernel (imports count as cells), s", "value": round(spawn, 2)},
        {"what": "PSS of one more warm kernel, MB", "value": round(light)},
        {"what": "PSS of one more ordinary kernel, MB", "value": round(heavy)},
        {"what": "warm / ordinary", "value": round(light / heavy, 2)},
        {"what": f"{runs} trivial runs, a second", "value": round(rate, 2)},
        {"what": "by how much the driver grows meanwhile, MB", "value": round(grown)},
    ]
    write_rows("kernels", rows)


if __name__ == "__main__":
    main()
