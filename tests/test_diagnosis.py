"""Each illness is planted and found; healthy nets are left in peace and as they were."""

import random
import re
from functools import partial

import keras
import numpy as np
import pytest
from sklearn.datasets import load_digits

import helpers
from helpers.diagnosis import ILLNESSES, Diagnosis, Finding, diagnose
from helpers.diagnosis.patient import Patient
from helpers.diagnosis.signals import signals

layers = keras.layers
SPARSE = keras.losses.SparseCategoricalCrossentropy
PIXELS, LABELS = load_digits(return_X_y=True)
ORDER = np.random.default_rng(0).permutation(len(LABELS))[:480]
X, Y = (PIXELS[ORDER] / 16).astype("float32"), LABELS[ORDER]
RNG = np.random.default_rng(1)
TABLE = RNG.normal(size=(400, 6)).astype("float32")
VALUES = (TABLE @ np.arange(-2, 4) / 4 + np.sin(3 * TABLE[:, 0])).astype("float32")
TOKENS = RNG.integers(1, 50, (400, 12))


def net(*hidden, shape=(64,), output=None):
    output = layers.Dense(10, "softmax") if output is None else output
    return keras.Sequential([keras.Input(shape), *hidden, output])


def dense(units=50, activation="relu", weights="he_normal", **options):
    return layers.Dense(units, activation, kernel_initializer=weights, **options)


def compiled(model, optimizer="adam", loss="sparse_categorical_crossentropy"):
    model.compile(optimizer, loss)
    return model


def normalized(units=50, momentum=0.9):
    normalization = layers.BatchNormalization(momentum=momentum)
    return layers.Dense(units, use_bias=False), normalization, layers.ReLU()


def convolutional():
    return net(
        layers.Reshape((8, 8, 1)),
        layers.Conv2D(8, 3, padding="same", activation="relu"),
        layers.MaxPooling2D(),
        layers.Conv2D(16, 3, padding="same", use_bias=False),
        layers.BatchNormalization(momentum=0.9),
        layers.ReLU(),
        layers.Flatten(),
        layers.Dropout(0.4),
        output=layers.Dense(10),
    )


def recurrent():
    stack = layers.Embedding(50, 8, mask_zero=True), layers.LSTM(8)
    return net(*stack, shape=(12,), output=layers.Dense(1, "sigmoid"))


def regression(activation=None):
    return net(dense(), dense(), shape=(6,), output=layers.Dense(1, activation))


class Subclass(keras.Model):
    """Without a graph of layers."""

    def __init__(self):
        super().__init__()
        self.hidden, self.answer = dense(), layers.Dense(10)

    def call(self, x):
        """Put out logits."""
        return self.answer(self.hidden(x))


def subclass():
    model = Subclass()
    model(X[:1])
    return model


HEALTHY = {
    "MLP": lambda: (compiled(net(dense(), dense())), X, Y),
    "MLP, SGD": lambda: (compiled(net(dense(), dense()), "sgd"), X, Y),
    "logistic": lambda: (compiled(net(dense(50, "sigmoid", "glorot_normal"))), X, Y),
    "tanh, RMSprop": lambda: (compiled(net(dense(50, "tanh")), "rmsprop"), X, Y),
    "12 ELU": lambda: (compiled(net(*(dense(50, "elu") for _ in range(12)))), X, Y),
    "12 SELU": lambda: (
        compiled(net(*(dense(50, "selu", "lecun_normal") for _ in range(12)))),
        (X - X.mean()) / X.std(),
        Y,
    ),
    "batch normalization": lambda: (compiled(net(*normalized(), *normalized())), X, Y),
    "CNN, logits": lambda: (compiled(convolutional(), "nadam", SPARSE(from_logits=True)), X, Y),
    "bytes, rescaled": lambda: (
        compiled(net(layers.Rescaling(1 / 255), dense())),
        (255 * X).astype("uint8"),
        Y,
    ),
    "one-hot": lambda: (
        compiled(net(dense()), loss="categorical_crossentropy"),
        X,
        np.eye(10, dtype="float32")[Y],
    ),
    "embedding, LSTM": lambda: (
        compiled(recurrent(), keras.optimizers.Adam(0.01), "binary_crossentropy"),
        TOKENS,
        (TOKENS[:, -1] > 25).astype(int),
    ),
    "regression": lambda: (compiled(regression(), loss="mse"), TABLE, VALUES),
    "subclass": lambda: (compiled(subclass(), loss=SPARSE(from_logits=True)), X, Y),
    "model in a model": lambda: (compiled(net(keras.Sequential([*normalized()]))), X, Y),
    "cosine": lambda: (
        compiled(
            net(dense()),
            keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(1e-3, 1000)),
        ),
        X,
        Y,
    ),
}


