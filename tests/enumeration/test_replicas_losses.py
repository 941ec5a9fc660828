"""Every loss and metric of Keras lies in one of two columns: equal to `model.fit`, or refused."""

import inspect

import keras
import numpy as np
import pytest
from keras import layers, losses, metrics

from tests.enumeration.replica_cases import (
    TRAIN,
    VALID,
    Case,
    Data,
    NoCase,
    accuracy,
    assert_lies_in_its_column,
    parameters,
)

pytestmark = pytest.mark.slow

RNG = np.random.default_rng(0)
EXAMPLES = TRAIN + VALID
X = RNG.normal(size=(EXAMPLES, 6)).astype("float32")
CLASSES = RNG.integers(0, 3, EXAMPLES).astype("int32")
NUMBERS = RNG.normal(size=(EXAMPLES, 3)).astype("float32")
SHARES = RNG.dirichlet([1, 1, 1], EXAMPLES).astype("float32")
ONE_HOT = keras.utils.to_categorical(CLASSES, 3)
YES_OR_NO = RNG.integers(0, 2, EXAMPLES).astype("int32")
STEPS = RNG.integers(0, 3, (EXAMPLES, 4)).astype("int32")


def dense(units=3, activation=None):
    """Return a builder of a small net with these outputs."""
    return lambda: keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(5, activation="tanh"),
            layers.Dense(units, activation=activation),
        ]
    )


def sequences(activation="softmax"):
    """Return a builder of a net that gives three numbers for each of four steps."""
    return lambda: keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(4 * 3),
            layers.Reshape((4, 3)),
            layers.Activation(activation),
        ]
    )


def normalized():
    """Return a net whose outputs have length 1."""
    return keras.Sequential([keras.Input((6,)), layers.Dense(3), layers.UnitNormalization()])


def numbers(loss, y=NUMBERS, activation=None, **options):
    """Return the case of a loss on three numbers an example."""
    return Case(dense(3, activation), Data(X, y), loss=loss, **options)


def shares(loss, y=SHARES, **options):
    return numbers(loss, y, "softmax", **options)


def slow():
    """Return the optimizer for losses of large gradients, which would magnify rounding."""
    return keras.optimizers.SGD(1e-3)


def one_hot(loss, **options):
    return numbers(loss, ONE_HOT, "softmax", **options)


def classes(loss, build=None, y=CLASSES, **options):
    return Case(build or dense(3, "softmax"), Data(X, y), loss=loss, **options)


def binary(loss, y=YES_OR_NO, activation="sigmoid", **options):
    """Return the case of a loss on one number an example, its target without an axis for it."""
    return Case(dense(1, activation), Data(X, y), loss=loss, **options)


class OwnLoss(losses.Loss):
    """A reader's own loss."""

    def call(self, y_true, y_pred):
        return keras.ops.abs(y_true - y_pred) ** 1.5


def own_function(y_true, y_pred):
    """Return a reader's own loss, a value for each example."""
    return keras.ops.mean(keras.ops.square(y_true - y_pred) ** 2, axis=-1)


def own_scalar(y_true, y_pred):
    """Return a reader's own loss of a whole batch, which is no mean over its examples."""
    return keras.ops.sqrt(keras.ops.mean(keras.ops.square(y_true - y_pred)))


def together(functions, y, activation):
    """Return the case of functions that each judge an output of their own."""

    def build():
        inputs = keras.Input((6,))
        outputs = {name: layers.Dense(3, activation, name=name)(inputs) for name in functions}
        return keras.Model(inputs, outputs)

    loss = {name: getattr(losses, name) for name in functions}
    return Case(build, Data(X, dict.fromkeys(functions, y)), loss=loss)


