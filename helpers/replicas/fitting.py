"""Train replicas of one model, or of several to compare."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import keras
import numpy as np

from helpers.replicas import options
from helpers.replicas.checks import (
    check_alike,
    check_counts,
    check_model,
    check_optimizer,
    signature,
)
from helpers.replicas.engine import Stack
from helpers.replicas.result import Build, Replicas
from helpers.replicas.training import train


def fit_replicas(
    build: Build | Sequence[Build],
    data,
    *,
    optimizer: str | keras.Optimizer,
    loss: str | keras.Loss | Callable,
    epochs: int,
    batch_size: int = 32,
    replicas: int = 8,
    seed: int | Sequence[int] = 0,
    metrics: Sequence[str | Callable] = ("accuracy",),
    learning_rates: Sequence[float] | None = None,
    early_stopping: keras.callbacks.EarlyStopping | None = None,
) -> Replicas:
    """Train independent replicas of a model as one stacked computation.

    Replica k equals `model.fit` on the model that `build` returns after
    `keras.utils.set_random_seed(seed + k)`, with the batches of `batch_order(seed + k, epoch, n)`.

    Args:
        build: A function without arguments that returns a built, uncompiled model of one input
            and one output; or such a function for each replica, whose models may differ in
            initializers alone.
        data: An object with ``x_train``, ``y_train``, ``x_valid``, ``y_valid``, as
            `helpers.data.Dataset`. Empty validation arrays, or None, mean no validation.
        optimizer: A Keras optimizer, or its name; gradient clipping, schedules and weight decay
            work. It is copied, never trained.
        loss: A Keras loss, or its name.
        epochs: Number of passes over the training data, at least 1.
        batch_size: Examples a step, at least 1; the last batch of an epoch may be smaller.
        replicas: Number of trainings, at least 1.
        seed: Replica k uses seed + k; or a seed for each replica.
        metrics: ``"accuracy"``, or functions of (y, y_pred) that give a value for each example.
        learning_rates: Each replica's own constant rate, shape (replicas,); by default all use
            the optimizer's.
        early_stopping: Applied to each replica by itself, best weights and all.

    Returns:
        The `Replicas`: histories, initial and final weights, and each replica as a Keras model.

    Raises:
        ValueError: A count is below 1, or a model, layer, optimizer or option is not supported.
        TypeError: `build` does not return a Keras model.

    Example:
        >>> from helpers import data, models
        >>> digits = data.load("digits", train_size=200)
        >>> build = lambda: models.mlp(digits.image_shape, 10, hidden=[16])
        >>> trained = fit_replicas(build, digits, optimizer="adam", epochs=2, replicas=3,
        ...                        loss="sparse_categorical_crossentropy")
        >>> trained.history["val_accuracy"].shape
        (3, 2)
    """
    check_counts(epochs=epochs, batch_size=batch_size, replicas=replicas)
    seeds = options.resolve_seeds(seed, replicas)
    builds = options.resolve_builds(build, replicas)
    optimizer = keras.optimizers.get(optimizer)
    check_optimizer(optimizer)
    rates = options.resolve_rates(learning_rates, replicas, optimizer)
    compiled = {"optimizer": optimizer, "loss": loss, "metrics": list(metrics)}
    stack_options = options.stack_options(**compiled)
    stack = Stack(_built(builds, seeds), **stack_options, learning_rates=rates)
    initial = stack.weights()
    history, weights = train(
        stack,
        data,
        seeds=seeds,
        epochs=epochs,
        batch_size=batch_size,
        early_stopping=early_stopping,
    )
    return Replicas(history, initial, weights, seeds, builds, compiled)


def fit_arms(
    arms: Mapping[str, Build],
    data,
    *,
    replicas: int = 8,
    seed: int = 0,
    learning_rates: Mapping[str, float] | None = None,
    **shared,
) -> dict[str, Replicas]:
    """Train replicas of several models to compare, paired by seed.

    Replica k of every arm has the same seed and batch order. Arms that differ only in initial
    weights or learning rate are trained in one stacked computation.

    Args:
        arms: Name → function that builds the arm's model.
        data: As for `fit_replicas`.
        replicas: Number of trainings of each arm.
        seed: Replica k of each arm uses seed + k.
        learning_rates: Name → the arm's constant rate; by default all use the optimizer's.
        **shared: As for `fit_replicas`.

    Returns:
        Name → `Replicas`, in the order of `arms`.

    Raises:
        ValueError: There is no arm, or `learning_rates` names other arms; and as `fit_replicas`.
    """
    check_counts(replicas=replicas)
    if not arms or (learning_rates is not None and set(learning_rates) != set(arms)):
        raise ValueError(
            "`arms` must not be empty, and `learning_rates` must name the same arms. "
            f"Received: arms={list(arms)}, learning_rates={learning_rates}"
        )
    trained = {}
    for names in _groups(arms):
        rates = None
        if learning_rates is not None:
            rates = [learning_rates[name] for name in names for _ in range(replicas)]
        together = fit_replicas(
            [arms[name] for name in names for _ in range(replicas)],
            data,
            replicas=replicas * len(names),
            seed=list(range(seed, seed + replicas)) * len(names),
            learning_rates=rates,
            **shared,
        )
        for number, name in enumerate(names):
            trained[name] = together[number * replicas : (number + 1) * replicas]
    return {name: trained[name] for name in arms}


def _built(builds: Sequence[Build], seeds: Sequence[int]) -> list[keras.Model]:
    """Return the replicas, each built under its own seed; refuse what cannot be stacked."""
    models: dict[tuple[Build, int], keras.Model] = {}
    with _kept_random_state():
        for pair in zip(builds, seeds, strict=True):
            if pair in models:  # as where arms differ in their learning rate alone
                continue
            keras.utils.set_random_seed(pair[1])
            models[pair] = pair[0]()
            check_model(models[pair])
    check_alike(list(models.values()))
    return [models[pair] for pair in zip(builds, seeds, strict=True)]


@contextmanager
def _kept_random_state() -> Iterator[None]:
    """Leave the caller's own random numbers from Python and NumPy as they were."""
    states = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])


def _groups(arms: Mapping[str, Build]) -> list[list[str]]:
    """Return the arms' names, those that one graph can train together."""
    groups: list[tuple[dict, list[str]]] = []
    with _kept_random_state():
        signatures = {name: signature(build()) for name, build in arms.items()}
    for name, own in signatures.items():
        for known, names in groups:
            if own == known:
                names.append(name)
                break
        else:
            groups.append((own, [name]))
    return [names for _, names in groups]
