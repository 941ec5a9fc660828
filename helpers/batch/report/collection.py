"""The results of a batch, read from its folder: every planned run, with what came of it.

What is read may be cut off, or written by a foreign notebook. So everything is checked and made
strict here: after this, all numbers are finite and all text can be written as UTF-8.
"""

import json
import math
import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from helpers.batch.errors import UsageError, nearest
from helpers.batch.results.result import SCHEMA, Result, read_result
from helpers.batch.results.store import Store

MISSING = "missing"
READERS = 16  # files read at a time; an object store answers slowly
NOT_DECLARED = "(not declared)"  # stands for the value of a parameter that a run does not have
NAME_OF = {"claim": "id", "figure": "name"}
# What a result says besides what was planned; a value of another type counts as not there.
FIELDS = {
    "error": "",
    "traceback": "",
    "warning": "",
    "started": "",
    "seconds": 0.0,
    "cell_seconds": 0.0,
    "worker": "",
    "processor": "",
    "attempts": 0,
    "versions": {},
    "notebook_sha256": "",
}


@dataclass(frozen=True)
class Collection:
    """All planned runs of a batch.

    Attributes:
        runs: in the order of the plan. Each has what `run.json` says, with only the records that
            are claims or figures; a run without a readable `run.json` has the status `missing`.
            Two notebooks of one name have different `chapter`s here.
        left_out: how many other results lie in the folder.
        created: when the batch was first begun, as text.
        grid: the name of the grid.
    """

    runs: list[dict]
    left_out: int
    created: str
    grid: str


def collect(store: Store) -> Collection:
    """Read the results of a batch.

    Args:
        store: where the batch keeps its files.

    Raises:
        UsageError: There is no batch.
    """
    plan = _read_plan(store)
    with ThreadPoolExecutor(READERS) as pool:
        runs = list(pool.map(lambda planned: _read_run(store, planned), plan["runs"]))
    left_out = _count_others(store, {run["id"] for run in runs})
    names = _told_apart({(run["chapter"], run["notebook"]) for run in runs})
    runs = [run | {"chapter": names[run["chapter"], run["notebook"]]} for run in runs]
    return Collection(runs, left_out, _text(plan.get("created")), _text(plan.get("grid")))


