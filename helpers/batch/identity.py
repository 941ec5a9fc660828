"""What makes two runs the same: a digest of all that a result depends on.

That is the code cells, the parameters, the modules of `helpers` that the code imports, directly or
not, the pinned versions, the data files, and what confirmed the claims of the code. Prose, captions
and outputs are not part of it.
"""

import ast
import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from helpers.batch.chapters import CHECKOUT, source, tags
from helpers.batch.parameters import Value

PACKAGE = CHECKOUT / "helpers"


def run_identity(
    notebook: Mapping, parameters: Mapping[str, Value], *, package: Path = PACKAGE
) -> str:
    """Return the digest of a run, 64 hexadecimal digits.

    Args:
        notebook: the notebook's content.
        parameters: all declared parameters by name, defaults filled in.
        package: the folder of `helpers`.
    """
    return with_parameters(notebook_identity(notebook, package=package), parameters)


def notebook_identity(notebook: Mapping, *, package: Path = PACKAGE) -> str:
    """Return the digest of what all runs of a notebook share: code, helpers, versions."""
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    return _digest_of(
        {
            "code": [(source(cell), tags(cell)) for cell in cells],
            "helpers": imported_digests(notebook, package=package),
            "versions": _pins(package.parent / "requirements.lock"),
            "confirmed": confirmed_digests(map(source, cells), package.parent / "results"),
        }
    )


def confirmed_digests(cells: Iterable[str], results: Path) -> dict[str, str]:
    """Return a digest of each file of confirming results that belongs to claims of the code.

    Args:
        cells: sources of code cells; a claim's id begins with its chapter's name and a hyphen.
        results: the folder of such files, named after chapters.
    """
    code = "\n".join(cells)
    files = sorted(results.glob("*.json"))
    return {file.name: digest(file) for file in files if f"{file.stem}-" in code}


def with_parameters(identity: str, parameters: Mapping[str, Value]) -> str:
    """Return the digest of the run that has these parameters, given its notebook's identity."""
    data = data_digests(parameters)
    return _digest_of({"notebook": identity, "parameters": dict(parameters), "data": data})


def _digest_of(parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def imported_digests(notebook: Mapping, *, package: Path = PACKAGE) -> dict[str, str]:
    """Return a digest of each file of `helpers` that the notebook's code makes Python read."""
    cells = [source(cell) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    files = imported_files(cells, package)
    return {file.relative_to(package).as_posix(): digest(file) for file in files}


def changed(digests: Mapping[str, str], *, package: Path = PACKAGE) -> list[str]:
    """Return the files of `helpers` that are missing or have another digest."""
    files = {name: package / name for name in digests}
    return [
        name for name, file in files.items() if not file.is_file() or digest(file) != digests[name]
    ]


def run_id(name: str, identity: str) -> str:
    """Return the name of a run's folder, harmless on every file system.

    >>> run_id("../my run", "0123456789abcdef")
    'my_run-0123456789ab'
    """
    plain = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")[:40]
    return f"{plain or 'run'}-{identity[:12]}"


def digest(file: Path) -> str:
    """Return the SHA-256 of a file's content."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def imported_files(cells: Iterable[str], package: Path = PACKAGE) -> list[Path]:
    """Return the files of `helpers` that code cells make Python read, directly or not.

    Args:
        cells: sources of code cells. Lines for IPython (`%`, `!`) are passed over; a cell that
            cannot be read counts as importing everything.
        package: the folder of `helpers`.

    Returns:
        Sorted paths: modules, and every file that is no module, such as a style sheet.
    """
    found: set[Path] = set()
    waiting = [name for cell in cells for name in _imports(_plain(cell), package)]
    while waiting:
        for file in _files(waiting.pop(), package):
            if file not in found:
                found.add(file)
                waiting += _imports(file.read_text("utf-8"), package)
    if not found:
        return []
    assets = {file for file in package.rglob("*") if file.is_file() and _is_asset(file, package)}
    return sorted(found | assets)


def _is_asset(file: Path, package: Path) -> bool:
    inside = file.relative_to(package).parts
    # Compiled files have a passing name while they are being written.
    return inside[0] != "batch" and "__pycache__" not in inside and file.suffix != ".py"


def _plain(cell: str) -> str:
    return "\n".join(line for line in cell.splitlines() if not re.match(r"\s*[%!]", line))


def _imports(code: str, package: Path) -> set[str]:
    """Return the dotted names below `helpers` that the code imports, wherever it does."""
    try:
        tree = ast.parse(code)
    except SyntaxError:
        modules = package.rglob("*.py")
        return {".".join(("helpers", *file.relative_to(package).parts)) for file in modules}
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in names if name.split(".")[0] == "helpers"}


def _files(name: str, package: Path) -> list[Path]:
    """Return the modules that an import of a dotted name runs: packages on the way, then itself."""
    files, folder = [package / "__init__.py"], package
    for part in name.split(".")[1:]:
        files += [folder / f"{part}.py", folder / part / "__init__.py"]
        folder /= part
    return [file for file in files if file.is_file()]


@cache
def _pins(lock: Path) -> list[str]:
    """Return the pinned versions, or those installed where there is no lock file."""
    if lock.is_file():
        lines = lock.read_text("utf-8").splitlines()
        return [line for line in lines if line and not line.lstrip().startswith("#")]
    from importlib.metadata import distributions

    return sorted(f"{found.name}=={found.version}" for found in distributions())


def data_digests(parameters: Mapping[str, Value]) -> dict[str, str]:
    """Return a digest of each data file in `DNNBOOK_DATA` that the parameters name.

    The embedded data set is pinned with the package that holds it, and Keras checks its downloads.
    """
    folder = os.environ.get("DNNBOOK_DATA")
    given = [parameters.get(name) for name in ("dataset", "datasets")]
    names = {name for value in given for name in (value if isinstance(value, list) else [value])}
    if not folder:
        return {}
    files = {name: Path(folder) / f"{name}.npz" for name in names if isinstance(name, str)}
    return {name: _stable_digest(file) for name, file in sorted(files.items()) if file.is_file()}


def _stable_digest(file: Path) -> str:
    state = file.stat()
    return _digest_once(file, state.st_mtime_ns, state.st_size)


@cache
def _digest_once(file: Path, modified: int, size: int) -> str:
    return digest(file)
