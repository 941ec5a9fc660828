"""Which files the code of a notebook makes Python read: of `helpers`, and beside the notebook.

Imports are read, not run, wherever they stand. What code computes, as the name of a module or a
folder that it adds to `sys.path`, cannot be seen.
"""

import ast
import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from helpers.batch.ask.syntax import as_python, parsed


def imported_files(cells: Iterable[str], package: Path) -> list[Path]:
    """Return the files of `helpers` that code cells make Python read, directly or not.

    Args:
        cells: sources of code cells. Lines for IPython (`%`, `!`) are passed over; a cell that
            cannot be read counts as importing everything.
        package: the folder of `helpers`.

    Returns:
        Sorted paths: modules, and every file that is no module, such as a style sheet.
    """
    found: set[Path] = set()
    waiting = [name for cell in cells for name in _own_imports(_plain(cell), package)]
    while waiting:
        for file in _modules(waiting.pop(), package.parent):
            if file not in found:
                found.add(file)
                waiting += _own_imports(file.read_text("utf-8"), package)
    if not found:
        return []
    assets = {file for file in package.rglob("*") if file.is_file() and _is_asset(file, package)}
    return sorted(found | assets)


def local_modules(cells: Iterable[str], folder: Path) -> list[Path]:
    """Return the modules in a notebook's folder that its cells import or run, directly or not.

    Args:
        cells: sources of code cells; `%run` and `%load` count as imports of a file.
        folder: the notebook's.

    Returns:
        Sorted paths. Where a cell cannot be read, every module directly in the folder.
    """
    found: set[Path] = set()
    waiting: list[Path] = []
    for cell in cells:
        names = _imports(_plain(cell))
        waiting += sorted(folder.glob("*.py")) if names is None else _local(names, folder, folder)
        for run in re.findall(r"^\s*%(?:run|load)\s+(?:-\S+\s+)*([^\s#]+)", cell, re.MULTILINE):
            file = folder / run.strip("\"'")
            waiting += [path for path in (file, file.with_suffix(".py")) if path.is_file()]
    while waiting:
        file = waiting.pop()
        if file not in found:
            found.add(file)
            names = _imports(file.read_text("utf-8", "replace")) or set()
            waiting += _local(names, folder, file.parent)
    return sorted(found)


def imported_packages(codes: Iterable[str]) -> list[str]:
    """Return the packages that code imports itself, by their first names, sorted.

    >>> imported_packages(["import keras.ops as ops; from os import path", "from . import near"])
    ['keras', 'os']
    """
    names = {name for code in codes for name in _imports(_plain(code)) or ()}
    return sorted({name.split(".")[0] for name in names} - {""})


def _local(names: Iterable[str], folder: Path, own: Path) -> list[Path]:
    """Return the files of imports; one that begins with dots is seen from the module's folder."""
    files = []
    for name in names:
        start = folder
        if name.startswith("."):
            dots = len(name) - len(name.lstrip("."))
            start, name = [own, *own.parents][dots - 1], name.lstrip(".")
        files += _modules(name, start)
    return files


def _is_asset(file: Path, package: Path) -> bool:
    inside = file.relative_to(package).parts
    # Compiled files have a passing name while they are being written.
    return inside[0] != "batch" and "__pycache__" not in inside and file.suffix != ".py"


def _plain(cell: str) -> str:
    """Return a cell's Python: nothing of one that is handed to another language as a whole."""
    magic = re.match(r"\s*%%(\w+)", cell)
    if magic and magic[1] not in ("time", "timeit", "capture", "prun"):
        return ""
    return "\n".join(line for line in cell.splitlines() if not re.match(r"\s*[%!]", line))


def _own_imports(code: str, package: Path) -> set[str]:
    names = _imports(code)
    if names is None:
        modules = package.rglob("*.py")
        return {".".join((package.name, *file.relative_to(package).parts)) for file in modules}
    return {name for name in names if name.split(".")[0] == package.name}


@lru_cache(maxsize=2_000)  # notebooks share most of the modules that they read
def _imports(code: str) -> frozenset[str] | None:
    """Return the dotted names that code imports, wherever it does; None if it is no Python."""
    try:
        tree = parsed(as_python(code))
    except (SyntaxError, ValueError):
        return None
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            separator = "." if node.module else ""
            names |= {f"{base}{separator}{alias.name}" for alias in node.names}
    return frozenset(names)


def _modules(name: str, folder: Path) -> list[Path]:
    """Return the modules that an import of a dotted name runs: packages on the way, then itself."""
    files: list[Path] = []
    for part in name.split("."):
        files += [folder / f"{part}.py", folder / part / "__init__.py"]
        folder /= part
    return [file for file in files if file.is_file()]