@pytest.mark.parametrize(
    "epochs",
    [pytest.param(0, id="fresh"), pytest.param(10, id="trained", marks=pytest.mark.slow)],
)
@pytest.mark.parametrize("case", HEALTHY)
def test_a_healthy_net_gets_no_finding(case, epochs):
    keras.utils.set_random_seed(3)
    model, x, y = HEALTHY[case]()
    if epochs:
        model.fit(x, y, epochs=epochs, verbose=0)
    assert diagnose(model, x, y, steps=30).names == []


def fit(model, x=X, y=Y, **options):
    model.fit(x, y, verbose=0, **options)
    return model


def frozen(model, layer=0):
    model.layers[layer].trainable = False
    return model


def broken():
    model = compiled(net(dense()))
    model.layers[0].kernel.assign(np.full((64, 50), np.nan, "float32"))
    return model


def lagging():
    # 150 steps at Keras' momentum of 0.99: of the averages 22% are still what they began with.
    return fit(compiled(net(*normalized(momentum=0.99), *normalized(momentum=0.99))), epochs=10)


def all_dead():
    model = compiled(net(dense()))
    model.layers[0].bias.assign(np.full(50, -100.0, "float32"))
    return model


def cut_off():
    output = layers.Dense(10, "softmax")
    image = keras.Input((64,))
    behind = layers.Lambda(keras.ops.stop_gradient)(dense()(image))
    return compiled(keras.Model(image, output(dense()(behind))))


def rooted():
    root = layers.Lambda(lambda x: keras.ops.sqrt(keras.ops.abs(x)))
    zeros = layers.Dense(50, kernel_initializer="zeros")
    return compiled(net(zeros, root))


