"""`fit_replicas` must compute what `model.fit` computes, for each replica by itself."""

from dataclasses import dataclass

import keras
import numpy as np
import pytest
from keras import layers, optimizers

from helpers.replicas import Replicas, batch_order, fit_arms, fit_replicas

LOSS = "sparse_categorical_crossentropy"
SEED, REPLICAS, EPOCHS, BATCH = 5, 2, 3, 16
# Both sides compute in float32 and add up in different orders. Over ten steps the rounding of
# 6e-8 grows to some 4e-7 where an optimizer divides by small second moments; mistakes are 1e-2.
WEIGHTS_TOLERANCE = 2e-6
HISTORY_TOLERANCE = 2e-6
# What divides by the root of a mean square magnifies rounding where gradients are close to zero,
# by as much as 1 / epsilon: with 1e-3 not beyond the tolerance, on no processor.
EPSILON = 1e-3


@dataclass
class Arrays:
    """The least that `fit_replicas` asks of its data."""

    x_train: np.ndarray
    y_train: np.ndarray
    x_valid: np.ndarray | None = None
    y_valid: np.ndarray | None = None


def arrays(shape=(6,), *, classes=3, train=50, valid=20) -> Arrays:
    """Random inputs and labels; 50 examples make three batches of 16 and one of 2."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(train + valid, *shape)).astype("float32")
    y = rng.integers(0, classes, train + valid).astype("int32")
    return Arrays(x[:train], y[:train], x[train:], y[train:])


def dense(*middle, classes=3):
    """Return a builder: six inputs, a tanh layer, the layers that `middle` makes, softmax."""
    return lambda: keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(8, activation="tanh"),
            *[make() for make in middle],
            layers.Dense(classes, activation="softmax"),
        ]
    )


def on_images(*middle):
    """Return a builder of an 8 × 8 image classifier with the layers that `middle` makes."""
    head = (layers.Flatten, lambda: layers.Dense(3, activation="softmax"))
    return lambda: keras.Sequential(
        [keras.Input((8, 8, 1)), *[make() for make in (*middle, *head)]]
    )


def on_sequences(recurrent):
    """Return a builder of a classifier of sequences of three steps."""
    return lambda: keras.Sequential(
        [keras.Input((3, 4)), recurrent(), layers.Dense(3, activation="softmax")]
    )


def batches(data, seed, epochs, batch_size):
    """Yield the batches of one replica, as documented."""
    for epoch in range(epochs):
        order = batch_order(seed, epoch, len(data.x_train))
        for start in range(0, len(order), batch_size):
            batch = order[start : start + batch_size]
            yield data.x_train[batch], data.y_train[batch]


@pytest.mark.filterwarnings("ignore:.shuffle=True. was passed")
def plain_fit(build, data, seed, optimizer, *, epochs=EPOCHS, loss=LOSS, callbacks=()):
    """The oracle: one ordinary `model.fit` with the replica's weights and batches."""
    keras.utils.set_random_seed(seed)
    model = build()
    copied = optimizers.deserialize(optimizers.serialize(optimizer))
    model.compile(copied, loss, metrics=["accuracy"])
    fitted = model.fit(
        batches(data, seed, epochs, BATCH),
        steps_per_epoch=-(-len(data.x_train) // BATCH),
        epochs=epochs,
        shuffle=False,
        validation_data=None if data.x_valid is None else (data.x_valid, data.y_valid),
        callbacks=list(callbacks),
        verbose=0,
    )
    return model, fitted.history


def assert_equals_fit(
    build,
    data,
    optimizer,
    *,
    tolerance=WEIGHTS_TOLERANCE,
    loss=LOSS,
    oracle_callbacks=list,
    **options,
):
    """Train both ways and compare weights and histories of every replica."""
    trained = fit_replicas(
        build,
        data,
        optimizer=optimizer,
        loss=loss,
        epochs=EPOCHS,
        batch_size=BATCH,
        replicas=REPLICAS,
        seed=SEED,
        **{"metrics": ["accuracy"]} | options,
    )
    for replica in range(REPLICAS):
        model, history = plain_fit(
            build, data, SEED + replica, optimizer, loss=loss, callbacks=oracle_callbacks()
        )
        for ours, theirs in zip(trained.weights, model.get_weights(), strict=True):
            np.testing.assert_allclose(ours[replica], theirs, rtol=0, atol=tolerance)
        assert set(trained.history) == set(history)
        for name, theirs in history.items():
            ours = trained.history[name][replica]
            np.testing.assert_allclose(ours[: len(theirs)], theirs, rtol=0, atol=HISTORY_TOLERANCE)
            assert np.ma.getmaskarray(ours).tolist() == [
                at >= len(theirs) for at in range(len(ours))
            ]
    return trained


OPTIMIZERS = {
    "sgd": optimizers.SGD(0.1),
    "nesterov": optimizers.SGD(0.1, momentum=0.9, nesterov=True),
    "rmsprop": optimizers.RMSprop(0.01, epsilon=EPSILON),
    "rmsprop_centered": optimizers.RMSprop(0.01, momentum=0.9, centered=True, epsilon=EPSILON),
    "adam": optimizers.Adam(0.01, epsilon=EPSILON),
    "amsgrad": optimizers.Adam(0.01, amsgrad=True, epsilon=EPSILON),
    "nadam": optimizers.Nadam(0.01, epsilon=EPSILON),
    "adamw": optimizers.AdamW(0.01, weight_decay=0.1, epsilon=EPSILON),
    "adagrad": optimizers.Adagrad(0.1),
    "adadelta": optimizers.Adadelta(1.0, epsilon=EPSILON),
    "adamax": optimizers.Adamax(0.01, epsilon=EPSILON),
    "ftrl": optimizers.Ftrl(0.1),
    "lion": optimizers.Lion(0.01),
    "clipnorm": optimizers.SGD(0.1, clipnorm=0.1),
    "global_clipnorm": optimizers.SGD(0.1, global_clipnorm=0.1),
    "clipvalue": optimizers.Adam(0.01, clipvalue=0.01, epsilon=EPSILON),
    "schedule": optimizers.SGD(optimizers.schedules.ExponentialDecay(0.5, 2, 0.9)),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_equals_fit_for_each_optimizer(name):
    assert_equals_fit(dense(), arrays(), OPTIMIZERS[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["nesterov", "adamw", "global_clipnorm", "schedule"])
def test_equals_fit_as_a_large_model(name, monkeypatch):
    # Then each variable is stacked by itself and the step is compiled.
    monkeypatch.setattr("helpers.replicas.keeping.LARGE", 0)
    monkeypatch.setattr("helpers.replicas.keeping.WORTH_COMPILING", 0)
    constrained = dense(LAYERS["max_norm"])
    assert_equals_fit(constrained, arrays(), OPTIMIZERS[name])


LAYERS = {
    "batch_normalization": lambda: layers.BatchNormalization(momentum=0.9),
    "layer_normalization": layers.LayerNormalization,
    "l2": lambda: layers.Dense(8, kernel_regularizer="l2", bias_regularizer="l1"),
    "activity_penalty": lambda: layers.Dense(8, activity_regularizer="l2"),
    "max_norm": lambda: layers.Dense(8, kernel_constraint=keras.constraints.MaxNorm(0.5)),
    "prelu": layers.PReLU,
    "frozen": lambda: layers.Dense(8, trainable=False),
    # Masks are drawn from each replica's own seed: they too are those of `fit`.
    "dropout": lambda: layers.Dropout(0.3),
    "alpha_dropout": lambda: layers.AlphaDropout(0.3),
    "gaussian_noise": lambda: layers.GaussianNoise(0.3),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", LAYERS)
def test_equals_fit_for_each_layer(name):
    # A last batch of ten: batch normalization divides by the spread of the batch, which of two
    # examples can be close to zero and would magnify rounding.
    assert_equals_fit(dense(LAYERS[name]), arrays(train=58), optimizers.SGD(0.1))


IMAGE_LAYERS = {
    "convolution": (lambda: layers.Conv2D(4, 3, activation="relu"), layers.MaxPooling2D),
    "separable": (lambda: layers.SeparableConv2D(4, 3), lambda: layers.SpatialDropout2D(0.2)),
    "augmentation": (layers.RandomFlip, lambda: layers.RandomTranslation(0.1, 0.1)),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", IMAGE_LAYERS)
def test_equals_fit_for_images(name):
    assert_equals_fit(
        on_images(*IMAGE_LAYERS[name]), arrays((8, 8, 1)), optimizers.Adam(0.01, epsilon=EPSILON)
    )


@pytest.mark.slow
@pytest.mark.parametrize("recurrent", [layers.SimpleRNN, layers.LSTM])
def test_equals_fit_for_sequences(recurrent):
    build = on_sequences(lambda: recurrent(5))
    assert_equals_fit(build, arrays((3, 4)), optimizers.Adam(0.01, epsilon=EPSILON))


def test_equals_fit_for_a_functional_model_with_a_shortcut():
    def build():
        inputs = keras.Input((6,))
        hidden = layers.Dense(6, activation="relu")(inputs)
        outputs = layers.Dense(3, activation="softmax")(layers.Add()([inputs, hidden]))
        return keras.Model(inputs, outputs)

    assert_equals_fit(build, arrays(), optimizers.Adam(0.01, epsilon=EPSILON))


@pytest.mark.slow
def test_equals_fit_for_binary_labels():
    # Labels (n,) against outputs (n, 1) must not broadcast to (n, n).
    def build():
        return keras.Sequential([keras.Input((6,)), layers.Dense(1, activation="sigmoid")])

    data = arrays(classes=2)
    assert_equals_fit(build, data, optimizers.SGD(0.1), loss="binary_crossentropy")
    loss = keras.losses.BinaryCrossentropy(label_smoothing=0.1)
    assert_equals_fit(build, data, optimizers.SGD(0.1), loss=loss)


def test_equals_fit_for_one_hot_labels():
    data = arrays()
    data.y_train = keras.utils.to_categorical(data.y_train, 3)
    data.y_valid = keras.utils.to_categorical(data.y_valid, 3)
    assert_equals_fit(dense(), data, optimizers.SGD(0.1), loss="categorical_crossentropy")


def test_equals_fit_without_validation():
    data = arrays()
    assert_equals_fit(dense(), Arrays(data.x_train, data.y_train), optimizers.SGD(0.1))


# An average of the weights replaces them as a training ends, before its callbacks hear of it.
@pytest.mark.parametrize("averaged", [{}, {"use_ema": True, "ema_momentum": 0.5}])
@pytest.mark.parametrize("restore", [True, False])
def test_equals_fit_with_early_stopping(restore, averaged):
    # A rate that is far too high makes the loss rise: replicas stop, not all at once.
    def stopping():
        return keras.callbacks.EarlyStopping(
            monitor="val_loss", patience=1, restore_best_weights=restore
        )

    trained = assert_equals_fit(
        dense(),
        arrays(),
        optimizers.SGD(3.0, **averaged),
        tolerance=2e-5,  # the high rate magnifies rounding as it does the steps
        oracle_callbacks=lambda: [stopping()],
        callbacks=lambda replica: [stopping()],
    )
    assert np.isfinite(trained.history["loss"][:, 0]).all()


def test_early_stopping_ends_when_all_have_stopped():
    def callbacks(replica):
        return [keras.callbacks.EarlyStopping("val_accuracy", min_delta=2.0, patience=1)]

    trained = fit_small(epochs=20, callbacks=callbacks)
    # Nothing can improve by 2: epoch 1 is the best, epoch 2 uses up the patience.
    assert trained.history["loss"].shape == (REPLICAS, 2)


def fit_small(build=None, data=None, **options):
    """Train two replicas of the small net for an epoch, with what the test changes."""
    defaults = {"optimizer": "sgd", "loss": LOSS, "epochs": 1, "replicas": REPLICAS, "seed": SEED}
    defaults["metrics"] = ["accuracy"]
    return fit_replicas(build or dense(), data or arrays(), **{**defaults, **options})


@pytest.mark.slow
def test_own_rates_equal_separate_trainings():
    rates = [0.01, 0.5]
    for optimizer in (
        optimizers.SGD(1.0, momentum=0.9),
        optimizers.Adam(1.0),
        optimizers.AdamW(1.0, weight_decay=0.1),
    ):
        together = fit_small(optimizer=optimizer, each={"learning_rate": rates}, epochs=2)
        for replica, rate in enumerate(rates):
            config = optimizer.get_config() | {"learning_rate": rate}
            alone = fit_small(
                optimizer=type(optimizer)(**config), replicas=1, seed=SEED + replica, epochs=2
            )
            for ours, theirs in zip(together.weights, alone.weights, strict=True):
                np.testing.assert_allclose(ours[replica], theirs[0], atol=WEIGHTS_TOLERANCE)


def test_replicas_do_not_depend_on_their_neighbours():
    one, many = fit_small(replicas=1), fit_small(replicas=3)
    for alone, together in zip(one.weights, many.weights, strict=True):
        np.testing.assert_allclose(alone[0], together[0], atol=WEIGHTS_TOLERANCE)
        assert not np.allclose(together[0], together[1])


def test_dropout_masks_differ_between_replicas_and_keep_their_rate():
    # y = dropout(1): all-zero biases and a kernel of ones make the training loss the kept share.
    size, rate = 4000, 0.25
    data = Arrays(np.ones((16, size), "float32"), np.zeros((16, 1), "float32"))

    def build():
        layer = layers.Dense(1, kernel_initializer="ones", trainable=False)
        return keras.Sequential([keras.Input((size,)), layers.Dropout(rate), layer])

    trained = fit_small(build, data, loss="mae", metrics=(), replicas=4, batch_size=16)
    means = trained.history["loss"][:, 0] / size
    # Inverted dropout: expectation 1, variance rate / (1 − rate) per unit, 16 × 4000 units.
    deviation = np.sqrt(rate / (1 - rate) / (16 * size))
    assert np.abs(means - 1).max() < 5 * deviation
    assert len(set(means)) == 4


def test_models_and_predictions_are_the_replicas():
    data = arrays()
    trained = fit_small(dense(lambda: layers.Dropout(0.5)), data, replicas=3)
    predicted = trained.predict(data.x_valid)
    evaluated = trained.evaluate(data.x_valid, data.y_valid)
    assert predicted.shape == (3, 20, 3)
    for replica in range(3):
        model = trained.model(replica)
        np.testing.assert_allclose(
            predicted[replica], model.predict(data.x_valid, verbose=0), atol=1e-6
        )
        loss, accuracy = model.evaluate(data.x_valid, data.y_valid, verbose=0)
        assert evaluated["loss"][replica] == pytest.approx(loss, abs=1e-6)
        assert evaluated["accuracy"][replica] == pytest.approx(accuracy, abs=1e-6)
        assert trained.history["val_loss"][replica, -1] == pytest.approx(loss, abs=1e-6)


def test_models_count_metrics_of_their_own():
    data = arrays()
    objects = [
        keras.metrics.SparseCategoricalAccuracy(name="acc"),
        keras.metrics.SparseTopKCategoricalAccuracy(2),
    ]
    trained = fit_small(data=data, metrics=objects)
    expected = trained.evaluate(data.x_valid, data.y_valid)
    models = [trained.model(k) for k in range(2)]
    for k in (0, 1, 0):
        found = models[k].evaluate(data.x_valid, data.y_valid, verbose=0, return_dict=True)
        assert found == pytest.approx({name: values[k] for name, values in expected.items()})


def test_metrics_that_broadcast_are_judged_in_batches():
    data = arrays(classes=2)
    build = lambda: keras.Sequential([keras.Input((6,)), layers.Dense(1, "sigmoid")])  # noqa: E731
    names = ["hinge", "squared_hinge", "categorical_hinge", "kl_divergence", "poisson"]
    trained = fit_small(build, data, loss="mse", metrics=names)
    found = trained.evaluate(data.x_valid, data.y_valid, batch_size=16)
    options = {"batch_size": 16, "verbose": 0, "return_dict": True}
    expected = trained.model(1).evaluate(data.x_valid, data.y_valid, **options)
    assert {name: values[1] for name, values in found.items()} == pytest.approx(expected, rel=1e-5)


class AddsLoss(layers.Layer):
    """A layer that adds a sum over the batch to the loss."""

    def call(self, x):
        self.add_loss(keras.ops.sum(x**2))
        return x


def test_losses_that_layers_add_are_judged_in_batches():
    data = arrays()
    trained = fit_small(dense(AddsLoss), data, batch_size=8)
    model = trained.model(1)
    expected = model.evaluate(data.x_valid, data.y_valid, batch_size=8, verbose=0)[0]
    assert trained.history["val_loss"][1, -1] == pytest.approx(expected, rel=1e-5)
    found = trained.evaluate(data.x_valid, data.y_valid, batch_size=8)["loss"][1]
    assert found == pytest.approx(expected, rel=1e-5)


def test_equals_fit_with_a_metric_of_several_numbers():
    data = arrays()
    data.y_train, data.y_valid = np.eye(3)[data.y_train], np.eye(3)[data.y_valid]
    metrics = [keras.metrics.F1Score(), "accuracy"]
    trained = fit_small(data=data, loss="categorical_crossentropy", metrics=metrics)
    assert trained.history["val_f1_score"].shape == (2, 1, 3)
    model = trained.model(1)
    expected = model.evaluate(data.x_valid, data.y_valid, verbose=0, return_dict=True)
    np.testing.assert_allclose(trained.history["val_f1_score"][1, 0], expected["f1_score"], 1e-5)


def test_a_layer_in_bfloat16_is_taken_out_of_the_stack():
    trained = fit_small(dense(lambda: layers.Dense(4, dtype="bfloat16")))
    for one, own in zip(trained[1].weights, trained.model(1).get_weights(), strict=True):
        assert one.dtype == own.dtype
        assert (one[0] == own).all()


BAD_CALLS = {
    "model of two": (lambda t: t.model([1, 0]), r"`replica` must be.*from 0 to 1.*\[1, 0\]"),
    "model of a mask": (lambda t: t.model(True), r"`replica` must be a whole number.*True"),
    "model of another": (lambda t: t.model(2), r"`replica` must be a whole number.*: 2"),
    "none": (lambda t: t[None], r"by an index from 0 to 1, a slice, indices or a mask.*None"),
    "true": (lambda t: t[True], r"by an index from 0 to 1.*True"),
    "word": (lambda t: t["a"], r"by an index from 0 to 1.*'a'"),
    "replicas": (lambda t: t.fit(1, replicas=3), r"no `replicas`: possible are x, .*callbacks\."),
    "epoch": (lambda t: t.fit(1, initial_epoch=0), r"`Replicas.fit` takes no `initial_epoch`"),
    "verbose": (lambda t: t.fit(1, verbose=0), r"`Replicas.fit` takes no `verbose`: nothing is p"),
    "epochs": (lambda t: t.fit(0), r"`epochs` must be a whole number.*epochs=0"),
    "predict": (lambda t: t.predict(np.ones((2, 6)), batch_size=0), r"`batch_size` must.*=0"),
    "evaluate": (
        lambda t: t.evaluate(np.ones((2, 6)), np.ones(2), batch_size=-5),
        r"`batch_size` must be a whole number of at least 1.*=-5",
    ),
}


@pytest.fixture(scope="module")
def small():
    return fit_small()


@pytest.mark.parametrize("name", BAD_CALLS)
def test_calls_of_replicas_are_checked(small, name):
    call, message = BAD_CALLS[name]
    with pytest.raises((ValueError, IndexError, TypeError), match=message):
        call(small)


def test_evaluation_in_chunks_equals_evaluation_at_once(monkeypatch):
    data = arrays()
    trained = fit_small(data=data)
    monkeypatch.setattr("helpers.replicas.result.EVALUATION_CHUNK", 7)
    evaluated = trained.evaluate(data.x_valid, data.y_valid)
    np.testing.assert_allclose(evaluated["loss"], trained.history["val_loss"][:, -1], atol=1e-6)
    assert trained.predict(data.x_valid).shape == (REPLICAS, 20, 3)


def test_slices_keep_everything_together():
    trained = fit_small(replicas=3)
    part = trained[1:]
    assert isinstance(part, Replicas)
    assert len(part) == 2
    assert part.seeds == (SEED + 1, SEED + 2)
    np.testing.assert_array_equal(part.weights[0], trained.weights[0][1:])
    np.testing.assert_array_equal(part.history["loss"], trained.history["loss"][1:])
    assert trained[1].seeds == trained[[1]].seeds == trained[np.array([False, True, False])].seeds
    with pytest.raises(IndexError, match=r"index from 0 to 2.*Received: 3"):
        trained[3]


def test_initial_weights_are_those_of_the_builder():
    trained = fit_small()
    keras.utils.set_random_seed(SEED + 1)
    for stacked, built in zip(trained.initial_weights, dense()().get_weights(), strict=True):
        np.testing.assert_array_equal(stacked[1], built)


def test_the_callers_random_numbers_go_on_undisturbed():
    np.random.seed(1)
    expected = np.random.rand()
    np.random.seed(1)
    fit_small()
    assert np.random.rand() == expected


def with_initializer(name):
    return lambda: keras.Sequential(
        [keras.Input((6,)), layers.Dense(3, activation="softmax", kernel_initializer=name)]
    )


def test_arms_with_other_initializers_train_together_and_are_paired():
    arms = {"he": with_initializer("he_normal"), "zeros": with_initializer("zeros")}
    trained = fit_arms(arms, arrays(), optimizer="sgd", loss=LOSS, epochs=1, replicas=2, seed=3)
    assert list(trained) == ["he", "zeros"]
    assert trained["he"].seeds == trained["zeros"].seeds == (3, 4)
    assert (trained["zeros"].initial_weights[0] == 0).all()
    alone = fit_small(arms["he"], replicas=2, seed=3)
    np.testing.assert_allclose(trained["he"].weights[0], alone.weights[0], atol=WEIGHTS_TOLERANCE)


def test_arms_with_other_layers_train_one_after_another():
    arms = {"plain": dense(), "dropout": dense(lambda: layers.Dropout(0.5))}
    trained = fit_arms(arms, arrays(), optimizer="sgd", loss=LOSS, epochs=1, replicas=2)
    np.testing.assert_array_equal(
        trained["plain"].initial_weights[0], trained["dropout"].initial_weights[0]
    )


def test_arms_with_other_rates():
    rates = {"low": 0.001, "high": 0.5}
    trained = fit_arms(
        dict.fromkeys(rates, dense()),
        arrays(),
        optimizer="sgd",
        loss=LOSS,
        epochs=1,
        replicas=2,
        learning_rates=rates,
    )
    moved = {
        name: np.abs(arm.weights[0] - arm.initial_weights[0]).max() for name, arm in trained.items()
    }
    assert moved["high"] > 100 * moved["low"]


def test_batch_order_is_a_permutation_of_its_own():
    orders = {tuple(batch_order(seed, epoch, 30)) for seed in range(3) for epoch in range(3)}
    assert len(orders) == 9
    assert all(sorted(order) == list(range(30)) for order in orders)


class OwnStep(keras.Sequential):
    """A model that trains in a way of its own."""

    def train_step(self, data):
        return {}


def always(thing):
    """Return a function that returns one and the same thing."""
    return lambda *arguments: thing


def around(layer):
    """Return a builder of models that share a layer."""
    return lambda: keras.Sequential([keras.Input((6,)), layer])


def compiled():
    model = dense()()
    model.compile("sgd", "mse")
    return model


REFUSED = {
    "replicas": ({"replicas": 0}, r"`replicas` must be a whole number.*replicas=0"),
    "epochs": ({"epochs": 1.5}, r"`epochs` must be a whole number.*epochs=1.5"),
    "initial_epoch": ({"initial_epoch": 1}, r"`initial_epoch` must be from 0 to 0.*=1"),
    "batch_size": ({"batch_size": True}, r"`batch_size` must be .*batch_size=True"),
    "seed": ({"seed": -1}, r"`seed` must be 0 or more.*seed=-1"),
    "seeds": ({"seed": [1, 2, 3]}, r"hold 2 such seeds.*\[1, 2, 3\]"),
    "rates": ({"each": {"learning_rate": [0.1]}}, r"hold 2 values for learning_rate.*Received: 1"),
    "rates_sign": ({"each": {"learning_rate": [0.1, -1]}}, r"numbers of 0 or more.*-1"),
    "rate_of_zero": ({"each": {"learning_rate": [0.1, 0]}}, r"above 0 and finite.*with 0"),
    "rate_is_nan": (
        {"each": {"learning_rate": [0.1, lambda t: np.where(t < 1, 0.1, np.nan)]}},
        r"finite number of 0 or more for each of an array of 2 steps.*nan at step 1",
    ),
    "rate_of_a_wrong_shape": (
        {"each": {"learning_rate": lambda t: np.ones(3)}},
        r"each of an array of 2 steps.*<lambda> gives shape \(3,\)",
    ),
    "threshold": ({"each": {"clipnorm": [1.0, 0.0]}}, r"`clipnorm` must be above 0.*\[1.0, 0.0\]"),
    "each": ({"each": {"rate": [1, 1]}}, r"`each` must name the learning_rate.*'rate'"),
    "layer_number": (
        {"each": {"Dropout.rate": 0.1}},
        r"layers as \"layer.attribute\".*'Dropout.rate'. Possible: none",
    ),
    "metrics": ({"metrics": ["accurate"]}, r"accurate"),
    "monitor": (
        {"callbacks": lambda replica: keras.callbacks.EarlyStopping("val_auc")},
        r"must monitor one of loss, accuracy, val_loss, val_accuracy.*EarlyStopping.*val_auc",
    ),
    "callback_of_batches": (
        {"callbacks": lambda replica: keras.callbacks.TerminateOnNaN()},
        r"asked at epochs; watch steps with `watch`.*TerminateOnNaN with on_batch_end",
    ),
    "list_of_callbacks": (
        {"callbacks": [keras.callbacks.EarlyStopping()]},
        r"`callbacks` must be a function from a replica's number.*lambda replica.*Received.*\[<",
    ),
    "one_callback": ({"callbacks": keras.callbacks.EarlyStopping()}, r"`callbacks` must be a func"),
    "kind_of_callback": ({"callbacks": keras.callbacks.EarlyStopping}, r"`callbacks` must be a"),
    "callbacks_of_nothing": ({"callbacks": lambda: []}, r"`callbacks` must be a function from"),
    "no_callback": ({"callbacks": lambda replica: [len]}, r"Keras callbacks.*for replica 0"),
    "shared_callback": (
        {"callbacks": always(keras.callbacks.EarlyStopping())},
        r"new ones for each replica.*same EarlyStopping for replicas 0 and 1",
    ),
    "watch": (
        {"watch": {"all": lambda step: step.weights[0]}},
        r"return a number.*'all'.*\(6, 8\)",
    ),
    "builds": ({"build": [dense()] * 3}, r"hold 2 functions.*Received: 3"),
    "no_function": ({"build": 5}, r"`build` must be a function that builds a model.*5"),
    "no_function_in_list": ({"build": [dense(), None]}, r"`build\[1\]` must be a function.*None"),
    "a_model": ({"build": dense()()}, r"for each replica anew.*the model.*clone_model"),
    "build_of_a_seed": (
        {"build": lambda seed: dense()()},
        r"`build` must be a function without arguments.*takes \(seed\)",
    ),
    "compiled": ({"build": compiled}, r"not compiled: leave out `compile`.*a compiled Sequential"),
    "no_model": ({"build": dict}, r"must return a keras.Model.*dict"),
    "one_model": (
        {"build": always(dense()())},
        r"must make a new model at each call.*same model twice",
    ),
    "shared_layer": (
        {"build": around(layers.Dense(3))},
        r"must make the layers that it trains at each call.*kernel.*twice",
    ),
    "own_step": (
        {"build": lambda: OwnStep([keras.Input((6,)), layers.Dense(3)])},
        r"model's own `train_step`.*OwnStep",
    ),
    "stateful": (
        {
            "build": lambda: keras.Sequential(
                [keras.Input((3, 4), batch_size=2), layers.SimpleRNN(2, stateful=True)]
            )
        },
        r"keeps state between batches.*SimpleRNN",
    ),
    "mixed_precision": (
        {"build": dense(lambda: layers.Dense(4, dtype="mixed_bfloat16"))},
        r"mixed precision.*Dense",
    ),
    "unlike": (
        {"build": [dense(), dense(lambda: layers.Dropout(0.1))]},
        r"differ in their initial weights and seeds alone.*differs from replica 0",
    ),
    "data": (
        {"data": Arrays(np.ones((4, 6)), np.ones(3))},
        r"as many inputs as targets.*lengths \[3, 4\]",
    ),
    "strings": ({"data": Arrays(np.array(["a"]), np.ones(1))}, r"arrays of numbers.*<U1"),
    "rows_out_of_range": ({"rows": [[0, 1], [2, 50]]}, r"`rows` must be from 0 to 49.*0 to 50"),
    "rows_of_unequal_length": ({"rows": [[0, 1], [2]]}, r"as many for each replica.*\[1, 2\]"),
    "rows_for_others": ({"rows": [[0, 1]]}, r"shape \(2, n\).*\(1, 2\)"),
    "start": (
        {"start": [np.zeros((2, 6, 9))] * 4},
        r"`start` must hold an array for each.*\(2, 6, 9\) in place of \(2, 6, 8\)",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refuses_by_name(name):
    options, message = REFUSED[name]
    with pytest.raises((ValueError, TypeError), match=f"(?s){message}"):
        fit_small(**options)


def test_rows_that_are_trained_and_validated_on_are_refused():
    data = arrays()
    with pytest.raises(ValueError, match=r"not trained on. Received: 1 rows of replica 1.*3"):
        fit_small(
            data=Arrays(data.x_train, data.y_train),
            rows=[[0, 1], [2, 3]],
            validation_rows=[[4, 5], [3, 6]],
        )


class Unmappable(layers.Layer):
    """A layer that in training reads its input in Python, which no graph can do."""

    def call(self, x, training=None):
        return x * float(x[0, 0]) if training else x


def test_a_model_that_cannot_be_vectorized_is_refused_by_name():
    with pytest.raises(ValueError, match=r"cannot train this model.*layers Dense, Unmappable"):
        fit_small(dense(Unmappable))


@pytest.mark.parametrize(
    ("arms", "rates", "message"),
    [
        ({}, None, r"`arms` must map names to functions, one or more.*\{\}"),
        ([dense()], None, r"`arms` must map names to functions"),
        ({"a": None}, None, r"`arms\['a'\]` must be a function that builds a model.*None"),
        ({"a": dense()()}, None, r"`arms\['a'\]`.*Received: the model.*clone_model"),
        ({"a": dense()}, {"b": 0.1}, r"`learning_rates` must name the arms \['a'\].*'b'"),
    ],
    ids=["none", "list", "no_function", "model", "others"],
)
def test_arms_are_checked(arms, rates, message):
    with pytest.raises(ValueError, match=message):
        fit_arms(arms, arrays(), learning_rates=rates, optimizer="sgd", loss=LOSS, epochs=1)
