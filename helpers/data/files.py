"""Arrays from an .npz file or from Keras, checked before anyone computes with them."""

import os
import zipfile
from pathlib import Path

import numpy as np

FILE_KEYS = ("x_train", "y_train", "x_test", "y_test")
VALIDATION_SHARE = 5  # of a small file a fifth is split off


def read_arrays(name: str, image_shape: tuple[int, ...], classes: int) -> list[np.ndarray]:
    """Return x_train, y_train, x_test, y_test, checked; images as uint8, labels as int32."""
    folder = os.environ.get("DNNBOOK_DATA")
    if folder:
        path = Path(folder) / f"{name}.npz"
        source, arrays = str(path), _read_npz(path)
    else:
        source, arrays = f"Keras' copy of {name}", _download(name)
    arrays = {key: _checked_shape(source, key, array, image_shape) for key, array in arrays.items()}
    for split in ("train", "test"):
        _check_split(source, split, arrays[f"x_{split}"], arrays[f"y_{split}"], classes)
    return [arrays[key] if key[0] == "x" else arrays[key].astype(np.int32) for key in FILE_KEYS]


def _checked_shape(
    source: str, key: str, array: np.ndarray, image_shape: tuple[int, ...]
) -> np.ndarray:
    """Return an array of the shape it must have; labels in a column are made flat."""
    expected = image_shape if key.startswith("x") else ()
    if key.startswith("y") and array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]  # Keras' CIFAR-10 keeps labels in a column
    least = VALIDATION_SHARE if key == "x_train" else 1
    if array.ndim != 1 + len(expected) or array.shape[1:] != expected or len(array) < least:
        shown = ", ".join(map(str, ("n", *expected)))
        raise ValueError(
            f"{source}: `{key}` must have shape ({shown}) with n of at least {least}. "
            f"Received: shape={array.shape}"
        )
    return array


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
