"""What claims accept: names, scalars, samples."""

import numpy as np
from numpy.typing import ArrayLike


def check_names(id: str, statement: str) -> None:
    """Refuse an id without its chapter's name, and an empty statement."""
    check_id(id, "id")
    if "-" not in id:
        raise ValueError(
            f"`id` must begin with its chapter's name and a hyphen. Received: id={id!r}"
        )
    if not isinstance(statement, str) or not statement.strip():
        raise ValueError(f"`statement` must be a sentence. Received: statement={statement!r}")


def check_id(id: str, argument: str) -> None:
    """Refuse a name that is not lower-case words joined by hyphens."""
    words = id.split("-") if isinstance(id, str) else []
    if not words or not all(word.isalnum() and word == word.lower() for word in words):
        raise ValueError(
            f"`{argument}` must be lower-case words joined by hyphens. Received: {argument}={id!r}"
        )


def plain_scalar(value, argument: str) -> int | float | str | None:
    """Return a scalar as Python's own type; NaN is refused."""
    if value is None or isinstance(value, str | int):
        return value
    value = np.asarray(value)
    if value.ndim or value.dtype.kind not in "biuf":
        raise ValueError(f"`{argument}` must be a number or a text. Received: {value!r}")
    if np.isnan(value):
        raise ValueError(f"`{argument}` must not be NaN. Received: {value!r}")
    return value.item()


def check_shares(*, confidence: float, judge_share: float) -> None:
    """Refuse a coverage or an overlap of draws that there cannot be."""
    if not 0 < confidence < 1:
        raise ValueError(f"`confidence` must be in (0, 1). Received: confidence={confidence}")
    if not 0 <= judge_share < 1:
        raise ValueError(f"`judge_share` must be in [0, 1). Received: judge_share={judge_share}")


def checked_sample(values: ArrayLike, name: str) -> np.ndarray:
    """Return values over replicas as finite float64, shape (replicas,)."""
    sample = np.asarray(values, dtype=np.float64)
    if sample.ndim != 1 or sample.size == 0:
        raise ValueError(f"`{name}` must have shape (replicas,). Received: shape={sample.shape}")
    if not np.isfinite(sample).all():
        raise ValueError(f"`{name}` must be finite. Received: {sample}")
    return sample
