"""A run that is wanted: a notebook as it was read, its parameters, and what it rests on."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from helpers.batch.ask.identity import (
    PACKAGE,
    data_digests,
    digest,
    is_local,
    notebook_identity,
    rests_on,
    run_id,
    with_parameters,
)
from helpers.batch.ask.imported import written_files
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
        confirmed: digests of the files that say which of its claims were confirmed, by their names.
        installed: names of the metadata of all distributions, a line each, by their folders.
        data: digests of the files of its data sets, by their names.
    """

    id: str
    identity: str
    notebook: Notebook
    given: Mapping[str, Value]
    parameters: Mapping[str, Value]
    sources: Mapping[str, str] = field(default_factory=dict, repr=False)
    beside: Mapping[str, str] = field(default_factory=dict, repr=False)
    confirmed: Mapping[str, str] = field(default_factory=dict, repr=False)
    installed: Mapping[str, str] = field(default_factory=dict, repr=False)
    data: Mapping[str, str] = field(default_factory=dict, repr=False)

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
    points: Iterable[tuple[Notebook, Mapping[str, Value]]],
    *,
    files: Iterable[Path] = (),
    confirming: bool = False,
) -> list[Run]:
    """Return the runs of notebooks with validated parameters.

    Args:
        points: notebooks and what each is given.
        files: what else all of them rest on.
        confirming: whether they are to confirm claims, which rests on no earlier confirmation.
    """
    files, read_once, runs = list(files), {}, []
    for notebook, given in points:
        if notebook.path not in read_once:
            read_once[notebook.path] = _shared(notebook, files, confirming)
        shared, defaults, rests = read_once[notebook.path]
        parameters = defaults | dict(given)
        data = data_digests(parameters)
        identity = with_parameters(shared, parameters, data)
        key = run_id(notebook.name, identity)
        runs.append(Run(key, identity, notebook, dict(given), parameters, **rests, data=data))
    return runs


def seen_imports(run: Run, files: Iterable[str], *, since: float) -> dict[str, str]:
    """Return digests of the modules that a run has imported and its identity does not hold.

    Args:
        run: what was executed in its notebook's folder.
        files: of all modules that its kernel had loaded.
        since: when it began; of a file that was written later nobody knows which text was read.

    Returns:
        Digests by places seen from the notebook's folder, empty where the text is not known. What
        belongs to `helpers` is not among them.
    """
    folder = run.notebook.path.parent
    known = written_files(run.notebook.code, folder) | {folder / name for name in run.beside}
    known = {file.resolve() for file in known}
    local = {_on_disk(Path(file)) for file in files if is_local(file)}
    return _as_read(sorted(file for file in local if file.resolve() not in known), folder, since)


def seen_helpers(run: Run, files: Iterable[str], *, since: float) -> dict[str, str]:
    """Return digests of the modules of `helpers` that a run has imported unannounced.

    Takes and gives what `seen_imports` does. Places are seen from the folder of `helpers`, and mean
    the same on every machine. What runs notebooks is in every kernel, and not among them.
    """
    begin = f"{PACKAGE}{os.sep}"
    names = (file.removeprefix(begin) for file in files if file.startswith(begin))
    announced = {*run.sources, "__init__.py"}
    others = [name for name in names if Path(name).as_posix() not in announced]
    return _as_read(
        (PACKAGE / name for name in others if Path(name).parts[0] != "batch"), PACKAGE, since
    )


def _on_disk(module: Path) -> Path:
    """Return a module's file, or the archive in which it lies."""
    return next((file for file in (module, *module.parents) if file.is_file()), module)


def _as_read(files: Iterable[Path], folder: Path, since: float) -> dict[str, str]:
    """Return digests of files by their places seen from a folder; of a later text an empty one."""
    found = {}
    for file in files:
        if file.is_file():
            name = Path(os.path.relpath(file, folder)).as_posix()
            found[name] = digest(file) if file.stat().st_mtime < since else ""
    return found


def _shared(notebook: Notebook, files: Iterable[Path], confirming: bool) -> tuple[str, dict, dict]:
    """Return what all runs of a notebook share: identity, defaults, what they rest on."""
    rests = rests_on(notebook, files) | ({"confirmed": {}} if confirming else {})
    defaults = {parameter.name: parameter.default for parameter in parameters_of(notebook)}
    return notebook_identity(notebook, rests), defaults, rests
