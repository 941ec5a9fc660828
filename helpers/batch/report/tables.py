"""The results of a batch as tables: of runs, of records, of claims by a parameter."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from helpers.batch.report.collection import (
    NAME_OF,
    Collection,
    columns_of,
    distinct,
    is_number,
    number,
    value_key,
    value_of,
)
from helpers.claims.box import LOOKS

if TYPE_CHECKING:
    import pandas

FORMULA = re.compile("[=+@\t\r\n-]")  # how a cell begins that a spreadsheet may run
INT64 = 2**63


def runs_table(collection: Collection) -> "pandas.DataFrame":
    """Return one row for each run: what became of it, its parameters, its versions.

    Parameters are the columns `p.<name>`, versions `v.<name>`.
    """
    import pandas

    runs = collection.runs
    names = ("id", "chapter", "notebook", "status", "error", "warning", "seconds", "cell_seconds")
    more = ("started", "worker", "processor", "attempts")
    columns = {name: [run[name] for run in runs] for name in (*names, *more)}
    columns |= _expanded("p", [run["parameters"] for run in runs])
    columns |= _expanded("v", [run["versions"] for run in runs])
    table = _frame(columns)
    table["started"] = pandas.to_datetime(
        columns["started"], utc=True, format="ISO8601", errors="coerce"
    )
    return table


def records_table(collection: Collection) -> "pandas.DataFrame":
    """Return one row for each claim and each figure of each run.

    `value` is a claim's effect or a figure's value, where that is a number; `observed` is anything
    else that was seen, as text; `not_finite` names what was no finite number.
    """
    runs = runs_table(collection).rename(columns={"id": "run"})
    names = [name for name in runs.columns if name.startswith("p.")]
    pairs = [(k, record) for k, run in enumerate(collection.runs) for record in run["records"]]
    table = runs[["run", "chapter", "notebook", "status", *names]].take([k for k, _ in pairs])
    records = [record for _, record in pairs]
    columns = {
        "kind": [record["kind"] for record in records],
        "name": [record_name(record) for record in records],
        **{name: [_text(r.get(name)) for r in records] for name in ("statement", "verdict")},
        "value": [measured(record) for record in records],
        **{name: [number(record.get(name)) for record in records] for name in ("low", "high")},
        **{name: [_text(record.get(name)) for record in records] for name in ("unit", "scale")},
        "replicas": [number(record.get("replicas")) for record in records],
        "observed": [_text(observed(record)) for record in records],
        "not_finite": [", ".join(record["not_finite"]) for record in records],
    }
    return table.reset_index(drop=True).join(_frame(columns))


def record_name(record: Mapping) -> str:
    """Return a claim's id or a figure's name."""
    return record[NAME_OF[record["kind"]]]


def measured(record: Mapping) -> int | float | None:
    """Return a claim's effect or a figure's value, if it is a number."""
    return number(record.get("effect" if record["kind"] == "claim" else "value"))


def observed(record: Mapping) -> object:
    """Return what an exact claim saw, or a figure's value that is no number."""
    value = record.get("observed" if record["kind"] == "claim" else "value")
    return None if record["kind"] == "figure" and is_number(value) else value


def _text(value: object) -> str | None:
    return value if isinstance(value, str | None) else json.dumps(value, ensure_ascii=False)


def _expanded(prefix: str, rows: Sequence[Mapping]) -> dict[str, list]:
    names = {name: None for row in rows for name in row}
    return {f"{prefix}.{name}": [row.get(name) for row in rows] for name in names}


def _frame(columns: Mapping[str, list]) -> "pandas.DataFrame":
    import pandas

    floats = {"seconds", "cell_seconds", "value", "low", "high"}
    arrays = {name: _typed(values, name in floats) for name, values in columns.items()}
    return pandas.DataFrame(arrays, columns=list(columns))


def _typed(values: list, is_float: bool) -> object:
    """Return an array of one type; values of several types become text in JSON."""
    import pandas

    types = {type(value) for value in values if value is not None}
    if is_float or types == {float} or (types == {int, float} and _fit(values, 2**53)):
        return pandas.array(values, dtype="Float64").to_numpy("float64", na_value=float("nan"))
    if types == {bool}:
        return pandas.array(values, dtype="boolean")
    if types == {int} and _fit(values, INT64):
        return pandas.array(values, dtype="Int64")
    if not types <= {str}:
        values = [None if value is None else json.dumps(value) for value in values]
    return pandas.array(values, dtype="string")


