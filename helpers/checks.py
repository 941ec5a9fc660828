"""Checks of arguments that topics and services share: what is wrong is told by its name.

Each raises TypeError for what is of the wrong kind and ValueError for what is out of its range, as
"`rate` must be in [0, 1). Received: rate=1.2", before anything is computed.
"""

import math
import reprlib
from collections.abc import Callable, Mapping
from numbers import Real

import numpy as np

Array = np.ndarray

ROUNDING = 1e-6  # by which a softmax in float32 may exceed 1
SUM_OFF = 0.01  # a softmax over a thousand classes in float16 sums to 1 within less
LARGEST_SEED = 2**32 - 1  # of NumPy's older generator, which Keras and scikit-learn seed


def check_positive(**values: float) -> None:
    """Raise unless every value is above 0 and finite."""
    _check_range(values, lambda value: 0 < value < math.inf, "above 0 and finite")


def check_not_negative(**values: float) -> None:
    """Raise unless every value is 0 or more, and finite."""
    _check_range(values, lambda value: 0 <= value < math.inf, "0 or more and finite")


def check_not_positive(**values: float) -> None:
    """Raise unless every value is 0 or less, and finite."""
    _check_range(values, lambda value: -math.inf < value <= 0, "0 or less and finite")


def check_inside(**values: float) -> None:
    """Raise unless every value is in (0, 1)."""
    _check_range(values, lambda value: 0 < value < 1, "in (0, 1)")


def check_shares(**values: float) -> None:
    """Raise unless every value is in [0, 1)."""
    _check_range(values, lambda value: 0 <= value < 1, "in [0, 1)")


def check_parts(**values: float) -> None:
    """Raise unless every value is in [0, 1]."""
    _check_range(values, lambda value: 0 <= value <= 1, "in [0, 1]")


def _check_range(
    values: Mapping[str, float], is_inside: Callable[[float], bool], where: str
) -> None:
    for name, value in values.items():
        if not is_inside(as_real(name, value)):
            raise ValueError(f"`{name}` must be {where}. Received: {name}={value}")


def check_flags(**values: bool) -> None:
    """Raise unless every value is True or False."""
    for name, value in values.items():
        if not isinstance(value, bool | np.bool_):
            raise TypeError(f"`{name}` must be True or False. Received: {name}={value!r}")


def check_count(at_least: int, **values: int) -> None:
    """Raise unless every value is an integer of a least size."""
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int | np.integer):
            raise TypeError(f"`{name}` must be an integer. Received: {name}={value!r}")
        if value < at_least:
            raise ValueError(f"`{name}` must be at least {at_least}. Received: {name}={value}")


def check_seed(seed: int) -> None:
    """Raise unless a seed is an integer that every generator takes."""
    check_count(0, seed=seed)
    if seed > LARGEST_SEED:
        raise ValueError(f"`seed` must be below 2**32. Received: seed={seed}")


def check_rng(rng: object) -> None:
    """Raise unless it is one of NumPy's generators, or one that draws as they do."""
    if not hasattr(rng, "standard_normal") or not hasattr(rng, "random"):
        raise TypeError(
            f"`rng` must be a generator, as `np.random.default_rng(0)`. Received: rng={rng!r}"
        )


def check_model(model: object, *, built: bool = True) -> None:
    """Raise unless it is a Keras model, and one that has its weights."""
    import keras

    if not isinstance(model, keras.Model):
        raise TypeError(f"`model` must be a Keras model. Received: {reprlib.repr(model)}")
    if built and not model.built:
        raise ValueError(
            "`model` must be built, with a `keras.Input` or `model.build`. "
            f"Received: {model.name!r}, not built"
        )


def as_real(name: str, value: object) -> float:
    """Return a real number, or that of an array without axes, as it is."""
    if isinstance(value, Real) and not isinstance(value, bool):
        return value
    array = _array(value)
    if array is None or array.ndim or array.dtype.kind not in "iuf" or np.ma.is_masked(value):
        raise TypeError(f"`{name}` must be a number. Received: {name}={reprlib.repr(value)}")
    return array[()]


