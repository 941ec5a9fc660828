"""What the arguments of `fit_replicas` mean; what is wrong is refused before anything trains."""

import inspect
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import keras
import numpy as np
from keras.src.trainers.data_adapters.data_adapter_utils import class_weight_to_sample_weights

from helpers.replicas.agreement import names_of
from helpers.replicas.checks import accepts


class Examples(NamedTuple):
    """Inputs, targets and weights of n examples, nested as Keras takes them, or None."""

    x: object
    y: object
    weight: object = None

    def __len__(self) -> int:
        return len(keras.tree.flatten(self.x)[0])


def check_counts(**counts: int) -> None:
    """Refuse counts that are not whole numbers of at least 1."""
    for name, count in counts.items():
        if not is_whole(count) or count < 1:
            raise ValueError(
                f"`{name}` must be a whole number of at least 1. Received: {name}={count!r}"
            )


def resolve_epochs(epochs: int, initial_epoch: int) -> range:
    """Return the numbers of the epochs to train."""
    check_counts(epochs=epochs)
    if not is_whole(initial_epoch) or not 0 <= initial_epoch < epochs:
        raise ValueError(
            f"`initial_epoch` must be from 0 to {epochs - 1}, as `epochs` is where training ends. "
            f"Received: initial_epoch={initial_epoch!r}"
        )
    return range(initial_epoch, epochs)


def resolve_seeds(seed: int | Sequence[int], replicas: int) -> tuple[int, ...]:
    """Return the seed of each replica: consecutive ones from an integer, or those given."""
    if is_whole(seed):
        seeds = tuple(range(int(seed), int(seed) + replicas))
    else:
        seeds = tuple(seed) if isinstance(seed, list | tuple | range | np.ndarray) else ()
    good = len(seeds) == replicas and all(is_whole(one) and 0 <= one < 2**32 for one in seeds)
    if not good:
        raise ValueError(
            f"`seed` must be 0 or more, or hold {replicas} such seeds, whole numbers below 2**32. "
            f"Received: seed={seed!r}"
        )
    return tuple(map(int, seeds))


def is_whole(value) -> bool:
    """Return whether a value is a whole number."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def check_kinds(given: Mapping) -> None:
    """Refuse arguments of `fit_replicas` that are of another kind than it takes."""
    optimizer, weights, watch = (given[one] for one in ("optimizer", "class_weight", "watch"))
    if optimizer is None:
        raise ValueError("`optimizer` must be a Keras optimizer, or its name. Received: None")
    numbers = isinstance(weights, Mapping) and all(
        isinstance(one, int | float | np.number) for one in weights.values()
    )
    if weights is not None and not numbers:
        raise ValueError(
            "`class_weight` must map classes to weights, as {0: 1.0, 1: 2.5}. "
            f"Received: class_weight={weights!r}"
        )
    functions = isinstance(watch, Mapping) and all(map(callable, watch.values()))
    if watch is not None and not functions:
        raise ValueError(
            "`watch` must map names to functions of a step, as {'loss': lambda step: step.loss}. "
            f"Received: watch={watch!r}"
        )


def resolve_builds(build: Callable | Sequence[Callable], replicas: int) -> tuple[Callable, ...]:
    """Return the function that builds each replica."""
    if not isinstance(build, list | tuple):
        return (as_builder(build, "build"),) * replicas
    builds = tuple(as_builder(one, f"build[{k}]") for k, one in enumerate(build))
    if len(builds) != replicas:
        raise ValueError(
            f"`build` must be a function, or hold {replicas} functions, one for each replica. "
            f"Received: {len(builds)}"
        )
    return builds


def as_builder(build, name: str) -> Callable:
    """Return a function that builds a model anew, which can be a key.

    Raises:
        ValueError: It is a model, or cannot be called without arguments.
    """
    if isinstance(build, keras.Model):
        raise ValueError(
            f"`{name}` must be a function that builds a model, for each replica anew. Received: "
            f"the model {build.name!r}; `lambda: keras.models.clone_model(model)` builds its like"
        )
    if not callable(build):
        raise ValueError(f"`{name}` must be a function that builds a model. Received: {build!r}")
    if not accepts(build):
        raise ValueError(
            f"`{name}` must be a function without arguments; seeds are set before it is called. "
            f"Received: one that takes {inspect.signature(build)}"
        )
    return build if isinstance(build, Hashable) else partial(build)


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
    return array.astype(keras.config.floatx()) if array.dtype.kind == "f" else array


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


def check_start(start, name: str, replicas: int | None = None) -> None:
    """Refuse weights to start from that are no list of arrays, or not of so many replicas."""
    if not isinstance(start, list | tuple):
        kind = f"the model {start.name!r}" if isinstance(start, keras.Model) else repr(start)
        raise ValueError(
            f"`{name}` must be earlier `Replicas`, or weights with a leading axis of replicas, as "
            "[np.stack([one] * replicas) for one in model.get_weights()]. "
            f"Received: {kind[:80]}"
        )
    for at, one in enumerate(start):
        array = as_array(one)
        if array.dtype.kind not in "biuf" or np.ma.is_masked(one):
            raise ValueError(
                f"`{name}` must hold arrays of numbers. Received: {name}[{at}] of {array.dtype}"
            )
        if replicas is not None and array.shape[:1] != (replicas,):
            raise ValueError(
                f"`{name}` must hold arrays with a leading axis of {replicas} replicas. "
                f"Received: {name}[{at}] of shape {array.shape}"
            )


def resolve_start(start, template: keras.Model, replicas: int) -> list[np.ndarray]:
    """Return weights to start from, checked, in the order of `get_weights()`."""
    check_start(start, "start")
    wanted = [(replicas, *one.shape) for one in template.weights]
    given = [np.shape(one) for one in start]
    if [tuple(shape) for shape in given] != wanted:
        bad = next((pair for pair in zip(given, wanted, strict=False) if pair[0] != pair[1]), None)
        seen = f"{len(given)} arrays" if bad is None else f"shape {bad[0]} in place of {bad[1]}"
        raise ValueError(
            "`start` must hold an array for each of the model's weights, with a leading axis of "
            f"{replicas} replicas: {len(wanted)} arrays. Received: {seen}"
        )
    return [np.asarray(one) for one in start]