NAN = np.where(np.arange(64) == 5, np.nan, X).astype("float32")
BINARY = partial(compiled, loss="binary_crossentropy")
ODD = Y % 2
GUESSES = RNG.permutation(Y[:60])
unit_normal = partial(keras.initializers.RandomNormal, stddev=1.0)
# Name of the illness: (model, x, y), and options of `diagnose` where it takes some.
SICK = {
    "inputs-not-finite": lambda: (compiled(net(dense())), NAN, Y),
    "inputs-unscaled": lambda: (compiled(net(dense())), 255 * X, Y),
    "inputs-unscaled, twice": lambda: (compiled(net(dense())), X / 255, Y),
    "inputs-off-centre": lambda: (compiled(net(dense())), 1 + X / 100, Y),
    "labels-outside": lambda: (compiled(net(dense())), X, Y + 1),
    "labels-outside, NaN": lambda: (
        compiled(regression(), loss="mse"),
        TABLE,
        np.where(VALUES > 1, np.nan, VALUES),
    ),
    "labels-outside, ±1": lambda: (
        BINARY(net(dense(), output=layers.Dense(1, "sigmoid"))),
        X,
        2 * ODD - 1,
    ),
    "labels-shape": lambda: (compiled(net(dense())), X, np.eye(10)[Y]),
    "labels-shape, integers": lambda: (
        compiled(net(dense()), loss="categorical_crossentropy"),
        X,
        Y,
    ),
    "labels-shape, broadcast": lambda: (compiled(net(dense()), loss="mse"), X, Y),
    "logits-as-probabilities": lambda: (compiled(net(output=layers.Dense(10))), X, Y),
    "logits-as-probabilities, binary": lambda: (BINARY(net(output=layers.Dense(1))), X, ODD),
    "softmax-twice": lambda: (compiled(net(dense()), loss=SPARSE(from_logits=True)), X, Y),
    "softmax-twice, binary": lambda: (
        BINARY(
            net(output=layers.Dense(1, "sigmoid")),
            loss=keras.losses.BinaryCrossentropy(from_logits=True),
        ),
        X,
        ODD,
    ),
    "sigmoid-for-classes": lambda: (compiled(net(output=layers.Dense(10, "sigmoid"))), X, Y),
    "one-answer": lambda: (BINARY(net(output=layers.Dense(1, "softmax"))), X, ODD),
    "targets-out-of-reach": lambda: (compiled(regression("sigmoid"), loss="mse"), TABLE, VALUES),
    "targets-unscaled": lambda: (compiled(regression(), loss="mse"), TABLE, 1000 * VALUES),
    "duplicates": lambda: (compiled(net(dense())), np.tile(X, (2, 1)), np.tile(Y, 2)),
    "labels-contradict": lambda: (
        compiled(net(dense())),
        np.concatenate([X, X[:20]]),
        np.concatenate([Y, (Y[:20] + 1) % 10]),
    ),
    "leak": lambda: (compiled(net(dense())), X, Y, {"validation_data": (X[:50], Y[:50])}),
    "imbalance": lambda: (compiled(net(dense())), X, np.where(Y == 3, 0, Y)),
    "weights-not-finite": lambda: (broken(), X, Y),
    "signals-not-finite": lambda: (
        compiled(net(dense(), layers.Lambda(keras.ops.log), dense())),
        X,
        Y,
    ),
    "loss-not-finite": lambda: (
        compiled(net(dense()), loss=lambda y, p: keras.ops.log(0.0 * p[:, 0])),
        X,
        Y,
    ),
    "gradient-not-finite": lambda: (rooted(), X, Y),
    "gradient-vanishes": lambda: (
        compiled(net(*(dense(50, "sigmoid", "glorot_normal") for _ in range(12)))),
        X,
        Y,
    ),
    "gradient-explodes": lambda: (
        compiled(net(*(dense(50, "tanh", unit_normal()) for _ in range(16)))),
        X,
        Y,
    ),
    "gradient-missing": lambda: (cut_off(), X, Y),
    "units-equal": lambda: (compiled(net(dense(weights="ones"), dense())), X / 64, Y),
    "units-dead": lambda: (all_dead(), X, Y),
    "units-saturated": lambda: (
        compiled(net(dense(50, "tanh", keras.initializers.RandomNormal(stddev=3.0)))),
        X,
        Y,
    ),
    "loss-above-guessing": lambda: (compiled(net(dense())), 255 * X, Y),
    "penalty-rules": lambda: (
        compiled(net(dense(kernel_regularizer=keras.regularizers.L2(1)))),
        X,
        Y,
    ),
    "always-one-class": lambda: (
        fit(all_dead(), epochs=1),
        X,
        Y,
    ),
    "not-learned": lambda: (fit(all_dead(), epochs=3), X, Y),
    "batch-norm-modes": lambda: (lagging(), X, Y),
    "batch-norm-small-batch": lambda: (compiled(net(*normalized())), X, Y, {"batch_size": 4}),
    "dropout-heavy": lambda: (compiled(net(dense(), layers.Dropout(0.9))), X, Y),
    "dropout-heavy, at the end": lambda: (
        compiled(net(dense(), layers.Dense(10, "softmax"), output=layers.Dropout(0.1))),
        X,
        Y,
    ),
    "overfitting": lambda: (
        fit(compiled(net(dense(300)), keras.optimizers.Adam(0.01)), X[:60], GUESSES, epochs=60),
        X[:60],
        GUESSES,
        {"validation_data": (X[200:], Y[200:])},
    ),
    "frozen-after-compile": lambda: (frozen(fit(compiled(net(dense(), dense())), epochs=1)), X, Y),
    "nothing-trainable": lambda: (compiled(frozen(net(), 0)), X, Y),
    "layers-stand": lambda: (compiled(net(dense()), keras.optimizers.SGD(1e-7)), X, Y, 30),
    "layers-jump": lambda: (compiled(net(dense()), keras.optimizers.Adam(3.0)), X, Y, 30),
    "rate-too-high": lambda: (compiled(net(dense()), keras.optimizers.Adam(3.0)), X, Y, 30),
    "rate-too-low": lambda: (compiled(net(dense()), keras.optimizers.SGD(1e-4)), X, Y, 30),
    "cannot-overfit": lambda: (all_dead(), X, Y, 30),
}


@pytest.mark.parametrize("case", SICK)
def test_a_planted_illness_is_found(case):
    keras.utils.set_random_seed(3)
    model, x, y, *options = SICK[case]()
    options = options[0] if options else {}
    options = {"steps": options} if isinstance(options, int) else {"steps": 0} | options
    found = diagnose(model, x, y, **options)
    name = case.partition(",")[0]
    assert name in found.names
    finding = found.findings[found.names.index(name)]
    assert any(character.isdigit() for character in finding.measured) or name in TOLD_IN_WORDS


TOLD_IN_WORDS = {"softmax-twice", "one-answer"}


def test_every_illness_of_the_catalogue_is_planted():
    planted = {case.partition(",")[0] for case in SICK} | {"overconfident"}
    assert planted == set(ILLNESSES)


@pytest.mark.slow
def test_a_net_that_learned_noise_is_too_sure():
    keras.utils.set_random_seed(3)
    noisy = np.where(RNG.random(len(Y)) < 0.4, RNG.integers(0, 10, len(Y)), Y)
    model = compiled(net(dense(200)), keras.optimizers.Adam(0.01))
    fit(model, X[:240], noisy[:240], epochs=60)
    found = diagnose(model, X[:240], noisy[:240], validation_data=(X[240:], Y[240:]), steps=0)
    assert found.names == ["overfitting", "overconfident"]