def _told_apart(notebooks: set[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """Return a name for each notebook, given by its name and place.

    It is its own name, with as many of its folders in front as no other of that name has, and with
    the file's ending where two lie in one folder.

    >>> _told_apart({("a", "/x/north/a.ipynb"), ("a", "/x/south/a.ipynb"), ("b", "/x/b.ipynb")})[
    ...     "a", "/x/north/a.ipynb"]
    'north/a'
    """
    found = {}
    for name, place in notebooks:
        *folders, file = place.split("/")
        others = [
            other.split("/")[:-1] for own, other in notebooks if own == name != other != place
        ]
        shared = [_common_end(folders, other) for other in others if other != folders]
        front = folders[len(folders) - 1 - max(shared) :] if shared else []
        found[name, place] = "/".join([*front, file if folders in others else name])
    return found


def _common_end(one: list[str], other: list[str]) -> int:
    pairs = zip(reversed(one), reversed(other), strict=False)
    return next((k for k, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def _read_plan(store: Store) -> dict:
    try:
        plan = json.loads(store.read_text("batch.json"))
        if plan["schema"] != SCHEMA or not all(_is_planned(run) for run in plan["runs"]):
            raise ValueError
    except FileNotFoundError as error:
        raise UsageError(f"DIR must hold a batch. Received: {store.address}, no batch.json") from (
            error
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UsageError(f"{store.address}/batch.json is no list of planned runs") from error
    return plan


def _is_planned(run: Mapping) -> bool:
    # An id becomes part of file names and links.
    is_name = re.fullmatch(r"\w[\w.-]*", run["id"], re.ASCII) is not None
    return is_name and isinstance(run["chapter"], str) and isinstance(run["parameters"], dict)


def _read_run(store: Store, planned: Mapping) -> dict:
    run = {
        "id": planned["id"],
        "identity": _text(planned.get("identity")),
        "chapter": _clean(planned["chapter"]),
        "notebook": _text(planned.get("notebook")),
        "given": _clean(planned.get("given", {}), str),
        "parameters": _clean(planned["parameters"], str),
    }
    return {**run, **_shown(read_result(store, run["id"], run["identity"]))}


def _shown(result: Result | None) -> dict:
    """Return what is shown of a result."""
    if result is None:
        nothing = {name: _field(None, default) for name, default in FIELDS.items()}
        return {"status": MISSING, **nothing, "records": []}
    fields = {name: _field(getattr(result, name), default) for name, default in FIELDS.items()}
    records = [_record(record) for record in result.records if _is_result(record)]
    return {"status": result.status, **fields, "records": records}


def _field(value: object, default: object) -> object:
    """Return a value of the default's type made strict, or else what stands for nothing."""
    if is_number(default):
        return number(value)
    return _clean(value) if isinstance(value, type(default)) else default


def _is_result(record: object) -> bool:
    if not isinstance(record, dict) or not isinstance(record.get("kind"), str):
        return False
    return isinstance(record.get(NAME_OF.get(record["kind"])), str)


def _record(record: Mapping) -> dict:
    """Return a record made strict; `not_finite` names what was no finite number."""
    measured = ("value",) if record["kind"] == "figure" else ("effect", "low", "high", "observed")
    # Whoever wrote the file may have made them null; a comparison always has an effect.
    needed = measured[:3] if record["kind"] == "figure" or record.get("scale") else ()
    lost = [name for name in needed if record.get(name) is None]
    lost += [name for name, value in record.items() if is_number(value) and number(value) is None]
    return {**_clean(record), "not_finite": sorted(lost)}


def _clean(value: object, unreal: Callable = lambda number: None) -> object:
    """Return JSON data without lone surrogates; `unreal` replaces numbers that are not finite."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "replace").decode()
    if isinstance(value, float):
        return value if math.isfinite(value) else unreal(value)
    if isinstance(value, dict):
        return {_clean(name): _clean(item, unreal) for name, item in value.items()}
    return [_clean(item, unreal) for item in value] if isinstance(value, list) else value


def _text(value: object) -> str:
    return _clean(value) if isinstance(value, str) else ""


def _count_others(store: Store, planned: set[str]) -> int:
    """Count the results that are there and not planned."""
    from fsspec.core import url_to_fs

    files, base = url_to_fs(store.address)
    try:
        found = files.ls(f"{base.rstrip('/')}/runs", detail=False)
    except OSError:
        return 0
    names = {path.rstrip("/").rpartition("/")[2] for path in found}
    return sum(store.exists(f"runs/{name}/run.json") for name in names - planned)


def is_number(value: object) -> bool:
    """Return whether a value is an int or a float; a truth value is neither."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def number(value: object) -> int | float | None:
    """Return a finite number as it is, and None for anything else.

    >>> number(2), number(float("inf")), number("2"), number(10**400)
    (2, None, None, None)
    """
    try:
        return value if is_number(value) and math.isfinite(value) else None
    except OverflowError:
        return None


def value_text(value: object) -> str:
    """Return a parameter's value as text, different for different values.

    >>> [value_text(value) for value in ("digits", 3, "3", [5, 10], None)]
    ['digits', '3', '"3"', '[5, 10]', 'null']
    """
    if isinstance(value, str):
        try:
            json.loads(value)
        except (ValueError, RecursionError):
            return value
    return json.dumps(value, ensure_ascii=False)


def value_of(run: Mapping, name: str | None) -> object:
    """Return a parameter's value in a run, or what stands for none; all are equal for None."""
    return run["parameters"].get(name, NOT_DECLARED) if name else "all runs"


def distinct(collection: Collection) -> dict[str | None, list]:
    """Return the different values of each parameter: numbers ascending, then all others.

    The others come as the grid has them. Under None stands the value that all runs share.
    """
    names = {name: None for run in collection.runs for name in run["parameters"]}
    found = {}
    for name in (*names, None):
        values = {}
        for run in collection.runs:
            values.setdefault(value_key(value_of(run, name)), value_of(run, name))
        found[name] = sorted(values.values(), key=_place)
    return found


def varying(collection: Collection) -> list[str]:
    """Return the parameters that have several values among the runs that have them."""
    values = distinct(collection)
    return [name for name in values if sum(value != NOT_DECLARED for value in values[name]) > 1]


def value_key(value: object) -> object:
    """Return what is equal for equal values only: 1 is 1.0, but neither True nor "1"."""
    return value if is_number(value) else value_text(value)


def _place(value: object) -> tuple:
    if is_number(value):
        return (0, value)
    return (2 if value in (None, NOT_DECLARED) else 1, 0)


def columns_of(collection: Collection, by: str) -> str | None:
    """Return the parameter whose values make the columns of the matrix of claims.

    Args:
        collection: the runs.
        by: a parameter. Where no run has `dataset`, it stands for the first that varies, and for
            none if nothing does.

    Raises:
        UsageError: No run has this parameter.
    """
    values = distinct(collection)
    if by in values:
        return by
    if by != "dataset":
        names = [name for name in values if name]
        raise UsageError(f"`by` must be a parameter of a run. Received: {by}. {nearest(by, names)}")
    return next(iter(varying(collection)), None)
