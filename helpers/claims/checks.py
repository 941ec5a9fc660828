"""What claims accept: names, scalars, samples."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from helpers.checks import as_reals


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


def check_arms(arms: Mapping) -> None:
    """Refuse what is no dictionary, or holds nothing."""
    if not isinstance(arms, Mapping):
        raise TypeError(
            f"`arms` must be a dictionary, one entry for each arm. Received: {type(arms).__name__}"
        )
    if not arms:
        raise ValueError("`arms` must hold at least one arm. Received: none")


def check_draws(argument: str, draws: object) -> None:
    """Refuse what no replicas can have been drawn from."""
    if not hasattr(draws, "judge_share"):
        raise TypeError(
            f"`{argument}` must be draws, as `load_pool(name).draw()` makes them. "
            f"Received: {type(draws).__name__}"
        )


def checked_sample(values: ArrayLike, name: str) -> np.ndarray:
    """Return values over replicas as finite float64, shape (replicas,)."""
    sample = as_reals(name, values, kinds="biuf")
    if sample.ndim != 1 or sample.size == 0:
        raise ValueError(f"`{name}` must have shape (replicas,). Received: shape={sample.shape}")
    if not np.isfinite(sample).all():
        raise ValueError(f"`{name}` must be finite. Received: {sample}")
    return sample
