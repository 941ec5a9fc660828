"""A race: arms on task B, each at its best rate, the draws of labels averaged."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from helpers.replicas import Replicas, best_position, search


class Outcome(NamedTuple):
    """What came of an arm at its best learning rate.

    Attributes:
        loss: On the judged images, shape (replicas,), the geometric mean over draws of the
            labels: the losses of a lucky and an unlucky draw are far apart.
        rate: The learning rate.
        nets: The trained networks: all replicas with the first draw, then with the second, ….
    """

    loss: np.ndarray
    rate: float
    nets: Replicas


def race(
    arms: Mapping[str, Mapping],
    rates: Sequence[float],
    x: np.ndarray,
    y: np.ndarray,
    *,
    rows: Mapping[int, np.ndarray],
    judged: tuple,
    draws: int,
    **shared,
) -> dict[tuple[str, int], Outcome]:
    """Train arms on each number of labels, and take each at its best rate.

    Args:
        arms: Name → what `helpers.replicas.search` takes for an arm: ``build``, ``start``.
        rates: As `search` takes them.
        x: Images, or features of them.
        y: Their labels.
        rows: Number of labels → the examples of each network, shape (draws * replicas, m) with
            one m for all: fewer images are repeated.
        judged: (x, y), or (x, y, rows): what the mean loss chooses the rate on.
        draws: Number of draws of the labels.
        **shared: As for `search`.

    Returns:
        (Arm, number of labels) → `Outcome`.
    """
    networks = len(next(iter(rows.values())))
    each = {(name, n): arm | {"rows": rows[n]} for name, arm in arms.items() for n in rows}
    choose = partial(_loss, judged=judged)
    found = search(each, rates, x, y, choose=choose, replicas=networks, **shared)
    return {
        key: Outcome(
            over_draws(losses[found.position(key)], draws), found.rate(key), found.best(key)
        )
        for key, losses in found.losses.items()
    }


def best_of_rates(nets: Mapping[float, Replicas], judged: tuple, draws: int) -> Outcome:
    """Return what the best of several rates gave.

    Args:
        nets: Rate → the networks that were trained at it.
        judged: As for `race`.
        draws: As for `race`.

    Raises:
        ValueError: At every rate a network diverged.
    """
    losses = np.stack([_loss(trained, judged) for trained in nets.values()])
    best = best_position(losses)
    rate, trained = list(nets.items())[best]
    return Outcome(over_draws(losses[best], draws), rate, trained)


def over_draws(values: np.ndarray, draws: int) -> np.ndarray:
    """Return the geometric mean of positive values over the draws of each replica.

    Example:
        >>> over_draws(np.array([1.0, 5.0, 4.0, 5.0]), 2).round(6)  # two replicas, two draws
        array([2., 5.])
    """
    return np.exp(np.log(values).reshape(draws, -1).mean(axis=0))


def accuracy(nets: Replicas, judged: tuple, draws: int) -> np.ndarray:
    """Return the mean accuracy over the draws of each replica, shape (replicas,).

    Args:
        nets: All replicas with the first draw, then with the second, ….
        judged: As for `race`.
        draws: As for `race`.
    """
    x, y, *rows = judged
    truth = y[rows[0]] if rows else y
    y_pred = nets.predict(x, rows=rows[0] if rows else None)
    return (y_pred.argmax(axis=-1) == truth).reshape(draws, -1, truth.shape[-1]).mean(axis=(0, 2))


def _loss(nets: Replicas, judged: tuple) -> np.ndarray:
    x, y, *rows = judged
    return nets.evaluate(x, y, rows=rows[0] if rows else None)["loss"]
