"""Which notebook a name means, and which chapters the book has."""

import json
import re
from pathlib import Path

import yaml

from helpers.batch.errors import ConfigurationError, NotebookError, UnknownChapterError, nearest

CHECKOUT = Path(__file__).resolve().parents[2]


def find_root(start: Path) -> Path:
    """Return the book's folder: the nearest one upward of `start` with a `_toc.yml`.

    Args:
        start: where to begin, as a rule the current folder.

    Returns:
        That folder, or this checkout where there is none.
    """
    for folder in [start.resolve(), *start.resolve().parents]:
        if (folder / "_toc.yml").is_file():
            return folder
    return CHECKOUT


def read_toc(root: Path) -> list[Path]:
    """Return the pages of the book in `root` in their order, as `_toc.yml` lists them.

    Raises:
        ConfigurationError: `_toc.yml` is missing, no YAML, or names a page that does not exist.
    """
    path = root / "_toc.yml"
    try:
        toc = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise ConfigurationError(f"`_toc.yml` must be YAML. Received: {error}") from error
    pages = []
    for entry in _entries(toc):
        found = [root / f"{entry}{suffix}" for suffix in ("", ".ipynb", ".md")]
        page = next((file for file in found if file.is_file()), None)
        if page is None:
            raise ConfigurationError(f"`_toc.yml` must name pages that exist. Received: {entry}")
        pages.append(page)
    return pages


def _entries(node: object) -> list[str]:
    """Collect what stands under `root` and `file`, depth first."""
    if isinstance(node, list):
        return [entry for child in node for entry in _entries(child)]
    if not isinstance(node, dict):
        return []
    own = [str(node[key]) for key in ("root", "file") if key in node]
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
    if text.endswith(".ipynb") and Path(text).is_file():
        return Path(text).resolve()
    known = {chapter_name(notebook): notebook for notebook in chapters(root)}
    for name, notebook in known.items():
        number = re.match(r"\d+", notebook.stem)
        numbers = {number[0], str(int(number[0]))} if number else set()
        if text in {name, notebook.stem, notebook.name} | numbers:
            return notebook
    wanted = re.sub(r"^\d+_", "", Path(text).stem)
    raise UnknownChapterError(
        "CHAPTER must be a chapter's name or number, or a notebook's path. "
        f"Received: {text}. {nearest(wanted, known)}"
    )


def read_notebook(notebook: Path) -> dict:
    """Return the notebook as plain JSON, without loading Jupyter's libraries.

    Raises:
        NotebookError: The file is missing or no notebook of format 4.
    """
    try:
        content = json.loads(notebook.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise NotebookError(f"{notebook.name} must be a notebook. Received: {error}") from error
    if not (isinstance(content, dict) and isinstance(content.get("cells"), list)):
        raise NotebookError(f"{notebook.name} must be a notebook. Received: no list of cells")
    return content


def source(cell: dict) -> str:
    """Return a cell's source as one string, in which form the file holds it or not."""
    return "".join(cell.get("source", ""))


def tags(cell: dict) -> list[str]:
    """Return a cell's tags."""
    return cell.get("metadata", {}).get("tags", [])
