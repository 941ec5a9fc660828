"""Reads the notebook that papermill leaves: what failed, how long it took, as strict JSON."""

import json
import math
import re
from collections.abc import Mapping

from helpers.batch.notebook import INJECTED, tags

ERROR_SIZE, TRACEBACK_SIZE = 1_000, 20_000  # characters; the notebook has all of them
# How a notebook is ended without an error, by the text of the exception.
EXITS = {"": "sys.exit()", "0": "sys.exit(0)", "quit()": "quit()"}
MARK = "papermill-error-cell-tag"  # of the cells by which papermill points at an error


def without_marks(cells: list) -> list:
    """Return the cells without those by which papermill points at an error."""
    return [cell for cell in cells if MARK not in tags(cell)]


def written(notebook: Mapping) -> str:
    """Return the notebook as strict JSON, without what papermill notes about this machine."""
    notebook.metadata.pop("papermill", None)
    text = json.dumps(notebook, ensure_ascii=False)
    try:
        json.dumps(notebook, allow_nan=False)
    except ValueError:
        text = json.dumps(finite(json.loads(text)), ensure_ascii=False)
    return text.encode("utf-8", "replace").decode()  # a lone surrogate is no UTF-8


def cell_seconds(notebook: Mapping) -> float:
    """Return the sum of the cells' own times."""
    timings = (cell.metadata.get("papermill", {}) for cell in notebook.cells)
    return sum(timing.get("duration") or 0.0 for timing in timings)


def finite(value: object) -> object:
    """Return JSON data with null for what strict JSON has no word for.

    >>> finite({"a": [1.0, float("nan")]})
    {'a': [1.0, None]}
    """
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def describe(notebook: Mapping) -> tuple[str, str] | None:
    """Say which cell failed, under which heading, with what; and give the traceback.

    Returns:
        Message and traceback, without colours; None if no cell has failed.
    """
    cells = [cell for cell in notebook.cells if MARK not in tags(cell)]
    failed = next((i for i, cell in enumerate(cells) if _has_failed(cell)), None)
    if failed is None:
        return None
    before = [cell for cell in cells[:failed] if INJECTED not in tags(cell)]
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
    errors = [output for output in cells[failed].outputs if output.output_type == "error"]
    if not errors:
        return f"{place}: {_said_on_stderr(cells[failed])}", ""
    name, value = errors[-1].ename, errors[-1].evalue
    said = f"{name}: {value}".removesuffix(": ")
    if name == "SystemExit" and value in EXITS:
        said = f"{EXITS[value]} ended the notebook: no cell after it has run"
    return (
        shortened(_plain(f"{place}: {said}"), ERROR_SIZE),
        shortened(_plain("\n".join(errors[-1].traceback)), TRACEBACK_SIZE),
    )


def _said_on_stderr(cell: Mapping) -> str:
    """Return why a cell failed that has no error, as IPython tells of a magic that is not there."""
    texts = [output.text for output in cell.outputs if output.get("name") == "stderr"]
    lines = _plain("".join(texts)).strip().splitlines()
    if lines:
        return shortened(lines[-1], ERROR_SIZE)
    return "an error that the kernel could not send"  # as of one whose text is no Unicode


def shortened(text: str, size: int) -> str:
    """Return a text of at most that many characters and a remark; of a longer one both its ends.

    >>> shortened("abcdefgh", 4)
    'ab [... 4 characters left out ...] gh'
    """
    if len(text) <= size:
        return text
    left = f" [... {len(text) - size} characters left out ...] "
    return text[: size // 2] + left + text[len(text) - size // 2 :]


def _plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def _has_failed(cell: Mapping) -> bool:
    """Say whether the cell has stopped the notebook, or shows an error that no tag allows.

    papermill notes just the former. The latter is of a script that `%run` has run.
    """
    shows = any(output.output_type == "error" for output in cell.get("outputs", ()))
    stopped = cell.metadata.get("papermill", {}).get("exception") is True
    return stopped or (shows and "raises-exception" not in tags(cell))
