"""What confirming runs found of every claim on every data set, for the pages that show it.

A cell is what one run found of one claim. Not every claim has a cell on every set: some look at no
images, as those on random nets; some look at a set of their own; on some sets there is nothing to
compare, as whole writers against single images where no writers are known; and some were not run.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from helpers.batch.book import chapter_name
from helpers.batch.errors import NotebookError
from helpers.batch.results.confirmed import DATASETS, read_confirmed
from helpers.batch.site.overview import Standing, standing
from helpers.claims.claim import CONTRADICTED, HOLDS, interval_text
from helpers.claims.confirming import status_of

ONCE = "once"  # the mark of a set on which a claim was not looked at before
NUMBERS = ("effect", "low", "high")


@dataclass(frozen=True)
class Cell:
    """What a run found of a claim on a data set."""

    data: str
    record: Mapping
    mark: str  # "confirmed", "not confirmed", "open twice", or "once"
    first: str = ""  # the verdict of the run before, where this is the second

    @property
    def verdict(self) -> str:
        """The run's verdict."""
        return self.record["verdict"]

    @property
    def effect(self) -> str:
        """The effect with its interval, as text."""
        ends = (_end(self.record, name) for name in NUMBERS)
        return interval_text(*ends, self.record["scale"], self.record["unit"])

    @property
    def inverse(self) -> str:
        """The effect with its interval, the ratio turned round.

        Raises:
            NotebookError: The effect is a difference.
        """
        if self.record["scale"] != "ratio":
            raise NotebookError(
                "what is turned round must be a ratio. "
                f"Received: scale={self.record['scale']!r} on {self.data}"
            )
        ends = (_end(self.record, name) for name in ("effect", "high", "low"))
        turned = (0.0 if end == "∞" else 1 / end if end else "∞" for end in ends)
        return interval_text(*turned, "ratio", "")


@dataclass(frozen=True)
class Row:
    """What all runs found of a claim."""

    notebook: Path
    title: str  # of the chapter
    id: str
    statement: str
    cells: Mapping[str, Cell]  # by data sets, of those on which it was measured
    absent: Mapping[str, str]  # why there is none on the others

    @property
    def pattern(self) -> str:
        """What the verdicts have in common, one of `PATTERNS`."""
        if NO_IMAGES in self.absent.values():
            return NO_IMAGES
        verdicts = {cell.verdict for cell in self.cells.values()}
        if {HOLDS, CONTRADICTED} <= verdicts:  # two sets are enough to see it
            return "turns"
        if len(self.cells) < len(DATASETS):
            return "partly"
        return "same" if len(verdicts) == 1 else "differs"


NO_IMAGES, NOT_RUN, ALIKE = "looks at no images", "not run", "nothing differs here"
PATTERNS = {
    "same": "the same on all four sets",
    "differs": "decided on some, not on others",
    "turns": "holds on one, contradicted on another",
    "partly": "not measured on all four",
    NO_IMAGES: NO_IMAGES,
}


def rows_of(root: Path, notebooks: Iterable[Path]) -> list[Row]:
    """Return what confirming runs found of the claims over draws, in the order of the book.

    Args:
        root: the book's folder, with `results/`.
        notebooks: its chapters, executed.

    Raises:
        NotebookError: A file of results is damaged, or a verdict is none that there is.
    """
    return [
        row
        for notebook in notebooks
        for row in _rows(standing(notebook), read_confirmed(root, chapter_name(notebook)))
    ]


def _rows(chapter: Standing, runs: Mapping[str, Mapping]) -> list[Row]:
    found = []
    for claim in chapter.claims:
        if claim.get("design"):
            records = {
                data: run["claims"][claim["id"]] | {"seed": run["parameters"].get("seed")}
                for data, run in runs.items()
                if claim["id"] in run["claims"]
            }
            cells, absent = _cells(claim, records)
            what = claim["id"], claim["statement"]
            found.append(Row(chapter.notebook, chapter.title, *what, cells, absent))
    return found


def _cells(
    claim: Mapping, records: Mapping[str, Mapping]
) -> tuple[dict[str, Cell], dict[str, str]]:
    """Return the cells of a claim, and why there is none on the other sets."""
    cells, absent = {}, {}
    is_blind = looks_at_no_images(records)
    for data in DATASETS:
        own = _named_in(records[data]["scope"]) if data in records else None
        if data not in records:
            absent[data] = NO_IMAGES if is_blind else NOT_RUN
        elif is_blind and data != next(iter(records)):
            absent[data] = NO_IMAGES
        elif is_alike(records[data]):
            absent[data] = ALIKE
        elif own not in (None, data):
            absent[data] = f"on {DATASETS[own]}"
        else:
            cells[data] = _cell(claim, data, records[data])
    return cells, absent


def _cell(claim: Mapping, data: str, record: Mapping) -> Cell:
    if record["design"] != claim["design"]:
        return Cell(data, record, ONCE)
    return Cell(data, record, status_of(claim["verdict"], record), claim["verdict"])


def looks_at_no_images(records: Mapping[str, Mapping]) -> bool:
    """Return whether runs on several data sets measured one and the same thing.

    Then the design is one, or with one seed all numbers are. A claim that names its own data set
    does look at images.
    """
    own = [record for data, record in records.items() if _named_in(record["scope"]) is None]
    designs = [record["design"] for record in own]
    numbers = [
        (record["seed"], *(record[name] for name in NUMBERS))
        for record in own
        if record["low"] is not None and record["low"] != record["high"]
    ]
    return len(set(designs)) < len(designs) or len(set(numbers)) < len(numbers)


def is_alike(record: Mapping) -> bool:
    """Return whether both arms of a comparison were one and the same."""
    none = 1.0 if record["scale"] == "ratio" else 0.0
    return all(record[name] == none for name in NUMBERS)


def _named_in(scope: str | None) -> str | None:
    """Return the data set that a scope names.

    >>> _named_in("a convolutional net on fashion_mnist, 900 images"), _named_in("random nets")
    ('fashion_mnist', None)
    """
    return next((data for data in DATASETS if re.search(rf"\b{data}\b", scope or "")), None)


def _end(record: Mapping, name: str) -> float | str:
    """Return an effect or an end of its interval; JSON has no infinity, and has nothing there."""
    value = record[name]
    if value is None:
        return "−∞" if name == "low" else "∞"
    return float(value)


def counted(rows: Iterable[Row]) -> dict[str, int]:
    """Return how many claims have each pattern, are measured everywhere, and hold everywhere."""
    rows = list(rows)
    counts = {pattern: sum(row.pattern == pattern for row in rows) for pattern in PATTERNS}
    same = [row for row in rows if row.pattern == "same"]
    counts["everywhere"] = sum(len(row.cells) == len(DATASETS) for row in rows)
    counts["hold on all"] = sum(
        all(cell.verdict == HOLDS for cell in row.cells.values()) for row in same
    )
    return counts
