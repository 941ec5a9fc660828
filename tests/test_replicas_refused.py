"""What a learner may give `fit_replicas` and `fit_arms` by mistake: refused before it trains.

Each refusal names the argument, what was received and what is possible, in no words of Python's.
"""

from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from helpers.replicas import fit_arms, fit_replicas

X = np.random.default_rng(0).normal(size=(30, 6)).astype("float32")
Y = np.random.default_rng(1).integers(0, 3, 30)
ONE_HOT = np.eye(3, dtype="float32")[Y]
LOSS = "sparse_categorical_crossentropy"
BASE = {"optimizer": "sgd", "loss": LOSS, "epochs": 1, "replicas": 2, "batch_size": 16}


def net(*middle):
    return keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(4, activation="tanh", name="hidden"),
            *middle,
            layers.Dense(3, activation="softmax", name="out"),
        ]
    )


def regular():
    return net(layers.Dropout(0.5), layers.BatchNormalization(), layers.LeakyReLU(name="leaky"))


def fit(build=net, x=X, y=Y, **options):
    return fit_replicas(build, x, y, **BASE | options)


class Never(keras.callbacks.Callback):
    """A callback that fails where training has begun."""

    def on_epoch_begin(self, epoch, logs=None):
        raise AssertionError("training has begun")


class Gate(layers.Layer):
    """A layer that decides at a number which is not 0."""

    def __init__(self, rate=0.3):
        super().__init__()
        self.rate = rate

    def call(self, x):
        return x * self.rate if self.rate > 0.5 else x + self.rate


def clipped(**settings):
    return {"each": {"clipnorm": [0.1, 1.0]}, "optimizer": keras.optimizers.SGD(0.1, **settings)}


def each(**values):
    return {"each": values}


def own(name, values):
    return {"build": regular, "each": {name: values}, "callbacks": None}


def compiled():
    model = net()
    model.compile("sgd", LOSS)
    return model


def two_outputs():
    inputs = keras.Input((6,))
    kind = layers.Dense(3, activation="softmax", name="kind")(inputs)
    return keras.Model(inputs, {"kind": kind, "size": layers.Dense(1, name="size")(inputs)})


def embedding():
    return keras.Sequential(
        [keras.Input((6,)), layers.Embedding(5, 2), layers.Flatten(), layers.Dense(3)]
    )


def data_set(**parts):
    return {"x": SimpleNamespace(**parts), "y": None}


def valid(*parts):
    return {"validation_data": parts}