def test_nothing_of_the_model_is_changed():
    keras.utils.set_random_seed(3)
    stack = dense(), layers.BatchNormalization(), layers.Dropout(0.3), dense()
    model = compiled(net(*stack))
    fit(model, epochs=1)
    kept = [v.value.numpy().copy() for v in (*model.variables, *model.optimizer.variables)]
    flags = [layer.trainable for layer in model.layers]
    random.seed(5)
    np.random.seed(5)
    expected = random.Random(5).random(), np.random.RandomState(5).random()
    diagnose(model, X, Y, validation_data=(X[:50], Y[:50]), steps=10)
    assert (random.random(), np.random.random()) == expected
    now = [v.value.numpy().copy() for v in (*model.variables, *model.optimizer.variables)]
    assert all(np.array_equal(a, b) for a, b in zip(kept, now, strict=True))
    assert [layer.trainable for layer in model.layers] == flags
    assert model.layers[2].rate == 0.3
    assert all("call" not in vars(layer) for layer in model.layers)


def test_a_training_after_it_is_the_training_without_it():
    ends = []
    for look in (False, True):
        keras.utils.set_random_seed(3)
        model = compiled(net(dense(), layers.Dropout(0.3)))
        if look:
            diagnose(model, X, Y, steps=10)
            assert not model.optimizer.built
        fit(model, epochs=2)
        ends.append(model.get_weights())
    assert all(np.array_equal(a, b) for a, b in zip(*ends, strict=True))


def test_a_failure_within_puts_everything_back():
    model = compiled(net(dense(), layers.Dropout(0.3)))

    def fails(y, p):
        raise RuntimeError("in the middle")

    model.compile("adam", fails)
    with pytest.raises(RuntimeError, match="in the middle"):
        diagnose(model, X, Y)
    assert model.layers[1].rate == 0.3


def test_signals_are_what_each_layer_put_out():
    inner = keras.Sequential([keras.Input((3,)), layers.Dense(2, name="inner")])
    model = keras.Sequential([keras.Input((3,)), inner, layers.ReLU()])
    x = RNG.normal(size=(5, 3)).astype("float32")
    first, second = signals(model, x)
    assert first.layer.name == "inner"
    np.testing.assert_allclose(first.left, x @ inner.layers[0].get_weights()[0], rtol=1e-5)
    np.testing.assert_array_equal(second.left, np.maximum(first.left, 0))


def test_the_loss_of_guessing_by_hand():
    # Shares ¼ and ¾: -(¼ ln ¼ + ¾ ln ¾) = 0.5623.
    model = compiled(net(output=layers.Dense(2, "softmax"), shape=(1,)))
    y = np.array([0, 1, 1, 1] * 8)
    patient = Patient(model, np.zeros((32, 1)), y, validation_data=None, batch_size=8, seed=0)
    assert patient.guessing() == pytest.approx(0.5623, abs=1e-4)


def test_the_loss_is_that_of_evaluate_and_the_penalty_is_apart():
    model = compiled(net(dense(kernel_regularizer=keras.regularizers.L2(0.01))))
    patient = Patient(model, X, Y, validation_data=None, batch_size=32, seed=0)
    data, penalty = patient.loss(X, Y)
    kernel = model.layers[0].get_weights()[0]
    assert penalty == pytest.approx(0.01 * np.sum(kernel**2), rel=1e-4)
    assert data + penalty == pytest.approx(model.evaluate(X, Y, verbose=0), rel=1e-4)


class TestTelling:
    found = Finding("units-dead", "70% of the units of hidden.", 0.7, "hidden")

    def test_a_finding_says_symptom_number_cause_remedy_and_chapter(self):
        text = str(self.found)
        for part in ("Many ReLU units", "70%", "rate that was too high", "leaky", "03_activations"):
            assert part in text

    def test_a_diagnosis_counts_and_numbers(self):
        assert str(Diagnosis(())) == "Nothing found."
        assert str(Diagnosis((self.found,))).startswith("1 finding.\n\n1. Many ReLU")
        assert "2. " in repr(Diagnosis((self.found, self.found)))
        assert "Not examined: this" in str(Diagnosis((), ("this",)))

    def test_the_table_has_a_row_for_each(self):
        (row,) = Diagnosis((self.found,)).table
        assert (row["name"], row["where"], row["value"]) == ("units-dead", "hidden", 0.7)
        assert row["chapter"] == "03_activations"

    def test_every_chapter_of_the_catalogue_exists(self, request):
        book = request.config.rootpath / "book"
        assert {i.chapter for i in ILLNESSES.values()} <= {p.stem for p in book.glob("*.ipynb")}


