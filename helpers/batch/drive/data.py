"""Makes sure that data can be loaded, before anything runs, and is the driver's on each worker.

The data is loaded in another process, for this package imports no data sets.
"""

import os
import subprocess
import sys
from collections.abc import Iterable, Mapping

from helpers.batch.ask.identity import places
from helpers.batch.ask.imported import imported_packages
from helpers.batch.ask.kinds import Value
from helpers.batch.ask.run import Run
from helpers.batch.drive.worker import unlike
from helpers.batch.errors import UsageError
from helpers.batch.results import confirmed

DATASETS = tuple(confirmed.DATASETS)
ANSWER = 600.0  # seconds that a worker may take to load the data
LOAD = """\
import json, sys
from helpers import data
for name, size in json.loads(sys.argv[1]):
    try:
        data.load(name, train_size=size)
    except Exception as error:
        sys.exit(f"the data set {name} cannot be loaded: {error}")
"""


def wanted_data(points: Iterable[Mapping[str, Value]]) -> list[tuple[str, int | None]]:
    """Return the data sets of the book, with sizes, that parameters name and that may be missing.

    >>> wanted_data([{"dataset": "digits"}, {"dataset": "cifar10", "train_size": 100}])
    [('cifar10', 100)]
    """
    found = set()
    for parameters in points:
        size = parameters.get("train_size")
        if type(size) not in (int, type(None)):
            continue  # the notebook's own, of another meaning
        several = parameters.get("datasets")
        names = [
            parameters.get("dataset", "digits"),
            *(several if isinstance(several, list) else []),
        ]
        found |= {(name, size) for name in names if name in DATASETS}
    return sorted(found - {("digits", None)}, key=str)


def complaint(wanted: Iterable[tuple[str, int | None]]) -> str:
    """Try to load data in another process, and return what is wrong; nothing if all is well."""
    import json

    wanted = list(wanted)
    if not wanted:  # digits is embedded in scikit-learn, always there
        return ""
    done = subprocess.run(
        [sys.executable, "-c", LOAD, json.dumps(wanted)],
        capture_output=True,
        text=True,
        env={"TF_CPP_MIN_LOG_LEVEL": "3", **os.environ},
        check=False,
    )
    return done.stderr.strip()[-2000:] if done.returncode else ""


def check_data(runs: Iterable[Run]) -> None:
    """Make sure that the data that runs name can be loaded here, if they load it by `helpers.data`.

    Raises:
        UsageError: It cannot; the message is that of `helpers.data`.
    """
    wrong = complaint(_wanted(runs))
    if wrong:
        raise UsageError(wrong)


def _wanted(runs: Iterable[Run]) -> list[tuple[str, int | None]]:
    return wanted_data(run.parameters for run in runs if run.loads_data)


def check_data_on(client: "Client", runs: Iterable[Run]) -> None:  # noqa: F821
    """Make sure that every worker of a cluster has the driver's packages and data, and can load it.

    Raises:
        UsageError: It has not; the message names the worker.
    """
    runs = list(runs)
    wrong = _unlike_on(client, runs) or _unloadable_on(client, _wanted(runs))
    if wrong:
        raise UsageError("\n".join(wrong))


def _unlike_on(client: "Client", runs: list[Run]) -> list[str]:  # noqa: F821
    notebooks = {run.notebook.path: run.notebook for run in runs}.values()
    imports = imported_packages(code for notebook in notebooks for code in notebook.code)
    driver = list(places(runs[0].installed)) if runs else []
    data = {name: digest for run in runs for name, digest in run.data.items()}
    found = client.run(unlike, imports, driver, data, on_error="return")
    return [
        f"worker {worker} differs from the driver: {other}"
        for worker, other in found.items()
        if isinstance(other, str) and other
    ]


def _unloadable_on(client: "Client", wanted: list) -> list[str]:  # noqa: F821
    if not wanted:
        return []
    workers = client.scheduler_info(n_workers=-1)["workers"]
    futures = {
        worker: client.submit(complaint, wanted, workers=[worker], pure=False) for worker in workers
    }
    answers = {worker: _answer(future) for worker, future in futures.items()}
    return [f"worker {worker}: {answer}" for worker, answer in answers.items() if answer]


def _answer(future: "Future") -> str:  # noqa: F821
    try:
        return future.result(timeout=ANSWER)
    except TimeoutError:  # it is gone, and its task waits for it
        return f"it must say whether it can load the data. Received: no answer in {ANSWER:.0f} s"
