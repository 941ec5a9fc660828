"""Whether a claim was frozen and confirmed: its design, compared with a committed result."""

import hashlib
import json
from pathlib import Path
from typing import Literal

RESULTS = Path(__file__).resolve().parents[2] / "results"
FIRST_CONFIRMING_SEED = 10_000  # what confirms begins there, and nothing else uses such seeds

Status = Literal["confirmed", "not confirmed", "exploratory"]


def design_of(parts: object) -> str:
    """Return a short name for all that was decided before a run: equal parts, equal name.

    Args:
        parts: JSON data: statement, arms, grid, margin and their like.

    Example:
        >>> design_of({"margin": 1.1}) == design_of({"margin": 1.2})
        False
    """
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def confirmation(id: str, design: str, verdict: str, *, folder: Path | None = None) -> Status:
    """Return how a claim stands after the run that was to confirm it.

    Args:
        id: The claim's, which begins with its chapter's name.
        design: What it rests on now.
        verdict: What was found now.
        folder: Of the results of `dnnbook confirm`; by default those that are committed.

    Returns:
        ``"exploratory"`` where nothing of this design was run on fresh seeds and draws.
    """
    found = confirmed_record(id, folder=folder)
    if found is None or found.get("design") != design:
        return "exploratory"
    return "confirmed" if found.get("verdict") == verdict else "not confirmed"


def confirmed_record(id: str, *, folder: Path | None = None) -> dict | None:
    """Return what the confirming run found of a claim, or None where there was none.

    Raises:
        ValueError: The file of the chapter's results is damaged.
    """
    path = (folder or RESULTS) / f"{id.split('-')[0]}.json"
    if not path.is_file():
        return None
    try:
        claims = json.loads(path.read_text("utf-8"))["claims"]
        return claims.get(id)
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise ValueError(
            f"{path.name} must hold the results of `dnnbook confirm`. Received: {error!r}"
        ) from error
