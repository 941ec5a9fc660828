"""Named data sets, split and scaled in one way for the whole book.

``digits`` ships inside scikit-learn; ``fashion_mnist`` and ``cifar10`` are read from the folder
that the environment variable ``DNNBOOK_DATA`` names, or else downloaded by Keras.
"""

import os
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

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
FILE_KEYS = ("x_train", "y_train", "x_test", "y_test")
VALIDATION_SIZE = 5000  # the notes split off as many, and their counts follow from it
VALIDATION_SHARE = 5  # of a small file a fifth is split off
DIGITS_HELD_OUT = 300  # examples of the digits for validation, and as many for the test
LEAST_SPREAD = 1e-7  # one grey level in one pixel of 60,000 images is more


@dataclass(frozen=True, eq=False)  # arrays have no single equality
class Dataset:
    """A classification data set in three splits.

    Attributes:
        name: The name it was loaded by.
        x_train, x_valid, x_test: Images, float32 in [0, 1], shape (n, *image_shape).
        y_train, y_valid, y_test: Labels, int32 in [0, number of classes), shape (n,).
        class_names: The name of each class, in the order of the labels.
    """

    name: str
    x_train: np.ndarray
    y_train: np.ndarray
    x_valid: np.ndarray
    y_valid: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    class_names: tuple[str, ...]

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Shape of one image, without the examples' axis."""
        return self.x_train.shape[1:]

    def standardized(self) -> "Dataset":
        """Return the data with mean 0 and standard deviation 1 over the training set.

        Each pixel is shifted by its own training mean. All pixels are divided by one number, the
        training standard deviation of what remains, so that pixels that hardly ever change (the
        corners of a digit) are not blown up.

        Raises:
            ValueError: The training images are all alike, so that nothing can be scaled.

        Example:
            >>> data = load("digits").standardized()
            >>> bool(abs(data.x_train.mean()) < 1e-6), bool(abs(data.x_train.std() - 1) < 1e-5)
            (True, True)
        """
        # Sums in float64, arrays in float32: in float64 CIFAR-10 would take gigabytes.
        mean = self.x_train.mean(axis=0, dtype=np.float64).astype(np.float32)
        scale = np.sqrt(np.square(self.x_train - mean).mean(dtype=np.float64)).astype(np.float32)
        if scale < LEAST_SPREAD:
            raise ValueError(f"the training images of {self.name!r} must not all be alike.")
        return replace(
            self,
            **{
                field: (getattr(self, field) - mean) / scale
                for field in ("x_train", "x_valid", "x_test")
            },
        )


def load(name: str, *, train_size: int | None = None, seed: int = 0) -> Dataset:
    """Load a data set by its name.

    Args:
        name: ``"digits"`` (8 × 8, embedded in scikit-learn), ``"fashion_mnist"`` (28 × 28) or
            ``"cifar10"`` (32 × 32 × 3).
        train_size: Number of training examples to keep, drawn with every class in proportion;
            all by default. Validation and test splits stay whole.
        seed: Seed of that draw. The splits themselves never change.

    Returns:
        The `Dataset`: images as float32 in [0, 1], integer labels.

    Raises:
        ValueError: The name is unknown, `train_size` is out of range, or the file is damaged.
        FileNotFoundError: ``DNNBOOK_DATA`` is set and its folder lacks the file, or it is not set
            and Keras cannot download it.

    Example:
        >>> data = load("digits")
        >>> data.x_train.shape, data.x_valid.shape, data.x_test.shape
        ((1197, 8, 8), (300, 8, 8), (300, 8, 8))
    """
    if name not in _LOADERS:
        names = ", ".join(repr(known) for known in _LOADERS)
        raise ValueError(f"`name` must be one of {names}. Received: name={name!r}")
    dataset = _LOADERS[name]()
    return dataset if train_size is None else _subset(dataset, train_size, seed)


