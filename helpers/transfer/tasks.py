"""Tasks: few labels of each class, two classes against the rest, and labels that cost nothing."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from helpers.checks import as_reals

TURNS = 4  # quarter turns of an image, 0 included
Rows = NDArray[np.integer]


def take_turns(y: np.ndarray, rows: Rows) -> Rows:
    """Return rows in an order in which the classes take turns.

    The first n rows then hold as many of each class as of any other, or one more. Within a class
    the order stays.

    Args:
        y: Labels of all examples, shape (examples,) or (examples, 1).
        rows: Shape (..., n): which of them.

    Example:
        >>> take_turns(np.array([0, 0, 0, 1, 1]), np.array([2, 0, 1, 4, 3])).tolist()
        [2, 4, 0, 3, 1]
    """
    rows = np.asarray(rows)
    flat = rows.reshape(-1, rows.shape[-1])
    labels = one_axis(y)
    return np.stack([own[_turns(labels[own])] for own in flat]).reshape(rows.shape)


def one_axis(y: np.ndarray) -> np.ndarray:
    """Return labels, shape (n,), of a column of them, as Keras' own data sets have it, too."""
    labels = np.asarray(y)
    return labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels


def _turns(labels: np.ndarray) -> NDArray[np.integer]:
    number = np.zeros(len(labels), int)  # of an example among those of its class
    for label in np.unique(labels):
        number[labels == label] = range(np.count_nonzero(labels == label))
    return np.lexsort((labels, number))


def rotations(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return images in each of four turns, and by how many quarter turns each was rotated.

    Args:
        x: Square images, shape (n, side, side) or (n, side, side, channels).

    Returns:
        Images, shape (4 n, ...), all upright ones first, and labels 0 to 3, shape (4 n,).

    Raises:
        TypeError: `x` holds no numbers.
        ValueError: The images are none, or not square.

    Example:
        >>> x, y = rotations(np.array([[[1, 2], [3, 4]]]))
        >>> x[1].tolist(), y.tolist()
        ([[2, 4], [1, 3]], [0, 1, 2, 3])

    Reference:
        Gidaris, Singh and Komodakis (2018), Unsupervised representation learning by predicting
        image rotations.
    """
    x = as_reals("x", x, kinds="biuf", dtype=None)
    if x.ndim not in (3, 4):
        raise ValueError(
            "`x` must have shape (n, side, side) or (n, side, side, channels). "
            f"Received: shape={x.shape}"
        )
    height, width = x.shape[1:3]
    if height != width:
        raise ValueError(f"images must be square. Received: {height} × {width} pixels")
    turned = [np.rot90(x, turn, axes=(1, 2)) for turn in range(TURNS)]
    return np.concatenate(turned), np.repeat(np.arange(TURNS, dtype=np.int32), len(x))


class PairDraws:
    """For each replica two classes, the target, and the others, the source.

    Replica k keeps from the sets of its own draw: of the train set, the source's images and a few
    labelled ones of the target, of which the classes take turns; of the tune and the judge set,
    the target's. So that all replicas have equally many, what exceeds the least is left out.

    Attributes:
        name, x, y, judge_share: Those of the draws.
        pairs: The two classes of each replica.
        source: Rows of the source's images to train on, shape (replicas, n).
        source_tune: The same to tune on.
        train, tune: Rows of the target's, shape (replicas, n).
    """

    def __init__(self, draws, pairs: Sequence[tuple[int, int]], *, labels: int):
        """Cut pairs out of draws, whose judge rows are opened by this.

        Args:
            draws: Of a pool, one for each pair.
            pairs: Two classes for each replica.
            labels: How many images of the target have a label.

        Raises:
            ValueError: There are as many pairs as draws, a pair is none, or images are too few.
        """
        known = set(np.unique(draws.y).tolist())
        if len(pairs) != len(draws) or any(len({*p} & known) != 2 or len(p) != 2 for p in pairs):
            raise ValueError(
                f"`pairs` must be two of the classes {sorted(known)} for each of {len(draws)} "
                f"draws. Received: pairs={list(pairs)}"
            )
        self.name, self.x, self.y = draws.name, draws.x, draws.y
        self.judge_share, self.pairs = draws.judge_share, tuple(pairs)
        self.source = self._cut(draws.train, target=False)
        self.source_tune = self._cut(draws.tune, target=False)
        target = self._cut(draws.train, target=True)
        if not 2 <= labels <= target.shape[1]:
            raise ValueError(
                f"`labels` must be from 2 to {target.shape[1]}, the target's images. "
                f"Received: labels={labels}"
            )
        self.train = target[:, :labels]
        self.tune = self._cut(draws.tune, target=True)
        self.__judge: Rows | None = self._cut(draws.open_judge(), target=True)
        self.judge_size = self.__judge.shape[1]

    def _cut(self, rows: Rows, *, target: bool) -> Rows:
        kept = [
            own[np.isin(self.y[own], pair) == target]
            for own, pair in zip(rows, self.pairs, strict=True)
        ]
        least = min(map(len, kept))
        return np.stack([take_turns(self.y, own)[:least] for own in kept])

    def __len__(self) -> int:
        return len(self.pairs)

    def __repr__(self) -> str:
        sizes = f"train {self.train.shape[1]}, tune {self.tune.shape[1]}, judge {self.judge_size}"
        return f"{len(self)} pairs of classes of {self.name}: {sizes}"

    def open_judge(self) -> Rows:
        """Return the rows that judge, the first time.

        Raises:
            RuntimeError: They were handed out before.
        """
        rows, self.__judge = self.__judge, None
        if rows is None:
            raise RuntimeError("the judge rows of these pairs were handed out already")
        return rows
