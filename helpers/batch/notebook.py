"""A notebook as it is to be executed, read once: whatever is done with it rests on one text."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from helpers.batch.errors import NotebookError

ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
# In the name of a kernel of Python, as conda-env-ml-py or xpython.
PYTHON = re.compile(r"python|(?<![a-z])py(?![a-z])", re.IGNORECASE)
# A kernel in a script's header to which the user has given no name for people; nbformat wants one.
UNNAMED = re.compile(r"^(\W*kernelspec: *\n)(\W*)(?=\w)", re.MULTILINE)
INJECTED = "injected-parameters"  # papermill's tag of the cell with the values of one execution


@dataclass(frozen=True)
class Notebook:
    """A notebook of Python, without what earlier executions left in it.

    Attributes:
        path: its file, absolute; a link to a file stays one, for the notebook works where it lies.
        content: the notebook as JSON data, without outputs; without injected parameters where it
            declares some.
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
    is_text = path.suffix != ".ipynb"
    content = _read_text_notebook(path) if is_text else read_notebook(path)
    content = _well_formed(path.name, content) if is_text else content
    _require_python(path, content.get("metadata", {}))
    # Where nothing is declared, nothing can be given in the place of what was injected.
    dropped = INJECTED if any("parameters" in tags(cell) for cell in content["cells"]) else None
    cells = [_unexecuted(cell) for cell in content["cells"] if dropped not in tags(cell)]
    form = {"metadata": _complete(content.get("metadata", {})), "nbformat": 4, "nbformat_minor": 5}
    return Notebook(path, {**content, **form, "cells": _with_ids(cells)})


def _complete(metadata: Mapping) -> dict:
    """Return a notebook's metadata with what the format wants of its kernel and its language."""
    wanted = {
        "kernelspec": {"name": "python3", "display_name": "Python 3"},
        "language_info": {"name": "python"},
    }
    return {
        name: wanted[name] | value if name in wanted else value for name, value in metadata.items()
    }


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
    by_jupytext = metadata.get("jupytext", {}).get("main_language")
    own = [spec.get("language"), metadata.get("language_info", {}).get("name")]
    found = {str(one) for one in (*own, by_jupytext, metadata.get("language")) if one}
    wrong = sorted(one for one in found if one.lower() not in ("python", "ipython"))
    if wrong:
        raise NotebookError(f"{path.name} must be a notebook of Python. Received: {wrong[0]}")
    names = [str(spec[key]) for key in ("name", "display_name") if spec.get(key)]
    if not any(own) and names and not any(map(PYTHON.search, names)):
        raise NotebookError(
            f"{path.name} must be a notebook of Python. Received: kernel {names[0]}, whose "
            f'language is not stated. If it is Python, its metadata\'s "kernelspec" must say so: '
            f'"language": "python"'
        )


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
        text = path.read_text("utf-8-sig")
        if "display_name" in text or not UNNAMED.search(text):
            return json.loads(json.dumps(jupytext.read(path)))
        named = UNNAMED.sub(r"\1\2display_name: kernel\n\2", text, count=1)
        return json.loads(json.dumps(jupytext.reads(named, {"extension": path.suffix})))
    except Exception as error:  # of any kind, as of what nbformat wants to have in a header
        said = str(error).partition("\n")[0]
        where = ".".join(map(str, getattr(error, "absolute_path", ())))
        said += f" in {where}" if where else ""
        raise NotebookError(f"{path.name} must be a notebook. Received: {said}") from error


def absolute(notebook: Path) -> Path:
    """Return a notebook's place; a link to a file stays one, for it works where the link lies."""
    return notebook.parent.resolve() / notebook.name


def read_notebook(notebook: Path) -> dict:
    """Return the notebook as plain JSON, without loading Jupyter's libraries.

    Raises:
        NotebookError: The file is missing or no notebook.
    """
    try:
        text = notebook.read_text("utf-8-sig")  # editors of Windows put a mark in front
        content = json.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise NotebookError(f"{notebook.name} must be a notebook. Received: {error}") from error
    if isinstance(content, dict) and content.get("nbformat") in (2, 3):
        content = _upgraded(notebook, text)
    if not (isinstance(content, dict) and isinstance(content.get("cells"), list)):
        raise NotebookError(f"{notebook.name} must be a notebook. Received: no list of cells")
    return _well_formed(notebook.name, content)


def _well_formed(file: str, content: dict) -> dict:
    """Return a notebook without nulls in the place of what is read of it; refuse other types."""
    mistakes = _mistakes(content, "", metadata=dict)
    metadata = content.get("metadata", {})
    mistakes += _mistakes(metadata, "metadata.", kernelspec=dict, language_info=dict, jupytext=dict)
    for name in ("kernelspec", "language_info"):
        types = dict.fromkeys(("name", "display_name", "language"), str)
        mistakes += _mistakes(metadata.get(name, {}), f"metadata.{name}.", **types)
    for number, cell in enumerate(content["cells"], 1):
        if not isinstance(cell, dict) or cell.get("cell_type") is None:
            mistakes.append(f"cell {number}: no mapping with a cell_type")
            continue
        place = f"cell {number}: "
        mistakes += _mistakes(cell, place, cell_type=str, source=str | list, metadata=dict)
        mistakes += _mistakes(cell.get("metadata", {}), f"{place}metadata.", tags=str | list)
    if mistakes:
        raise NotebookError(f"{file} must be a notebook. Received: {'; '.join(mistakes[:5])}")
    return content


def _mistakes(holder: dict, place: str, **types: type) -> list[str]:
    """Name what is of another type than it must be; take it away, and nulls, from its holder."""
    found = []
    for name in [name for name in types if name in holder]:
        value = holder[name]
        texts = value if isinstance(value, list) else []
        if isinstance(value, types[name]) and all(isinstance(text, str) for text in texts):
            continue
        del holder[name]
        if value is not None:
            found.append(f"{place}{name} is {json.dumps(value)[:100]}")
    return found


def _upgraded(notebook: Path, text: str) -> dict:
    """Return a notebook of an old format as one of format 4."""
    import nbformat

    try:
        upgraded = json.loads(nbformat.writes(nbformat.reads(text, as_version=4)))
        upgraded["metadata"] |= {"language": _old_language(json.loads(text))}
        return upgraded
    except Exception as error:  # of any kind: it takes the old format on trust
        raise NotebookError(f"{notebook.name} must be a notebook. Received: {error}") from error


def _old_language(content: Mapping) -> str | None:
    """Return the language that a notebook of an old format, or a cell of it, states."""
    cells = [cell for sheet in content.get("worksheets", []) for cell in sheet.get("cells", [])]
    stated = [part.get("language") for part in (*cells, content.get("metadata", {}))]
    languages = [str(one) for one in stated if one]
    return next((one for one in languages if one.lower() != "python"), None)


def source(cell: dict) -> str:
    """Return a cell's source as one string, in which form the file holds it or not."""
    return "".join(cell.get("source", ""))


def tags(cell: dict) -> list[str]:
    """Return a cell's tags; a text alone is one."""
    found = cell.get("metadata", {}).get("tags", [])
    return [found] if isinstance(found, str) else found
