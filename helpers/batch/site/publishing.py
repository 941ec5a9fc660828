"""Puts pages where readers see them: each file, or the whole site, by a rename.

A site is unfinished while chapters show the outputs that were committed. Its pages say so, and a
note in the folder, so that the next build goes on with it.
"""

import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import Enum
from html import escape
from pathlib import Path

from filelock import FileLock, Timeout

from helpers.batch.errors import BatchError, UsageError
from helpers.batch.results.store import Folder

UNFINISHED = ".unfinished"  # in a site: not all chapters have run for it
IDENTITY = ".identity"  # in a site: what it was made from
# What a page's text stands in: the first that it has.
PLACES = tuple(
    map(re.compile, (r'<article class="bd-article"[^>]*>', r"<main[^>]*>", r"<body[^>]*>"))
)


class State(Enum):
    """Whether a chapter has run for the page that shows it; the value is what the page says."""

    RUNNING = "Committed outputs; this page is being executed."
    FAILED = "Committed outputs; this page could not be executed: {error}"
    RUNS_BESIDE = "Chapters are being executed; until then they show their committed outputs."
    FAILED_BESIDE = "Chapters marked so could not be executed; they show their committed outputs."


def is_site(folder: Path) -> bool:
    """Return whether a folder holds a site."""
    return (folder / "searchindex.js").is_file()


def is_ours(folder: Path) -> bool:
    """Return whether a folder holds a site that was put there, and no history of anything.

    Any project's Sphinx writes the search index. A published site may lie in a repository.
    """
    notes = (folder / IDENTITY, folder / UNFINISHED)
    return any(note.is_file() for note in notes) and not (folder / ".git").exists()


def is_unfinished(site: Path) -> bool:
    """Return whether there is no site, or one for which not all chapters have run."""
    return not is_site(site) or (site / UNFINISHED).is_file()


def marked(page: str, state: State, error: str = "") -> str:
    """Return a page's HTML with a line at its top that says what its outputs are.

    >>> marked('<body><article class="bd-article">Text', State.RUNNING)
    '<body><article class="bd-article"><div class="admonition ...being executed.</p></div>Text'
    """
    kind = "warning" if state in (State.FAILED, State.FAILED_BESIDE) else "note"
    line = escape(state.value.format(error=error.partition("\n")[0][:200]))
    banner = f'<div class="admonition {kind} dnnbook-state" role="status"><p>{line}</p></div>'
    found = next(filter(None, (re.search(place, page) for place in PLACES)), None)
    return page if found is None else page[: found.end()] + banner + page[found.end() :]


def publish(pages: Path, site: Path, marks: Mapping[str, tuple[State, str]]) -> None:
    """Put rendered pages into an unfinished site, those that differ, one by one.

    Args:
        pages: the folder of the rendering.
        site: the folder that readers see; made as a whole if it is not there.
        marks: what pages say at their top, by their files' names in the site; "" for all others.

    Raises:
        BatchError: A page could not be written.
    """
    if not is_site(site):
        with _draft(site) as draft:
            for name, data in _files(pages, marks):
                (draft / name).parent.mkdir(parents=True, exist_ok=True)
                (draft / name).write_bytes(data)
            (draft / UNFINISHED).touch()
        return
    folder = Folder(site)
    for name, data in _files(pages, marks):
        if not (site / name).is_file() or (site / name).read_bytes() != data:
            folder.write_bytes(name.as_posix(), data)


def _files(pages: Path, marks: Mapping[str, tuple[State, str]]) -> Iterator[tuple[Path, bytes]]:
    """Give the files of a site: what pages load before the pages, the search index last."""
    found = [file for file in pages.rglob("*") if file.is_file()]
    found.sort(key=lambda file: (file.name == "searchindex.js", file.suffix == ".html"))
    for file in found:
        name = file.relative_to(pages)
        mark = marks.get(name.as_posix(), marks.get(""))
        is_page = file.suffix == ".html" and name.parts[0] not in ("_static", "_sources")
        if mark is not None and is_page:
            yield name, marked(file.read_text("utf-8"), *mark).encode("utf-8")
        else:
            yield name, file.read_bytes()


def finish(pages: Path, site: Path, identity: str) -> None:
    """Put rendered pages in the place of a site, as a whole, and say what they were made from.

    Raises:
        BatchError: They could not be put there; the site is as it was.
    """
    with _draft(site) as draft:
        shutil.copytree(pages, draft, dirs_exist_ok=True)
        (draft / IDENTITY).write_text(identity)


@contextmanager
def _draft(site: Path) -> Iterator[Path]:
    """Give a folder for a new site, and at its end put that where the old one is, by two renames.

    Raises:
        BatchError: It could not be written or put in place; the old site is where it was.
    """
    new, old = _staging(site) / "new", _staging(site) / "old"
    try:
        new.mkdir(parents=True)
        yield new
        if site.exists():
            site.rename(old)
        new.rename(site)
    except OSError as error:
        raise BatchError(f"the new site could not be put in place: {error}") from error
    finally:
        _tidy(site)


def _staging(site: Path) -> Path:
    return site.with_name(f".{site.name}-staging")


def _tidy(site: Path) -> None:
    """Remove what a build has left; where it was stopped between its renames, undo the first."""
    old = _staging(site) / "old"
    if old.exists() and not site.exists():
        old.rename(site)
    shutil.rmtree(_staging(site), ignore_errors=True)


@contextmanager
def one_build(site: Path) -> Iterator[None]:
    """Keep other builds away for the time of a `with` block, and remove what killed ones left.

    Raises:
        UsageError: Another build is at work here.
    """
    try:
        site.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(site.with_name(f".{site.name}.lock"), timeout=0):
            _tidy(site)
            yield
    except Timeout as error:
        raise UsageError(f"one build at a time. Received: another one is at {site}") from error