def as_reals(
    name: str,
    values: object,
    *,
    kinds: str = "iuf",
    dtype: object = float,
    ndim: int | None = None,
) -> Array:
    """Return values as an array; refuse what is no real numbers, and masks, which are ignored.

    Args:
        name: Of the argument.
        values: What was passed.
        kinds: Those of NumPy's kinds that will do.
        dtype: Of the array; None leaves it as it is.
        ndim: How many axes it must have; None for any number.
    """
    array = _array(values)
    if array is None or array.dtype.kind not in kinds:
        if array is not None and array.dtype.kind != "O":
            found = f"an array of type {array.dtype}"
        else:
            found = f"{name}={reprlib.repr(values)}"
        raise TypeError(f"`{name}` must hold real numbers. Received: {found}")
    if np.ma.is_masked(values):
        raise TypeError(
            f"`{name}` must have no mask, which would be ignored; pass `.compressed()` or "
            f"`.filled()`. Received: an array with {np.ma.count_masked(values)} masked"
        )
    if ndim is not None and array.ndim != ndim:
        axes = "1 axis" if ndim == 1 else f"{ndim} axes"
        raise ValueError(f"`{name}` must have {axes}. Received: shape={array.shape}")
    return array if dtype is None else array.astype(dtype, copy=False)


def shape_of(name: str, values: object) -> tuple[int, ...]:
    """Return the shape of numbers or truth values; refuse what is none, and has none."""
    return as_reals(name, values, kinds="biuf", dtype=None).shape


def as_probabilities(name: str, values: object, *, finite: bool = False) -> Array:
    """Return probabilities over the last axis in their own type.

    Refused are logits and whatever else is outside of [0, 1] or does not sum to 1; NaN, of a net
    that has diverged, only where all must be `finite`.
    """
    array = as_reals(name, values, dtype=None)
    sums = array.sum(axis=-1) if array.ndim else array
    outside = (array < 0) | (array > 1 + ROUNDING)
    if array.size and (outside.any() or (np.abs(sums - 1) > SUM_OFF).any()):
        raise ValueError(
            f"`{name}` must be in [0, 1] and sum to 1 over the classes; of logits, take `softmax` "
            f"first. Received: from {array.min():.3g} to {array.max():.3g}, "
            f"sums from {sums.min():.3g} to {sums.max():.3g}"
        )
    if finite and np.isnan(array).any():
        share = np.isnan(array).mean()
        raise ValueError(f"`{name}` must be finite. Received: {share:.1%} of them are NaN")
    return array


def as_labels(name: str, values: object, classes: int) -> Array:
    """Return labels as integers; refuse what is not 0 … classes − 1."""
    array = as_reals(name, values, kinds="biuf", dtype=None)
    if not ((array >= 0) & (array < classes) & (array == np.rint(array))).all():
        raise ValueError(
            f"`{name}` must be whole numbers from 0 to {classes - 1}, one of {classes} classes. "
            f"Received: from {array.min()} to {array.max()}"
        )
    return array.astype(int, copy=False)


def as_flags(name: str, values: object) -> Array:
    """Return truth values, or zeros and ones, as booleans."""
    array = as_reals(name, values, kinds="biuf", dtype=None)
    if not ((array == 0) | (array == 1)).all():
        raise ValueError(
            f"`{name}` must be True or False, for each one. "
            f"Received: numbers from {array.min()} to {array.max()}"
        )
    return array.astype(bool)


def _array(values: object) -> Array | None:
    """Return NumPy's array of what was passed, or None where there is none."""
    try:
        array = np.asarray(values)
    except (TypeError, ValueError, RuntimeError, NotImplementedError):  # ragged, or a graph's
        return None
    if array.dtype.kind == "V" and np.can_cast(array.dtype, np.float32):  # bfloat16
        return array.astype(np.float32)
    return array