LOSSES = {
    # Numbers
    "MeanSquaredError": numbers(losses.MeanSquaredError()),
    "MeanSquaredError: sum": numbers(losses.MeanSquaredError(reduction="sum"), optimizer=slow),
    "MeanSquaredError: mean": numbers(losses.MeanSquaredError(reduction="mean")),
    "MeanSquaredError: mean_with_sample_weight": numbers(
        losses.MeanSquaredError(reduction="mean_with_sample_weight"),
        options={"sample_weight": np.linspace(0, 2, TRAIN, dtype="float32")},
    ),
    "MeanSquaredError: none": numbers(
        losses.MeanSquaredError(reduction=None), refused="one number a batch"
    ),
    "MeanSquaredError: without axis": binary(losses.MeanSquaredError(), NUMBERS[:, 0], None),
    "MeanSquaredError: sequences": classes(
        "mse", sequences("tanh"), RNG.normal(size=(EXAMPLES, 4, 3)).astype("float32")
    ),
    "MeanAbsoluteError": numbers(losses.MeanAbsoluteError()),
    "MeanAbsolutePercentageError": numbers(
        losses.MeanAbsolutePercentageError(), 1 + SHARES, optimizer=slow
    ),
    "MeanSquaredLogarithmicError": shares(losses.MeanSquaredLogarithmicError()),
    "Huber": numbers(losses.Huber(0.5)),
    "LogCosh": numbers(losses.LogCosh()),
    "CosineSimilarity": numbers(losses.CosineSimilarity()),
    "Poisson": shares(losses.Poisson()),
    "KLDivergence": shares(losses.KLDivergence()),
    "Loss: own": binary(OwnLoss(), NUMBERS[:, 0], None),
    "Loss: own, sum": numbers(OwnLoss(reduction="sum"), optimizer=slow),
    "Loss: function": numbers(own_function),
    "Loss: function of a batch": numbers(own_scalar),
    # Classes
    "BinaryCrossentropy": binary(losses.BinaryCrossentropy(label_smoothing=0.1)),
    "BinaryCrossentropy: logits": binary(
        losses.BinaryCrossentropy(from_logits=True), activation=None
    ),
    "BinaryCrossentropy: with axis": binary("binary_crossentropy", YES_OR_NO[:, None]),
    "BinaryFocalCrossentropy": binary(losses.BinaryFocalCrossentropy(apply_class_balancing=True)),
    "CategoricalCrossentropy": one_hot(losses.CategoricalCrossentropy(label_smoothing=0.1)),
    "CategoricalFocalCrossentropy": one_hot(losses.CategoricalFocalCrossentropy()),
    "CategoricalGeneralizedCrossEntropy": classes(losses.CategoricalGeneralizedCrossEntropy()),
    "CategoricalHinge": one_hot(losses.CategoricalHinge()),
    "Hinge": binary(losses.Hinge(), activation="tanh"),
    "SquaredHinge": binary(losses.SquaredHinge(), 2 * YES_OR_NO - 1, "tanh"),
    "SparseCategoricalCrossentropy": classes(losses.SparseCategoricalCrossentropy()),
    "SparseCategoricalCrossentropy: logits": classes(
        losses.SparseCategoricalCrossentropy(from_logits=True), dense(3), CLASSES[:, None]
    ),
    "SparseCategoricalCrossentropy: ignore_class": classes(
        losses.SparseCategoricalCrossentropy(ignore_class=1), sequences(), STEPS
    ),
    # No means over examples
    "Circle": classes(losses.Circle(gamma=4), normalized),
    "CTC": classes(
        losses.CTC(), sequences(None), RNG.integers(1, 3, (EXAMPLES, 2)).astype("int32")
    ),
    "Dice": one_hot(losses.Dice()),
    "Dice: axis": one_hot(losses.Dice(axis=-1)),
    "Tversky": one_hot(losses.Tversky(0.3, 0.7)),
}

FUNCTIONS = {
    "mean_squared_error, mean_absolute_error, mean_squared_logarithmic_error, huber, log_cosh, "
    "cosine_similarity, poisson, kl_divergence": SHARES,
    "categorical_crossentropy, categorical_focal_crossentropy, categorical_hinge, hinge, "
    "squared_hinge, binary_crossentropy, binary_focal_crossentropy, dice, tversky": ONE_HOT,
    "sparse_categorical_crossentropy": CLASSES,
}
FUNCTION_CASES = {
    names: together(names.split(", "), y, "softmax") for names, y in FUNCTIONS.items()
} | {
    "circle": classes(losses.circle, normalized, optimizer=slow),
    "mean_absolute_percentage_error": shares(
        losses.mean_absolute_percentage_error, y=1 + SHARES, optimizer=slow
    ),
    "categorical_generalized_cross_entropy": NoCase("takes `q`, which only its class can give"),
    "ctc": classes(losses.ctc, sequences(None), RNG.integers(1, 3, (EXAMPLES, 2)).astype("int32")),
}


def measured(make, y, build, **options):
    """Return the case of some metrics."""
    return Case(
        build, Data(X, y), loss="mse" if y is not CLASSES else own_sparse, metrics=make, **options
    )


def own_sparse(y_true, y_pred):
    return losses.sparse_categorical_crossentropy(y_true, y_pred)