def test_it_is_reached_from_the_package():
    assert helpers.diagnose is diagnose
    with pytest.raises(AttributeError, match="no attribute 'cure'"):
        helpers.cure  # noqa: B018


@pytest.mark.parametrize("trained", [False, True])
@pytest.mark.parametrize(
    ("x", "y", "name", "words"),
    [
        (X * np.nan, Y, "inputs-not-finite", "numbers of the validation inputs"),
        (X, Y + 5, "labels-outside", "validation labels run from 5 to 14"),
        (X, Y - 1, "labels-outside", "validation labels run from -1 to 8"),
        (X, np.where(Y == 3, np.nan, Y), "labels-outside", "480 validation labels are not finite"),
        (X, np.eye(10)[Y], "labels-shape", r"validation labels have the shape \(10,\)"),
    ],
)
def test_validation_data_are_examined_as_the_others_are(trained, x, y, name, words):
    model = good()
    if trained:
        model.fit(X, Y, verbose=0)
    found = diagnose(model, X, Y, validation_data=(x, y), steps=0)
    assert found.names == [name]
    assert re.search(words, found.findings[0].measured)


def test_logits_taken_for_probabilities_get_no_temperature():
    model = compiled(net(dense(), output=layers.Dense(10)), "sgd")
    model.fit(X, Y, verbose=0)
    found = diagnose(model, X, Y, validation_data=(X, Y), steps=0)
    assert "logits-as-probabilities" in found.names
    assert "overconfident" not in found.names


def good():
    return compiled(net(dense()))


def two_ends():
    image = keras.Input((64,))
    ends = layers.Dense(10, "softmax")(image), layers.Dense(1)(image)
    return compiled(keras.Model(image, ends), loss=["sparse_categorical_crossentropy", "mse"])


@pytest.mark.parametrize(
    ("error", "call", "message"),
    [
        (TypeError, lambda: diagnose("net", X, Y), "Keras model. Received: 'net'"),
        (ValueError, lambda: diagnose(net(dense()), X, Y), "compiled with an optimizer and a loss"),
        (
            ValueError,
            lambda: diagnose(compiled(keras.Sequential([dense()])), X, Y),
            "must be built.*not built",
        ),
        (ValueError, lambda: diagnose(two_ends(), X, Y), "one output. Received: 2 outputs"),
        (ValueError, lambda: diagnose(compiled(net(dense()), loss=["mse"]), X, Y), "one loss"),
        (TypeError, lambda: diagnose(good(), (row for row in X), Y), "generator"),
        (TypeError, lambda: diagnose(good(), X, np.array(["a"] * 480)), "numbers.*type <U1"),
        (ValueError, lambda: diagnose(good(), X[:9], Y[:9]), "at least 16. Received: 9 and 9"),
        (ValueError, lambda: diagnose(good(), X, Y[:-1]), "equally many.*480 and 479"),
        (ValueError, lambda: diagnose(good(), X[:, :9], Y), r"shape \(None, 64\)"),
        (ValueError, lambda: diagnose(good(), X, Y, batch_size=0), "batch_size=0"),
        (ValueError, lambda: diagnose(good(), X, Y, steps=3), "at least 10. Received: steps=3"),
        (TypeError, lambda: diagnose(good(), X, Y, batch_size="9"), "batch_size='9'"),
        (TypeError, lambda: diagnose(good(), X, Y, steps="50"), "an integer. Received: steps='50'"),
        (TypeError, lambda: diagnose(good(), X, Y, seed="a"), "an integer. Received: seed='a'"),
        (ValueError, lambda: diagnose(good(), X, Y, seed=-1), "at least 0. Received: seed=-1"),
        (ValueError, lambda: diagnose(good(), np.array(5), Y), r"`x` must have an axis of exam"),
        (
            TypeError,
            lambda: diagnose(good(), np.ma.masked_less(X, 0.5), Y),
            "`x` must have no mask",
        ),
        (ValueError, lambda: diagnose(good(), X, Y, validation_data=X), "pair.*ndarray"),
        (
            ValueError,
            lambda: diagnose(good(), X, Y, validation_data=(X[:, :9], Y)),
            r"`validation x` must have the shape \(None, 64\)\. Received: \(480, 9\)",
        ),
    ],
)
def test_what_cannot_be_examined_is_refused(error, call, message):
    with pytest.raises(error, match=message):
        call()
