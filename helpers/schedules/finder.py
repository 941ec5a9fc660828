"""The learning-rate finder: one short training in which the rate grows at every step."""

from typing import NamedTuple

import keras
import numpy as np

from helpers.checks import (
    as_reals,
    check_count,
    check_model,
    check_positive,
    check_seed,
    check_shares,
)
from helpers.schedules.checks import Array, as_increasing
from helpers.schedules.momentum import stepping
from helpers.schedules.state import restore_state, training_state


class RateSweep(NamedTuple):
    """What a finder saw, each array of shape (steps,): the steps that it made.

    Attributes:
        rates: The rate of each step, geometrically spaced.
        losses: The loss of each step's batch, computed *before* the step: what the rates of the
            steps before have made of the model.
        smoothed: Their running mean, bias corrected.
        diverged: Whether the sweep ended before its highest rate.
        lowest: The rate at which the smoothed loss was lowest.
        suggestion: A tenth of it: well before the loss stops falling.
    """

    rates: Array
    losses: Array
    smoothed: Array
    diverged: bool
    lowest: float
    suggestion: float


def find_learning_rate(
    model: keras.Model,
    x: Array,
    y: Array,
    *,
    low: float = 1e-5,
    high: float = 10.0,
    steps: int = 100,
    batch_size: int = 32,
    smoothing: float = 0.9,
    divergence: float = 4.0,
    seed: int = 0,
) -> RateSweep:
    """Train for a short while at rates from low to high; say what became of the loss.

        ηᵢ = low (high / low)^(i / (steps − 1))

    The sweep ends early where the smoothed loss exceeds `divergence` times its minimum, or a loss
    is not finite. A loss that falls below 0 may rise by `divergence` − 1 times its largest size.
    The model and its optimizer come back as they were.

    Args:
        model: Built and compiled with one input, one output and a constant rate.
        x: Training examples. Batches are drawn without replacement, epoch by epoch.
        y: Their targets, equally many.
        low: The first rate, above 0.
        high: The last rate, above `low`.
        steps: Number of steps, at least 3.
        batch_size: Examples a step, at least 1.
        smoothing: As in `smooth`.
        divergence: Above 1.
        seed: Of the batch order.

    Returns:
        The `RateSweep`.

    Raises:
        TypeError: An argument is of the wrong kind.
        ValueError: An argument is out of its range, the model cannot be trained at rates of ours,
            or its loss is infinite from the start.

    Example:
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        >>> model.compile(keras.optimizers.SGD(0.01), "mse")
        >>> x = np.linspace(-1, 1, 64)[:, None]
        >>> sweep = find_learning_rate(model, x, 3 * x, high=100.0, steps=60)
        >>> sweep.diverged, int(model.optimizer.iterations)
        (True, 0)

    Smith (2017), "Cyclical learning rates for training neural networks".
    """
    check_positive(low=low, high=high, divergence=divergence)
    check_count(3, steps=steps)
    check_count(1, batch_size=batch_size)
    check_shares(smoothing=smoothing)
    check_seed(seed)
    check_model(model)
    x, y = _examples("x", x), _examples("y", y)
    _check_sweep(model, x, y, low=low, high=high, divergence=divergence)
    if not all(layer.built for layer in model._flatten_layers()):
        model(x[:1])  # a model of one's own may make its weights late; the state needs all of them
    state = training_state(model)
    rates, losses = np.geomspace(low, high, steps), []
    batches = _batches(len(x), batch_size=batch_size, steps=steps, seed=seed)
    try:
        for rate, batch in zip(rates, batches, strict=True):
            losses.append(_step(model, x[batch], y[batch], rate))
            if _diverged(losses, smoothing=smoothing, divergence=divergence):
                break
    finally:
        restore_state(model, state)
        model.reset_metrics()
    return read_sweep(rates[: len(losses)], losses, smoothing=smoothing, planned=steps)


def smooth(losses: Array, *, smoothing: float = 0.9) -> Array:
    """Return the running mean of losses, bias corrected as Adam's.

        sᵢ = β sᵢ₋₁ + (1 − β) lᵢ,   s₋₁ = 0,   what comes back: sᵢ / (1 − βⁱ⁺¹)

    Args:
        losses: Shape (steps,).
        smoothing: β in [0, 1); 0 changes nothing.

    Returns:
        Shape (steps,).

    Raises:
        TypeError: `smoothing` is not a number, or `losses` holds what is none.
        ValueError: It is out of its range, or `losses` has another shape.

    Example:
        >>> smooth([1.0, 2.0], smoothing=0.5).round(4)    # 0.5 / 0.5, then 1.25 / 0.75
        array([1.    , 1.6667])
    """
    check_shares(smoothing=smoothing)
    means, mean = [], 0.0
    for loss in as_reals("losses", losses, ndim=1):
        mean = smoothing * mean + (1 - smoothing) * loss
        means.append(mean)
    return np.array(means) / (1 - smoothing ** np.arange(1, len(means) + 1))


