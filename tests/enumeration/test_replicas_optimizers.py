"""Every optimizer of Keras and its options: equal to `model.fit`, or refused by name."""

import inspect
from functools import partial

import keras
import numpy as np
import pytest
from keras import layers, optimizers
from keras.optimizers import schedules

from tests.enumeration.replica_cases import (
    TRAIN,
    VALID,
    Case,
    Data,
    NoCase,
    assert_lies_in_its_column,
    parameters,
)

pytestmark = pytest.mark.slow

RNG = np.random.default_rng(0)
VECTORS = Data(
    RNG.normal(size=(TRAIN + VALID, 6)).astype("float32"),
    RNG.integers(0, 3, TRAIN + VALID).astype("int32"),
)


def small():
    """Return a model with variables of one and two axes, one of them constrained."""
    constraint = keras.constraints.MaxNorm(1.0)
    return keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(8, activation="tanh", name="hidden", kernel_constraint=constraint),
            layers.Dense(3, activation="softmax", name="head"),
        ]
    )


def convolutional():
    """Return a model with a kernel of four axes, and statistics that no optimizer moves."""
    return keras.Sequential(
        [
            keras.Input((6,)),
            layers.Reshape((3, 2, 1)),
            layers.Conv2D(4, 2, activation="tanh"),
            layers.BatchNormalization(momentum=0.5),
            layers.Flatten(),
            layers.Dense(3, activation="softmax", name="head"),
        ]
    )


def embedding():
    """Return a model of tokens, whose gradients are sparse."""
    return keras.Sequential(
        [
            keras.Input((5,), dtype="int32"),
            layers.Embedding(7, 3),
            layers.Flatten(),
            layers.Dense(3, activation="softmax"),
        ]
    )


TOKENS = Data(RNG.integers(0, 7, (TRAIN + VALID, 5)).astype("int32"), VECTORS.y)


class Picking(layers.Layer):
    """A reader's own embedding, whose gradients are sparse without being named so."""

    def build(self, shape):
        self.table = self.add_weight((7, 3))

    def call(self, tokens):
        return keras.ops.take(self.table, tokens, axis=0)


def picking():
    """Return a model of tokens with a layer of one's own."""
    last = layers.Dense(3, activation="softmax")
    return keras.Sequential([keras.Input((5,), dtype="int32"), Picking(), layers.Flatten(), last])


def trained_by(make, build=small, data=VECTORS, **options):
    """Return the case of an optimizer."""
    return Case(build, data, optimizer=make, **options)


def excluding(optimizer, *names):
    """Return the optimizer with some variables exempt from weight decay."""
    optimizer.exclude_from_weight_decay(var_names=list(names))
    return optimizer


def excluding_variables(optimizer):
    """Return the optimizer with variables of some model exempt from weight decay."""
    optimizer.exclude_from_weight_decay(var_list=small().trainable_variables[:1])
    return optimizer


class Halving(schedules.LearningRateSchedule):
    """A reader's own schedule, registered nowhere."""

    def __call__(self, step):
        return 0.2 * keras.ops.power(0.5, keras.ops.cast(step, "float32"))


class OwnDescent(optimizers.Optimizer):
    """A reader's own optimizer: descent along the gradient's direction."""

    def update_step(self, gradient, variable, learning_rate):
        length = keras.ops.sqrt(keras.ops.sum(keras.ops.square(gradient)))
        self.assign_sub(variable, learning_rate * gradient / (length + 1e-3))


def two_optimizers():
    slow, fast = optimizers.SGD(0.01), optimizers.Adam(0.01)
    return optimizers.MultiOptimizer(optimizers.OptimizerMap(slow, {"hidden/.*": fast}))


