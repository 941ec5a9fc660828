"""Options of layers, of models and of training: equal to `model.fit`, or refused by name."""

import inspect
import warnings
from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import activations, constraints, initializers, layers, ops, optimizers, regularizers

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
LABELS = RNG.integers(0, 3, EXAMPLES).astype("int32")
ONE_HOT = keras.utils.to_categorical(LABELS, 3)
NUMBERS = RNG.normal(size=(EXAMPLES, 2)).astype("float32")
YES_OR_NO = RNG.integers(0, 2, EXAMPLES).astype("int32")
TOKENS = RNG.integers(0, 4, (EXAMPLES, 5)).astype("int32")
STEPS = RNG.integers(0, 3, (EXAMPLES, 5)).astype("int32")
WEIGHTS = np.linspace(0, 2, TRAIN, dtype="float32")
VECTORS = Data(X, LABELS)


def net(*middle, **options):
    """Return the case of a small net with these layers in the middle."""
    return Case(sequential(*middle), VECTORS, **options)


def sequential(*middle, last=lambda: layers.Dense(3, activation="softmax")):
    return lambda: keras.Sequential([keras.Input((6,)), *[make() for make in middle], last()])


def dense(**options):
    """Return what makes a dense layer with these options."""
    return lambda: layers.Dense(4, activation="tanh", **options)


def functional(connect, **options):
    """Return the case of a model that `connect` makes of an input of six numbers."""

    def build():
        inputs = keras.Input((6,))
        return keras.Model(inputs, connect(inputs))

    return Case(build, VECTORS, **options)


def softmax(hidden):
    return layers.Dense(3, activation="softmax")(hidden)


def adamw():
    return optimizers.AdamW(0.01, weight_decay=0.1)


# Regularizers, constraints and activations


@keras.saving.register_keras_serializable()
class OwnPenalty(regularizers.Regularizer):
    """A reader's own regularizer."""

    def __call__(self, weight):
        return 0.01 * ops.sum(ops.abs(weight) ** 1.5)

    def get_config(self):
        return {}


class OwnConstraint(constraints.Constraint):
    """A reader's own constraint: columns that sum to 0."""

    def __call__(self, weight):
        return weight - ops.mean(weight, axis=0, keepdims=True)


def own_penalty(weight):
    return 0.01 * ops.sum(ops.square(weight))


def recurrent(**options):
    """Return the case of a recurrent layer with options of all its three weights."""
    build = sequential(lambda: layers.Reshape((3, 2)), lambda: layers.SimpleRNN(3, **options))
    return Case(build, VECTORS)


REGULARIZERS = {
    "L1": net(dense(kernel_regularizer=regularizers.L1(0.01))),
    "L2": net(dense(bias_regularizer=regularizers.L2(0.01), kernel_regularizer="l2")),
    "L1L2": net(dense(activity_regularizer=regularizers.L1L2(0.01, 0.01))),
    "OrthogonalRegularizer": net(
        dense(kernel_regularizer=regularizers.OrthogonalRegularizer(0.01, "columns"))
    ),
    "L2: recurrent": recurrent(kernel_regularizer="l2", recurrent_regularizer="l1"),
    "L2: embedding": Case(
        lambda: keras.Sequential(
            [
                keras.Input((5,), dtype="int32"),
                layers.Embedding(4, 3, embeddings_regularizer="l2"),
                layers.Flatten(),
                layers.Dense(3, activation="softmax"),
            ]
        ),
        Data(TOKENS, LABELS),
    ),
    "L2: normalization": net(
        lambda: layers.BatchNormalization(gamma_regularizer="l2", beta_regularizer="l2")
    ),
    "Regularizer: own": net(dense(kernel_regularizer=OwnPenalty())),
    "Regularizer: function": net(dense(kernel_regularizer=own_penalty)),
    "Regularizer": NoCase("the base of all regularizers"),
}
CONSTRAINTS = {
    "MaxNorm": net(dense(kernel_constraint=constraints.MaxNorm(0.5), bias_constraint="max_norm")),
    "MinMaxNorm": net(dense(kernel_constraint=constraints.MinMaxNorm(0.5, 1.0, rate=0.5))),
    "NonNeg": net(dense(kernel_constraint=constraints.NonNeg()), optimizer=optimizers.Adam),
    "UnitNorm": net(dense(kernel_constraint=constraints.UnitNorm())),
    "UnitNorm: recurrent": recurrent(recurrent_constraint="unit_norm", bias_constraint="non_neg"),
    "Constraint: own": net(dense(kernel_constraint=OwnConstraint())),
    "Constraint: function": net(
        dense(kernel_constraint=lambda weight: ops.clip(weight, -0.3, 0.3))
    ),
    "Constraint": NoCase("the base of all constraints"),
}


