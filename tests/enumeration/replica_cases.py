"""Small valid models, each with the column it lies in: equal to `model.fit`, or refused by name.

`test_replicas_layers`, `test_replicas_losses` and `test_replicas_options` hold the tables; they
enumerate what Keras exports, so that a name that a later Keras adds fails until it has a case.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import optimizers

from helpers.replicas import batch_order, fit_replicas

SEED, REPLICAS, EPOCHS, BATCH = 5, 3, 2, 16
# The replica that is compared: not the first, whose model is the template of all, nor the last,
# whose model is built, too. The weights of those between are drawn without building a model.
COMPARED = 1
# 58 examples make three batches of 16 and one of 10: batch normalization divides by the spread of
# a batch, which of two examples can be close to zero and would magnify rounding.
TRAIN, VALID = 58, 20
STEPS = -(-TRAIN // BATCH)
# Both sides compute in float32 and add up in different orders. Over eight steps the rounding of
# 6e-8 grows to some 4e-7; mistakes are 1e-2. Relative and absolute.
TOLERANCE = 2e-6
COMPILED = "loss_weights", "weighted_metrics"  # arguments of `compile`, the others are of `fit`
LOSS = "sparse_categorical_crossentropy"


@dataclass(frozen=True)
class Data:
    """Inputs and targets, arrays or nests of them: the first `TRAIN` to learn from."""

    x: Any
    y: Any

    def train(self):
        return some(self.x, range(TRAIN)), some(self.y, range(TRAIN))

    def valid(self):
        return some(self.x, range(TRAIN, TRAIN + VALID)), some(self.y, range(TRAIN, TRAIN + VALID))


@dataclass(frozen=True)
class Case:
    """A small valid model and how it is trained.

    Attributes:
        build: Makes the model.
        data: What it is trained and validated on.
        optimizer, metrics: Functions that make them: both hold state, and each side needs its own.
        loss: As `compile` takes it.
        options: Further arguments of `fit_replicas` that `compile` and `fit` know by the same name.
        refused: What the error must say, where the model is refused; empty: equal to `model.fit`.
        tolerance: Of weights and history; more than `TOLERANCE` with a reason beside it.
        parts: The cases of each layer alone, where `build` has several beside each other.
    """

    build: Callable[[], keras.Model]
    data: Data
    optimizer: Callable[[], Any] = lambda: optimizers.SGD(0.1)
    loss: Any = LOSS
    metrics: Callable[[], Any] = list
    options: dict = field(default_factory=dict)
    refused: str = ""
    tolerance: float = TOLERANCE
    parts: tuple["Case", ...] = ()


@dataclass(frozen=True)
class NoCase:
    """A name of Keras that no training can try, with the reason."""

    reason: str


def accuracy():
    """Return the metrics of a classifier."""
    return ["accuracy"]


def some(nest, part):
    """Return a part of every array of a nest; strings are arrays of TensorFlow's."""
    take = lambda array: tf.gather(array, part) if tf.is_tensor(array) else array[part]  # noqa: E731
    return keras.tree.map_structure(take, nest)


class Batches(keras.utils.PyDataset):
    """The batches of one replica, epoch after epoch, as documented."""

    def __init__(self, *arrays, seed):
        super().__init__()
        # TensorFlow would make one tensor of a list.
        self.arrays = [tuple(nest) if isinstance(nest, list) else nest for nest in arrays]
        self.seed = seed

    def __len__(self):
        return EPOCHS * STEPS

    def __getitem__(self, number):
        epoch, step = divmod(number, STEPS)
        batch = batch_order(self.seed, epoch, TRAIN)[step * BATCH : (step + 1) * BATCH]
        return tuple(some(array, batch) for array in self.arrays)


def plain_fit(case: Case, seed: int):
    """The oracle: one ordinary `model.fit` with the replica's weights and batches."""
    keras.utils.set_random_seed(seed)
    model = case.build()
    options = dict(case.options)
    compiled = {name: options.pop(name) for name in COMPILED if name in options}
    model.compile(case.optimizer(), case.loss, metrics=case.metrics(), **compiled)
    if model.built:  # else Keras does it while it traces the step, and has to trace it again
        model.optimizer.build(model.trainable_variables)
    weights = [options.pop("sample_weight")] if "sample_weight" in options else []
    fitted = model.fit(
        Batches(*case.data.train(), *weights, seed=seed),
        steps_per_epoch=STEPS,
        epochs=EPOCHS,
        shuffle=False,
        validation_batch_size=BATCH,
        verbose=0,
        **{"validation_data": case.data.valid(), **options},
    )
    return model, fitted.history


def stacked_fit(case: Case):
    """Train the replicas of a case as one computation."""
    x, y = case.data.train()
    return fit_replicas(
        case.build,
        x,
        y,
        optimizer=case.optimizer(),
        loss=case.loss,
        metrics=case.metrics(),
        epochs=EPOCHS,
        batch_size=BATCH,
        replicas=REPLICAS,
        seed=SEED,
        **{"validation_data": case.data.valid(), **case.options},
    )


def assert_lies_in_its_column(name: str, case: Case | None):
    """Train both ways and compare, or see the refusal; of several layers, say which fail."""
    if case is None:
        pytest.fail("decide: equal or refused")
    try:
        assert_equal_or_refused(case)
    except Exception:
        failed = [
            f"{part}: {alone!r}"
            for part, one in zip(name.split(", ")[: len(case.parts)], case.parts, strict=True)
            if (alone := raised(assert_equal_or_refused, one))
        ]
        if not failed:
            raise
        pytest.fail("\n".join(failed))


def raised(function, *arguments) -> Exception | None:
    """Return what a call raises."""
    try:
        function(*arguments)
    except Exception as error:
        return error


def assert_equal_or_refused(case: Case):
    if case.refused:
        with pytest.raises((ValueError, TypeError), match=f"(?s){case.refused}"):
            stacked_fit(case)
        return
    with warnings.catch_warnings():
        # Keras says so, and leaves these variables alone.
        warnings.filterwarnings("ignore", "Gradients do not exist for variables")
        trained = stacked_fit(case)
        model, history = plain_fit(case, SEED + COMPARED)
    assert_equal(trained, model, history, case.tolerance)


def assert_equal(trained, model, history, tolerance):
    """Compare a replica with the model that `model.fit` trained; it must have learnt."""
    weights = [weight[COMPARED] for weight in trained.weights]
    for variable, ours, theirs in zip(model.weights, weights, model.get_weights(), strict=True):
        ours, theirs = np.asarray(ours, float), np.asarray(theirs, float)  # bfloat16 among them
        np.testing.assert_allclose(ours, theirs, tolerance, tolerance, err_msg=variable.path)
    starts = [weight[COMPARED] for weight in trained.initial_weights]
    moved = [(new != old).any() for new, old in zip(weights, starts, strict=True)]
    assert any(moved), "nothing was trained"
    assert set(trained.history) == set(history)
    for name, theirs in history.items():
        ours = trained.history[name][COMPARED]
        np.testing.assert_allclose(ours, theirs, tolerance, tolerance, err_msg=name)


def parameters(table: dict[str, Any], exported=()):
    """Return the cases of a table as parameters, and None for names of Keras that it lacks."""
    named = {name.split(":")[0] for names in table for name in names.split(", ")}
    missing = {name: None for name in exported if name not in named}
    return [
        pytest.param(name, case, id=name)
        for name, case in {**table, **missing}.items()
        if not isinstance(case, NoCase)
    ]