SGD = optimizers.SGD
# What divides by the root of a mean square magnifies rounding where gradients are close to zero,
# by as much as 1 / epsilon: with 1e-3 not beyond the tolerance, on no processor.
EPSILON = 1e-3
ADAM = partial(optimizers.Adam, epsilon=EPSILON)
ADAMW = partial(optimizers.AdamW, epsilon=EPSILON)
RMSPROP = partial(optimizers.RMSprop, epsilon=EPSILON)
OPTIMIZERS = {
    # Each optimizer, and the options of its own
    "SGD": trained_by(lambda: SGD(0.1)),
    "SGD: momentum": trained_by(lambda: SGD(0.1, momentum=0.9)),
    "SGD: nesterov": trained_by(lambda: SGD(0.1, momentum=0.9, nesterov=True)),
    "RMSprop": trained_by(lambda: RMSPROP(0.01)),
    "RMSprop: momentum": trained_by(lambda: RMSPROP(0.01, momentum=0.9)),
    "RMSprop: centered": trained_by(lambda: RMSPROP(0.01, momentum=0.9, centered=True)),
    "Adam": trained_by(lambda: ADAM(0.01)),
    "Adam: amsgrad": trained_by(lambda: ADAM(0.01, amsgrad=True)),
    "AdamW": trained_by(lambda: ADAMW(0.01, weight_decay=0.1)),
    "Adamax": trained_by(lambda: optimizers.Adamax(0.01, epsilon=EPSILON)),
    "Nadam": trained_by(lambda: optimizers.Nadam(0.01, epsilon=EPSILON)),
    "Adagrad": trained_by(lambda: optimizers.Adagrad(0.1)),
    "Adadelta": trained_by(lambda: optimizers.Adadelta(1.0, epsilon=EPSILON)),
    "Ftrl": trained_by(
        lambda: optimizers.Ftrl(
            0.1,
            l1_regularization_strength=0.01,
            l2_regularization_strength=0.01,
            l2_shrinkage_regularization_strength=0.01,
            beta=0.1,
        )
    ),
    "Lion": trained_by(lambda: optimizers.Lion(0.01)),
    "Lamb": trained_by(lambda: optimizers.Lamb(0.01, epsilon=EPSILON)),
    "Adafactor": trained_by(lambda: optimizers.Adafactor(0.1)),
    "Adafactor: constant": trained_by(
        lambda: optimizers.Adafactor(0.1, relative_step=False, weight_decay=0.01)
    ),
    "Adafactor: kernels": trained_by(lambda: optimizers.Adafactor(0.1), convolutional),
    "Muon": trained_by(lambda: optimizers.Muon(0.01, exclude_layers=["head"])),
    "Muon: kernels": trained_by(lambda: optimizers.Muon(0.01, rms_rate=None), convolutional),
    # In a graph Keras 3.15 starts its averages from 0 instead of from the weights.
    "ScheduleFreeAdamW": trained_by(
        lambda: optimizers.ScheduleFreeAdamW(0.01), refused="ScheduleFreeAdamW"
    ),
    "LossScaleOptimizer": trained_by(
        lambda: optimizers.LossScaleOptimizer(SGD(0.1)), refused="LossScaleOptimizer"
    ),
    "MultiOptimizer": trained_by(two_optimizers, refused="MultiOptimizer"),
    "Optimizer: own": trained_by(lambda: OwnDescent(0.1)),
    # Weight decay
    "SGD: weight_decay": trained_by(lambda: SGD(0.1, weight_decay=0.1)),
    "Adam: weight_decay": trained_by(lambda: ADAM(0.01, weight_decay=0.1)),
    "AdamW: excluded": trained_by(lambda: excluding(ADAMW(0.01, weight_decay=0.1), "bias", "head")),
    "Lion: weight_decay": trained_by(lambda: optimizers.Lion(0.01, weight_decay=0.1)),
    # Clipping: thresholds that cut some gradients and leave others
    "SGD: clipnorm": trained_by(lambda: SGD(0.1, clipnorm=0.1)),
    "SGD: global_clipnorm": trained_by(lambda: SGD(0.1, global_clipnorm=0.2)),
    "Adam: clipvalue": trained_by(lambda: ADAM(0.01, clipvalue=0.01)),
    "Lamb: global_clipnorm": trained_by(
        lambda: optimizers.Lamb(0.01, epsilon=EPSILON, global_clipnorm=0.2)
    ),
    # Averages of the weights, which replace them at the end and, if asked, every two steps
    "SGD: use_ema": trained_by(lambda: SGD(0.1, use_ema=True, ema_momentum=0.5)),
    "SGD: ema_overwrite_frequency": trained_by(
        lambda: SGD(0.1, use_ema=True, ema_momentum=0.5, ema_overwrite_frequency=3)
    ),
    "Adam: use_ema": trained_by(lambda: ADAM(0.01, use_ema=True), convolutional),
    # Accumulation: eight steps, of which two are left over
    "SGD: gradient_accumulation_steps": trained_by(
        lambda: SGD(0.1, momentum=0.9, gradient_accumulation_steps=3)
    ),
    "Adam: gradient_accumulation_steps": trained_by(
        lambda: ADAM(0.01, gradient_accumulation_steps=2, weight_decay=0.1, clipnorm=0.1)
    ),
    "AdamW: everything": trained_by(
        lambda: excluding(
            ADAMW(
                schedules.CosineDecay(0.02, 8),
                weight_decay=0.1,
                global_clipnorm=0.2,
                use_ema=True,
                ema_momentum=0.5,
                ema_overwrite_frequency=2,
                gradient_accumulation_steps=2,
                loss_scale_factor=4.0,
            ),
            "bias",
        )
    ),
    "SGD: loss_scale_factor": trained_by(lambda: SGD(0.1, loss_scale_factor=128.0)),
    # Variables of more kinds
    "Adam: kernels": trained_by(lambda: ADAM(0.01), convolutional),
    "SGD: sparse": trained_by(lambda: SGD(0.1, momentum=0.9), embedding, TOKENS),
    "Adam: sparse": trained_by(lambda: ADAM(0.01), embedding, TOKENS),
    "Ftrl: sparse": trained_by(lambda: optimizers.Ftrl(0.1), embedding, TOKENS),
    "Adam: sparse, clipnorm": trained_by(lambda: ADAM(0.01, clipnorm=0.05), embedding, TOKENS),
    "AdamW: sparse, accumulated": trained_by(
        lambda: ADAMW(0.01, global_clipnorm=0.05, gradient_accumulation_steps=2),
        embedding,
        TOKENS,
    ),
    "Adam: sparse, own layer": trained_by(lambda: ADAM(0.01), picking, TOKENS),
    "Adagrad: sparse, own layer": trained_by(lambda: optimizers.Adagrad(0.1), picking, TOKENS),
    "Lion: sparse": trained_by(lambda: optimizers.Lion(0.01), embedding, TOKENS),
    "SGD: sparse, clipped": trained_by(lambda: SGD(0.1, clipvalue=0.001), embedding, TOKENS),
    "AdamW: variables excluded": trained_by(
        lambda: excluding_variables(ADAMW(0.01)), refused="var_list"
    ),
    # Names, dictionaries and callables
    "Adam: name": trained_by(lambda: "adam"),
    "SGD: config": trained_by(lambda: {"class_name": "SGD", "config": {"learning_rate": 0.2}}),
    "SGD: callable rate": trained_by(lambda: SGD(lambda: 0.1)),
    # No optimizers to train with here
    "Optimizer": NoCase("the base of all optimizers"),
    "OptimizerMap": NoCase("the table of a MultiOptimizer; no optimizer"),
}