def initialized(names):
    """Return a model in which each initializer has a layer of its own."""

    def connect(inputs):
        made = [getattr(initializers, name)() for name in names.split(", ")]
        hidden = [layers.Dense(6, "tanh", kernel_initializer=one)(inputs) for one in made]
        return softmax(layers.Concatenate()(hidden))

    return functional(connect)


# Those that draw: the weights of replicas are drawn without building a model for each of them.
RANDOM = (
    "RandomNormal, RandomUniform, TruncatedNormal, VarianceScaling, GlorotNormal, GlorotUniform, "
    "HeNormal, HeUniform, LecunNormal, LecunUniform, Orthogonal"
)
INITIALIZERS = {
    names: initialized(names) for names in (RANDOM, "Constant, Identity, Ones, Zeros")
} | {
    "Initializer": NoCase("the base of all initializers"),
    "STFT": NoCase("for the kernels of STFTSpectrogram alone"),
}


def activated(names):
    """Return a model in which each activation has a layer of its own, by its name or itself."""

    def connect(inputs):
        functions = [getattr(activations, name) for name in names.split(", ")]
        hidden = [layers.Dense(4, activation=function)(inputs) for function in functions]
        return softmax(layers.Concatenate()(hidden))

    return functional(connect)


ACTIVATIONS = {
    names: activated(names)
    for names in (
        "relu, relu6, elu, selu, celu, gelu, silu, swish, mish, leaky_relu, softplus, softsign",
        "sigmoid, tanh, hard_sigmoid, hard_tanh, hard_silu, hard_swish, exponential, linear",
        "hard_shrink, soft_shrink, tanh_shrink, squareplus, sparse_plus, sparse_sigmoid",
        "softmax, log_softmax, log_sigmoid",
        "sparsemax",
    )
} | {
    # It halves the last axis, which a layer does not expect of its activation.
    "glu": functional(lambda inputs: softmax(activations.glu(layers.Dense(4)(inputs)))),
    "threshold": net(dense(), lambda: layers.Lambda(lambda x: activations.threshold(x, 0.1, 0.0))),
}


# Inputs, outputs and targets


def two_inputs(names=None):
    """Return a builder of a model of two inputs: a list, or a dictionary by these names."""

    def build():
        inputs = [keras.Input((3,), name=name) for name in names or ("a", "b")]
        hidden = [layers.Dense(4)(one) for one in inputs]
        outputs = softmax(layers.Concatenate()(hidden))
        return keras.Model(dict(zip(names, inputs, strict=True)) if names else inputs, outputs)

    return build


def two_outputs(kind=list):
    """Return a builder of a model of two outputs: a list or a dictionary."""

    def build():
        inputs = keras.Input((6,))
        hidden = layers.Dense(4, activation="tanh")(inputs)
        outputs = {
            "kind": layers.Dense(3, activation="softmax", name="kind")(hidden),
            "size": layers.Dense(2, name="size")(hidden),
        }
        return keras.Model(inputs, outputs if kind is dict else list(outputs.values()))

    return build


BOTH = {"kind": LABELS, "size": NUMBERS}
BOTH_LOSSES = {"kind": "sparse_categorical_crossentropy", "size": "mse"}


def outputs(kind=dict, **options):
    """Return the case of two outputs, with all that each of them may have of its own."""
    y, loss = BOTH, options.pop("loss", BOTH_LOSSES)
    if kind is list:
        y, loss = list(y.values()), list(loss.values())
    return Case(two_outputs(kind), Data(X, y), loss=loss, **options)


