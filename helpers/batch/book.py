"""Which notebook a name means, and which chapters the book has."""

import os
import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import yaml

from helpers.batch.errors import (
    AmbiguousChapterError,
    ConfigurationError,
    UnknownChapterError,
    nearest,
)
from helpers.batch.notebook import absolute

CHECKOUT = Path(__file__).resolve().parents[2]
SUFFIXES = (".ipynb", ".py", ".md", ".Rmd", ".qmd")  # all but the first are read by jupytext


def find_root(start: Path) -> Path:
    """Return the book's folder: the nearest one upward of `start` with a `_toc.yml`.

    Args:
        start: where to begin, as a rule the current folder.

    Returns:
        That folder; where there is none, this checkout, or `start` where there is no checkout.
    """
    for folder in [start.resolve(), *start.resolve().parents, CHECKOUT]:
        if (folder / "_toc.yml").is_file():
            return folder
    return start.resolve()


def home_of(file: Path, *, root: Path) -> Path:
    """Return the folder whose `_build` takes what comes of a notebook or a grid by default.

    It is the book's for whoever works in it, and for what lies in it. For all others it is the
    current one: a checkout that was found for want of a book takes no results of foreign notebooks.
    """
    here = Path.cwd()
    return root if any(one.is_relative_to(root) for one in (here, absolute(file))) else here


def read_toc(root: Path) -> list[Path]:
    """Return the pages of the book in `root` in their order, as `_toc.yml` lists them.

    Raises:
        ConfigurationError: `_toc.yml` is missing, no YAML, or names a page that does not exist.
    """
    path = root / "_toc.yml"
    try:
        toc = _parsed(path.read_text("utf-8"))
    except OSError as error:
        rule = "`_toc.yml` must be a readable file"
        raise ConfigurationError(f"{rule}. Received: {path}: {error.strerror}") from error
    except (ValueError, yaml.YAMLError) as error:
        raise ConfigurationError(f"`_toc.yml` must be YAML. Received: {error}") from error
    pages: dict[Path, None] = {}
    for key, entry in _entries(toc):
        found = _pages(root, entry) if key == "glob" else _page(root, entry)
        if not found:
            raise ConfigurationError(f"`_toc.yml` must name pages that exist. Received: {entry}")
        pages |= dict.fromkeys(found)
    return list(pages)


@lru_cache(maxsize=8)
def _parsed(text: str) -> object:
    """Return what YAML says; a renderer asks for it with every claim that it shows."""
    return yaml.safe_load(text)


PAGES = ("", ".ipynb", ".md", ".rst")


def _page(root: Path, entry: str) -> list[Path]:
    found = [root / f"{entry}{suffix}" for suffix in PAGES]
    return [page for page in found if page.is_file()][:1]


def _pages(root: Path, pattern: str) -> list[Path]:
    """Return the pages that a pattern of names without suffixes means, in Sphinx' order."""
    found = {page for suffix in PAGES[1:] for page in root.glob(f"{pattern}{suffix}")}
    return sorted(found, key=lambda page: page.relative_to(root).with_suffix("").as_posix())


def _entries(node: object) -> list[tuple[str, str]]:
    """Collect what stands under `root`, `file` and `glob`, depth first."""
    if isinstance(node, list):
        return [entry for child in node for entry in _entries(child)]
    if not isinstance(node, dict):
        return []
    own = [(key, str(node[key])) for key in ("root", "file", "glob") if key in node]
    return own + [entry for child in node.values() for entry in _entries(child)]


def chapters(root: Path) -> list[Path]:
    """Return the notebooks of the book in `root` in the order of `_toc.yml`."""
    return [page for page in read_toc(root) if page.suffix == ".ipynb"]


def chapter_name(notebook: Path) -> str:
    """Return a chapter's name: the file's without its number.

    >>> chapter_name(Path("book/01_gradients.ipynb"))
    'gradients'
    """
    return re.sub(r"^\d+_", "", notebook.stem)


def find_chapter(text: str, *, root: Path) -> Path:
    """Return the notebook that `text` means.

    Args:
        text: a chapter's name, number or file, or the path of any notebook.
        root: the book's folder.

    Returns:
        The path of an existing file.

    Raises:
        UnknownChapterError: There is none; the message names the nearest.
    """
    if text.endswith(SUFFIXES) and os.path.isfile(text):  # Path.is_file fails on a long name
        return absolute(Path(text))
    return find_in_book(text, root=root)


def find_in_book(text: str, *, root: Path) -> Path:
    """Return the chapter of the book in `root` that a name, a number or a file's name means.

    Raises:
        UnknownChapterError: There is none, or several are meant.
    """
    return pick(text, chapters(root) if (root / "_toc.yml").is_file() else [])


def pick(text: str, notebooks: Iterable[Path]) -> Path:
    """Return the one of the notebooks that is meant: by its file, else by its name or number.

    Raises:
        UnknownChapterError: There is none.
        AmbiguousChapterError: Several are meant.
    """
    notebooks = list(notebooks)
    for is_meant in (_is_file, _is_short):
        found = [notebook for notebook in notebooks if is_meant(notebook, text)]
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(map(str, found))
            raise AmbiguousChapterError(f"CHAPTER must mean one. Received: {text}, that is {names}")
    wanted = re.sub(r"^\d+_", "", Path(text).stem)
    raise UnknownChapterError(
        "CHAPTER must be a chapter's name or number, or a notebook's path. "
        f"Received: {text}. {nearest(wanted, map(chapter_name, notebooks))}"
    )


def _is_file(notebook: Path, text: str) -> bool:
    ends = (f"/{notebook.as_posix()}", f"/{notebook.with_suffix('').as_posix()}")
    return any(end.endswith(f"/{text}") for end in ends)


def _is_short(notebook: Path, text: str) -> bool:
    number = re.match(r"\d+", notebook.stem)
    numbers = {number[0], str(int(number[0]))} if number else set()
    return text in {chapter_name(notebook)} | numbers
