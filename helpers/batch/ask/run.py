"""A run that is wanted: a notebook as it was read, its parameters, and what it rests on."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from helpers.batch.ask.identity import (
    digest,
    digests,
    imported_digests,
    is_local,
    notebook_identity,
    run_id,
    with_parameters,
)
from helpers.batch.ask.imported import local_modules, written_files
from helpers.batch.ask.kinds import Value
from helpers.batch.ask.parameters import parameters_of
from helpers.batch.notebook import Notebook, read


@dataclass(frozen=True)
class Run:
    """One run that is wanted.

    Attributes:
        id: the name of its folder.
        identity: the digest of all that its result depends on.
        notebook: the notebook, as it was read when its identity was taken.
        given: validated parameters that differ from the defaults or were given.
        parameters: all declared parameters.
        sources: digests of the files of `helpers` that its code reads.
        beside: digests of the modules beside the notebook, and of files that the user has named,
            by their places seen from the notebook's folder.
    """

    id: str
    identity: str
    notebook: Notebook
    given: Mapping[str, Value]
    parameters: Mapping[str, Value]
    sources: Mapping[str, str] = field(default_factory=dict, repr=False)
    beside: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def loads_data(self) -> bool:
        """Whether its code loads the data sets of the book."""
        return any(name.startswith("data/") for name in self.sources)

    def planned(self) -> dict:
        """Return what the list of planned runs says of it."""
        return {
            "id": self.id,
            "identity": self.identity,
            "chapter": self.notebook.name,
            "notebook": self.notebook.path.as_posix(),
            "given": dict(self.given),
            "parameters": dict(self.parameters),
        }


def make_run(notebook: Path, given: Mapping[str, Value]) -> Run:
    """Return the run of a notebook's file with validated parameters."""
    return make_runs([(read(notebook), given)])[0]


def make_runs(
    points: Iterable[tuple[Notebook, Mapping[str, Value]]], *, files: Iterable[Path] = ()
) -> list[Run]:
    """Return the runs of notebooks with validated parameters.

    Args:
        points: notebooks and what each is given.
        files: what else all of them rest on.
    """
    files, read_once, runs = list(files), {}, []
    for notebook, given in points:
        if notebook.path not in read_once:
            read_once[notebook.path] = _shared(notebook, files)
        shared, defaults, named, more = read_once[notebook.path]
        parameters = defaults | dict(given)
        identity = with_parameters(shared, parameters, named)
        key = run_id(notebook.name, identity)
        runs.append(Run(key, identity, notebook, dict(given), parameters, **more))
    return runs


def seen_imports(run: Run, files: Iterable[str], *, since: float) -> dict[str, str]:
    """Return digests of the modules that a run has imported and its identity does not hold.

    Args:
        run: what was executed in its notebook's folder.
        files: of all modules that its kernel had loaded.
        since: when it began; of a file that was written later nobody knows which text was read.

    Returns:
        Digests by places seen from the notebook's folder, empty where the text is not known.
    """
    folder = run.notebook.path.parent
    known = written_files(run.notebook.code, folder) | {folder / name for name in run.beside}
    known = {file.resolve() for file in known}
    found = {}
    for file in map(Path, files):
        if file.is_file() and is_local(file) and file.resolve() not in known:
            name = Path(os.path.relpath(file, folder)).as_posix()
            found[name] = digest(file) if file.stat().st_mtime < since else ""
    return found


def _shared(notebook: Notebook, files: Iterable[Path]) -> tuple[str, dict, dict, dict]:
    """Return what all runs of a notebook share: identity, defaults, digests of files."""
    folder = notebook.path.parent
    named = digests(files, folder)
    more = {
        "sources": imported_digests(notebook.content),
        "beside": digests(local_modules(notebook.code, folder), folder) | named,
    }
    defaults = {parameter.name: parameter.default for parameter in parameters_of(notebook)}
    return notebook_identity(notebook.content, notebook.path), defaults, named, more