def targets(y, units, activation, loss, x=X, **options):
    """Return the case of targets of some kind."""
    last = partial(layers.Dense, units, activation=activation)
    return Case(
        sequential(dense(), last=last), Data(x, y), loss=loss, **{"metrics": accuracy, **options}
    )


DATA = {
    "two inputs: list": Case(two_inputs(), Data([X[:, :3], X[:, 3:]], LABELS)),
    "two inputs: dictionary": Case(
        two_inputs(["left", "right"]), Data({"left": X[:, :3], "right": X[:, 3:]}, LABELS)
    ),
    "two outputs: list": outputs(list),
    "two outputs: dictionary": outputs(),
    "two outputs: metrics": outputs(metrics=lambda: {"kind": ["accuracy"], "size": ["mae"]}),
    "two outputs: loss_weights": outputs(options={"loss_weights": {"kind": 0.3, "size": 2.0}}),
    "two outputs: one loss": outputs(
        loss={"kind": "sparse_categorical_crossentropy", "size": None}
    ),
    "two outputs: sample_weight": outputs(
        options={"sample_weight": {"kind": WEIGHTS, "size": WEIGHTS[::-1].copy()}}
    ),
    "two outputs: weighted_metrics": outputs(
        options={
            "sample_weight": {"kind": WEIGHTS, "size": WEIGHTS},
            "weighted_metrics": {"kind": ["accuracy"], "size": ["mae"]},
        }
    ),
    "labels: (n, 1)": targets(LABELS[:, None], 3, "softmax", "sparse_categorical_crossentropy"),
    "labels: int64": targets(
        LABELS.astype("int64"), 3, "softmax", "sparse_categorical_crossentropy"
    ),
    "labels: uint8": targets(
        LABELS.astype("uint8"), 3, "softmax", "sparse_categorical_crossentropy"
    ),
    "labels: float": targets(
        LABELS.astype("float32"), 3, "softmax", "sparse_categorical_crossentropy"
    ),
    "labels: one-hot": targets(ONE_HOT, 3, "softmax", "categorical_crossentropy"),
    "labels: binary (n,)": targets(YES_OR_NO, 1, "sigmoid", "binary_crossentropy"),
    "labels: binary (n, 1)": targets(YES_OR_NO[:, None], 1, "sigmoid", "binary_crossentropy"),
    "labels: bool": targets(YES_OR_NO.astype(bool), 1, "sigmoid", "binary_crossentropy"),
    "numbers: accuracy": targets(NUMBERS, 2, None, "mse"),
    "numbers: accuracy of (n,)": targets(NUMBERS[:, 0], 1, None, "mse"),
    "numbers: float64": targets(NUMBERS.astype("float64"), 2, None, "mse", x=X.astype("float64")),
    "numbers: integers": targets(LABELS, 1, None, "mse"),
    "inputs: integers": Case(sequential(dense()), Data((10 * X).astype("int32") % 3, LABELS)),
    "inputs: uint8": Case(
        sequential(lambda: layers.Rescaling(1 / 255), dense()),
        Data((X * 50 + 100).astype("uint8"), LABELS),
    ),
    "sample_weight": net(dense(), options={"sample_weight": WEIGHTS}, metrics=accuracy),
    "sample_weight: weighted_metrics": net(
        dense(),
        options={"sample_weight": WEIGHTS, "weighted_metrics": ["accuracy"]},
        metrics=lambda: ["sparse_categorical_crossentropy"],
    ),
    "sample_weight: of validation": net(
        dense(),
        options={
            "sample_weight": WEIGHTS,
            "validation_data": (X[TRAIN:], LABELS[TRAIN:], np.linspace(0, 2, VALID)),
        },
        metrics=accuracy,
    ),
    "class_weight": net(
        dense(), options={"class_weight": {0: 0.5, 1: 1.0, 2: 3.0}}, metrics=accuracy
    ),
    "class_weight: one-hot": targets(
        ONE_HOT,
        3,
        "softmax",
        "categorical_crossentropy",
        options={"class_weight": {0: 0.5, 1: 1.0, 2: 3.0}},
    ),
    "no validation": net(dense(), options={"validation_data": None}),
    "metrics: None": net(dense(), metrics=lambda: None),
}

