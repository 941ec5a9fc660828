"""What the arguments of `fit_replicas` mean; what is wrong is refused before anything trains."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import keras
import numpy as np
from keras.src.trainers.data_adapters.data_adapter_utils import class_weight_to_sample_weights

from helpers.replicas.stepping import CLIPS, rate_table, scheduled, settings_of

Schedule = keras.optimizers.schedules.LearningRateSchedule


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
        whole = isinstance(count, int | np.integer) and not isinstance(count, bool)
        if not whole or count < 1:
            raise ValueError(
                f"`{name}` must be a whole number of at least 1. Received: {name}={count!r}"
            )


def resolve_epochs(epochs: int, initial_epoch: int) -> range:
    """Return the numbers of the epochs to train."""
    check_counts(epochs=epochs)
    whole = isinstance(initial_epoch, int | np.integer) and not isinstance(initial_epoch, bool)
    if not whole or not 0 <= initial_epoch < epochs:
        raise ValueError(
            f"`initial_epoch` must be from 0 to {epochs - 1}, as `epochs` is where training ends. "
            f"Received: initial_epoch={initial_epoch!r}"
        )
    return range(initial_epoch, epochs)


def resolve_seeds(seed: int | Sequence[int], replicas: int) -> tuple[int, ...]:
    """Return the seed of each replica: consecutive ones from an integer, or those given."""
    seeds = range(seed, seed + replicas) if isinstance(seed, int | np.integer) else seed
    seeds = tuple(int(one) for one in seeds)
    if len(seeds) != replicas or min(seeds) < 0:
        raise ValueError(
            f"`seed` must be 0 or more, or hold {replicas} such seeds. Received: seed={seed!r}"
        )
    return seeds


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
        ValueError: It is a model, or cannot be called.
    """
    if isinstance(build, keras.Model):
        raise ValueError(
            f"`{name}` must be a function that builds a model, for each replica anew. Received: "
            f"the model {build.name!r}; `lambda: keras.models.clone_model(model)` builds its like"
        )
    if not callable(build):
        raise ValueError(f"`{name}` must be a function that builds a model. Received: {build!r}")
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
        if validation_data is None and _length(getattr(x, "x_valid", None)):
            validation_data = x.x_valid, x.y_valid
        x, y = x.x_train, x.y_train
    training = examples(x, y, sample_weight, name="x")
    if class_weight is not None:
        if sample_weight is not None or keras.tree.is_nested(training.y):
            raise ValueError(
                "`class_weight` is for targets of one output, without `sample_weight`. "
                "Received: both, or nested targets"
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
    found = Examples(*(keras.tree.map_structure(_array, part) for part in (x, y, weight)))
    lengths = {len(one) for one in keras.tree.flatten(list(found)) if one is not None}
    if len(lengths) != 1 or 0 in lengths:
        raise ValueError(
            f"`{name}` must hold as many inputs as targets and weights, and at least one. "
            f"Received: lengths {sorted(lengths)}"
        )
    return found


def _array(value):
    """Return a NumPy array, floating ones in Keras' `floatx`."""
    if value is None:
        return None
    array = np.asarray(value)
    if array.dtype.kind not in "biuf" or array.ndim == 0:
        raise TypeError(
            "inputs and targets must be arrays of numbers. "
            f"Received: {type(value).__name__} of {array.dtype}"
        )
    return array.astype(keras.config.floatx()) if array.dtype.kind == "f" else array


def _length(value) -> int:
    return 0 if value is None else len(value)


def resolve_rows(rows, replicas: int, count: int, *, name: str) -> np.ndarray | None:
    """Return each replica's rows of `count` examples, (replicas, n), checked; None for all."""
    if rows is None:
        return None
    try:
        array = np.asarray(rows)
    except ValueError:  # of unequal lengths
        array = np.asarray([])
    shaped = array.ndim == 2 and len(array) == replicas and array.shape[1] > 0
    if not shaped or array.dtype.kind not in "iu":
        lengths = sorted({len(row) for row in rows}) if np.ndim(rows[0]) else array.shape
        raise ValueError(
            f"`{name}` must be whole numbers of shape ({replicas}, n), as many for each replica. "
            f"Received: {array.dtype} of shape {array.shape}, lengths {lengths}"
        )
    if array.min() < 0 or array.max() >= count:
        raise ValueError(
            f"`{name}` must be from 0 to {count - 1}, rows of the {count} examples. "
            f"Received: from {array.min()} to {array.max()}"
        )
    return array.astype(np.int32)


def check_apart(rows: np.ndarray | None, others: np.ndarray, *, name: str) -> None:
    """Refuse rows that a replica both trains on and is judged on."""
    for replica, own in enumerate(others):
        common = own if rows is None else np.intersect1d(rows[replica], own)
        if len(common):
            raise ValueError(
                f"`{name}` must be rows that are not trained on. Received: {len(common)} rows of "
                f"replica {replica} in both, among them {common[0]}"
            )


class Numbers(NamedTuple):
    """What `each` came to.

    Attributes:
        rates: A number or an array of (steps,) for each replica.
        optimizer: Name → numbers of the optimizer, thresholds of clipping with them: (replicas,),
            or (steps, replicas) where some are functions of the step.
        layers: Name → (replicas,) numbers of layers.
    """

    rates: list
    optimizer: dict[str, np.ndarray]
    layers: dict[str, np.ndarray]


def resolve_each(each: Mapping | None, replicas: int, optimizer, *, steps: int, first: int):
    """Return the `Numbers` of each replica.

    Args:
        each: Name → one for each replica, or a single one for all.
        replicas: How many.
        optimizer: Whose rate serves where `each` gives none.
        steps: Of the whole training.
        first: Number of the first step.
    """
    each = dict(each or {})
    given = each.pop("learning_rate", None)
    if given is None:
        rates = [rate_table(optimizer, steps, first)] * replicas
    else:
        rates = [_rate(one, steps, first) for one in for_each(given, replicas, "learning_rate")]
    own, layers = {}, {}
    for name, values in each.items():
        numbers = _at_all_steps(name, for_each(values, replicas, name), steps, first)
        if name in CLIPS and not (numbers > 0).all():
            raise ValueError(
                f"`{name}` must be above 0, and infinite where nothing is to be clipped. "
                f"Received: each[{name!r}]={numbers.tolist()}"
            )
        (layers if "." in name else own)[name] = numbers
    for name in own:
        setting = getattr(optimizer, name, None)
        known = isinstance(setting, float | int) and not isinstance(setting, bool)
        if name == "momentum" and known and setting == 0:
            raise ValueError(
                "`each` can give a momentum to an optimizer that has one, above 0. "
                "Received: optimizer with momentum=0.0"
            )
        if name not in CLIPS and not (known and name in settings_of(optimizer)):
            raise ValueError(
                "`each` must name the learning_rate, thresholds "
                f"({', '.join(CLIPS)}), numbers of the optimizer, or of layers as "
                f'"layer.attribute". Received: {name!r}'
            )
    return Numbers(rates, own, layers)


def _at_all_steps(name: str, values: list, steps: int, first: int) -> np.ndarray:
    """Return (replicas,) numbers, or (steps, replicas) where some are functions of the step."""
    if "." in name or not any(map(callable, values)):
        return _numbers(name, values)
    columns = [
        _table(_at_steps(one, np.arange(first, first + steps)), one, steps, name)
        if callable(one)
        else np.full(steps, _numbers(name, [one])[0])
        for one in values
    ]
    return np.stack(columns, axis=1)


def for_each(values, replicas: int, name: str) -> list:
    """Return a value for each replica, from one for all or as many as there are."""
    if np.isscalar(values) or callable(values):
        return [values] * replicas
    values = list(values)
    if len(values) != replicas:
        raise ValueError(
            f"`each` must hold {replicas} values for {name}, one for each replica. "
            f"Received: {len(values)}"
        )
    return values


def _numbers(name: str, values: list) -> np.ndarray:
    try:
        numbers = np.asarray(values, np.float32)
    except (TypeError, ValueError):
        numbers = np.array(np.nan)
    if numbers.ndim != 1 or np.isnan(numbers).any() or (numbers < 0).any():
        raise ValueError(
            f"`each` must hold numbers of 0 or more. Received: each[{name!r}]={values}"
        )
    return numbers


def _rate(rate, steps: int, first: int):
    """Return a rate as a number, or as one for each step."""
    if isinstance(rate, Schedule):
        return _table(scheduled(rate, steps, first), rate, steps)
    if callable(rate):
        return _table(_at_steps(rate, np.arange(first, first + steps)), rate, steps)
    (number,) = _numbers("learning_rate", [rate])
    if not 0 < number < np.inf:
        raise ValueError(
            "a learning rate must be above 0 and finite. "
            f"Received: each['learning_rate'] with {rate!r}"
        )
    return float(rate)


def _at_steps(rate: Callable, steps: np.ndarray) -> np.ndarray:
    """Return a function's values at all steps: at once, or one by one if it cannot."""
    try:
        return np.asarray(rate(steps), dtype=np.float32)
    except (TypeError, ValueError):
        return np.asarray([rate(int(step)) for step in steps], dtype=np.float32)


def _table(values: np.ndarray, rate, steps: int, name: str = "learning rate") -> np.ndarray:
    good = values.shape == (steps,) and np.isfinite(values).all() and (values >= 0).all()
    if not good:
        seen = f"shape {values.shape}"
        if values.shape == (steps,):
            bad = int(np.argmin(np.isfinite(values) & (values >= 0)))
            seen = f"{values[bad]} at step {bad}"
        function = getattr(rate, "__name__", type(rate).__name__)
        raise ValueError(
            f"a {name} that is a function of the step must give a finite number of 0 or "
            f"more for each of an array of {steps} steps. Received: {function} gives {seen}"
        )
    return values


def resolve_start(start, template: keras.Model, replicas: int) -> list[np.ndarray]:
    """Return weights to start from, checked, in the order of `get_weights()`."""
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
