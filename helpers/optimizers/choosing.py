"""Rates that each replica chooses by itself, and what it costs to try fewer of them."""

from collections.abc import Sequence
from math import comb

import numpy as np

from helpers.optimizers.optimizer import Array, as_reals, check_count
from helpers.replicas import Replicas


class OwnChoice:
    """Replicas of which each takes the rate that was best on its own tune set.

    The search is then a part of the training that is judged: its luck is in the interval. What is
    measured on other data is measured at all rates, and of each replica the chosen one is kept.

    Args:
        runs: The replicas at each rate, as many each, with ``val_loss`` in their histories.

    Attributes:
        history: That of each replica's own rate.
        chosen: Its position among the rates, shape (replicas,); where all diverged, the first.

    Raises:
        ValueError: There are no runs, or they differ in their replicas.

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
        self.runs = list(runs)
        losses = np.stack([np.asarray(run.history["val_loss"])[:, -1] for run in runs])
        self.chosen = np.where(np.isfinite(losses), losses, np.inf).argmin(axis=0)
        self.history = {name: self._own([run.history[name] for run in runs])
                        for name in runs[0].history}  # fmt: skip

    def __len__(self) -> int:
        return len(self.chosen)

    def evaluate(self, x: Array, y: Array, *, rows: Array) -> dict[str, Array]:
        """Return loss and metrics of each replica at its own rate, on rows of its own."""
        found = [run.evaluate(x, y, rows=rows) for run in self.runs]
        return {name: self._own([one[name] for one in found]) for name in found[0]}

    def _own(self, values: Sequence[Array]) -> Array:
        return np.stack(values)[self.chosen, np.arange(len(self.chosen))]


def best_of(chosen_by: Array, judged_by: Array, tries: int) -> Array:
    """Return what is to be expected of the best of some rates, drawn without looking.

        E = Σᵣ J₍ᵣ₎ · C(n − r, k − 1) / C(n, k),   r = 1 … n − k + 1

    J₍ᵣ₎ is judged at the rate that comes r-th when they are chosen; k of all n are drawn, each as
    likely as any other.

    Args:
        chosen_by: What is made lowest, shape (rates, replicas); infinite where one diverged.
        judged_by: What counts then, finite, in the same shape.
        tries: k, from 1 to the number of rates.

    Returns:
        Shape (replicas,).

    Raises:
        TypeError: `tries` is no integer.
        ValueError: `tries` is out of its range, or the shapes differ.

    Example:
        >>> best_of([[1.0], [3.0], [2.0]], [[10.0], [40.0], [20.0]], tries=2).round(3)
        array([13.333])

    Reference:
        Dodge et al. (2019), Show your work: improved reporting of experimental results.
    """
    chosen_by, judged_by = as_reals("chosen_by", chosen_by), as_reals("judged_by", judged_by)
    if chosen_by.shape != judged_by.shape or chosen_by.ndim != 2:
        raise ValueError(
            "`chosen_by` and `judged_by` must have one shape (rates, replicas). "
            f"Received: {chosen_by.shape}, {judged_by.shape}"
        )
    check_count(1, tries=tries)
    count = len(chosen_by)
    if tries > count:
        raise ValueError(f"`tries` must be at most {count}. Received: tries={tries}")
    order = np.argsort(chosen_by, axis=0, kind="stable")
    ranked = np.take_along_axis(judged_by, order, axis=0)
    chances = [comb(count - 1 - rank, tries - 1) / comb(count, tries) for rank in range(count)]
    return np.asarray(chances) @ ranked