# Models


class OwnModel(keras.Model):
    """A reader's own model, which has no weights before it sees data."""

    def __init__(self):
        super().__init__()
        self.hidden = layers.Dense(4, activation="tanh")
        self.dropout = layers.Dropout(0.3)
        self.outputs_ = layers.Dense(3, activation="softmax")

    def call(self, x, training=None):
        return self.outputs_(self.dropout(self.hidden(x), training=training))


class WithoutTraining(OwnModel):
    """A model whose call does not ask for `training`."""

    def call(self, x):
        return self.outputs_(self.hidden(x))


class OwnLoss(OwnModel):
    """A model with a loss of its own."""

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return super().compute_loss(x, y, y_pred, sample_weight, training) + ops.mean(y_pred**2)


class OwnMetrics(OwnModel):
    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        return super().compute_metrics(x, y, y_pred, sample_weight)


class OwnStep(OwnModel):
    def train_step(self, data):
        return super().train_step(data)


class OwnTest(OwnModel):
    def test_step(self, data):
        return super().test_step(data)


class OwnTracker(OwnModel):
    """A model that tracks a quantity in its call."""

    def __init__(self):
        super().__init__()
        self.tracker = keras.metrics.Mean(name="size")

    def call(self, x, training=None):
        outputs = super().call(x, training=training)
        self.tracker.update_state(ops.mean(outputs**2))
        return outputs


def shared_layer(inputs):
    shared = layers.Dense(6, activation="tanh", kernel_regularizer="l2")
    return softmax(shared(shared(inputs)))


def nested(inputs):
    inner = keras.Sequential([keras.Input((6,)), layers.Dense(4), layers.BatchNormalization()])
    return softmax(inner(inputs))


def nested_twice(inputs):
    inner = keras.Sequential([keras.Input((6,)), layers.Dense(6), layers.Dropout(0.3)])
    return softmax(inner(inner(inputs)))


def frozen_inside(inputs):
    inner = keras.Sequential([keras.Input((6,)), layers.Dense(4), layers.BatchNormalization()])
    inner.layers[0].trainable = False
    return softmax(inner(inputs))


def frozen_model(inputs):
    inner = keras.Sequential([keras.Input((6,)), layers.Dense(4), layers.BatchNormalization()])
    inner.trainable = False
    return softmax(inner(inputs))


class Tied(layers.Layer):
    """A layer that uses another one's weights, transposed."""

    def __init__(self, other):
        super().__init__()
        self.other = other

    def call(self, x):
        return ops.matmul(x, ops.transpose(self.other.kernel))


def tied(inputs):
    encoder = layers.Dense(4, activation="tanh")
    return softmax(Tied(encoder)(encoder(inputs)))


def residual(inputs):
    return softmax(layers.Add()([inputs, layers.Dense(6, activation="relu")(inputs)]))


def operations(inputs):
    return softmax(ops.tanh(inputs[:, :4] * 2.0) - ops.mean(inputs, axis=-1, keepdims=True))


class Unreached(layers.Layer):
    """A layer with a weight that the loss does not reach."""

    def build(self, shape):
        self.idle = self.add_weight(
            shape=(shape[-1],), initializer="ones", constraint=constraints.MaxNorm(0.5), name="idle"
        )
        self.used = self.add_weight(shape=(shape[-1],), initializer="ones", name="used")

    def call(self, x):
        return x * self.used + ops.stop_gradient(self.idle)


def unreached(make):
    return net(dense(), Unreached, optimizer=make)


