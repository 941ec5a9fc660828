"""Three sets for each replica: one to train on, one to tune on, one that judges, once."""

from collections.abc import Sequence

import numpy as np

Sizes = Sequence[int]
SETS = ("train", "tune", "judge")
SHARES = (0.6, 0.2, 0.2)


class Draws:
    """The sets of all replicas, as rows of one pool.

    The rows that judge are handed out once, by `open_judge`, which `helpers.claims.judge` calls:
    what has been looked at can be tuned to, and no longer judges.

    Attributes:
        name: The pool's.
        x, y: The pool's images and labels.
        train, tune: Rows of these, int64, shape (replicas, examples of the set).
        judge_size: Examples of the judge set.
        judge_share: Their share of the pool: how much the judge sets of two replicas overlap.
        groups: How many groups the pool was split by, 0 where examples were drawn one by one.
        seeds: One for each replica.
    """

    def __init__(self, name, x, y, train, tune, judge, *, groups: int, seeds: tuple[int, ...]):
        self.name, self.x, self.y, self.train, self.tune = name, x, y, train, tune
        self.groups, self.seeds = groups, seeds
        self.judge_size = judge.shape[1]
        self.judge_share = self.judge_size / len(x)
        self.__judge: np.ndarray | None = judge

    def __len__(self) -> int:
        return len(self.train)

    def open_judge(self) -> np.ndarray:
        """Return the rows that judge, shape (replicas, judge_size), the first time.

        Raises:
            RuntimeError: They were handed out before.
        """
        rows, self.__judge = self.__judge, None
        if rows is None:
            raise RuntimeError(
                "the judge rows of these draws were handed out already: what was looked at no "
                "longer judges. Judge all arms in one call; to begin again, draw again and train "
                "again"
            )
        return rows

    def __repr__(self) -> str:
        sizes = ", ".join(
            f"{name} {size}"
            for name, size in zip(
                SETS, (self.train.shape[1], self.tune.shape[1], self.judge_size), strict=True
            )
        )
        by = f" by {self.groups} groups" if self.groups else ""
        return f"{len(self)} draws of {self.name}{by}: {sizes}"


def resolve_sizes(sizes: Sizes | None, available: int) -> tuple[int, int, int]:
    """Return the examples of the three sets, checked."""
    if sizes is None:
        small = [int(share * available) for share in SHARES[1:]]
        return available - sum(small), *small
    wanted = tuple(sizes) if isinstance(sizes, Sequence) else (sizes,)
    whole = all(
        isinstance(one, int | np.integer) and not isinstance(one, bool) and one > 0
        for one in wanted
    )
    if len(wanted) != 3 or not whole or sum(wanted) > available:
        raise ValueError(
            f"`sizes` must be three whole numbers above 0, of {', '.join(SETS)}, together at most "
            f"{available}. Received: sizes={sizes!r}"
        )
    return tuple(int(one) for one in wanted)


def draw_rows(y: np.ndarray, sizes: Sizes, seed: int) -> list[np.ndarray]:
    """Return rows of three sets, classes in proportion, in random order.

    Args:
        y: Labels, shape (n,).
        sizes: Examples of each set.
        seed: Of the draw.

    Raises:
        ValueError: A set that is asked for is smaller than the number of classes.
    """
    from sklearn.model_selection import train_test_split

    rng = np.random.default_rng(seed)
    left, found = rng.permutation(len(y)), []
    classes = np.unique(y)
    for name, size in zip(SETS, sizes, strict=True):
        if 0 < size < len(classes):
            raise ValueError(
                f"the {name} set must have an example of each of {len(classes)} classes. "
                f"Received: {size} examples"
            )
        if len(left) - size >= len(classes) and size:
            own, left = train_test_split(
                left,
                train_size=int(size),
                stratify=y[left],
                random_state=int(rng.integers(2**31)),
            )
        else:
            own, left = left[:size], left[size:]
        found.append(own)
    return found


def draw_groups(y: np.ndarray, groups: np.ndarray, sizes: Sizes, seed: int) -> list[np.ndarray]:
    """Return rows of three sets, each of whole groups, in random order.

    Which groups a set gets is drawn. So that all draws are equally large, a set has as many
    examples as its number of groups has at least; what exceeds it is dropped at random.

    Args:
        y: Labels, shape (n,).
        groups: Shape (n,).
        sizes: Examples of each set, by which the number of groups is chosen.
        seed: Of the draw.

    Raises:
        ValueError: There are fewer groups than sets, or a set lacks a class.
    """
    names, counts = np.unique(groups, return_counts=True)
    if len(names) < len(SETS):
        raise ValueError(
            f"groups must be {len(SETS)} or more, one for each of {', '.join(SETS)}. "
            f"Received: {len(names)}"
        )
    rng = np.random.default_rng(seed)
    order, begin, found = rng.permutation(names), 0, []
    for name, count in zip(SETS, _group_counts(sizes, len(y), len(names)), strict=True):
        rows = np.flatnonzero(np.isin(groups, order[begin : begin + count]))
        begin += count
        least = np.sort(counts)[:count].sum()
        rows = rng.permutation(rows)[:least]
        missing = set(np.unique(y)) - set(np.unique(y[rows]))
        if missing:
            raise ValueError(
                f"the {name} set must have an example of each class. Received: {count} groups "
                f"without class {', '.join(map(str, sorted(missing)))}, at seed {seed}"
            )
        found.append(rows)
    return found


def _group_counts(sizes: Sizes, examples: int, groups: int) -> list[int]:
    """Return how many groups each set gets: as its size asks, one at least."""
    counts = [max(1, round(size / examples * groups)) for size in sizes]
    while sum(counts) > groups:
        counts[int(np.argmax(counts))] -= 1
    return counts