def read_sweep(
    rates: Array, losses: Array, *, smoothing: float = 0.9, planned: int | None = None
) -> RateSweep:
    """Return what a sweep's losses suggest; losses that are not finite are left out.

    Args:
        rates: Shape (steps,), above 0 and increasing.
        losses: Shape (steps,).
        smoothing: As in `smooth`.
        planned: Number of steps that were planned; by default as many as there are.

    Raises:
        TypeError: An argument holds no real numbers.
        ValueError: The rates do not increase from above 0, the losses are not as many, or fewer
            than 2 finite ones are left.

    Example:
        >>> read_sweep([0.1, 1.0, 10.0], [3.0, 1.0, 9.0], smoothing=0.0).suggestion
        0.1
    """
    rates, losses = as_increasing("rates", rates), as_reals("losses", losses)
    if losses.shape != rates.shape or rates[0] <= 0:
        raise ValueError(
            "`rates` must be above 0, and `losses` as many. "
            f"Received: rates from {rates[0]:g}, {len(rates)} rates and {losses.size} losses"
        )
    finite = np.isfinite(losses)
    planned = len(rates) if planned is None else planned
    diverged = bool(len(rates) < planned or not finite.all())
    rates, losses = rates[finite], losses[finite]
    if len(losses) < 2:
        raise ValueError(
            "the loss must be finite at the lowest rates. "
            f"Received: {len(losses)} finite losses of {len(finite)}"
        )
    smoothed = smooth(losses, smoothing=smoothing)
    lowest = float(rates[smoothed.argmin()])
    return RateSweep(rates, losses, smoothed, diverged, lowest, lowest / 10)


def _step(model: keras.Model, x: Array, y: Array, rate: float) -> float:
    model.optimizer.learning_rate = float(rate)
    model.reset_metrics()  # Keras reports the mean since the last reset
    return float(model.train_on_batch(x, y, return_dict=True)["loss"])


def _diverged(losses: list[float], *, smoothing: float, divergence: float) -> bool:
    if not np.isfinite(losses[-1]):
        return True
    smoothed = smooth(losses, smoothing=smoothing)
    least = smoothed.min()
    # A loss that may be negative, as a similarity, has no factor: it may rise by so many times the
    # size that it has had.
    size = least if least > 0 else max(abs(least), abs(smoothed[0]))
    return bool(smoothed[-1] - least > (divergence - 1) * size)


def _batches(examples: int, *, batch_size: int, steps: int, seed: int):
    """Yield index arrays: the examples in a new random order each epoch, whole batches only."""
    rng, size = np.random.default_rng(seed), min(batch_size, examples)
    order = np.empty(0, dtype=int)
    for _ in range(steps):
        if len(order) < size:
            order = rng.permutation(examples)
        yield order[:size]
        order = order[size:]


def _examples(name: str, values) -> Array:
    """Return an array, whose rows have no labels as those of a shuffled Series have."""
    try:
        return np.asarray(values)
    except ValueError as error:  # of a model with several inputs or outputs
        raise ValueError(
            f"`{name}` must be one array of examples. Received: a {type(values).__name__} of "
            f"{len(values)} whose shapes differ"
        ) from error


def _check_sweep(model, x, y, *, low: float, high: float, divergence: float) -> None:
    if not low < high:
        raise ValueError(f"`low` must be below `high`. Received: low={low}, high={high}")
    if divergence <= 1:
        raise ValueError(f"`divergence` must be above 1. Received: divergence={divergence}")
    if x.shape[:1] != y.shape[:1] or not x.shape or not len(x):
        raise ValueError(
            "`x` and `y` must be arrays of equally many examples, at least 1. "
            f"Received: shapes {x.shape} and {y.shape}"
        )
    schedule = keras.optimizers.schedules.LearningRateSchedule
    optimizer = stepping(getattr(model, "optimizer", None))
    if isinstance(getattr(optimizer, "_learning_rate", None), schedule):
        raise ValueError(
            "the optimizer must have a constant rate, which the finder can set. Received: "
            f"{type(optimizer._learning_rate).__name__}"
        )
