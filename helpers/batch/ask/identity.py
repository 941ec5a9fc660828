"""What makes two runs the same: a digest of all that a result depends on.

That is the notebook's place, its code cells, the parameters, the modules that the code imports from
`helpers` and from the notebook's folder, directly or not, the installed versions, the data files,
what confirmed the claims of the code, variables of the environment that its cells read by name, and
files that the user has named. Prose, captions, outputs and how a cell is shown are not part of it.
Further modules that a run was seen to import are in its result. What else a notebook reads cannot
be known.
"""

import hashlib
import json
import os
import re
import sys
import sysconfig
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from platform import python_version

from helpers.batch.ask.environment import variables_read
from helpers.batch.ask.imported import imported_files, local_modules
from helpers.batch.ask.kinds import Value
from helpers.batch.book import CHECKOUT
from helpers.batch.notebook import Notebook, source, tags

PACKAGE = CHECKOUT / "helpers"
# Tags that change what is executed; all others say how a cell is shown.
EXECUTION_TAGS = {"parameters", "raises-exception", "skip-execution"}
INSTALLED = re.compile(r"[/\\](?:site|dist)-packages[/\\]")
OTHERS = tuple(f"{folder}{os.sep}" for folder in (PACKAGE, sysconfig.get_path("stdlib")))
METADATA = {".dist-info", ".egg-info"}  # beside the packages of a distribution


def rests_on(
    notebook: Notebook, files: Iterable[Path] = (), *, package: Path = PACKAGE
) -> dict[str, dict[str, str]]:
    """Return what all runs of a notebook rest on that may change while one of them runs.

    Args:
        notebook: the notebook.
        files: what else the user has named.
        package: the folder of `helpers`.

    Returns:
        The attributes of a `Run` that say it, by their names.
    """
    folder = notebook.path.parent
    beside = [*local_modules(notebook.code, folder), *files]
    return {
        "sources": imported_digests(notebook.content, package=package),
        "beside": digests(beside, folder),
        "confirmed": confirmed_digests(notebook.code, package.parent / "results"),
        "installed": by_folder(installed()),
    }


def notebook_identity(notebook: Notebook, rests: Mapping[str, Mapping[str, str]]) -> str:
    """Return the digest of what all runs of a notebook share.

    Args:
        notebook: the notebook. Two of equal code in two folders read two sets of files.
        rests: what `rests_on` says of it.
    """
    cells = [cell for cell in notebook.content["cells"] if cell["cell_type"] == "code"]
    executed = [source(cell) for cell in cells if "skip-execution" not in tags(cell)]
    return _digest_of(
        {
            **rests,
            "place": notebook.path.as_posix(),
            "code": [(source(cell), sorted(EXECUTION_TAGS & set(tags(cell)))) for cell in cells],
            "installed": [f"python-{python_version()}", *places(rests["installed"])],
            "environment": environment_digests(executed),
        }
    )


def environment_digests(cells: Iterable[str]) -> dict[str, str]:
    """Return digests, for they may be secrets, of variables that cells read by their names."""
    names = sorted(variables_read(cells))
    return {name: _digest_of(os.environ.get(name)) for name in names}


def confirmed_digests(cells: Iterable[str], results: Path = CHECKOUT / "results") -> dict[str, str]:
    """Return a digest of each file of confirming results that belongs to claims of the code.

    Args:
        cells: sources of code cells; a claim's id begins with its chapter's name and a hyphen.
        results: the folder of such files, named after chapters.
    """
    code = "\n".join(cells)
    files = sorted(results.glob("*.json"))
    return {file.name: digest(file) for file in files if f"{file.stem}-" in code}


def with_parameters(identity: str, parameters: Mapping[str, Value], data: Mapping[str, str]) -> str:
    """Return the digest of a run, given its notebook's identity.

    Args:
        identity: the notebook's.
        parameters: the run's.
        data: digests of the data files that they name.
    """
    parts = {"notebook": identity, "parameters": dict(parameters), "data": dict(data)}
    return _digest_of(parts)


