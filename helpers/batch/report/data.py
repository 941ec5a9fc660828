"""What the page says of a run and of a record, and the data that its scripts read."""

import json
from collections.abc import Iterable, Mapping

from helpers.batch.report.collection import (
    NOT_DECLARED,
    Collection,
    distinct,
    number,
    value_key,
    value_of,
    value_text,
)
from helpers.batch.report.tables import measured, observed, record_name
from helpers.claims.box import LOOKS
from helpers.claims.claim import interval_text, number_text

LISTED = 40  # runs that a cell of the matrix lists; the table of runs has them all
SERIES = ("chapter", "kind", "name", "unit", "scale")


def notebook_link(run: Mapping) -> str:
    """Return where the executed notebook is, seen from the page; nothing if there is none."""
    return f"../runs/{run['id']}/notebook.ipynb" if run["notebook_sha256"] else ""


def evidence(record: Mapping) -> str:
    """Return what was measured with its interval, or what was observed, as text.

    >>> evidence({"kind": "claim", "scale": "ratio", "effect": 2.5, "low": 1.0, "high": None,
    ...           "not_finite": ["high"]})
    '× 2.50 [1.00, not finite]'
    >>> evidence({"kind": "figure", "value": 16.5, "unit": "points", "not_finite": []})
    '16.5 points'
    """
    value, ends = measured(record), [number(record.get(name)) for name in ("low", "high")]
    if value is None and not record["not_finite"]:
        seen = observed(record)
        return "" if seen is None else number_text(seen)
    unit = record.get("unit") or ""
    if ends == [None, None] and not {"low", "high"} & set(record["not_finite"]):
        return f"{number_text(value)} {unit}".rstrip()
    return interval_text(value, *ends, record.get("scale"), unit)


def statement(record: Mapping) -> str:
    """Return a claim's statement; nothing for a figure."""
    return str(record.get("statement") or "")


def script_data(collection: Collection, by: str | None, names: Iterable[str]) -> str:
    """Return what the scripts read, as JSON that cannot end the element that it stands in.

    Values, series of records and statements stand there once, and runs refer to them by number.

    Args:
        collection: the runs.
        by: the parameter across the matrix when the page is opened.
        names: the parameters that can be chosen.
    """
    values = distinct(collection)
    places = {name: {value_key(v): place for place, v in enumerate(values[name])} for name in names}
    series: dict[tuple, int] = {}
    statements: dict[str, int] = {}
    runs = [
        {
            "id": run["id"],
            "chapter": run["chapter"],
            "status": run["status"],
            "href": notebook_link(run),
            "values": [places[name][value_key(value_of(run, name))] for name in places],
            "declares": [name in run["parameters"] for name in places],
            "records": [_packed(record, run, series, statements) for record in run["records"]],
        }
        for run in collection.runs
    ]
    data = {
        "by": by,
        "listed": LISTED,
        "none": NOT_DECLARED,
        "symbols": {verdict: symbol for verdict, (symbol, _) in LOOKS.items()},
        "parameters": [{"name": name, "values": _shown(values[name])} for name in places],
        "series": [dict(zip(SERIES, key, strict=True)) for key in series],
        "statements": list(statements),
        "runs": runs,
    }
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")


def _packed(record: Mapping, run: Mapping, series: dict, statements: dict) -> list:
    unit, scale = str(record.get("unit") or ""), str(record.get("scale") or "")
    key = (run["chapter"], record["kind"], record_name(record), unit, scale)
    verdict = str(record.get("verdict")) if record["kind"] == "claim" else None
    return [
        series.setdefault(key, len(series)),
        verdict,
        statements.setdefault(statement(record), len(statements)),
        evidence(record),
        measured(record),
        number(record.get("low")),
        number(record.get("high")),
    ]


def _shown(values: Iterable) -> list[dict]:
    return [{"text": value_text(value), "number": number(value)} for value in values]
