"""What a site is made of: the book's pages, with the outputs of executed chapters."""

import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from helpers.batch.chapters import absolute, read_toc, tags
from helpers.batch.identity import PACKAGE, digest
from helpers.batch.runs import Run


def copy_sources(root: Path, staging: Path) -> None:
    """Copy what the book is made of: its configuration and every folder that holds a page."""
    folders = {page.relative_to(root).parts[0] for page in read_toc(root)}
    ignore = shutil.ignore_patterns(".*", "__pycache__", "_build")
    for name in sorted({"_config.yml", "_toc.yml"} | folders):
        if (root / name).is_dir():
            shutil.copytree(root / name, staging / name, ignore=ignore)
        else:
            shutil.copy2(root / name, staging / name)


def merge(notebook: Mapping, executed: Mapping) -> dict:
    """Return a notebook with the outputs of an execution of the same code.

    Prose and captions are the notebook's own: they may have changed since it was executed. The
    cell that papermill has added with the parameters is taken over.
    """
    outputs = iter([cell for cell in executed["cells"] if cell["cell_type"] == "code"])
    cells = []
    for cell in notebook["cells"]:
        cells.append(dict(cell))
        if cell["cell_type"] == "code":
            done = next(outputs)
            for key in ("outputs", "execution_count"):
                cells[-1][key] = done[key]
            if "parameters" in tags(cell):
                added = [cell for cell in executed["cells"] if "injected-parameters" in tags(cell)]
                cells += added
                for _ in added:
                    next(outputs)
    return {**notebook, "cells": cells}


def site_identity(root: Path, runs: Iterable[Run]) -> str:
    """Return a digest of all that the site is made of."""
    parts = [run.identity for run in runs]
    notebooks = {run.notebook.path: run.notebook.content for run in runs}
    for file in sorted(_source_files(root)):
        notebook = notebooks.get(absolute(file))
        if notebook is not None:  # its committed outputs do not count
            cells = json.dumps(notebook["cells"], sort_keys=True)
            content = hashlib.sha256(cells.encode()).hexdigest()
        else:
            content = digest(file)
        parts.append(f"{file.relative_to(root)} {content}")
    # The reference is made from docstrings, and the renderer itself may change.
    parts += [digest(file) for file in sorted(PACKAGE.rglob("*.py"))]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _source_files(root: Path) -> list[Path]:
    folders = {page.relative_to(root).parts[0] for page in read_toc(root)}
    found = [root / "_config.yml", root / "_toc.yml"]
    for name in folders:
        place = root / name
        inside = [
            path for path in place.rglob("*") if path.is_file() and not _is_hidden(path, root)
        ]
        found += inside if place.is_dir() else [place]
    return found


def _is_hidden(path: Path, root: Path) -> bool:
    parts = path.relative_to(root).parts
    return any(part.startswith(".") or part in ("__pycache__", "_build") for part in parts)
