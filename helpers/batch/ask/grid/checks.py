"""Checks what a grid says against what the notebooks declare; notes every mistake."""

import glob
import json
import os
from dataclasses import dataclass
from pathlib import Path

from helpers.batch.ask.grid.file import GridFile, received
from helpers.batch.ask.grid.schema import ALL
from helpers.batch.ask.kinds import Value
from helpers.batch.ask.parameters import Parameter, parameters_of
from helpers.batch.ask.validation import validate
from helpers.batch.book import SUFFIXES, chapter_name, chapters, find_in_book
from helpers.batch.errors import (
    AmbiguousChapterError,
    NotebookError,
    ParameterError,
    UnknownChapterError,
    nearest,
)
from helpers.batch.notebook import Notebook, absolute, read


@dataclass(frozen=True)
class Chapter:
    """A notebook, what it declares, and the grid's parameters that it takes: swept and fixed."""

    notebook: Notebook
    declared: dict[str, Parameter]
    axes: dict[str, list[Value]]
    fixed: dict[str, Value]


@dataclass(frozen=True)
class Rule:
    """A checked entry of `exclude` or `include`: the chapters that it may concern, its values."""

    place: tuple[str, int]
    values: list[tuple[Chapter, dict[str, Value]]]

    def wanted(self, chapter: Chapter) -> dict[str, Value] | None:
        """Return the values for a chapter; None if the entry does not concern it."""
        return next((values for own, values in self.values if own is chapter), None)


def read_chapters(file: GridFile, *, root: Path) -> dict[Path, Chapter]:
    """Return the chapters of the grid that exist and take what it gives them; note the others."""
    if file.grid.chapters == [ALL]:
        found = [(absolute(notebook), ("chapters",)) for notebook in chapters(root)]
    else:
        places = [("chapters", number) for number in range(len(file.grid.chapters))]
        texts = zip(file.grid.chapters, places, strict=True)
        found = [(_find(file, text, *place, root=root), place) for text, place in texts]
    known: dict[Path, Chapter] = {}
    complete = True
    for notebook, place in found:
        if notebook in known:
            file.complain(f"{chapter_name(notebook)} is among `chapters` already.", *place)
        elif notebook and (chapter := _read(file, notebook, file.grid.parameters, *place)):
            known[notebook] = chapter
        else:
            complete = False
    if not complete:  # what a missing chapter declares is not known: no name can be judged
        file.require()
    _check_names(file, file.grid.parameters, list(known.values()), "parameters")
    return known


def read_files(file: GridFile) -> list[Path]:
    """Return the files that the grid names, seen from its own place; note names without a file."""
    found, folder = [], file.path.parent
    for number, text in enumerate(file.grid.files):
        names = [text, *sorted(glob.glob(text, root_dir=folder, recursive=True))]
        matches = [folder / name for name in names if os.path.isfile(folder / name)]
        if not matches:
            rule = "must be a file, or a pattern of files, seen from the grid file"
            hint = f'. Write "{text.rstrip("/")}/**"' if os.path.isdir(folder / text) else ""
            file.complain(f"each entry of `files` {rule}. {received(text)}{hint}", "files", number)
        found += matches
    return list(dict.fromkeys(found))


def _find(file: GridFile, text: str, *place: str | int, root: Path) -> Path | None:
    """Return the notebook that a text means; note the mistake if there is none."""
    beside = file.path.parent / text
    if text.endswith(SUFFIXES) and os.path.isfile(beside):  # Path.is_file fails on a long name
        return absolute(beside)
    try:
        return absolute(find_in_book(text, root=root))
    except AmbiguousChapterError as error:
        file.complain(str(error), *place)
    except UnknownChapterError:
        has_book = (root / "_toc.yml").is_file()
        names = [chapter_name(notebook) for notebook in chapters(root)] if has_book else []
        hint = nearest(chapter_name(Path(text)), names)
        rule = "must be a chapter's name or number, or a notebook's path from the grid file"
        subject = "`chapter`" if place[-1] == "chapter" else "each entry of `chapters`"
        file.complain(f"{subject} {rule}. {received(text)}. {hint}", *place)
    return None


