"""Whether a claim was frozen and confirmed: its design, compared with a committed result."""

import hashlib
import json
import reprlib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np

RESULTS = Path(__file__).resolve().parents[2] / "results"
# What confirms begins there. Chapters begin far below, replicates of a grid a million above.
FIRST_CONFIRMING_SEED = 10_000

NEEDED = ("design", "verdict", "effect", "low", "high")

Status = Literal["confirmed", "not confirmed", "open twice", "exploratory"]


def design_of(parts: object) -> str:
    """Return a short name for what was written down before a run: equal parts, equal name.

    It stands for what is in the parts and for nothing else. A measure is in them by its name, nets
    by the `design` of their replicas: if a function's body changes, the name does not.

    Args:
        parts: JSON data: statement, arms, grid, margin and their like; NumPy's numbers and arrays
            count as Python's.

    Raises:
        TypeError: They are no JSON data, so that they need not have one name.

    Example:
        >>> design_of({"margin": 1.1}) == design_of({"margin": 1.2})
        False
    """
    try:
        text = json.dumps(parts, sort_keys=True, ensure_ascii=False, default=_plain)
    except TypeError as error:
        raise TypeError(
            "what was decided before the run must be JSON data: texts, numbers, lists and "
            f"dictionaries of such. Received: {error}"
        ) from error
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _plain(value: object) -> object:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(reprlib.repr(value))  # as text it could hold an address


def repeated(id: str, design: str) -> dict[str, str | float]:
    """Return what the run that was to confirm a claim found, if it had this design.

    A run is filed under the chapter's data set. A claim may be about another one, as of a
    convolutional net on images that the tiny digits are too small for; the design names it. A
    claim that looks at no images has one design on all sets; then the first run counts.

    Args:
        id: The claim's, which begins with its chapter's name.
        design: What the claim rests on now.

    Returns:
        Its ``verdict``, ``effect``, ``low`` and ``high``, or nothing.
    """
    for found in confirmed_records(id).values():
        if found["design"] == design:
            return {name: found[name] for name in NEEDED if name != "design"}
    return {}


def status_of(verdict: str, second: Mapping[str, str | float]) -> Status:
    """Return how a claim stands after the run that was to confirm it, if there was one.

    Two runs that cannot tell agree, and confirm nothing.

    Example:
        >>> status_of("holds", {"verdict": "holds"}), status_of("holds", {})
        ('confirmed', 'exploratory')
        >>> status_of("inconclusive", {"verdict": "inconclusive"})
        'open twice'
    """
    if not second:
        return "exploratory"
    if second["verdict"] != verdict:
        return "not confirmed"
    return "open twice" if verdict == "inconclusive" else "confirmed"


def confirmed_records(id: str) -> dict[str, dict]:
    """Return what confirming runs found of a claim: data set → what is `NEEDED`, in their order.

    Raises:
        ValueError: The file of the chapter's results is damaged.
    """
    path = RESULTS / f"{id.split('-')[0]}.json"
    if not path.is_file():
        return {}
    try:
        runs = json.loads(path.read_text("utf-8"))["data"]
        return {
            name: {key: run["claims"][id][key] for key in NEEDED}
            for name, run in runs.items()
            if id in run["claims"]
        }
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise ValueError(
            f"{path.name} must hold the results of `dnnbook confirm`. Received: {error!r}"
        ) from error
