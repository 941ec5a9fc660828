"""A notebook as it is to be executed, read once: whatever is done with it rests on one text."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from helpers.batch.book import absolute, read_notebook, source, tags
from helpers.batch.errors import NotebookError

ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
INJECTED = "injected-parameters"  # papermill's tag of the cell with the values of one execution


@dataclass(frozen=True)
class Notebook:
    """A notebook of Python, without what earlier executions left in it.

    Attributes:
        path: its file, absolute; a link to a file stays one, for the notebook works where it lies.
        content: the notebook as JSON data, without outputs and without injected parameters.
    """

    path: Path
    content: Mapping = field(repr=False, hash=False)

    @property
    def name(self) -> str:
        """The file's name without its suffix."""
        return self.path.stem

    @property
    def code(self) -> list[str]:
        """The sources of its code cells."""
        return [source(cell) for cell in self.content["cells"] if cell["cell_type"] == "code"]

    @cached_property
    def text(self) -> str:
        """The notebook as JSON text, one for all runs of it."""
        return json.dumps(self.content)


def read(path: Path) -> Notebook:
    """Read a notebook's file.

    Raises:
        NotebookError: The file is missing, no notebook, or one of another language than Python.
    """
    path = absolute(path)
    content = read_notebook(path) if path.suffix == ".ipynb" else _read_text_notebook(path)
    _require_python(path, content.get("metadata", {}))
    cells = [_unexecuted(cell) for cell in content["cells"] if INJECTED not in tags(cell)]
    form = {"metadata": content.get("metadata", {}), "nbformat": 4, "nbformat_minor": 5}
    return Notebook(path, {**content, **form, "cells": _with_ids(cells)})


def _unexecuted(cell: dict) -> dict:
    """Return a cell in the present format's form, a cell of code without what came of it."""
    cell = {"metadata": {}, "source": "", **cell}
    if cell["cell_type"] == "code":
        cell |= {"outputs": [], "execution_count": None}
    return cell


def _with_ids(cells: list[dict]) -> list[dict]:
    """Return the cells, each with an id; nbformat warns of those without, and names no file."""
    taken: set[str] = set()
    for number, cell in enumerate(cells):
        own = cell.get("id")
        if not (isinstance(own, str) and ID.fullmatch(own)) or own in taken:
            own = f"cell-{number}"
            while own in taken:
                own += "-"
        taken.add(own)
        cells[number] = cell | {"id": own}
    return cells


def _require_python(path: Path, metadata: Mapping) -> None:
    """Refuse what the kernel would read as Python and compute something else."""
    spec = metadata.get("kernelspec", {})
    stated = [spec.get("language"), metadata.get("language_info", {}).get("name")]
    languages = [language for language in stated if language]
    if not languages and not spec.get("name", "python").startswith("python"):
        languages = [f"kernel {spec['name']}, whose language is not stated"]
    for language in languages:
        if language.lower() not in ("python", "ipython"):
            raise NotebookError(f"{path.name} must be a notebook of Python. Received: {language}")


def _read_text_notebook(path: Path) -> dict:
    """Read a notebook that is kept as a script or as Markdown."""
    try:
        import jupytext
    except ImportError as error:
        raise NotebookError(
            f"{path.name} is a notebook only for jupytext, which is not installed here: "
            f"pip install jupytext, or convert the file to .ipynb"
        ) from error
    try:
        return json.loads(json.dumps(jupytext.read(path)))
    except (OSError, ValueError) as error:
        raise NotebookError(f"{path.name} must be a notebook. Received: {error}") from error
