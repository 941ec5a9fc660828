"""A task with long dependencies: add two numbers that stand far apart in a sequence."""

import numpy as np

from helpers.checks import as_reals, check_count
from helpers.clipping.clip import Array


def adding_problem(n: int, *, steps: int = 16, seed: int = 0) -> tuple[Array, Array]:
    """Return sequences of random numbers of which two are marked, with those two's sum as target.

    Step t holds a number, uniform in [0, 1), and a mark mₜ:

        xₜ = (zₜ, mₜ),   y = Σₜ mₜ zₜ

    One mark (mₜ = 1) falls in the first half of the steps, the other in the second. Whoever always
    answers 1 has a mean squared error of 1/6, the variance of a sum of two uniform numbers.

    Args:
        n: Number of sequences, at least 1.
        steps: Length of a sequence, at least 2.
        seed: Seed of the draw, at least 0.

    Returns:
        ``(x, y)``, float32, of shapes (n, steps, 2) and (n,).

    Raises:
        TypeError: An argument is no integer.
        ValueError: A number is too small.

    Example:
        >>> x, y = adding_problem(3, steps=4)
        >>> x.shape, x[:, :, 1].sum(axis=1).tolist()
        ((3, 4, 2), [2.0, 2.0, 2.0])

    Reference:
        Hochreiter and Schmidhuber (1997), Long short-term memory.
    """
    check_count(1, n=n)
    check_count(2, steps=steps)
    check_count(0, seed=seed)
    rng = np.random.default_rng(seed)
    numbers, marks = rng.random((n, steps)), np.zeros((n, steps))
    marks[np.arange(n), rng.integers(0, steps // 2, n)] = 1
    marks[np.arange(n), rng.integers(steps // 2, steps, n)] = 1
    x = np.stack([numbers, marks], axis=-1).astype(np.float32)
    return x, np.sum(numbers * marks, axis=1).astype(np.float32)


class AddingDraws:
    """Sequences of the adding problem for each replica: to train on, to tune on, and to judge.

    Replica k draws its own with the seed ``seed + k``. No sequence belongs to two replicas. As with
    the draws of images, `helpers.claims.judge` opens the rows that judge, once.

    Args:
        name: The data set that the chapter runs on, under which its results are kept.
        sizes: Sequences to train, tune and judge on, each at least 1.
        steps: Length of a sequence, at least 2.
        replicas: How many, at least 1.
        seed: Of the first one.

    Attributes:
        x, y: All sequences and their targets.
        train, tune: Rows of these, shape (replicas, sequences).
        judge_share: 0: nothing overlaps.

    Raises:
        ValueError: A number is too small.

    Example:
        >>> draws = AddingDraws("digits", (5, 2, 3), steps=4, replicas=2, seed=7)
        >>> draws.x.shape, draws.tune.tolist()
        ((20, 4, 2), [[5, 6], [15, 16]])
    """

    judge_share = 0.0

    def __init__(
        self, name: str, sizes: tuple[int, int, int], *, steps: int, replicas: int, seed: int
    ):
        check_count(1, replicas=replicas)
        check_count(2, steps=steps)
        check_count(0, seed=seed)
        sizes = as_reals("sizes", sizes, kinds="iu", dtype=None).tolist()
        if np.shape(sizes) != (3,) or min(sizes) < 1:
            raise ValueError(
                "`sizes` must be three whole numbers of at least 1, to train, tune and judge on. "
                f"Received: sizes={sizes}"
            )
        own = [adding_problem(sum(sizes), steps=steps, seed=seed + k) for k in range(replicas)]
        self.name, self.steps, self.sizes = name, steps, tuple(sizes)
        self.x, self.y = (np.concatenate(part) for part in zip(*own, strict=True))
        rows = np.arange(len(self.x)).reshape(replicas, -1)
        ends = np.cumsum(sizes)[:2]
        self.train, self.tune, self.__judge = np.split(rows, ends, axis=1)

    def __len__(self) -> int:
        return len(self.train)

    def open_judge(self) -> Array:
        """Return the rows that judge, shape (replicas, sequences), the first time.

        Raises:
            RuntimeError: They were handed out before.
        """
        rows, self.__judge = self.__judge, None
        if rows is None:
            raise RuntimeError(
                "the judge rows of these draws were handed out already: what was looked at no "
                "longer judges. Draw and train again"
            )
        return rows

    def __repr__(self) -> str:
        return f"{len(self)} draws of {self.sizes} sequences of {self.steps} steps"
