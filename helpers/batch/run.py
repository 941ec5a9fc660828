"""One run of one notebook, kept in a folder."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from helpers.batch.errors import ExecutionError, UsageError
from helpers.batch.execution import execute, require
from helpers.batch.parameters import Value, read_parameters, validate


def run_name(notebook: Path, parameters: Mapping[str, Value]) -> str:
    """Return the executed notebook's file name; parameters enter it as a hash only.

    >>> run_name(Path("book/01_gradients.ipynb"), {})
    '01_gradients.ipynb'
    >>> run_name(Path("book/01_gradients.ipynb"), {"dataset": "../x"})
    '01_gradients-1e80abe0.ipynb'
    """
    if not parameters:
        return f"{notebook.stem}.ipynb"
    canonical = json.dumps(dict(parameters), sort_keys=True)
    return f"{notebook.stem}-{hashlib.sha256(canonical.encode()).hexdigest()[:8]}.ipynb"


LOAD = """\
import sys
from helpers import data
try:
    data.load(sys.argv[1], train_size=int(sys.argv[2]) if sys.argv[2] else None)
except Exception as error:
    sys.exit(str(error))
"""


def check_data(parameters: Mapping[str, Value]) -> None:
    """Make sure that the data that was asked for can be loaded, before anything runs.

    It is loaded in another process, for this package imports no data sets.

    Raises:
        UsageError: It cannot; the message is that of `helpers.data`.
    """
    name, size = parameters.get("dataset", "digits"), parameters.get("train_size")
    if name == "digits" and size is None:  # embedded in scikit-learn, always there
        return
    done = subprocess.run(
        [sys.executable, "-c", LOAD, str(name), "" if size is None else str(size)],
        capture_output=True,
        text=True,
        env={"TF_CPP_MIN_LOG_LEVEL": "3", **os.environ},
        check=False,
    )
    if done.returncode:
        raise UsageError(f"the data set {name} cannot be loaded: {done.stderr.strip()[-2000:]}")


def run_once(
    notebook: Path,
    parameters: Mapping[str, Value],
    *,
    folder: Path,
    say: Callable[[str], None] = print,
) -> Path:
    """Validate the parameters, execute the notebook, and return the executed one.

    Args:
        notebook: what to execute; it is only read.
        parameters: values by name.
        folder: where the executed notebook goes.
        say: takes one line of progress at a time.

    Raises:
        UsageError: The request is wrong; nothing has run.
        ExecutionError: The notebook failed; what it did until then is kept.
    """
    values = validate(parameters, read_parameters(notebook))
    check_data(values)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"the output folder must be writable. Received: {error}") from error
    output = folder / run_name(notebook, values)
    if output.resolve() == notebook.resolve():
        raise UsageError(f"the output must not replace the notebook. Received: {folder}")
    outcome = execute(notebook, output, parameters=values)
    try:
        require(outcome, notebook)
    except ExecutionError as error:
        kept = f"\nexecuted up to there: {output}" if output.exists() else ""
        raise ExecutionError(f"{error}{kept}") from error
    say(f"executed {notebook.stem} in {outcome.seconds:.1f} s")
    return output