MODELS = {
    "unbuilt": Case(
        lambda: keras.Sequential([layers.Dense(4), layers.Dense(3, activation="softmax")]), VECTORS
    ),
    "own call": Case(OwnModel, VECTORS),
    "own call without training": Case(WithoutTraining, VECTORS),
    "own compute_loss": Case(OwnLoss, VECTORS, refused="compute_loss.*OwnLoss"),
    "own compute_metrics": Case(OwnMetrics, VECTORS, refused="compute_metrics.*OwnMetrics"),
    "own train_step": Case(OwnStep, VECTORS, refused="train_step.*OwnStep"),
    "own test_step": Case(OwnTest, VECTORS, refused="test_step.*OwnTest"),
    "own tracker": Case(OwnTracker, VECTORS, refused="size of OwnTracker"),
    "shared layer": functional(shared_layer),
    "nested": functional(nested),
    "nested, used twice": functional(nested_twice),
    "frozen layer": net(dense(trainable=False), dense()),
    "frozen layer inside": functional(frozen_inside),
    "frozen model": functional(frozen_model),
    "frozen normalization": net(dense(), lambda: layers.BatchNormalization(trainable=False)),
    "tied weights": functional(tied),
    "residual": functional(residual),
    "operations": functional(operations),
    "unreached: SGD": unreached(lambda: optimizers.SGD(0.1, momentum=0.9, weight_decay=0.1)),
    "unreached: AdamW": unreached(adamw),
    "unreached: Ftrl": unreached(lambda: optimizers.Ftrl(0.1, l1_regularization_strength=0.1)),
    "unreached: global_clipnorm": unreached(lambda: optimizers.Adam(0.01, global_clipnorm=0.1)),
    "unreached: use_ema": unreached(lambda: optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5)),
    "unreached: accumulation": unreached(
        lambda: optimizers.AdamW(0.01, weight_decay=0.1, gradient_accumulation_steps=2)
    ),
}

# Layers of a reader's own, and layers in unusual states


class Counter(layers.Layer):
    """A layer with state: it divides by the number of batches that it has seen."""

    def build(self, shape):
        self.count = self.add_weight(shape=(), initializer="ones", trainable=False, name="count")

    def call(self, x, training=None):
        if training:
            self.count.assign_add(1.0)
        return x / ops.sqrt(self.count)


class ForeignCounter(layers.Layer):
    """A layer whose state Keras does not know."""

    def build(self, shape):
        self.count = tf.Variable(1.0, trainable=False)

    def call(self, x, training=None):
        if training:
            self.count.assign_add(tf.reduce_mean(x**2))
        return x / tf.sqrt(self.count)


class Noise(layers.Layer):
    """A layer with random numbers of its own."""

    def __init__(self):
        super().__init__()
        self.seeds = keras.random.SeedGenerator()

    def call(self, x, training=None):
        return x + keras.random.normal(ops.shape(x), seed=self.seeds) if training else x


class Stateless(layers.Layer):
    """A layer with random numbers that belong to no layer."""

    def call(self, x, training=None):
        return x + tf.random.normal(tf.shape(x)) if training else x


class OwnPenalizedLayer(layers.Layer):
    """A layer that adds to the loss."""

    def call(self, x):
        self.add_loss(0.1 * ops.mean(ops.square(x)))
        return x


class WithoutConfig(layers.Layer):
    """A layer of which Keras can write nothing down."""

    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def call(self, x):
        return x * self.factor


class Mask(layers.Layer):
    """A layer that stops gradients, and gives one of its own."""

    def call(self, x):
        @ops.custom_gradient
        def clipped(value):
            return ops.clip(value, -1, 1), lambda *args, upstream=None: upstream or args[0]

        return clipped(x) + ops.stop_gradient(x)


class Drawn(layers.Layer):
    """A layer with a constant that is drawn when it is made."""

    def __init__(self):
        super().__init__()
        self.order = np.random.permutation(4)

    def call(self, x):
        return ops.take(x, self.order, axis=-1)


class Reading(layers.Layer):
    """A layer that in training reads its input in Python, which no graph can do."""

    def call(self, x, training=None):
        return x * float(x[0, 0]) if training else x


class Branching(layers.Layer):
    """A layer that decides by its input what to compute."""

    def call(self, x):
        return ops.cond(ops.mean(x) > 0, lambda: ops.tanh(x), lambda: x)


class Looping(layers.Layer):
    """A layer with a loop."""

    def call(self, x):
        return ops.while_loop(lambda i, y: i < 3, lambda i, y: (i + 1, ops.sin(y)), (0, x))[1]


