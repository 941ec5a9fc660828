"""Rates that each replica chooses by itself."""

from collections.abc import Sequence

import numpy as np

from helpers.optimizers.optimizer import Array
from helpers.replicas import Replicas


class OwnChoice:
    """Replicas of which each takes the rate that was best on its own tune set.

    The search is then a part of the training that is judged: its luck is in the interval. What is
    measured on other data is measured at all rates, and of each replica the chosen one is kept.

    Args:
        runs: The replicas at each rate, as many each, with ``val_loss`` in their histories. One
            that a callback has stopped is judged by the last epoch that it was trained for.

    Attributes:
        history: That of each replica's own rate; masked where it was stopped before.
        chosen: Its position among the rates, shape (replicas,); where all diverged, the first.

    Raises:
        ValueError: There are no runs, they differ in their replicas, or they were not validated.

    Example:
        >>> from types import SimpleNamespace
        >>> class Run(SimpleNamespace):
        ...     __len__ = lambda self: 2
        >>> slow = Run(history={"val_loss": np.array([[3.0], [1.0]])})
        >>> fast = Run(history={"val_loss": np.array([[2.0], [np.nan]])})
        >>> OwnChoice([slow, fast]).chosen
        array([1, 0])
    """

    def __init__(self, runs: Sequence[Replicas]):
        counts = [len(run) for run in runs]
        if not counts or len(set(counts)) > 1:
            raise ValueError(f"`runs` must have as many replicas each. Received: {counts}")
        if not all("val_loss" in run.history for run in runs):
            raise ValueError(
                "`runs` must have been trained with validation data. "
                f"Received: histories of {', '.join(runs[0].history)}"
            )
        self.runs = list(runs)
        losses = np.stack([_ends(run.history["val_loss"]) for run in runs])
        self.chosen = np.where(np.isfinite(losses), losses, np.inf).argmin(axis=0)
        self.history = {name: self._own(_alike([run.history[name] for run in runs]))
                        for name in runs[0].history}  # fmt: skip

    def __len__(self) -> int:
        return len(self.chosen)

    def evaluate(self, x: Array, y: Array, *, rows: Array) -> dict[str, Array]:
        """Return loss and metrics of each replica at its own rate, on rows of its own."""
        found = [run.evaluate(x, y, rows=rows) for run in self.runs]
        return {name: self._own([one[name] for one in found]) for name in found[0]}

    def _own(self, values: Sequence[Array]) -> Array:
        stack = np.ma.stack if any(map(np.ma.isMaskedArray, values)) else np.stack
        return stack(values)[self.chosen, np.arange(len(self.chosen))]


def _ends(figures: Array) -> Array:
    """Return each replica's last figure: what it was stopped before is masked."""
    trained = (~np.ma.getmaskarray(figures)).sum(axis=1)
    return np.asarray(figures)[np.arange(len(figures)), trained - 1]


def _alike(histories: Sequence[Array]) -> Sequence[Array]:
    """Return histories of one length, with masked epochs behind those that ended before."""
    longest = max(one.shape[1] for one in histories)
    if all(one.shape[1] == longest for one in histories):
        return histories
    behind = [np.ma.masked_all((len(one), longest - one.shape[1])) for one in histories]
    pairs = zip(histories, behind, strict=True)
    return [np.ma.concatenate(pair, axis=1) for pair in pairs]