def names() -> tuple[str, ...]:
    """Return the names that `load` knows.

    Example:
        >>> names()
        ('digits', 'fashion_mnist', 'cifar10')
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
    # The examples come sorted by writer: shuffle once, always alike, before splitting.
    order = np.random.default_rng(0).permutation(len(raw.target))
    images = (raw.images / 16.0).astype(np.float32)[order]
    labels = raw.target.astype(np.int32)[order]
    valid, train = slice(DIGITS_HELD_OUT, 2 * DIGITS_HELD_OUT), slice(2 * DIGITS_HELD_OUT, None)
    test = slice(0, DIGITS_HELD_OUT)
    return Dataset(
        "digits",
        images[train],
        labels[train],
        images[valid],
        labels[valid],
        images[test],
        labels[test],
        DIGITS_CLASSES,
    )


def _load_file(name: str, image_shape: tuple[int, ...], class_names: tuple[str, ...]) -> Dataset:
    x, y, x_test, y_test = _read_arrays(name, image_shape, len(class_names))
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


def _read_arrays(name: str, image_shape: tuple[int, ...], classes: int) -> list[np.ndarray]:
    """Return x_train, y_train, x_test, y_test, checked; images as uint8, labels as int32."""
    folder = os.environ.get("DNNBOOK_DATA")
    if folder:
        path = Path(folder) / f"{name}.npz"
        source, arrays = str(path), _read_npz(path)
    else:
        source, arrays = f"Keras' copy of {name}", _download(name)
    for key, array in arrays.items():
        expected = image_shape if key.startswith("x") else ()
        if key.startswith("y") and array.ndim == 2 and array.shape[1] == 1:
            arrays[key] = array = array[:, 0]  # Keras' CIFAR-10 keeps labels in a column
        least = VALIDATION_SHARE if key == "x_train" else 1
        if array.ndim != 1 + len(expected) or array.shape[1:] != expected or len(array) < least:
            shown = ", ".join(map(str, ("n", *expected)))
            raise ValueError(
                f"{source}: `{key}` must have shape ({shown}) with n of at least {least}. "
                f"Received: shape={array.shape}"
            )
    for split in ("train", "test"):
        _check_split(source, split, arrays[f"x_{split}"], arrays[f"y_{split}"], classes)
    return [arrays[key] if key[0] == "x" else arrays[key].astype(np.int32) for key in FILE_KEYS]


def _check_split(source: str, split: str, x: np.ndarray, y: np.ndarray, classes: int) -> None:
    if x.dtype != np.uint8:
        raise ValueError(f"{source}: `x_{split}` must be uint8. Received: dtype={x.dtype}")
    if len(x) != len(y):
        raise ValueError(
            f"{source}: `x_{split}` and `y_{split}` must be equally long. "
            f"Received: {len(x)} images and {len(y)} labels"
        )
    if not np.issubdtype(y.dtype, np.integer):
        raise ValueError(f"{source}: `y_{split}` must be integers. Received: dtype={y.dtype}")
    if y.min() < 0 or y.max() >= classes:
        raise ValueError(
            f"{source}: `y_{split}` must be from 0 to {classes - 1}. "
            f"Received: from {y.min()} to {y.max()}"
        )


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    """Read the four arrays of an .npz file without ever unpickling."""
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} does not exist. Put it there, or unset DNNBOOK_DATA to let Keras download it."
        )
    try:
        with zipfile.ZipFile(path) as archive:
            found = [name.removesuffix(".npy") for name in archive.namelist()]
            if set(FILE_KEYS) <= set(found):
                return {key: _read_member(archive, f"{key}.npy") for key in FILE_KEYS}
    except Exception as error:  # damage shows as anything: zipfile, zlib, NumPy's header parser
        if "Object arrays" in str(error):
            raise ValueError(
                f"{path} holds a pickled object, which is never loaded: it could run code. Write "
                "plain arrays with `numpy.savez`."
            ) from error
        raise ValueError(
            f"{path} is damaged or not an .npz file; fetch it again. Received: {error!r}"
        ) from error
    raise ValueError(
        f"{path} must hold the arrays {', '.join(FILE_KEYS)}. "
        f"Received: {', '.join(found) or 'none'}"
    )


def _read_member(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    with archive.open(name) as member:
        array = np.lib.format.read_array(member, allow_pickle=False)
        if member.read(1):  # only at its very end does zipfile compare the checksum
            raise ValueError(f"{name} is longer than its array")
        return array


def _download(name: str) -> dict[str, np.ndarray]:
    import keras

    try:
        (x, y), (x_test, y_test) = getattr(keras.datasets, name).load_data()
    except Exception as error:  # Keras raises bare exceptions for any failed download
        raise FileNotFoundError(
            f"{name!r} is not on this machine and Keras could not download it. Two ways out: set "
            f"DNNBOOK_DATA to a folder that holds {name}.npz (arrays {', '.join(FILE_KEYS)}), or "
            f"run once with a network. Received: {error}"
        ) from error
    return dict(zip(FILE_KEYS, (x, y, x_test, y_test), strict=True))


_LOADERS = {
    "digits": _load_digits,
    "fashion_mnist": lambda: _load_file("fashion_mnist", (28, 28), FASHION_CLASSES),
    "cifar10": lambda: _load_file("cifar10", (32, 32, 3), CIFAR10_CLASSES),
}