def masked(**options):
    """Return the case of sequences whose padded steps the loss leaves out."""

    def build():
        return keras.Sequential(
            [
                keras.Input((5,), dtype="int32"),
                layers.Embedding(4, 3, mask_zero=True),
                layers.SimpleRNN(3, return_sequences=True),
                layers.TimeDistributed(layers.Dense(3, activation="softmax")),
            ]
        )

    return Case(build, Data(TOKENS, STEPS), **options)


def quantized():
    """Return a model of whole numbers from −127 to 127, whose biases can be trained."""
    model = sequential(dense())()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Keras' own, of NumPy
        for layer in model.layers:
            layer.quantize("int8")
    return model


# bfloat16 has eight digits in base 2: rounding is 4e-3, and a hit may become a miss.
def on_policy(policy, **options):
    """Return the case of a model of another precision."""

    def build():
        inputs = keras.Input((6,), dtype="float32")
        hidden = layers.Dense(4, activation="tanh", dtype=policy)(inputs)
        return keras.Model(inputs, layers.Dense(3, activation="softmax", dtype="float32")(hidden))

    return Case(build, VECTORS, **options)


OWN_LAYERS = {
    "activity regularizer": net(dense(activity_regularizer="l2"), dense(activity_regularizer="l1")),
    "state": net(dense(), Counter),
    "state: TensorFlow's": net(dense(), ForeignCounter, refused="ForeignCounter"),
    "random numbers": net(dense(), Noise),
    "random numbers: nobody's": net(dense(), Stateless, refused="Stateless"),
    "add_loss": net(dense(), OwnPenalizedLayer),
    "no loss but the layers'": Case(sequential(dense(), OwnPenalizedLayer), VECTORS, loss=None),
    "without get_config": net(dense(), lambda: WithoutConfig(2.0)),
    "own gradient": net(dense(), Mask),
    "drawn constant": net(dense(), Drawn, refused="order"),
    "reading": net(dense(), Reading, refused="Reading"),
    "branching": net(dense(), Branching),
    "looping": net(dense(), Looping),
    "masked loss": masked(metrics=accuracy),
    "masked loss: weighted": masked(
        options={"sample_weight": np.repeat(WEIGHTS[:, None], 5, axis=1)}
    ),
    "float64 layer": on_policy("float64"),
    "bfloat16 layer": on_policy("bfloat16", tolerance=2e-2),
    "mixed_bfloat16": on_policy("mixed_bfloat16", refused="mixed_bfloat16"),
    "mixed_float16": on_policy("mixed_float16", refused="mixed_float16"),
    "quantized": Case(quantized, VECTORS, refused="quantized"),
}


def exported(module):
    kinds = [name for name, _ in inspect.getmembers(module, inspect.isclass)]
    return [getattr(module, name).__name__ for name in kinds]


def functions(module):
    ways = {"deserialize", "serialize", "get"}
    return [name for name, _ in inspect.getmembers(module, inspect.isfunction) if name not in ways]


@pytest.mark.parametrize(("name", "case"), parameters(INITIALIZERS, exported(initializers)))
def test_every_initializer_lies_in_its_column(name, case):
    assert_lies_in_its_column(name, case)


@pytest.mark.parametrize(("name", "case"), parameters(REGULARIZERS, exported(regularizers)))
def test_every_regularizer_lies_in_its_column(name, case):
    assert_lies_in_its_column(name, case)


@pytest.mark.parametrize(("name", "case"), parameters(CONSTRAINTS, exported(constraints)))
def test_every_constraint_lies_in_its_column(name, case):
    assert_lies_in_its_column(name, case)


@pytest.mark.parametrize(("name", "case"), parameters(ACTIVATIONS, functions(activations)))
def test_every_activation_lies_in_its_column(name, case):
    assert_lies_in_its_column(name, case)


@pytest.mark.parametrize(("name", "case"), parameters(DATA | MODELS | OWN_LAYERS))
def test_every_option_lies_in_its_column(name, case):
    assert_lies_in_its_column(name, case)