SCHEDULES = {
    "CosineDecay": schedules.CosineDecay(0.2, 4, alpha=0.1, warmup_target=0.4, warmup_steps=2),
    "CosineDecayRestarts": schedules.CosineDecayRestarts(0.2, 2, t_mul=1.5),
    "ExponentialDecay": schedules.ExponentialDecay(0.2, 3, 0.5, staircase=True),
    "InverseTimeDecay": schedules.InverseTimeDecay(0.2, 3, 0.5),
    "PiecewiseConstantDecay": schedules.PiecewiseConstantDecay([2, 5], [0.2, 0.1, 0.05]),
    "PolynomialDecay": schedules.PolynomialDecay(0.2, 4, power=2.0, cycle=True),
    "LearningRateSchedule: own": Halving(),
}
SCHEDULED = {
    name: trained_by(lambda schedule=schedule: SGD(schedule))
    for name, schedule in SCHEDULES.items()
} | {"LearningRateSchedule": NoCase("the base of all schedules")}


def exported(module):
    return [name for name, _ in inspect.getmembers(module, inspect.isclass)]


@pytest.mark.parametrize(("name", "case"), parameters(OPTIMIZERS, exported(optimizers)))
def test_every_optimizer_lies_in_its_column(name, case):
    assert_lies_in_its_column(name, case)


@pytest.mark.parametrize(("name", "case"), parameters(SCHEDULED, exported(schedules)))
def test_every_schedule_lies_in_its_column(name, case):
    assert_lies_in_its_column(name, case)
