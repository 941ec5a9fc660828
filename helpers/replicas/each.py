"""What each replica has for itself by `each`: numbers, or functions of the step."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from helpers.replicas.clipping import CLIPS, check_clips
from helpers.replicas.numbers import check_taken
from helpers.replicas.settings import settings_of

Schedule = keras.optimizers.schedules.LearningRateSchedule


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
    each = check_each(each)
    if "learning_rate" not in each:
        rates = [_rate_table(optimizer, steps, first)] * replicas
    else:
        given = for_each(each.pop("learning_rate"), replicas, "learning_rate")
        rates = [_rate(one, steps, first) for one in given]
    own, layers = {}, {}
    for name, values in each.items():
        numbers = _at_all_steps(name, for_each(values, replicas, name), steps, first)
        if name in CLIPS and not (numbers > 0).all():
            raise ValueError(
                f"`{name}` must be above 0, and infinite where nothing is to be clipped. "
                f"Received: each[{name!r}]={numbers.tolist()}"
            )
        (layers if "." in name else own)[name] = numbers
    check_clips(own, replicas, optimizer)
    for name, numbers in own.items():
        setting = getattr(optimizer, name, None)
        known = isinstance(setting, float | int) and not isinstance(setting, bool)
        if name == "momentum" and known and setting == 0:
            raise ValueError(
                "`each` can give a momentum to an optimizer that has one, above 0. "
                "Received: optimizer with momentum=0.0"
            )
        known = known and name in settings_of(optimizer) and name != "loss_scale_factor"
        if name not in CLIPS and not known:
            raise ValueError(
                "`each` must name the learning_rate, thresholds "
                f"({', '.join(CLIPS)}), numbers of the optimizer, or of layers as "
                f'"layer.attribute". Received: {name!r}'
            )
        if name not in CLIPS:
            changed = partial(_with_setting, optimizer, name)
            check_taken(changed, name, numbers, type(optimizer).__name__)
    return Numbers(rates, own, layers)


def check_each(each) -> dict:
    """Return a mapping from names to what replicas have of their own, checked."""
    if each is None:
        return {}
    if not isinstance(each, Mapping) or not all(isinstance(name, str) for name in each):
        raise ValueError(
            "`each` must map names to values, as {'learning_rate': [0.1, 0.2]}. "
            f"Received: each={each!r}"
        )
    return dict(each)


def _with_setting(optimizer: keras.Optimizer, name: str, value: float) -> keras.Optimizer:
    return type(optimizer)(**settings_of(optimizer) | {name: value})


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
    if isinstance(values, Mapping | set | frozenset | str | None):
        raise ValueError(
            f"`each` must hold a number or {replicas} for {name}, one for each replica. "
            f"Received: each[{name!r}]={values!r}"
        )
    if is_one(values):
        return [values] * replicas
    values = list(values)
    if len(values) != replicas:
        raise ValueError(
            f"`each` must hold {replicas} values for {name}, one for each replica. "
            f"Received: {len(values)}"
        )
    return values


def is_one(values) -> bool:
    """Return whether this is one value for all replicas: a number, or a function of the step."""
    return callable(values) or np.ndim(values) == 0


def _numbers(name: str, values: list) -> np.ndarray:
    try:
        plain = not any(isinstance(one, str) or np.ma.is_masked(one) for one in values)
        numbers = np.asarray(values if plain else np.nan, np.float32)
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
        return _table(_scheduled(rate, steps, first), rate, steps)
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


def _rate_table(optimizer: keras.Optimizer, steps: int, first: int = 0) -> np.ndarray | float:
    """Return the optimizer's rate, a number, or one for each step where it is a schedule."""
    rate = optimizer._learning_rate
    if isinstance(rate, Schedule):
        return _scheduled(rate, steps, first)
    if callable(rate) and not isinstance(rate, keras.Variable):
        return np.array([float(rate()) for _ in range(steps)], np.float32)
    return float(rate.numpy())


def _scheduled(schedule: Schedule, steps: int, first: int):
    """Return the rates that a schedule gives from step `first` on, shape (steps,)."""
    numbers = tf.range(first, first + steps, dtype=tf.int32)
    one = lambda step: tf.reshape(tf.cast(schedule(step), tf.float32), ())  # noqa: E731
    return tf.map_fn(one, numbers, fn_output_signature=tf.float32).numpy()