REFUSED = {
    # numbers of each replica's own
    "each: list": ({"each": [0.1, 0.2]}, r"`each` must map names to values.*\[0.1, 0.2\]"),
    "each: key": ({"each": {1: [1, 2]}}, r"`each` must map names to values.*\{1: \[1, 2\]\}"),
    "each: mapping": (each(learning_rate={1: 0.1, 2: 0.2}), r"a number or 2 for learning_rate"),
    "each: set": (each(learning_rate={0.1, 0.2}), r"a number or 2 for learning_rate"),
    "each: None": (each(learning_rate=None), r"a number or 2 for learning_rate.*None"),
    "each: text": (each(learning_rate=["0.1", "0.2"]), r"numbers of 0 or more.*'0.1'"),
    "each: masked": (
        each(learning_rate=np.ma.array([0.1, 9.0], mask=[0, 1])),
        r"numbers of 0 or more.*masked",
    ),
    "each: idle": (own("hidden.units", [3, 50]), r"others would change nothing.*hidden.units"),
    "each: seed": (
        own("hidden.kernel_initializer.seed", [1, 2]),
        r"others would change nothing.*initializer.seed",
    ),
    "each: idle of the optimizer": (
        each(ema_momentum=[0.5, 0.9]) | {"callbacks": None},
        r"others would change nothing.*ema_momentum",
    ),
    "each: decides": (
        own("BatchNormalization.axis", [0, 1]),
        r"that are computed with.*BatchNormalization.axis.*decides what",
    ),
    "each: rate": (own("Dropout.rate", [0.2, 1.5]), r"Dropout takes.*with 1.5; Keras.*0 and 1"),
    "each: momentum": (
        each(momentum=[0.5, 1.5]) | {"optimizer": keras.optimizers.SGD(0.1, momentum=0.9)},
        r"SGD takes.*with 1.5; Keras.*between \[0, 1\]",
    ),
    "each: gate": (
        own("Gate.rate", [0.2, 0.8]) | {"build": lambda: net(Gate())},
        r"that are computed with.*Gate.rate.*decides what",
    ),
    "each: dropout of 1": (  # Keras asks for it: what is dropped is not divided by 1 - 1
        own("Dropout.rate", [0.5, 1.0]),
        r"numbers for 'Dropout.rate' other than 1, at which a layer computes something else",
    ),
    # thresholds of each replica's own, where Keras would clip something else
    **{
        f"each: clipnorm and {name}": (
            clipped(**{name: value}),
            rf"can hold clipnorm for an optimizer without {name}.*{name}={value}",
        )
        for name, value in (
            ("loss_scale_factor", 8.0),
            ("gradient_accumulation_steps", 2),
            ("clipnorm", 0.5),
            ("clipvalue", 0.5),
        )
    },
    "each: two thresholds": (
        each(clipnorm=[0.1, np.inf], clipvalue=[0.1, 1.0]),
        r"one finite threshold for a replica.*clipnorm, clipvalue",
    ),
    "each: loss scale": (
        each(loss_scale_factor=[2.0, 4.0])
        | {"optimizer": keras.optimizers.SGD(0.1, loss_scale_factor=2.0)},
        r"`each` must name the learning_rate.*'loss_scale_factor'",
    ),
    # seeds
    **{
        f"seed: {seed}": ({"seed": seed}, r"`seed` must be 0 or more, or hold 2 such seeds.*seed=")
        for seed in (None, 1.5, "abc", True, 2**32)
    },
    "seed: floats": ({"seed": [1.9, 2.9]}, r"hold 2 such seeds.*\[1.9, 2.9\]"),
    "seed: nested": ({"seed": [[1, 2], [3, 4]]}, r"hold 2 such seeds"),
    # rows
    **{
        f"rows: {kind}": ({"rows": rows}, rf"`rows` must be whole numbers of shape.*{seen}")
        for kind, rows, seen in (
            ("none", [], r"shape \(0,\)"),
            ("number", 5, r"shape \(\)"),
            ("generator", (k for k in range(3)), "generator"),
            ("set", {1, 2}, "set"),
            ("masked", np.ma.array([[1, 2], [3, 4]], mask=[[0, 1], [0, 0]]), "int64"),
        )
    },
    # weights to start from
    "start: model": ({"start": net()}, r"`start` must be earlier `Replicas`.*the model"),
    "start: number": ({"start": 5}, r"`start` must be earlier `Replicas`.*Received: 5"),
    "start: objects": ({"start": [None] * 4}, r"`start` must hold arrays.*start\[0\] of object"),
    # what is watched
    "watch: function": ({"watch": len}, r"`watch` must map names to functions"),
    "watch: number": ({"watch": {"a": 3}}, r"`watch` must map names to functions.*3"),
    **{
        f"watch: {kind}": (
            {"watch": {"own": function}, "callbacks": None},
            rf"`watch` must hold functions of a `Step`.*'own', which raises {error}",
        )
        for kind, function, error in (
            ("nothing", lambda step: None, "ValueError"),
            ("no argument", lambda: 0, "TypeError"),
            ("numpy", lambda step: step.gradients[0].numpy().sum(), "AttributeError"),
            ("norm", lambda step: np.linalg.norm(step.gradients[0]), "NotImplementedError"),
        )
    },
    # builders
    "build: argument": ({"build": lambda seed: net()}, r"`build`.*without arguments.*\(seed\)"),
    "build: compiled": ({"build": compiled}, r"not compiled: leave out `compile`.*Sequential"),
    # optimizer, loss, weights
    "optimizer: None": ({"optimizer": None}, r"`optimizer` must be.*Received: None"),
    "class_weight: list": ({"class_weight": [1, 2, 3]}, r"`class_weight` must map classes"),
    "class_weight: text": ({"class_weight": "balanced"}, r"`class_weight` must map.*'balanced'"),
    "class_weight: weights": (
        {"class_weight": {0: 2.0}, "sample_weight": np.ones(30)},
        r"`class_weight` must be given without `sample_weight`. Received: both",
    ),
    "class_weight: no y": (
        {"class_weight": {0: 2.0}, "y": None},
        r"`class_weight` must be given with `y` of one output, an array. Received: y=None",
    ),
    "class_weight: targets": (
        {"class_weight": {0: 2.0}, "y": [Y, Y]},
        r"`class_weight` must be given with `y` of one output.*y=list",
    ),
    "class_weight: value": ({"class_weight": {0: "a"}}, r"`class_weight` must map.*'a'"),
    "loss: name": ({"loss": {"nope": LOSS}}, r"`loss` must name outputs.*which has one.*'nope'"),
    "loss: structure": (
        {"build": two_outputs, "y": [Y], "loss": [LOSS, "mse"]},
        r"`y` must be targets.*\[\(n,\)\].*cause",
    ),
    "sample_weight": (
        {"sample_weight": np.ones((30, 3))},
        r"`sample_weight` must be weights of the targets, of shape \(n,\).*\(n, 3\)",
    ),
    # data against the model
    "x: None": ({"x": None}, r"`x` must hold inputs. Received: None"),
    "x: features": ({"x": X[:, :4]}, r"`x` must be inputs.*shape \(n, 6\). Received.*\(n, 4\)"),
    "x: vector": ({"x": X[:, 0]}, r"`x` must be inputs.*shape \(n, 6\). Received.*\(n,\)"),
    "x: swapped": ({"x": Y, "y": X}, r"`x` must be inputs.*shape \(n, 6\). Received.*\(n,\)"),
    "x: mapping": ({"x": {"a": X}}, r"`x` must be inputs.*\{a: \(n, 6\)\}"),
    "x: pair": ({"x": (X, Y), "y": None}, r"`y` must be given"),
    "x: indices": (
        {"build": embedding, "x": np.full((30, 6), 5)},
        r"`x` must hold indices from 0 to 4 of 'embedding.*from 5 to 5",
    ),
    "y: missing": ({"y": None}, r"`y` must be given.*Received: y=None"),
    "y: one-hot": ({"y": ONE_HOT}, r"`y` must be targets.*take categorical_.*\(n, 3\).*sparse_"),
    "y: labels": (
        {"loss": "categorical_crossentropy"},
        r"`y` must be targets.*take sparse_categorical_.*Received: shape \(n,\)",
    ),
    "y: from one": ({"y": Y + 1}, r"`y` must hold labels from 0 to 2.*from 1 to 3"),
    "validation: x": (valid(X[:, :4], Y), r"`validation_data\[0\]` must be inputs.*\(n, 4\)"),
    "validation: one-hot": (valid(X, ONE_HOT), r"`validation_data\[1\]` must be targets"),
    "validation: no y": (valid(X, None), r"`validation_data\[1\]` must be given"),
    "validation: labels": (valid(X, Y + 5), r"`validation_data\[1\]` must hold labels.*to 7"),
    # data that are no arrays
    **{
        f"arrays: {kind}": (options, rf"`{name}` must be arrays of numbers.*{seen}")
        for kind, options, name, seen in (
            ("list", {"x": X.tolist()}, "x", "a list"),
            ("list of labels", {"y": Y.tolist()}, "y", "a list"),
            ("words", {"y": np.array(["a", "b", "c"])[Y]}, "y", "<U1"),
            ("data set", {"x": tf.data.Dataset.range(3), "y": None}, "x", "RangeDataset"),
            ("generator", {"x": (k for k in range(3))}, "x", "generator"),
            ("masked", {"x": np.ma.masked_greater(X, 1)}, "x", "masked values"),
            ("weights", {"sample_weight": [1.0] * 30}, "sample_weight", "a list"),
            (
                "masked weights",
                {"sample_weight": np.ma.masked_equal(Y, 1)},
                "sample_weight",
                "mask",
            ),
        )
    },
    "data set: no y": (data_set(x_train=X), r"without y_train"),
    "data set: no y_valid": (data_set(x_train=X, y_train=Y, x_valid=X), r"without y_valid"),
    # names that are Keras' and not the engine's
    "validation_split": ({"validation_split": 0.2}, r"no `validation_split`: give `validation_"),
    "verbose": ({"verbose": 0}, r"no `verbose`: nothing is printed"),
    "learning_rate": ({"learning_rate": 0.1}, r"no `learning_rate`: set it in the `optimizer`"),
    "misspelt": ({"batchsize": 4}, r"no `batchsize`: possible are build, x, y.*batchsize=4"),
}


