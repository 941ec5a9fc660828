"""What a batch has found: tables for further work, a page for the eye, lines for the terminal.

`collection` reads a batch's folder, `tables` makes tables of it and `page` the
page; `collect`, `runs_table`, `records_table` and `claims_matrix` are theirs.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from helpers.batch.errors import UsageError
from helpers.batch.report.collection import (
    MISSING,
    Collection,
    collect,
    columns_of,
    distinct,
    value_text,
)
from helpers.batch.report.page import page
from helpers.batch.report.tables import (
    claim_rows,
    claims_matrix,
    csv_text,
    records_table,
    runs_table,
    verdict_counts,
)
from helpers.batch.results.result import STATUSES
from helpers.batch.results.store import Store
from helpers.claims.box import LOOKS

__all__ = [
    "Collection",
    "claims_matrix",
    "collect",
    "records_table",
    "runs_table",
    "summary_lines",
    "write_report",
]


PAGE = "report/index.html"
# What only our pages hold; the second one is in those of earlier versions, too.
MARKS = ('<meta name="generator" content="dnnbook">', '<script type="application/json" id="data">')


def write_report(store: Store, collection: Collection, *, by: str = "dataset") -> list[str]:
    """Write the tables of runs and records, as Parquet and CSV, and the page that shows them.

    Args:
        store: where the report goes, into the folder `report`.
        collection: the runs.
        by: the parameter across the matrix of claims.

    Returns:
        The names of the files, the page's last.

    Raises:
        UsageError: No run has this parameter, or another's files lie there; nothing has been
            written.
        BatchError: A file could not be written.
    """
    text = page(collection, by=by)
    files = {}
    for name, table in {
        "runs": runs_table(collection),
        "records": records_table(collection),
    }.items():
        files[f"report/{name}.parquet"] = table.to_parquet(index=False)
        files[f"report/{name}.csv"] = csv_text(table).encode()
    _require_own(store, [*files, PAGE])
    store.write_text(PAGE, text)  # first: it marks a report that was cut off as one
    for name, data in files.items():
        store.write_bytes(name, data)
    return [*files, PAGE]


def _require_own(store: Store, names: Sequence[str]) -> None:
    """Refuse to replace files of these names that belong to no report.

    Raises:
        UsageError: There are such files.
    """
    taken = [name for name in names if store.exists(name)]
    if taken and not _is_report(store):
        raise UsageError(
            f"{store.address}/report must be new or a report; else files would be lost. "
            f"Received: {', '.join(taken)} of something else"
        )


def _is_report(store: Store) -> bool:
    try:
        text = store.read_text(PAGE)
    except OSError:  # it is not there, or no file
        return False
    return any(mark in text for mark in MARKS)


def summary_lines(collection: Collection, by: str = "dataset") -> list[str]:
    """Return what a terminal shows: counts, the matrix of claims, and what failed.

    Args:
        collection: the runs.
        by: the parameter across the matrix, as for `claims_matrix`.

    Raises:
        UsageError: No run has this parameter.
    """
    by = columns_of(collection, by)
    counts = Counter(run["status"] for run in collection.runs)
    parts = [f"{counts[status]} {status}" for status in (*STATUSES, MISSING) if counts[status]]
    lines = [", ".join(parts) or "no runs"]
    if collection.left_out:
        lines.append(f"not part of this grid, and left out: {collection.left_out}")
    lines += _matrix_lines(collection, by)
    failed = [run for run in collection.runs if run["status"] not in ("done", MISSING)]
    return lines + [f"{run['status']} {run['id']}: {_printable(run['error'])}" for run in failed]


def _matrix_lines(collection: Collection, by: str | None) -> list[str]:
    rows = claim_rows(collection, by)
    if not rows:
        return []
    head = ["claim", *(_printable(value_text(value)) for value in distinct(collection)[by])]
    head[0] += f" by {by}" if by else ""
    body = [[_printable(row.label), *(_marks(cell) for cell in row.cells)] for row in rows]
    return ["", *_aligned([head, *body]), ""]


def _marks(cell: Sequence) -> str:
    """Return ✓ for one run where a claim holds, `✓3 ?1` for four runs, `.` for none."""
    counts = verdict_counts(cell)
    marks = [(LOOKS[name][0] if name in LOOKS else name, n) for name, n in counts.items()]
    return " ".join(mark if len(cell) == 1 else f"{mark}{n}" for mark, n in marks) or "."


def _aligned(table: Iterable[Sequence[str]]) -> list[str]:
    table = list(table)
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return [
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    ]


def _printable(text: str) -> str:
    """Return text on one line without anything that a terminal would obey."""
    shown = "".join(sign if sign.isprintable() else " " for sign in text)
    return " ".join(shown.split())
