"""What tests of executions share: runs made of cells, and processes found by a mark."""

import contextlib
import json
import sys
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell, new_notebook

from helpers.batch.ask.run import Run
from helpers.batch.execute.execution import execute
from helpers.batch.notebook import Notebook

FIXTURES = Path(__file__).parent / "fixtures"
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="forks and reads /proc")
both_kinds = pytest.mark.parametrize("kind", [pytest.param("warm", marks=on_linux), "spawn"])


def tagged(code, *tags):
    """Return a code cell with tags."""
    return new_code_cell(code, metadata={"tags": list(tags)})


def run_of(*cells, folder="/no such folder", parameters=None):
    """Return the run of cells, strings being code; in an empty folder if none is given."""
    cells = [new_code_cell(cell) if isinstance(cell, str) else cell for cell in cells]
    notebook = Notebook(Path(folder) / "cells.ipynb", new_notebook(cells=cells))
    return Run("cells", "", notebook, parameters or {}, parameters or {})


def execute_cells(*cells, folder="/no such folder", parameters=None, **how):
    """Execute cells as `run_of` takes them."""
    return execute(run_of(*cells, folder=folder, parameters=parameters), **how)


def code_cells(outcome):
    """Return the code cells of an executed notebook, which must be strict JSON."""
    notebook = json.loads(outcome.notebook, parse_constant=pytest.fail)
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def printed(cell, stream="stdout"):
    """Return what a cell wrote to a stream."""
    outputs = cell["outputs"]
    return "".join("".join(o["text"]) for o in outputs if o.get("name") == stream)


def marked(marker):
    """Return the ids of the processes that have the marker in their environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if marker.encode() in (folder / "environ").read_bytes():
                found.append(int(folder.name))
    return found
