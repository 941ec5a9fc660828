"""What the executed chapters show together: how their claims stand, and single figures."""

import base64
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from helpers.batch.errors import NotebookError, nearest
from helpers.batch.notebook import read_notebook, source
from helpers.batch.results.records import records_of
from helpers.claims.box import LOOKS


@dataclass(frozen=True)
class Standing:
    """How the claims of one chapter stand."""

    notebook: Path
    title: str
    claims: tuple[dict, ...]  # their records, in the chapter's order

    def count(self, verdict: str) -> int:
        """Return how many of the measured claims have a verdict."""
        return Counter(claim["verdict"] for claim in self.measured)[verdict]

    @property
    def measured(self) -> tuple[dict, ...]:
        """The claims that rest on several trainings or draws."""
        return tuple(claim for claim in self.claims if not is_fact(claim))

    @property
    def facts(self) -> int:
        """How many claims are facts, settled by one look."""
        return len(self.claims) - len(self.measured)


@dataclass(frozen=True)
class Picture:
    """A figure as a chapter shows it."""

    notebook: Path
    title: str  # of the chapter
    name: str
    alt: str
    png: bytes


def read_page(notebook: Path) -> dict:
    """Return the content of an executed chapter, to look at and not to change.

    One page asks for all chapters some twenty times: a file that is as it was is not read again.

    Raises:
        NotebookError: The file is missing or no notebook.
    """
    state = notebook.stat() if notebook.is_file() else None
    return _read(notebook, state and (state.st_mtime_ns, state.st_size))


@lru_cache(maxsize=32)
def _read(notebook: Path, state: tuple[int, int] | None) -> dict:
    return read_notebook(notebook)


def is_fact(claim: dict) -> bool:
    """Return whether a claim is an identity, a count, or what a library does."""
    return claim.get("method") == "exact"


def standing(notebook: Path) -> Standing:
    """Read how the claims of an executed chapter stand.

    Args:
        notebook: the file, with its outputs.

    Raises:
        NotebookError: The file is no notebook, or a verdict is none that there is.
    """
    records = records_of(read_page(notebook))
    claims = tuple(record for record in records if record["kind"] == "claim")
    for claim in claims:
        if claim["verdict"] not in LOOKS:
            raise NotebookError(
                f"a verdict must be one of {', '.join(LOOKS)}. "
                f"Received: {claim['verdict']} of {claim['id']} in {notebook.name}"
            )
    return Standing(notebook, title(notebook), claims)


def title(notebook: Path) -> str:
    """Return a chapter's title: its first heading, or the file's name where it has none."""
    for cell in read_page(notebook)["cells"]:
        for line in source(cell).splitlines():
            if cell["cell_type"] == "markdown" and line.startswith("# "):
                return line[2:].strip()
    return notebook.stem


def find_picture(name: str, notebooks: Iterable[Path]) -> Picture:
    """Find a figure by its name.

    Args:
        name: as its cell's metadata has it, such as "fig-gradients-layers".
        notebooks: where to look, executed.

    Raises:
        NotebookError: No chapter has the figure, or it has not been drawn.
    """
    known = {}
    for notebook in notebooks:
        for cell in read_page(notebook)["cells"]:
            settings = cell.get("metadata", {}).get("mystnb", {})
            if "name" in settings.get("figure", {}):
                known[settings["figure"]["name"]] = (notebook, cell, settings)
    if name not in known:
        raise NotebookError(
            f"a figure must be one that a chapter has. Received: {name}. {nearest(name, known)}"
        )
    notebook, cell, settings = known[name]
    alt = settings.get("image", {}).get("alt", "")
    return Picture(notebook, title(notebook), name, alt, _png(name, cell))


def _png(name: str, cell: dict) -> bytes:
    for output in cell.get("outputs", []):
        if "image/png" in output.get("data", {}):
            return base64.b64decode("".join(output["data"]["image/png"]))
    raise NotebookError(f"a figure's cell must put out a PNG. Received: none from {name}")