@pytest.mark.filterwarnings("ignore:The structure of `inputs`")
@pytest.mark.parametrize("name", REFUSED)
def test_is_refused_before_it_trains(name):
    options, message = REFUSED[name]
    options = {"callbacks": lambda replica: [Never()]} | options
    with pytest.raises((ValueError, TypeError), match=f"(?s){message}"):
        fit(**options)


ARMS = {
    "seed": ({"seed": [1, 2]}, r"`seed` must be a whole number.*\[1, 2\]"),
    "seed is too large": ({"seed": 2**32 - 1}, r"from 0 to 4294967294.*seed=4294967295"),
    "rates": ({"learning_rates": 0.1}, r"`learning_rates` must name the arms.*0.1"),
    "rows": ({"rows": 4}, r"`rows` must be whole numbers"),
    "rows of an arm": ({"rows": {"a": 3, "b": 4}}, r"`rows\['a'\]` must be whole numbers"),
    "rows of other lengths": (
        {"rows": {"a": [[0, 1], [2, 3]], "b": [[0], [1]]}},
        r"`rows` must be of the same shape for each.*\(2, 2\), \(2, 1\)",
    ),
    "rows of other replicas": (
        {"rows": {"a": [[0], [1], [2]], "b": [[3]]}},
        r"`rows\['a'\]` must be whole numbers of shape \(2, n\).*\(3, 1\)",
    ),
    "rows of all arms": ({"rows": [[0], [1], [2], [3]]}, r"`rows` must be.*\(2, n\).*\(4, 1\)"),
    "rows are None": (
        {"rows": {"a": None, "b": [[0], [1]]}},
        r"`rows\['a'\]` must be whole numbers",
    ),
    "each of all arms": (each(learning_rate=[0.1] * 4), r"2 values for learning_rate.*: 4"),
    "rates twice": (
        each(learning_rate=0.1) | {"learning_rates": {"a": 0.1, "b": 0.2}},
        r"the rate must be given once, in `learning_rates` or in `each`.*0.1",
    ),
    "rates of an arm twice": (
        {"each": {"a": {"learning_rate": 3.0}, "b": {}}, "learning_rates": {"a": 0.1, "b": 0.2}},
        r"the rate must be given once.*3.0",
    ),
    "start": ({"start": 3}, r"`start` must be earlier `Replicas`.*3"),
    "start is empty": ({"start": []}, r"`start` must hold an array.*0 arrays"),
    "start of an arm": ({"start": {"a": 3, "b": 3}}, r"`start\['a'\]` must be earlier"),
    "start of other replicas": (
        {"start": {"a": [np.zeros((3, 6, 4))], "b": [np.zeros((1, 6, 4))]}},
        r"`start\['a'\]` must hold arrays with a leading axis of 2.*\[0\] of shape \(3, 6, 4\)",
    ),
    "start of other shapes": (
        {"start": {"a": [np.zeros((2, 6, 4))], "b": [np.zeros((2, 5, 4))]}},
        r"`start` must be of the same shape for each.*\(6, 4\).*\(5, 4\)",
    ),
    "each": ({"each": [1]}, r"`each` must map names to values.*\[1\]"),
    "each of an arm": (
        {"each": {"a": {"learning_rate": 0.1}, "b": 0.2}},
        r"`each` must map each of the arms \['a', 'b'\].*'b': 0.2",
    ),
    "unknown": ({"validation_split": 0.2}, r"`fit_arms` takes no `validation_split`"),
    "build": ({"build": net}, r"`fit_arms` takes no `build`: .*`arms`"),
}


