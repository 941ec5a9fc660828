"""What claims leave in an executed notebook: records in JSON, read, printed and compared.

`helpers.claims` writes them; the comparison is what decides whether a notebook gives the same
result on another processor.
"""

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path

from helpers.batch.notebook import read_notebook
from helpers.claims import GLUE_PREFIX, MIME
from helpers.claims.claim import interval_text, number_text

# What must be equal, for each kind of record; effects and figures have rules of their own.
EXACT = {
    "claim": ("id", "statement", "verdict", "method", "scale", "replicas", "unit"),
    "figure": ("name", "replicas", "unit", "tolerance"),
    "part": ("of", "part"),
    "summary": ("chapter", "claims"),
}
SLACK = 1e-3  # relative; an interval may end this far beyond where the other begins
# Of an interval's width. Another processor rounds otherwise, and over a training that adds up.
# Where an interval happens to end at a border, the verdict then turns, and nothing else was found.
ROUNDING = 0.02


def record_of(output: Mapping) -> dict | None:
    """Return the record that an output carries, or None.

    >>> record_of({"data": {"text/plain": "1", MIME: {"kind": "claim"}}})
    {'kind': 'claim'}
    """
    data = output.get("data", {})
    record = data.get(MIME, data.get(GLUE_PREFIX + MIME))
    if isinstance(record, str | list):  # a text, whole or in lines, as some tools store JSON
        record = json.loads("".join(record))
    return None if record is None else dict(record)


def records_of(notebook: Mapping) -> list[dict]:
    """Return all records in the content of an executed notebook, in their order."""
    found = [record_of(output) for cell in notebook["cells"] for output in cell.get("outputs", [])]
    return [record for record in found if record is not None]


def read_records(notebook: Path) -> list[dict]:
    """Return all records in the file of an executed notebook, in their order."""
    return records_of(read_notebook(notebook))


def claim_lines(records: Iterable[Mapping]) -> list[str]:
    """Return one line for each claim: its verdict, its id, what was measured.

    >>> claim_lines([{"kind": "claim", "id": "a-b", "verdict": "holds", "effect": 2.0, "low": 1.5,
    ...               "high": 2.5, "unit": "points", "scale": "difference", "replicas": 8}])
    ['holds          a-b  2.00 [1.50, 2.50] points, 8 replicas']
    """
    lines = []
    for record in records:
        if record["kind"] == "claim":
            line = f"{record['verdict']:<13}  {record['id']}  {_evidence(record)}"
            lines.append(line.rstrip())
    return lines


def _evidence(record: Mapping) -> str:
    if record.get("scale") is None:
        observed = record.get("observed")
        return "" if observed is None else f"observed {number_text(observed)}"
    measured = (record.get(name) for name in ("effect", "low", "high", "scale"))
    return f"{interval_text(*measured, record['unit'])}, {record['replicas']} replicas"


def differences(committed: Mapping, computed: Mapping) -> list[str]:
    """Say in what two records of one place differ, as far as that matters.

    Args:
        committed: the record in the committed notebook.
        computed: the record of the run that is checked.

    Returns:
        One line for each difference; none if the run confirms what is committed.
    """
    kind = committed.get("kind")
    if kind not in EXACT:
        return [f"kind: {kind!r} is unknown"]
    names = ("schema", "kind", *EXACT[kind])
    lines = [
        f"{name}: {committed.get(name)!r} became {computed.get(name)!r}"
        for name in names
        if not _same(committed.get(name), computed.get(name))
        and not (name == "verdict" and _may_turn(committed, computed))
    ]
    if lines:
        return lines
    if kind == "claim":
        return _claim_differences(committed, computed)
    return _figure_differences(committed, computed) if kind == "figure" else []


def _same(a: object, b: object) -> bool:
    """Equal, and of one type: True is not 1."""
    return type(a) is type(b) and a == b


def _claim_differences(committed: Mapping, computed: Mapping) -> list[str]:
    lines = []
    a, b = committed.get("observed"), computed.get("observed")
    if not (isinstance(a, float) and isinstance(b, float)) and not _same(a, b):
        lines.append(f"observed: {a!r} became {b!r}")
    # How many seconds a machine takes is its own; the verdict was compared above.
    if committed.get("method") != "clock" and not _overlap(committed, computed):
        ends = [[record.get("low"), record.get("high")] for record in (committed, computed)]
        lines.append(f"effect: the intervals {ends[0]} and {ends[1]} do not overlap")
    return lines


def _may_turn(committed: Mapping, computed: Mapping) -> bool:
    """Return whether another verdict is one that the claim itself tells, or one of rounding."""
    told = committed.get("elsewhere")
    return bool(told and computed.get("verdict") == told) or _turned_by_rounding(
        committed, computed
    )


def _turned_by_rounding(committed: Mapping, computed: Mapping) -> bool:
    """Return whether two intervals are one but for rounding, and a border lies between their ends.

    A border is no effect, or the margin on either side of it.
    """
    claims = committed, computed
    ends = [[record.get(end) for record in claims] for end in ("low", "high")]
    if any(end is None for pair in ends for end in pair) or committed.get("method") == "clock":
        return False
    margin, borders = committed.get("margin"), {0.0}
    if committed.get("scale") == "ratio":
        if min(map(min, ends)) <= 0:
            return False
        ends = [[math.log(end) for end in pair] for pair in ends]
        margin = margin and math.log(margin)
    if margin:
        borders |= {margin, -margin}
    (low, _), (high, _) = ends
    alike = all(abs(one - other) <= ROUNDING * (high - low) for one, other in ends)
    return alike and any(
        min(pair) <= b <= max(pair) and pair[0] != pair[1] for pair in ends for b in borders
    )


def _overlap(committed: Mapping, computed: Mapping) -> bool:
    ends = [record.get(end) for record in (committed, computed) for end in ("low", "high")]
    if any(end is None for end in ends):
        return ends[:2] == ends[2:]
    low, high, other_low, other_high = ends
    slack = SLACK * max(map(abs, ends))
    return low <= other_high + slack and other_low <= high + slack


def _figure_differences(committed: Mapping, computed: Mapping) -> list[str]:
    a, b, tolerance = committed["value"], computed["value"], committed["tolerance"]
    if _close(a, b, tolerance):
        return []
    return [f"value: {a!r} became {b!r}, more than the tolerance of {tolerance:g}"]


def _close(a: float | None, b: float | None, tolerance: float) -> bool:
    if isinstance(a, bool | str | None) or isinstance(b, bool | str | None):
        return _same(a, b)
    if math.isnan(a) or math.isnan(b):
        return math.isnan(a) and math.isnan(b)
    return a == b or abs(a - b) <= tolerance * abs(a)