def _read(file: GridFile, path: Path, given: dict, *place: str | int) -> Chapter | None:
    """Return a chapter with what it takes of the given parameters; note what is wrong."""
    try:
        notebook = read(path)
        declared = {parameter.name: parameter for parameter in parameters_of(notebook)}
    except NotebookError as error:
        file.complain(str(error), *place)
        return None
    taken = {name: value for name, value in given.items() if name in declared}
    axes = {name: _axis(file, declared[name], value) for name, value in taken.items()}
    fixed = {name: axes[name][0] for name, value in taken.items() if not isinstance(value, list)}
    return Chapter(notebook, declared, axes, fixed)


def _axis(file: GridFile, parameter: Parameter, given: object) -> list[Value]:
    """Return the values of a parameter: a list is swept, anything else is the only one."""
    place = ("parameters", parameter.name)
    if not isinstance(given, list):
        return [_check(file, parameter, given, *place)]
    if isinstance(parameter.default, list) and not any(isinstance(one, list) for one in given):
        hint = f"write {json.dumps([given], default=str)[:200]} for one run with this list"
        file.complain(f"`{parameter.name}` takes a list, and a list is swept: {hint}.", *place)
        return given
    return [_check(file, parameter, value, *place, number) for number, value in enumerate(given)]


def _check(file: GridFile, parameter: Parameter, value: object, *place: str | int) -> Value:
    try:
        return validate({parameter.name: value}, [parameter])[parameter.name]
    except ParameterError as error:
        file.complain(str(error), *place)
        return value


def _check_names(file: GridFile, names: dict, known: list[Chapter], *place: str | int) -> None:
    """Note each name that no chapter declares."""
    declared = {name for chapter in known for name in chapter.declared}
    for name in names.keys() - declared:
        hint = nearest(name, declared)
        file.complain(f"`{name}` must be a declared parameter. {hint}", *place, name, key=True)


def check_entry(
    file: GridFile, place: tuple[str, int], known: dict[Path, Chapter], *, root: Path
) -> Rule:
    """Check an entry of `exclude` or `include` against the chapters that it may concern."""
    entry = getattr(file.grid, place[0])[place[1]]
    concerned = list(known.values())
    if entry.chapter is not None:
        concerned = _named_chapter(file, entry.chapter, place, known, root=root)
    names = entry.model_extra
    takers = [chapter for chapter in concerned if names.keys() <= chapter.declared.keys()]
    before = len(file.mistakes)
    if concerned:
        _check_names(file, names, concerned, *place)
        if not takers and len(file.mistakes) == before:
            file.complain(f"no chapter of the grid declares all of {', '.join(names)}.", *place)
    values = [
        {name: _check(file, chapter.declared[name], names[name], *place, name) for name in names}
        for chapter in takers
    ]
    return Rule(place, list(zip(takers, values, strict=True)))


def _named_chapter(
    file: GridFile, text: str, place: tuple[str, int], known: dict[Path, Chapter], *, root: Path
) -> list[Chapter]:
    """Return the chapter that an entry names, in a list, which is empty if it is wrong."""
    kind, number = place
    notebook = _find(file, text, kind, number, "chapter", root=root)
    if notebook is None or notebook in known:
        return [known[notebook]] if notebook else []
    if kind == "exclude":
        hint = f"{received(text)}. {nearest(text, map(chapter_name, known))}"
        file.complain(f"`chapter` must be among `chapters`. {hint}", *place, "chapter")
        return []
    # A chapter that only `include` names is not swept; what is fixed holds for it as well.
    given = {
        name: value for name, value in file.grid.parameters.items() if not isinstance(value, list)
    }
    chapter = _read(file, notebook, given, *place, "chapter")
    return [chapter] if chapter else []
