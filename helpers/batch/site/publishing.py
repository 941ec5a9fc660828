"""Puts pages where readers see them: each file, or the whole site, by a rename.

A site is unfinished while chapters show the outputs that were committed. Its pages say so, and a
note in the folder, so that the next build goes on with it.
"""

import re
import shutil
import tempfile
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
    """
    if not is_site(site):
        with _draft(site) as draft:
            for name, data in _files(pages, marks):
                (draft / name).parent.mkdir(parents=True, exist_ok=True)
                (draft / name).write_bytes(data)
            (draft / UNFINISHED).touch()
            replace(draft, site)
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
    """Put rendered pages in the place of a site, as a whole, and say what they were made from."""
    with _draft(site) as draft:
        shutil.copytree(pages, draft, dirs_exist_ok=True)
        (draft / IDENTITY).write_text(identity)
        replace(draft, site)


@contextmanager
def _draft(site: Path) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix=_prefix(site), dir=site.parent))
    try:
        (folder / "html").mkdir()
        yield folder / "html"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _prefix(site: Path) -> str:
    return f".staging-{site.name}-"


def replace(new: Path, site: Path) -> None:
    """Put a new site where an old one is, by two renames."""
    old = new.with_name("old")
    if site.exists():
        site.rename(old)
    try:
        new.rename(site)
    except OSError as error:
        if old.exists():
            old.rename(site)
        raise BatchError(f"the new site could not be put in place: {error}") from error


@contextmanager
def one_build(site: Path) -> Iterator[None]:
    """Keep other builds away for the time of a `with` block, and remove what killed ones left.

    Raises:
        UsageError: Another build is at work here.
    """
    try:
        site.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(site.with_name(f".{site.name}.lock"), timeout=0):
            for left in site.parent.glob(f"{_prefix(site)}*"):
                shutil.rmtree(left, ignore_errors=True)
            yield
    except Timeout as error:
        raise UsageError(f"one build at a time. Received: another one is at {site}") from error
