"""The page of a batch's results: one file that asks nothing of any other.

Jinja renders the matrix of claims and the table of runs, so that both are there without scripts.
The scripts fill the matrix anew for another parameter, draw the plots, sort and filter.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from helpers.batch.report.collection import (
    MISSING,
    Collection,
    columns_of,
    distinct,
    is_number,
    value_key,
    value_of,
    value_text,
    varying,
)
from helpers.batch.report.data import LISTED, evidence, notebook_link, script_data, statement
from helpers.batch.report.tables import Row, claim_rows, verdict_counts
from helpers.batch.results.result import STATUSES
from helpers.claims.box import LOOKS

FOLDER = Path(__file__).parent


def template(folder: Path, name: str) -> object:
    """Return a template of HTML: what is put in is escaped, and a name that is not there fails."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)


def page(collection: Collection, *, by: str = "dataset") -> str:
    """Return the page as HTML.

    Args:
        collection: the runs.
        by: the parameter across the matrix when the page is opened, as for `claims_matrix`.

    Raises:
        UsageError: No run has this parameter.
    """
    by = columns_of(collection, by)
    names = varying(collection)
    choices = names if by is None or by in names else [by, *names]
    files = ("page.css", "table.js", "page.js", "plots.js")
    return template(FOLDER, "page.html.j2").render(
        collection=collection,
        head=_head(collection),
        by=by,
        varying=names,
        choices=choices,
        matrix=_matrix(collection, by, names),
        rows=[_table_row(run, names) for run in collection.runs],
        looks=LOOKS,
        data=script_data(collection, by, choices),
        files={name: (FOLDER / name).read_text("utf-8") for name in files},
    )


def _head(collection: Collection) -> dict:
    runs = collection.runs
    versions: dict[str, set] = {}
    for run in runs:
        for name, version in run["versions"].items():
            versions.setdefault(name, set()).add(str(version))
    counts = {name: sum(run["status"] == name for run in runs) for name in (*STATUSES, MISSING)}
    return {
        "counts": {name: count for name, count in counts.items() if count},
        "time": duration_text(sum(run["seconds"] or 0 for run in runs)),
        "processors": dict(sorted(Counter(filter(None, (r["processor"] for r in runs))).items())),
        "versions": {name: sorted(found) for name, found in versions.items()},
        "created": collection.created[:16].replace("T", " "),
    }


def duration_text(seconds: float) -> str:
    """Return a time in the two units that say most.

    >>> [duration_text(seconds) for seconds in (4.26, 75, 3600, 200000)]
    ['4.3 s', '1 min 15 s', '1 h 0 min', '55 h 33 min']
    """
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _matrix(collection: Collection, by: str | None, names: Iterable[str]) -> dict:
    """Return the matrix of claims as the template wants it: columns, and rows by chapter."""
    values = distinct(collection)[by]
    places = {value_key(value): place for place, value in enumerate(values)}
    planned = {(run["chapter"], places[value_key(value_of(run, by))]) for run in collection.runs}
    others = [name for name in names if name != by]
    rows = claim_rows(collection, by)
    chapters: dict[str, list] = {}
    for row in rows:
        cells = [
            _cell(found, others) | {"is_planned": (row.chapter, place) in planned}
            for place, found in enumerate(row.cells)
        ]
        chapters.setdefault(row.chapter, []).append(_row(row, cells))
    columns = []
    for place, value in enumerate(values):
        counts = verdict_counts(found for row in rows for found in row.cells[place])
        columns.append({"text": value_text(value), "counts": counts})
    changing = sum(row["changes"] for rows in chapters.values() for row in rows)
    return {"columns": columns, "chapters": chapters, "changing": changing}


def _row(row: Row, cells: list[dict]) -> dict:
    statements = list(dict.fromkeys(statement(record) for _, record in row.all()))
    return {
        "id": row.id,
        "statement": statements[0],
        "wordings": len(statements),
        "changes": len(verdict_counts(row.all())) > 1,
        "cells": cells,
    }


def _cell(found: Sequence[tuple[dict, dict]], others: Sequence[str]) -> dict:
    runs = [
        {
            "href": notebook_link(run),
            "label": _label(run, others),
            "verdict": str(record.get("verdict")),
            "evidence": evidence(record),
            "statement": statement(record),
        }
        for run, record in found[:LISTED]
    ]
    return {"counts": verdict_counts(found), "runs": runs, "more": len(found) - len(runs)}


def _label(run: Mapping, names: Iterable[str]) -> str:
    """Return the values that tell a run from the others in its cell."""
    given = [name for name in names if name in run["parameters"]]
    texts = [f"{name} {value_text(run['parameters'][name])}" for name in given]
    return ", ".join(texts) or run["id"]


def _table_row(run: Mapping, names: Iterable[str]) -> dict:
    values = []
    for name in names:
        value = run["parameters"].get(name)
        text = value_text(value) if name in run["parameters"] else ""
        values.append({"text": text, "sort": value if is_number(value) else text})
    return {"run": run, "href": notebook_link(run), "values": values}