def _fit(values: Iterable, limit: int) -> bool:
    return all(-limit <= value < limit for value in values if isinstance(value, int))


def csv_text(table: "pandas.DataFrame") -> str:
    """Return a table as CSV whose text no spreadsheet runs as a formula.

    Text that begins as a formula does gets an apostrophe in front; numbers stay as they are.
    """
    safe = table.copy()
    for name in safe.columns:
        if safe[name].dtype == "string":
            texts = safe[name].dropna().unique()
            safe[name] = safe[name].map({text: _harmless(text) for text in texts})
    # With this line end, fields with either of its characters are quoted.
    return safe.to_csv(index=False, lineterminator="\r\n")


def _harmless(text: str) -> str:
    return f"'{text}" if FORMULA.match(text) else text


@dataclass(frozen=True)
class Row:
    """What the runs say of one claim.

    Attributes:
        chapter: where it was measured.
        id: the claim's.
        label: the id, with the chapter if another one has a claim of this id.
        cells: for each column the runs that measured it, each with its record.
    """

    chapter: str
    id: str
    label: str
    cells: list[list[tuple[dict, dict]]] = field(default_factory=list)

    def all(self) -> Iterator[tuple[dict, dict]]:
        """Give all runs that measured the claim."""
        return (found for cell in self.cells for found in cell)


def claim_rows(collection: Collection, by: str | None) -> list[Row]:
    """Return all claims in the order of the book, with a cell for each value of a parameter.

    Args:
        collection: the runs.
        by: a parameter, as `columns_of` gives it.
    """
    values = distinct(collection)[by]
    place = {value_key(value): index for index, value in enumerate(values)}
    ids = Counter(id for _, id in {(c, r["id"]) for c, r in _claims(collection)})
    rows: dict[str, dict[str, Row]] = {}
    for run in collection.runs:
        column = place[value_key(value_of(run, by))]
        claims = rows.setdefault(run["chapter"], {})
        for record in run["records"]:
            if record["kind"] == "claim":
                id = record["id"]
                label = f"{id} ({run['chapter']})" if ids[id] > 1 else id
                new = Row(run["chapter"], id, label, [[] for _ in values])
                claims.setdefault(id, new).cells[column].append((run, record))
    return [row for claims in rows.values() for row in claims.values()]


def _claims(collection: Collection) -> Iterator[tuple[str, Mapping]]:
    """Give each claim's record with the chapter that states it."""
    for run in collection.runs:
        for record in run["records"]:
            if record["kind"] == "claim":
                yield run["chapter"], record


def verdict_counts(found: Iterable[tuple[dict, dict]]) -> dict[str, int]:
    """Return how often each verdict was found, in the usual order."""
    counts = Counter(str(record.get("verdict")) for _, record in found)
    order = [*LOOKS, *sorted(counts.keys() - LOOKS.keys())]
    return {verdict: counts[verdict] for verdict in order if counts[verdict]}


def claims_matrix(collection: Collection, by: str = "dataset") -> "pandas.DataFrame":
    """Return the verdict of each claim for each value of a parameter.

    Args:
        collection: the runs.
        by: the parameter. Where no run has `dataset`, that stands for the first that varies.

    Returns:
        Text: a verdict, where several runs measured the claim counts as `holds 3, inconclusive 1`,
        and nothing where none did. The index has the claims' ids, in the order of the book.

    Raises:
        UsageError: No run has this parameter.
    """
    import pandas

    by = columns_of(collection, by)
    rows = claim_rows(collection, by)
    columns = pandas.Index(map(_label, distinct(collection)[by]), dtype=object, name=by)
    index = pandas.Index([row.label for row in rows], dtype=object, name="claim")
    cells = [[_cell_text(cell) for cell in row.cells] for row in rows]
    return pandas.DataFrame(cells, index=index, columns=columns, dtype=object)


def _label(value: object) -> object:
    return json.dumps(value) if isinstance(value, list | dict) else value


def _cell_text(cell: Sequence[tuple[dict, dict]]) -> str:
    counts = verdict_counts(cell)
    if len(cell) == 1:
        return next(iter(counts))
    return ", ".join(f"{verdict} {number}" for verdict, number in counts.items())
