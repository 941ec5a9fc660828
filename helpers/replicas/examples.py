"""Examples to train and to judge on: arrays, checked, and each replica's own rows of them."""

from typing import NamedTuple

import keras
import numpy as np
from keras.src.trainers.data_adapters.data_adapter_utils import class_weight_to_sample_weights

from helpers.replicas.agreement import names_of


class Examples(NamedTuple):
    """Inputs, targets and weights of n examples, nested as Keras takes them, or None."""

    x: object
    y: object
    weight: object = None

    def __len__(self) -> int:
        return len(keras.tree.flatten(self.x)[0])


def resolve_data(x, y, validation_data, sample_weight, class_weight):
    """Return training and validation `Examples`; those of validation may be None.

    Args:
        x: Inputs, nested as the model's; or a data set.
        y: Targets, nested as the model's outputs; None beside a data set.
        validation_data: (x, y) or (x, y, sample_weight), or None.
        sample_weight: As `fit` takes it.
        class_weight: As `fit` takes it.
    """
    if hasattr(x, "x_train"):
        if y is not None:
            raise ValueError("`y` must be left out where `x` is a data set. Received: both")
        needed = "x_train", "y_train", *(["y_valid"] if hasattr(x, "x_valid") else [])
        lacking = [one for one in needed if not hasattr(x, one)]
        if lacking:
            raise ValueError(
                "`x` must be arrays, or a data set with x_train and y_train, and with both or "
                f"neither of x_valid and y_valid. Received: {type(x).__name__} without "
                f"{', '.join(lacking)}"
            )
        if validation_data is None and _length(getattr(x, "x_valid", None)):
            validation_data = x.x_valid, x.y_valid
        x, y = x.x_train, x.y_train
    training = examples(x, y, sample_weight, name="x")
    if class_weight is not None:
        if sample_weight is not None:
            raise ValueError("`class_weight` must be given without `sample_weight`. Received: both")
        if training.y is None or keras.tree.is_nested(training.y):
            raise ValueError(
                "`class_weight` must be given with `y` of one output, an array. "
                f"Received: y={'None' if training.y is None else type(training.y).__name__}"
            )
        weights = np.asarray(class_weight_to_sample_weights(training.y, class_weight))
        training = Examples(training.x, training.y, weights)
    if validation_data is None:
        return training, None
    if not isinstance(validation_data, tuple | list) or len(validation_data) not in (2, 3):
        raise ValueError(
            "`validation_data` must be (x, y) or (x, y, sample_weight). "
            f"Received: {type(validation_data).__name__}"
        )
    return training, examples(*validation_data, name="validation_data")


def examples(x, y, weight=None, *, name: str = "x") -> Examples:
    """Return arrays in the types that Keras trains on, of equal length and not empty."""
    parts = zip(names_of(name), (x, y, weight), strict=True)
    found = Examples(*(_arrays(part, own) for own, part in parts))
    if found.x is None:
        raise ValueError(f"`{name}` must hold inputs. Received: None")
    lengths = {len(one) for one in keras.tree.flatten(list(found)) if one is not None}
    if len(lengths) != 1 or 0 in lengths:
        raise ValueError(
            f"`{name}` must hold as many inputs as targets and weights, and at least one. "
            f"Received: lengths {sorted(lengths)}"
        )
    return found


def _arrays(nested, name: str):
    """Return nested NumPy arrays, floating ones in Keras' `floatx`."""
    try:
        return keras.tree.map_structure(_array, nested)
    except TypeError as error:
        kind = type(nested).__name__
        raise TypeError(
            f"`{name}` must be arrays of numbers: `np.asarray` makes one of a list, and "
            "`np.unique(names, return_inverse=True)[1]` labels of names; a data set of TensorFlow "
            f"or a generator must be read into arrays. Received: {name}, a {kind}, with {error}"
        ) from error


def _array(value):
    if value is None:
        return None
    array = np.asarray(value)
    if array.dtype.kind not in "biuf" or array.ndim == 0:
        raise TypeError(f"{type(value).__name__} of {array.dtype}")
    if np.ma.is_masked(value):
        raise TypeError("masked values, which a model would see; fill or leave them out")
    return array.astype(keras.config.floatx(), copy=False) if array.dtype.kind == "f" else array


def _length(value) -> int:
    return 0 if value is None else len(value)


def resolve_rows(rows, replicas: int, count: int, *, name: str) -> np.ndarray | None:
    """Return each replica's rows of `count` examples, (replicas, n), checked; None for all."""
    if rows is None:
        return None
    array = check_rows(rows, name, replicas)
    if array.min() < 0 or array.max() >= count:
        raise ValueError(
            f"`{name}` must be from 0 to {count - 1}, rows of the {count} examples. "
            f"Received: from {array.min()} to {array.max()}"
        )
    return array.astype(np.int32)


def check_rows(rows, name: str, replicas: int) -> np.ndarray:
    """Return rows as an array; refuse what is none of (replicas, n) whole numbers."""
    array = as_array(rows)
    whole = array.dtype.kind in "iu" and array.ndim == 2 and array.size
    if whole and len(array) == replicas and not np.ma.is_masked(rows):
        return array
    seen = f"{array.dtype} of shape {array.shape}"
    if array.dtype == object:
        seen = type(rows).__name__
        if isinstance(rows, list | tuple):
            seen += f" of lengths {sorted({np.size(row) for row in rows})}"
    raise ValueError(
        f"`{name}` must be whole numbers of shape ({replicas}, n), as many for each replica. "
        f"Received: {seen}"
    )


def as_array(values) -> np.ndarray:
    """Return an array, of objects where lengths differ."""
    try:
        return np.asarray(values)
    except ValueError:
        return np.empty(np.shape(list(values)[:0]), object)


def check_apart(rows: np.ndarray | None, others: np.ndarray, *, name: str) -> None:
    """Refuse rows that a replica both trains on and is judged on."""
    for replica, own in enumerate(others):
        common = own if rows is None else np.intersect1d(rows[replica], own)
        if len(common):
            raise ValueError(
                f"`{name}` must be rows that are not trained on. Received: {len(common)} rows of "
                f"replica {replica} in both, among them {common[0]}"
            )