@pytest.mark.parametrize("name", ARMS)
def test_arms_are_refused_before_they_train(name):
    options, message = ARMS[name]
    options = {"callbacks": lambda replica: [Never()]} | BASE | options
    with pytest.raises((ValueError, TypeError), match=f"(?s){message}"):
        fit_arms({"a": net, "b": net}, X, Y, **options)


def test_arms_of_a_later_stack_are_refused_before_the_first_one_trains():
    arms = {"a": net, "b": regular, "c": regular}
    rows = {"a": [[0], [1]], "b": [[0], [1]], "c": [[0, 1], [2, 3]]}
    with pytest.raises(ValueError, match=r"`rows` must be of the same shape.*\['b', 'c'\]"):
        fit_arms(arms, X, Y, rows=rows, callbacks=lambda replica: [Never()], **BASE)


def test_arms_go_on_from_weights_arm_by_arm(trained):
    earlier = {"a": trained, "b": trained}
    with pytest.raises(
        ValueError, match=r"`start\['a'\]` must be weights, as `run.weights`.*2 Rep"
    ):
        fit_arms({"a": net, "b": net}, X, Y, start=earlier, **BASE)
    weights = {name: run.weights for name, run in earlier.items()}
    arms = fit_arms({"a": net, "b": net}, X, Y, start=weights, **BASE)
    np.testing.assert_array_equal(arms["b"].initial_weights[0], trained.weights[0])


def test_arms_need_what_a_training_needs():
    with pytest.raises(TypeError, match=r"must be given `optimizer`, `epochs`. Received: loss"):
        fit_arms({"a": net}, X, Y, loss=LOSS)