def _digest_of(parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def imported_digests(notebook: Mapping, *, package: Path = PACKAGE) -> dict[str, str]:
    """Return a digest of each file of `helpers` that the notebook's code makes Python read."""
    cells = [source(cell) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    return digests(imported_files(cells, package), package)


def digests(files: Iterable[Path], folder: Path) -> dict[str, str]:
    """Return the files' digests, by their places seen from a folder."""
    return {Path(os.path.relpath(file, folder)).as_posix(): digest(file) for file in files}


def changed(recorded: Mapping[str, str], folder: Path = PACKAGE) -> list[str]:
    """Return the files of a folder that are missing or have another digest than was recorded."""
    files = {name: folder / name for name in recorded}
    return [
        name for name, file in files.items() if not file.is_file() or digest(file) != recorded[name]
    ]


def is_local(file: Path | str) -> bool:
    """Say whether a file of Python is neither installed, nor Python's, nor one of `helpers`."""
    text = f"{file}{os.sep}"  # a text: a kernel has loaded thousands of files
    return not (INSTALLED.search(text) or text.startswith(OTHERS))


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


def installed() -> dict[str, str]:
    """Return where the metadata of all installed distributions lies, by name and version, sorted.

    The names of the folders and files that hold it say them, which takes no time to read.
    """
    folders = [place for place in sys.path if place and os.path.isdir(place)]
    found: dict[str, str] = {}
    for entry in (entry for folder in folders for entry in os.scandir(folder)):
        name, kind = os.path.splitext(entry.name)
        if kind in METADATA and "-" in name:  # else no version is told
            found.setdefault(name, os.path.abspath(entry.path))
    return dict(sorted(found.items()))


def by_folder(found: Mapping[str, str]) -> dict[str, str]:
    r"""Return what `installed` says as one text a folder, for it travels with each run.

    >>> by_folder({"a-1": "/site/a-1.dist-info", "b-2": "/site/b-2.egg-info"})
    {'/site': 'a-1.dist-info\nb-2.egg-info'}
    """
    folders: dict[str, list[str]] = {}
    for folder, name in map(os.path.split, found.values()):
        folders.setdefault(folder, []).append(name)
    return {folder: "\n".join(names) for folder, names in folders.items()}


def places(folders: Mapping[str, str]) -> dict[str, str]:
    """Return what `by_folder` was given.

    >>> places({"/site": "a-1.dist-info"})
    {'a-1': '/site/a-1.dist-info'}
    """
    found = {
        os.path.splitext(name)[0]: os.path.join(folder, name)
        for folder, names in folders.items()
        for name in names.split("\n")
    }
    return dict(sorted(found.items()))


def installed_versions() -> list[str]:
    """Return Python's version, and name and version of every installed distribution."""
    return [f"python-{python_version()}", *installed()]


def data_digests(parameters: Mapping[str, Value]) -> dict[str, str]:
    """Return a digest of each data file in `DNNBOOK_DATA` that the parameters name.

    The embedded data set is pinned with the package that holds it, and Keras checks its downloads.
    """
    folder = os.environ.get("DNNBOOK_DATA")
    given = [parameters.get(name) for name in ("dataset", "datasets")]
    names = {
        name
        for value in given
        for name in (value if isinstance(value, list) else [value])
        if isinstance(name, str) and re.fullmatch(r"\w+", name)
    }
    files = {name: Path(folder) / f"{name}.npz" for name in names} if folder else {}
    return {name: _stable_digest(file) for name, file in sorted(files.items()) if file.is_file()}


def _stable_digest(file: Path) -> str:
    state = file.stat()
    return _digest_once(file, state.st_mtime_ns, state.st_size)


@cache
def _digest_once(file: Path, modified: int, size: int) -> str:
    return digest(file)