class Largest(metrics.Metric):
    """A reader's own metric: the largest output of an epoch."""

    def __init__(self, name="largest", **options):
        super().__init__(name=name, **options)
        self.largest = self.add_weight(initializer="zeros", name="largest")

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.largest.assign(keras.ops.maximum(self.largest, keras.ops.max(y_pred)))

    def result(self):
        # The variable itself would be read when the history is written, after validation.
        return self.largest + 0.0


class MeanOutput(metrics.Mean):
    """A reader's own metric, which is a mean of something else."""

    def update_state(self, y_true, y_pred, sample_weight=None):
        super().update_state(y_pred, sample_weight)


class SumOfOutputs(metrics.Sum):
    def update_state(self, y_true, y_pred, sample_weight=None):
        super().update_state(y_pred, sample_weight)


def batch_range(y_true, y_pred):
    """Return one number for a whole batch."""
    return keras.ops.max(y_pred) - keras.ops.min(y_pred)


def per_example(y_true, y_pred):
    """Return a number for each example."""
    return keras.ops.max(y_pred, axis=-1)


WEIGHTED = {"sample_weight": np.linspace(0, 2, TRAIN, dtype="float32")}
METRICS = {
    "MeanSquaredError, RootMeanSquaredError, MeanAbsoluteError, MeanAbsolutePercentageError, "
    "MeanSquaredLogarithmicError, LogCoshError, CosineSimilarity, Poisson, KLDivergence": measured(
        lambda: [
            metrics.MeanSquaredError(),
            metrics.RootMeanSquaredError(),
            metrics.MeanAbsoluteError(),
            metrics.MeanAbsolutePercentageError(),
            metrics.MeanSquaredLogarithmicError(),
            metrics.LogCoshError(),
            metrics.CosineSimilarity(),
            metrics.Poisson(),
            metrics.KLDivergence(),
        ],
        SHARES + 0.1,
        dense(3, "softmax"),
    ),
    "R2Score, PearsonCorrelation, ConcordanceCorrelation": measured(
        lambda: [
            metrics.R2Score(),
            metrics.PearsonCorrelation(),
            metrics.ConcordanceCorrelation(),
        ],
        NUMBERS,
        dense(3),
    ),
    "BinaryAccuracy, BinaryCrossentropy, BinaryIoU, AUC, Precision, Recall, TruePositives, "
    "TrueNegatives, FalsePositives, FalseNegatives, Hinge, SquaredHinge": measured(
        lambda: [
            metrics.BinaryAccuracy(threshold=0.4),
            metrics.BinaryCrossentropy(),
            metrics.BinaryIoU(name="BinaryIoU"),
            metrics.AUC(name="AUC"),
            metrics.Precision(name="Precision"),
            metrics.Recall(thresholds=0.3, name="Recall"),
            metrics.TruePositives(name="TruePositives"),
            metrics.TrueNegatives(name="TrueNegatives"),
            metrics.FalsePositives(name="FalsePositives"),
            metrics.FalseNegatives(name="FalseNegatives"),
            metrics.Hinge(),
            metrics.SquaredHinge(),
        ],
        YES_OR_NO[:, None],
        dense(1, "sigmoid"),
    ),
    "SensitivityAtSpecificity, SpecificityAtSensitivity, PrecisionAtRecall, "
    "RecallAtPrecision": measured(
        lambda: [
            metrics.SensitivityAtSpecificity(0.5, name="SensitivityAtSpecificity"),
            metrics.SpecificityAtSensitivity(0.5, name="SpecificityAtSensitivity"),
            metrics.PrecisionAtRecall(0.5, name="PrecisionAtRecall"),
            metrics.RecallAtPrecision(0.5, name="RecallAtPrecision"),
        ],
        YES_OR_NO[:, None],
        dense(1, "sigmoid"),
    ),
    "CategoricalAccuracy, CategoricalCrossentropy, CategoricalHinge, TopKCategoricalAccuracy, "
    "F1Score, FBetaScore, OneHotIoU, OneHotMeanIoU": measured(
        lambda: [
            metrics.CategoricalAccuracy(),
            metrics.CategoricalCrossentropy(),
            metrics.CategoricalHinge(),
            metrics.TopKCategoricalAccuracy(2),
            metrics.F1Score("macro"),
            metrics.FBetaScore("weighted", 0.5),
            metrics.OneHotIoU(3, [0, 2], name="OneHotIoU"),
            metrics.OneHotMeanIoU(3, name="OneHotMeanIoU"),
        ],
        ONE_HOT,
        dense(3, "softmax"),
    ),
    "SparseCategoricalAccuracy, SparseCategoricalCrossentropy, SparseTopKCategoricalAccuracy, "
    "MeanIoU, IoU": measured(
        lambda: [
            metrics.SparseCategoricalAccuracy(),
            metrics.SparseCategoricalCrossentropy(),
            metrics.SparseTopKCategoricalAccuracy(2),
            metrics.MeanIoU(3, sparse_y_pred=False, name="MeanIoU"),
            metrics.IoU(3, [1], sparse_y_pred=False, name="IoU"),
        ],
        CLASSES,
        dense(3, "softmax"),
    ),
    "Accuracy, MeanMetricWrapper, Mean, Sum, Metric": measured(
        lambda: [
            metrics.Accuracy(),
            metrics.MeanMetricWrapper(per_example, name="wrapped"),
            MeanOutput(name="mean"),
            SumOfOutputs(name="sum"),
            Largest(),
            per_example,
            batch_range,
        ],
        NUMBERS,
        dense(3, "tanh"),
    ),
    # Options
    "F1Score: a number a class": measured(
        lambda: [metrics.F1Score()], ONE_HOT, dense(3, "softmax")
    ),
    "AUC: weighted": measured(
        lambda: [
            "accuracy",
            metrics.AUC(name="AUC"),
            metrics.Precision(name="Precision"),
            metrics.MeanSquaredError(),
        ],
        YES_OR_NO,
        dense(1, "sigmoid"),
        options=WEIGHTED,
    ),
    "BinaryAccuracy: names": measured(
        lambda: ["accuracy", "mse", "mae", "cosine_similarity", "R2Score", "AUC"],
        YES_OR_NO,
        dense(1, "sigmoid"),
    ),
    "CategoricalAccuracy: names": Case(
        dense(3, "softmax"),
        Data(X, ONE_HOT),
        loss="categorical_crossentropy",
        metrics=lambda: ["acc", "categorical_crossentropy"],
    ),
    "MeanSquaredError: accuracy of numbers": Case(
        dense(3), Data(X, NUMBERS), loss="mse", metrics=accuracy
    ),
    "MeanSquaredError: accuracy of one number": Case(
        dense(1), Data(X, NUMBERS[:, 0]), loss="mse", metrics=accuracy
    ),
    "SparseCategoricalAccuracy: sequences": Case(
        sequences(), Data(X, STEPS), metrics=lambda: ["accuracy", "sparse_categorical_crossentropy"]
    ),
}
METRIC_FUNCTIONS = {
    "mean_squared_error, mean_absolute_error, mean_absolute_percentage_error, "
    "mean_squared_logarithmic_error, huber, log_cosh, poisson, kl_divergence, "
    "pearson_correlation, concordance_correlation": (SHARES, 3),
    "categorical_crossentropy, categorical_focal_crossentropy, categorical_hinge, "
    "categorical_accuracy, top_k_categorical_accuracy": (ONE_HOT, 3),
    "binary_accuracy, binary_crossentropy, binary_focal_crossentropy, hinge, squared_hinge": (
        YES_OR_NO[:, None],
        1,
    ),
    "sparse_categorical_accuracy, sparse_categorical_crossentropy, "
    "sparse_top_k_categorical_accuracy": (CLASSES, 3),
}
METRIC_FUNCTION_CASES = {
    names: measured(
        lambda names=names: [getattr(metrics, name) for name in names.split(", ")],
        y,
        dense(units, "softmax" if units > 1 else "sigmoid"),
    )
    for names, (y, units) in METRIC_FUNCTIONS.items()
}
NO_FUNCTIONS = {"deserialize", "serialize", "get"}


def exported(module, kind=inspect.isclass):
    return [name for name, _ in inspect.getmembers(module, kind) if name not in NO_FUNCTIONS]


@pytest.mark.parametrize(("name", "case"), parameters(LOSSES, exported(losses)))
def test_every_loss_lies_in_its_column(name, case):
    assert_lies_in_its_column(name, case)


@pytest.mark.parametrize(
    ("name", "case"), parameters(FUNCTION_CASES, exported(losses, inspect.isfunction))
)
def test_every_function_that_is_a_loss_lies_in_its_column(name, case):
    assert_lies_in_its_column(name, case)


@pytest.mark.parametrize(("name", "case"), parameters(METRICS, exported(metrics)))
def test_every_metric_lies_in_its_column(name, case):
    assert_lies_in_its_column(name, case)


@pytest.mark.parametrize(
    ("name", "case"), parameters(METRIC_FUNCTION_CASES, exported(metrics, inspect.isfunction))
)
def test_every_function_that_is_a_metric_lies_in_its_column(name, case):
    assert_lies_in_its_column(name, case)