def test_an_arm_may_be_called_as_what_each_replica_has_of_its_own():
    trained = fit_arms({"learning_rate": net}, X, Y, each={"learning_rate": [0.1, 0.2]}, **BASE)
    alone = fit(each={"learning_rate": [0.1, 0.2]})
    np.testing.assert_array_equal(trained["learning_rate"].weights[0], alone.weights[0])


@pytest.mark.parametrize("rate", [np.array(0.2), tf.constant(0.2), np.float64(0.2)])
def test_a_number_for_all_may_be_of_any_kind(rate):
    trained = fit(each={"learning_rate": rate})
    alone = fit(optimizer=keras.optimizers.SGD(0.2))
    np.testing.assert_array_equal(trained.weights[0], alone.weights[0])


@pytest.mark.parametrize("make", [layers.LeakyReLU, layers.ReLU])
def test_slopes_are_a_replicas_own(make):
    slopes = [0.1, 0.5]
    name = f"{make.__name__}.negative_slope"
    trained = fit(lambda: net(make()), each={name: slopes}, seed=[4, 4])
    for k, slope in enumerate(slopes):
        alone = fit(lambda slope=slope: net(make(negative_slope=slope)), seed=4, replicas=1)
        np.testing.assert_allclose(trained.weights[0][k], alone.weights[0][0], atol=2e-6)
        assert trained.model(k).layers[1].negative_slope == pytest.approx(slope)


@pytest.mark.filterwarnings("ignore:Gradients do not exist")  # of the other output
@pytest.mark.parametrize(
    ("targets", "losses"),
    [([Y, X[:, :1].copy()], [LOSS, "mse"]), ({"kind": Y}, {"kind": LOSS})],
    ids=["lists", "of one output"],
)
def test_targets_of_several_outputs_are_nested_as_in_fit(targets, losses):
    trained = fit(two_outputs, y=targets, loss=losses, batch_size=30)
    for k in range(2):
        keras.utils.set_random_seed(k)
        model = two_outputs()
        model.compile("sgd", losses)
        seen = model.fit(X, targets, batch_size=30, verbose=0)
        for ours, theirs in zip(trained.weights, model.get_weights(), strict=True):
            np.testing.assert_allclose(ours[k], theirs, atol=2e-6)
        for name, values in seen.history.items():
            np.testing.assert_allclose(trained.history[name][k], values, atol=2e-6)


def test_labels_that_are_no_whole_numbers_are_hits_for_nobody_as_in_fit():
    trained = fit(y=Y / 2, metrics=["sparse_categorical_accuracy"], batch_size=30)
    for k in range(2):
        keras.utils.set_random_seed(k)
        model = net()
        model.compile("sgd", LOSS, metrics=["sparse_categorical_accuracy"])
        seen = model.fit(X, Y / 2, batch_size=30, verbose=0).history
        for name, values in seen.items():
            np.testing.assert_allclose(trained.history[name][k], values, atol=2e-6)


def test_labels_that_a_loss_ignores_need_be_no_classes():
    loss = keras.losses.SparseCategoricalCrossentropy(ignore_class=255)
    labels = np.where(np.arange(30) < 5, 255, Y)
    assert np.isfinite(fit(y=labels, loss=loss).history["loss"]).all()


JUDGED = {
    "predict": (lambda one: one.predict(X[:, :4]), r"`x` must be inputs.*\(n, 6\).*\(n, 4\)"),
    "x": (lambda one: one.evaluate(Y, X), r"`x` must be inputs.*\(n, 6\).*\(n,\)"),
    "y": (lambda one: one.evaluate(X, ONE_HOT), r"`y` must be targets.*\(n, 3\)"),
    "no y": (lambda one: one.evaluate(X), r"`y` must be given"),
    "labels": (lambda one: one.evaluate(X, Y + 1), r"`y` must hold labels from 0 to 2"),
}


@pytest.fixture(scope="module")
def trained():
    return fit(metrics=["accuracy"])


@pytest.mark.parametrize("name", JUDGED)
def test_data_to_judge_on_fit_the_model(trained, name):
    call, message = JUDGED[name]
    before = trained.evaluate(X, Y)
    with pytest.raises(ValueError, match=message):
        call(trained)
    after = trained.evaluate(X, Y)  # the check leaves no counts in the metrics
    assert {name: one.tolist() for name, one in before.items()} == {
        name: one.tolist() for name, one in after.items()
    }
