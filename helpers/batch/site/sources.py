"""What a site is made of: the book's pages, with the outputs of executed chapters."""

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import quote, unquote

import yaml

from helpers.batch.ask.identity import PACKAGE, digest
from helpers.batch.ask.run import Run
from helpers.batch.book import read_toc
from helpers.batch.notebook import INJECTED, absolute, read_notebook, source, tags
from helpers.batch.results.confirmed import results_of

# What looks like a file's name: without blanks, or between quotes or brackets.
NAME = re.compile(
    r"([^\s\"'()<>\[\]{}`|,=]+\.\w{1,8})\b|\"([^\"\n]+\.\w{1,8})\"|\(<?([^()<>\n]+\.\w{1,8})>?\)"
)


def contents(root: Path) -> tuple[dict[Path, bytes], dict[Path, bytes]]:
    """Return the pages that the book in `root` is made of, and its other files, by their places."""
    pages = set(read_toc(root))
    read = {file: file.read_bytes() for file in source_files(root)}
    others = {file.relative_to(root): data for file, data in read.items() if file not in pages}
    return {file.relative_to(root): read[file] for file in read if file in pages}, others


def merge(notebook: Mapping, executed: Mapping) -> dict:
    """Return a notebook with the outputs of an execution of the same code.

    Prose and captions are the notebook's own: they may have changed since it was executed. The
    cell that papermill has added with the parameters is taken over.
    """
    outputs = iter([cell for cell in executed["cells"] if cell["cell_type"] == "code"])
    cells = []
    for cell in notebook["cells"]:
        cells.append(_with_attachments(cell))
        if cell["cell_type"] == "code":
            done = next(outputs)
            for key in ("outputs", "execution_count"):
                cells[-1][key] = done[key]
            if "parameters" in tags(cell):
                added = [cell for cell in executed["cells"] if INJECTED in tags(cell)]
                cells += added
                for _ in added:
                    next(outputs)
    # The kernel says how IPython's own lines are to be coloured: by no lexer of plain Python.
    language = executed.get("metadata", {}).get("language_info")
    metadata = notebook["metadata"] | ({"language_info": language} if language else {})
    return {**notebook, "cells": cells, "metadata": metadata}


def _with_attachments(cell: Mapping) -> dict:
    """Return a cell with the pictures attached to it in its text, where Sphinx finds them."""
    text, attachments = source(cell), cell.get("attachments") or {}
    for name, kinds in attachments.items():
        for kind, data in kinds.items():
            place = f"data:{kind};base64,{''.join(''.join(data).split())}"
            for written in {name, quote(name)}:
                text = text.replace(f"attachment:{written}", place)
    return {**cell, "source": text} if attachments else dict(cell)


def site_identity(root: Path, runs: Iterable[Run]) -> str:
    """Return a digest of all that the site is made of."""
    parts = [run.identity for run in runs]
    notebooks = {run.notebook.path: run.notebook.content for run in runs}
    for file in source_files(root):
        notebook = notebooks.get(absolute(file))
        if notebook is not None:  # its committed outputs do not count
            cells = json.dumps(notebook["cells"], sort_keys=True)
            content = hashlib.sha256(cells.encode()).hexdigest()
        else:
            content = digest(file)
        parts.append(f"{file.relative_to(root)} {content}")
    parts += renderer_digests()
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def renderer_digests(package: Path = PACKAGE) -> list[str]:
    """Return a digest of each file of `helpers`, sorted.

    The reference is made from docstrings, and the renderer, its templates and its scripts may
    change.
    """
    files = _inside(package, package)
    return sorted(f"{file.relative_to(package)} {digest(file)}" for file in files)


def source_files(root: Path) -> list[Path]:
    """Return the files that the book in `root` is made of, sorted.

    They are its configuration, every folder that holds a page, what lies in `_static`, what
    confirming runs found, and other files that a page or the configuration names, as pictures and
    logos beside them.
    """
    pages = read_toc(root)
    configuration = [root / "_config.yml", root / "_toc.yml"]
    places = {root / page.relative_to(root).parts[0] for page in pages}
    found = {*configuration, *pages, *_inside(root / "_static", root), *results_of(root)}
    for place in places:
        found |= {*_inside(place, root)} if place.is_dir() else {place}
    for page in pages:
        found |= {place for place in _named(page, root) if place.is_file()}
    for place in _places(_texts(yaml.safe_load(configuration[0].read_text("utf-8"))), [root], root):
        found |= {*_inside(place, root)} if place.is_dir() else {place}
    return sorted(found)


def _inside(folder: Path, root: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and not _is_hidden(path, root)]


def _named(page: Path, root: Path) -> set[Path]:
    """Return the files of the book that a page's text may name, seen from the page or the root."""
    text = page.read_text("utf-8", "replace")
    if page.suffix == ".ipynb":
        text = "\n".join(map(source, read_notebook(page)["cells"]))
    names = {name for found in NAME.findall(text) for name in found if name}
    return _places(names, [page.parent, root], root)


def _places(names: Iterable[str], starts: Iterable[Path], root: Path) -> set[Path]:
    """Return what lies in the book, and is not hidden, of what names may mean."""
    places = {
        Path(os.path.normpath(f"{start}/{unquote(name).lstrip('/')}"))
        for name in names
        for start in starts
        if "\0" not in name and len(name) < 250
    }
    return {
        place
        for place in places
        if root in place.parents and not _is_hidden(place, root) and os.path.exists(place)
    }


def _texts(data: object) -> Iterator[str]:
    """Give all texts in data read from YAML."""
    if isinstance(data, str):
        yield data
    elif isinstance(data, dict | list):
        for child in data.values() if isinstance(data, dict) else data:
            yield from _texts(child)


def _is_hidden(path: Path, root: Path) -> bool:
    parts = path.relative_to(root).parts
    return any(part.startswith(".") or part in ("__pycache__", "_build") for part in parts)
