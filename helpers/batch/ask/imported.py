"""Which files the code of a notebook makes Python read: of `helpers`, and beside the notebook.

Imports are read, not run, wherever they stand. What code computes, as the name of a module or a
folder that it adds to `sys.path`, cannot be seen before it has run.
"""

import ast
import os
import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from helpers.batch.ask.syntax import parsed, python_of

# Read by what is imported, from the folder in which a kernel starts.
SETTINGS = ("matplotlibrc", "ipython_config.py", "ipython_kernel_config.py")


def imported_files(cells: Iterable[str], package: Path) -> list[Path]:
    """Return the files of `helpers` that code cells make Python read, directly or not.

    Args:
        cells: sources of code cells; one that cannot be read counts as importing everything.
        package: the folder of `helpers`.

    Returns:
        Sorted paths: modules, and every file that is no module, such as a style sheet.
    """
    found: set[Path] = set()
    waiting = [name for cell in cells for name in _own_imports(python_of(cell), package)]
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
    """Return the files in a notebook's folder that its cells import or name, directly or not.

    Args:
        cells: sources of code cells. A name of a file of Python in them counts as its import, as
            in `%run name`, `!python name.py`, `!python -m name` or `exec(open("name.py").read())`.
        folder: the notebook's.

    Returns:
        Sorted paths, with those of settings. Where a cell cannot be read, every module in the
        folder and in its packages. What the notebook writes itself is not among them.
    """
    cells = list(cells)
    found = {folder / name for name in SETTINGS if (folder / name).is_file()}
    waiting = [file for cell in cells for file in _read_by(cell, folder)]
    while waiting:
        file = waiting.pop()
        if file not in found:
            found.add(file)
            text = file.read_text("utf-8", "replace")
            names = (_imports(text) or set()) | _called(text)
            for start in {folder, file.parent}:  # a script's own folder comes first when it is run
                waiting += _local(names, start, file.parent)
    return sorted(found - written_files(cells, folder))


def written_files(cells: Iterable[str], folder: Path) -> set[Path]:
    """Return the files that whole cells are written to: the code says what they hold."""
    names = (re.match(r"\s*%%(?:writefile|file)\s+(?:-a\s+)?[\"']?([^\s\"']+)", c) for c in cells)
    return {folder / name[1] for name in names if name}


def _read_by(cell: str, folder: Path) -> list[Path]:
    """Return the files in a folder that a cell imports or names."""
    names = _imports(python_of(cell))
    if names is None:
        packages = [file.parent for file in folder.glob("*/__init__.py")]
        return [*folder.glob("*.py"), *(file for one in packages for file in one.rglob("*.py"))]
    quoted = [text for _, text in re.findall(r"([\"'])([^\"'\n]+?\.py)\1", cell)]
    bare = re.findall(r"[\w./~-]+\.py\b", cell)
    run = re.findall(r"^\s*%(?:run|load)\s+(?:-\S+\s+)*([^\s#]+)", cell, re.MULTILINE)
    texts = {*quoted, *bare, *(text.strip("\"'") + end for text in run for end in ("", ".py"))}
    # `os.path` takes what is too long for a name for what it is: no file.
    files = [folder / text for text in texts if os.path.isfile(folder / text)]
    return files + _local(names | _called(cell), folder, folder)


def _called(code: str) -> set[str]:
    """Return the modules that code imports by a call that names them, or has Python run by `-m`."""
    calls = r"\b(?:import_module|__import__|run_module)\(\s*[\"']([\w.]+)[\"']"
    run = re.findall(r"(?<![\w-])-\w*m[\s\"',]+([\w.]+)", code)
    return {*re.findall(calls, code), *run, *(f"{name}.__main__" for name in run)}


def imported_packages(codes: Iterable[str]) -> list[str]:
    """Return the packages that code imports itself, by their first names, sorted.

    >>> imported_packages(["import keras.ops as ops; from os import path", "from . import near"])
    ['keras', 'os']
    """
    names = {name for code in codes for name in _imports(python_of(code)) or ()}
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


def _own_imports(code: str | None, package: Path) -> set[str]:
    names = _imports(code)
    if names is None:
        modules = package.rglob("*.py")
        return {".".join((package.name, *file.relative_to(package).parts)) for file in modules}
    return {name for name in names if name.split(".")[0] == package.name}


@lru_cache(maxsize=2_000)  # notebooks share most of the modules that they read
def _imports(code: str | None) -> frozenset[str] | None:
    """Return the dotted names that code imports, wherever it does; None if it is no Python."""
    try:
        tree = None if code is None else parsed(code)
    except (SyntaxError, ValueError):
        return None
    if tree is None:
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
