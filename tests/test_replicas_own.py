"""What a replica has of its own: rows, starts, rates, thresholds, strengths, callbacks, watchers.

Each is compared with `model.fit` on that replica's own arrays, weights and settings.
"""

import gc
import json
import weakref
from dataclasses import dataclass

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, optimizers

from helpers.replicas import batch_order, fit_arms, fit_replicas, keeping

LOSS, BATCH, SEED, EPOCHS = "sparse_categorical_crossentropy", 16, 3, 3
LATER = {"initial_epoch": 1, "epochs": 2}
TOLERANCE = 2e-6  # float32, other orders of addition; a mistake is above 1e-3


def examples(count=60, features=6, classes=3):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(count, features)).astype("float32")
    return x, rng.integers(0, classes, count).astype("int32")


X, Y = examples()


def net(rate=0.0, l2=0.0, frozen=False):
    return keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(8, activation="tanh", name="hidden", trainable=not frozen),
            layers.Dropout(rate, name="drop"),
            layers.Dense(3, "softmax", name="out", kernel_regularizer=keras.regularizers.L2(l2)),
        ]
    )


def ordinary_fit(
    model, seed, optimizer, *, rows=None, valid=None, callbacks=(), start=None, epochs=range(EPOCHS)
):
    """Train with `model.fit`, an epoch a call, on the batches that the replica sees."""
    rows = np.arange(len(X)) if rows is None else np.asarray(rows)
    if start is not None:
        model.set_weights(start)
    model.compile(optimizer, LOSS, metrics=["accuracy"])
    history: dict[str, list] = {}
    stack = keras.callbacks.CallbackList(list(callbacks), model=model, epochs=len(epochs))
    stack.on_train_begin()
    for epoch in epochs:
        order = rows[batch_order(seed, epoch, len(rows))]
        stack.on_epoch_begin(epoch)
        one = model.fit(
            X[order], Y[order], batch_size=BATCH, shuffle=False, validation_data=valid, verbose=0
        )
        logs = {name: values[0] for name, values in one.history.items()}
        stack.on_epoch_end(epoch, logs)
        for name, value in logs.items():
            history.setdefault(name, []).append(value)
        if model.stop_training:
            break
        model.stop_training = False
    stack.on_train_end()
    return history


def built(seed, **settings):
    keras.utils.set_random_seed(seed)
    return net(**settings)


def fit(build=net, **options):
    defaults = {"optimizer": optimizers.SGD(0.1, momentum=0.9), "loss": LOSS, "epochs": EPOCHS}
    defaults |= {"batch_size": BATCH, "replicas": 2, "seed": SEED, "metrics": ["accuracy"]}
    return fit_replicas(build, X, Y, **defaults | options)


def assert_replica(trained, replica, model, history):
    for ours, theirs in zip(trained.weights, model.get_weights(), strict=True):
        np.testing.assert_allclose(ours[replica], theirs, rtol=0, atol=TOLERANCE)
    for name, theirs in history.items():
        ours = trained.history[name][replica]
        np.testing.assert_allclose(ours[: len(theirs)], theirs, rtol=0, atol=TOLERANCE)


def sgd(rate=0.1, **options):
    return optimizers.SGD(rate, momentum=0.9, **options)


@pytest.mark.slow
def test_rows_are_a_replicas_own_examples():
    rng = np.random.default_rng(0)
    rows = np.stack([rng.permutation(60) for _ in range(2)])
    train, valid = rows[:, :35], rows[:, 35:]
    trained = fit(rows=train, validation_rows=valid)
    for k in range(2):
        model = built(SEED + k)
        seen = ordinary_fit(model, SEED + k, sgd(), rows=train[k], valid=(X[valid[k]], Y[valid[k]]))
        assert_replica(trained, k, model, seen)
        judged = trained.evaluate(X, Y, rows=valid)
        expected = model.evaluate(X[valid[k]], Y[valid[k]], verbose=0, return_dict=True)
        assert judged["loss"][k] == pytest.approx(expected["loss"], abs=TOLERANCE)
        found = trained.predict(X, rows=valid)[k]
        np.testing.assert_allclose(found, model.predict(X[valid[k]], verbose=0), atol=TOLERANCE)


def test_start_and_initial_epoch():
    start = [np.stack([w, w + 0.1]) for w in built(9).get_weights()]
    trained = fit(start=start, initial_epoch=1)
    assert trained.history["loss"].shape == (2, EPOCHS - 1)
    for k in range(2):
        model = built(SEED + k)
        own = [w[k] for w in start]
        seen = ordinary_fit(model, SEED + k, sgd(), start=own, epochs=range(1, EPOCHS))
        assert_replica(trained, k, model, seen)
        np.testing.assert_array_equal(trained.initial_weights[0][k], own[0])


@pytest.mark.parametrize("optimizer", [optimizers.Adam(0.01, epsilon=1e-3), sgd()])
def test_going_on_equals_one_training(optimizer):
    whole = fit(optimizer=optimizer, epochs=5)
    parts = fit(optimizer=optimizer, epochs=2).fit(epochs=2).fit(epochs=1)
    for ours, theirs in zip(parts.weights, whole.weights, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=TOLERANCE)
    np.testing.assert_allclose(parts.history["loss"], whole.history["loss"][:, 4:], atol=TOLERANCE)
    one = fit(optimizer=optimizer, epochs=2)[1].fit(epochs=3)
    np.testing.assert_allclose(one.weights[0][0], whole.weights[0][1], atol=TOLERANCE)


@pytest.mark.parametrize("rows_first", [True, False])
@pytest.mark.parametrize(
    "optimizer",
    [
        sgd(),
        optimizers.SGD(0.1),
        optimizers.Adam(0.01, amsgrad=True, epsilon=1e-3),
        optimizers.Nadam(0.01, epsilon=1e-3),
        optimizers.RMSprop(0.01, momentum=0.9, centered=True, epsilon=1e-3),
        optimizers.Ftrl(0.1),
    ],
    ids=lambda one: type(one).__name__,
)
def test_going_on_in_a_stack_that_is_laid_out_otherwise(optimizer, rows_first, monkeypatch):
    """A stack above some size keeps each variable by itself, a smaller one a row a replica."""
    whole = fit(optimizer=optimizer, epochs=4)
    monkeypatch.setattr(keeping, "LARGE", 10**9 if rows_first else 1)
    begun = fit(optimizer=optimizer, epochs=2)
    monkeypatch.setattr(keeping, "LARGE", 1 if rows_first else 10**9)
    for ours, theirs in zip(begun.fit(epochs=2).weights, whole.weights, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=TOLERANCE)


def test_start_goes_on_with_replicas_and_their_optimizers():
    first = fit(epochs=2)
    again = fit(start=first, initial_epoch=2, epochs=4)
    whole = fit(epochs=4)
    np.testing.assert_allclose(again.weights[0], whole.weights[0], atol=TOLERANCE)
    with pytest.raises(ValueError, match=r"such a model and optimizer to go on with.*SGD"):
        fit(start=first, optimizer="adam")


@pytest.mark.parametrize(
    ("before", "after", "seen"),
    [
        (optimizers.SGD(0.1), sgd(), r"SGD that keeps nothing in place of SGD with momentum"),
        (optimizers.Adam(), optimizers.Adam(amsgrad=True), r"Adam that keeps.*velocity_hat"),
    ],
    ids=["momentum", "amsgrad"],
)
def test_an_optimizer_goes_on_from_no_less_than_it_keeps(before, after, seen):
    trained = fit(optimizer=before, epochs=1)
    with pytest.raises(ValueError, match=f"such a model and optimizer to go on with.*{seen}"):
        trained.fit(1, optimizer=after)


def test_an_optimizer_that_keeps_less_leaves_the_rest():
    trained = fit(epochs=1)
    further = trained.fit(1, optimizer=optimizers.SGD(0.1))
    alone = fit(start=trained.weights, optimizer="sgd", each={"learning_rate": 0.1}, **LATER)
    np.testing.assert_array_equal(further.weights[0], alone.weights[0])


def test_what_went_before_is_not_kept():
    trained = fit(epochs=1)
    before = weakref.ref(trained)
    trained = trained.fit(1)
    gc.collect()
    assert before() is None


class Stops(keras.callbacks.Callback):
    """Stops a replica after so many epochs."""

    def __init__(self, epochs):
        super().__init__()
        self.epochs = epochs

    def on_epoch_end(self, epoch, logs=None):
        self.model.stop_training = epoch + 1 == self.epochs


def stopped_first():
    """Return replicas of which a callback stopped the first after one epoch of three."""
    adam = optimizers.Adam(0.01, epsilon=1e-3)
    return fit(optimizer=adam, callbacks=lambda replica: [Stops(1)] if replica == 0 else [])


@pytest.mark.parametrize("by_start", [True, False])
def test_a_stopped_replica_goes_on_from_its_own_step(by_start):
    stopped = stopped_first()
    one = stopped[0]
    if by_start:
        given = {"start": one, "replicas": 1, "initial_epoch": 1, "epochs": 3}
        further = fit(optimizer=optimizers.Adam(0.01, epsilon=1e-3), **given)
    else:
        further = one.fit(2, callbacks=None)
    model = built(SEED)
    seen = ordinary_fit(model, SEED, optimizers.Adam(0.01, epsilon=1e-3))
    assert_replica(further, 0, model, {name: values[1:] for name, values in seen.items()})
    other = stopped[1].fit(1, callbacks=None)
    model = built(SEED + 1)
    ordinary_fit(model, SEED + 1, optimizers.Adam(0.01, epsilon=1e-3), epochs=range(4))
    assert_replica(other, 0, model, {})


def test_replicas_that_were_stopped_at_different_epochs_do_not_go_on_together():
    stopped = stopped_first()
    message = r"as many steps each.*steps \[4, 12\].*`earlier\[earlier.stopped_at == 2\]`"
    with pytest.raises(ValueError, match=message):
        stopped.fit(epochs=1)
    with pytest.raises(ValueError, match=message):
        fit(start=stopped)


def test_initial_replicas_train_again_from_the_start():
    trained = fit(callbacks=lambda k: keras.callbacks.LearningRateScheduler(lambda e, r: r / 2))
    again = trained.initial.fit(EPOCHS)
    assert trained.initial.epochs_run.tolist() == [0, 0]
    for name, values in trained.history.items():
        np.testing.assert_array_equal(again.history[name], values)


def halved(replica=0):
    return [keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)]


@pytest.mark.filterwarnings("ignore:__array__ implementation")  # Keras reads variables so
@pytest.mark.parametrize("how", ["fit", "fit twice", "own rates", "start"])
def test_going_on_keeps_the_rate_that_a_callback_set(how):
    own = {"each": {"learning_rate": [0.1, 0.1]}} if how == "own rates" else {}
    trained = fit(epochs=2, callbacks=halved, **own)
    if how == "fit twice":
        further = trained.fit(1).fit(1, callbacks=None)
    elif how == "start":
        further = fit(start=trained, initial_epoch=2, epochs=3)
    else:
        further = trained.fit(1, callbacks=None)
    first = 3 if how == "fit twice" else 2
    model = built(SEED + 1)
    ordinary_fit(model, SEED + 1, sgd(), callbacks=halved(), epochs=range(first))
    rate = float(model.optimizer.learning_rate.numpy())
    assert rate == pytest.approx(0.1 / 2**first)
    after = ordinary_fit(model, SEED + 1, model.optimizer, epochs=range(first, first + 1))
    assert_replica(further, 1, model, after)


@pytest.mark.parametrize(
    "change", [{"optimizer": optimizers.SGD(0.2)}, {"each": {"learning_rate": 0.2}}]
)
def test_another_rate_takes_the_place_of_the_one_that_a_callback_set(change):
    trained = fit(epochs=1, callbacks=halved)
    again = trained[1].fit(1, **change).history["learning_rate"]
    assert again.tolist() == [[pytest.approx(0.1)]]


@pytest.mark.slow
def test_frozen_layers_stay_and_take_their_place_in_start():
    start = [np.stack([w, w]) for w in built(9, frozen=True).get_weights()]
    trained = fit(lambda: net(frozen=True), start=start)
    model = built(SEED, frozen=True)
    seen = ordinary_fit(model, SEED, sgd(), start=[w[0] for w in start])
    assert_replica(trained, 0, model, seen)
    names = [w.path.split("/")[-2] for w in trained.model(0).weights]
    at = names.index("hidden")
    np.testing.assert_array_equal(trained.weights[at], start[at])


def halving(step):
    return 0.2 * 0.5 ** (np.asarray(step) / 4)


@pytest.mark.slow
def test_rates_are_numbers_functions_or_schedules():
    decay = optimizers.schedules.ExponentialDecay(0.2, 4, 0.5)
    trained = fit(replicas=3, each={"learning_rate": [0.05, halving, decay]})
    for k, rate in enumerate([0.05, decay, decay]):
        model = built(SEED + k)
        assert_replica(trained, k, model, ordinary_fit(model, SEED + k, sgd(rate)))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["clipnorm", "global_clipnorm", "clipvalue"])
def test_thresholds_are_a_replicas_own(kind):
    limits = [0.05, 0.3, np.inf]
    trained = fit(replicas=3, each={kind: limits})
    for k, limit in enumerate(limits):
        model = built(SEED + k)
        optimizer = sgd() if np.isinf(limit) else sgd(**{kind: limit})
        assert_replica(trained, k, model, ordinary_fit(model, SEED + k, optimizer))


def test_each_replica_may_be_clipped_in_a_way_of_its_own():
    trained = fit(each={"clipnorm": [0.05, np.inf], "global_clipnorm": [np.inf, 0.05]})
    for k, kind in enumerate(["clipnorm", "global_clipnorm"]):
        model = built(SEED + k)
        assert_replica(trained, k, model, ordinary_fit(model, SEED + k, sgd(**{kind: 0.05})))


def enormous(y, y_pred):
    """A loss whose gradient's norm overflows in float32, and no component of it does."""
    return 1e25 * keras.losses.sparse_categorical_crossentropy(y, y_pred)


@pytest.mark.parametrize("kind", ["clipnorm", "global_clipnorm"])
def test_norms_that_overflow_are_clipped_as_in_fit(kind):
    options = {"epochs": 1, "batch_size": 60, "metrics": []}
    trained = fit(loss=enormous, each={kind: [1.0, np.inf]}, seed=[SEED, SEED], **options)
    for k, optimizer in enumerate([sgd(**{kind: 1.0}), sgd()]):
        model = built(SEED)
        model.compile(optimizer, enormous)
        order = batch_order(SEED, 0, 60)
        model.fit(X[order], Y[order], batch_size=60, shuffle=False, verbose=0)
        for ours, theirs in zip(trained.weights, model.get_weights(), strict=True):
            np.testing.assert_allclose(ours[k], theirs, rtol=1e-3)


def test_a_model_has_the_numbers_of_the_replica():
    trained = fit(epochs=1, each={"clipnorm": [0.05, np.inf], "momentum": [0.5, falling]})
    found = [trained.model(k).optimizer for k in range(2)]
    assert found[0].clipnorm == pytest.approx(0.05)
    assert found[1].clipnorm is None
    # A function of the step is none of a model's numbers.
    assert [one.momentum for one in found] == [0.9, 0.9]
    trained = fit(epochs=1, each={"momentum": [0.5, 0.8]})
    assert trained.model(0).optimizer.momentum == pytest.approx(0.5)


@pytest.mark.slow
def test_strengths_are_a_replicas_own():
    each = {"Dropout.rate": [0.2, 0.6], "out.kernel_regularizer.l2": [0.0, 0.1]}
    trained = fit(lambda: net(0.5, 0.5), each=each)
    for k, (rate, l2) in enumerate([(0.2, 0.0), (0.6, 0.1)]):
        model = built(SEED + k, rate=rate, l2=l2)
        assert_replica(trained, k, model, ordinary_fit(model, SEED + k, sgd()))
        alone = trained.model(k)
        assert alone.get_layer("drop").rate == pytest.approx(rate)
        judged = trained.evaluate(X, Y)["loss"][k]
        assert judged == pytest.approx(alone.evaluate(X, Y, verbose=0)[0], abs=TOLERANCE)


def test_numbers_of_the_optimizer_are_a_replicas_own():
    trained = fit(optimizer=optimizers.AdamW(0.01, weight_decay=0.1), each={"weight_decay": [0, 1]})
    for k, decay in enumerate([0.0, 1.0]):
        model = built(SEED + k)
        seen = ordinary_fit(model, SEED + k, optimizers.AdamW(0.01, weight_decay=decay))
        assert_replica(trained, k, model, seen)


def falling(step):
    return 0.9 - 0.1 * np.asarray(step)


@pytest.mark.slow
def test_numbers_of_the_optimizer_may_be_functions_of_the_step():
    trained = fit(epochs=1, each={"momentum": [0.5, falling]})
    for k, momentum in enumerate([0.5, None]):
        model = built(SEED + k)
        if momentum is not None:
            assert_replica(
                trained,
                k,
                model,
                ordinary_fit(
                    model, SEED + k, optimizers.SGD(0.1, momentum=momentum), epochs=range(1)
                ),
            )
    # By hand: v = m v − η g, w = w + v, with the momentum of the step.
    model = built(SEED + 1)
    loss_of = keras.losses.SparseCategoricalCrossentropy()
    velocity = [0.0] * 4
    order = batch_order(SEED + 1, 0, 60)
    for step, start in enumerate(range(0, 60, BATCH)):
        batch = order[start : start + BATCH]
        with tf.GradientTape() as tape:
            loss = loss_of(Y[batch], model(X[batch]))
        found = tape.gradient(loss, [one.value for one in model.trainable_variables])
        for at, (one, gradient) in enumerate(zip(model.trainable_variables, found, strict=True)):
            velocity[at] = falling(step) * velocity[at] - 0.1 * gradient
            one.assign_add(velocity[at])
    for ours, theirs in zip(trained.weights, model.get_weights(), strict=True):
        np.testing.assert_allclose(ours[1], theirs, atol=TOLERANCE)
    with pytest.raises(ValueError, match=r"momentum to an optimizer that has one.*momentum=0.0"):
        fit(optimizer="sgd", each={"momentum": 0.5})


class HalvesWhereItRises(keras.callbacks.Callback):
    """A callback of a reader: it halves the rate and takes the weights back where the loss rose."""

    def on_train_begin(self, logs=None):
        self.best, self.kept = np.inf, None

    def on_epoch_end(self, epoch, logs=None):
        if logs["val_loss"] < self.best:
            self.best, self.kept = logs["val_loss"], self.model.get_weights()
        else:
            self.model.set_weights(self.kept)
            rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
            self.model.optimizer.learning_rate = rate / 2


CALLBACKS = {
    "plateau": lambda: keras.callbacks.ReduceLROnPlateau(factor=0.3, patience=1, min_delta=0.02),
    "scheduler": lambda: keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.7),
    "stopping": lambda: keras.callbacks.EarlyStopping(patience=1, restore_best_weights=True),
    "accuracy": lambda: keras.callbacks.EarlyStopping("val_accuracy", patience=2, verbose=0),
    "own": HalvesWhereItRises,
}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:__array__ implementation")  # Keras reads variables so
@pytest.mark.parametrize("name", CALLBACKS)
def test_callbacks_are_keras_own(name):
    valid, epochs = (X[:20], Y[:20]), 6
    trained = fit(
        optimizer=optimizers.SGD(1.5),
        validation_data=valid,
        epochs=epochs,
        callbacks=lambda replica: CALLBACKS[name](),
    )
    for k in range(2):
        model = built(SEED + k)
        seen = ordinary_fit(
            model,
            SEED + k,
            optimizers.SGD(1.5),
            valid=valid,
            callbacks=[CALLBACKS[name]()],
            epochs=range(epochs),
        )
        assert_replica(trained, k, model, seen)
        ran = len(seen["loss"])
        assert trained.epochs_run[k] == ran
        assert trained.stopped_at[k] == (ran if ran < epochs else trained.stopped_at[k])
        mask = np.ma.getmaskarray(trained.history["loss"])[k]
        assert mask.tolist() == [at >= ran for at in range(len(mask))]


def test_a_callback_that_wants_what_a_replica_lacks_is_told_so():
    class Saves(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.save("never.keras")

    with pytest.raises(AttributeError, match=r"can use stop_training.*Received: model.save"):
        fit(callbacks=lambda replica: Saves())


def writing(written, replica=0):
    """Return a callback that writes into the logs of some epochs."""

    def write(epoch, logs):
        logs.update(written.get(epoch, {}))

    return keras.callbacks.LambdaCallback(on_epoch_end=write)


def test_history_holds_the_logs_as_callbacks_left_them():
    written = {0: {"first": 1.0}, 1: {"loss": 99.0, "later": 2.0}, 2: {"later": 3.0}}
    trained = fit(callbacks=lambda replica: writing(written) if replica == 0 else [])
    history = {name: values.tolist() for name, values in trained.history.items()}
    nan = pytest.approx(np.nan, nan_ok=True)
    assert history["first"] == [[1.0, nan, nan], [nan, nan, nan]]
    assert history["later"] == [[nan, 2.0, 3.0], [nan, nan, nan]]
    assert history["loss"][0][1] == 99.0
    plain = fit().history["loss"]
    np.testing.assert_array_equal(trained.history["loss"][1], plain[1])
    np.testing.assert_array_equal(trained.history["loss"][0, ::2], plain[0, ::2])


class Table(layers.Layer):
    """A layer that looks rows up itself: its gradient is sparse, which no type of layer tells."""

    def build(self, input_shape):
        self.rows = self.add_weight(shape=(3, 4))

    def call(self, x):
        return tf.gather(self.rows, tf.cast(x[:, 0] > 0, "int32"))


def test_sparse_gradients_are_seen_before_callbacks_are_called_twice():
    calls = []

    def callbacks(replica):
        calls.append(f"made {replica}")
        hooks = {name: lambda logs, name=name: calls.append(name) for name in ("begin", "end")}
        return keras.callbacks.LambdaCallback(
            on_train_begin=hooks["begin"], on_train_end=hooks["end"]
        )

    build = lambda: keras.Sequential([keras.Input((6,)), Table(), layers.Dense(3, "softmax")])  # noqa: E731
    trained = fit(build, callbacks=callbacks)
    assert calls == ["made 0", "made 1", "begin", "begin", "end", "end"]
    for k in range(2):
        keras.utils.set_random_seed(SEED + k)
        model = build()
        assert_replica(trained, k, model, ordinary_fit(model, SEED + k, sgd()))
    start = [weights[0] for weights in trained.initial_weights]
    keras.utils.set_random_seed(SEED)
    for ours, theirs in zip(start, build().get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


class StopsEarly(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        self.model.stop_training = epoch == 1


BAD_CALLBACKS = {
    "a word": (lambda: writing({0: {"note": "good"}}), r"numbers into the logs.*'note'\]='good'"),
    "stops at the beginning": (StopsEarly, r"at the end of an epoch.*before epoch 1 of replica 0"),
    "batches of an instance": (
        lambda: keras.callbacks.LambdaCallback(on_train_batch_end=print),
        r"asked at epochs.*LambdaCallback with on_train_batch_end",
    ),
}


@pytest.mark.parametrize("name", BAD_CALLBACKS)
def test_callbacks_that_cannot_be_as_in_fit_are_refused(name):
    make, message = BAD_CALLBACKS[name]
    with pytest.raises(ValueError, match=f"(?s){message}"):
        fit(callbacks=lambda replica: make())


def test_a_diverged_replica_is_nan_and_not_masked():
    trained = fit(optimizer=optimizers.SGD(1e30), each={"learning_rate": [0.1, 1e38]})
    assert np.isfinite(trained.history["loss"][0]).all()
    assert np.isnan(trained.history["loss"][1, -1])
    assert not np.ma.is_masked(trained.history["loss"])
    assert trained.stopped_at.tolist() == [0, 0]


def test_watchers_see_every_step():
    trained = fit(
        epochs=1,
        watch={
            "norm": lambda step: keras.ops.norm(step.gradients[0]),
            "weight": lambda step: keras.ops.norm(step.weights[0]),
            "loss": lambda step: step.loss,
        },
    )
    assert trained.steps["norm"].shape == (2, 4)
    model = built(SEED)
    order = batch_order(SEED, 0, 60)[:BATCH]
    with tf.GradientTape() as tape:
        loss = keras.ops.mean(
            keras.losses.sparse_categorical_crossentropy(Y[order], model(X[order]))
        )
    gradient = tape.gradient(loss, model.trainable_variables[0].value)
    norm = np.linalg.norm(gradient.numpy())
    assert trained.steps["norm"][0, 0] == pytest.approx(norm, rel=1e-5)
    assert trained.steps["loss"][0, 0] == pytest.approx(float(loss), rel=1e-5)
    start = np.linalg.norm(model.trainable_variables[0].numpy())
    assert trained.steps["weight"][0, 0] == pytest.approx(start, rel=1e-5)


def test_watchers_see_the_gradient_of_the_loss_and_not_of_a_scaled_one():
    watch = {"norm": lambda step: keras.ops.norm(step.gradients[0])}
    plain, scaled = (
        fit(epochs=1, optimizer=sgd(loss_scale_factor=factor), watch=watch)
        for factor in (None, 64.0)
    )
    np.testing.assert_allclose(scaled.steps["norm"], plain.steps["norm"], rtol=1e-5)


def normalized():
    return keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(8, activation="relu", name="hidden"),
            layers.BatchNormalization(),
            layers.Dropout(0.5),
            layers.Dense(3, activation="softmax"),
        ]
    )


def test_outputs_of_inner_layers_and_of_training_mode():
    trained = fit(normalized)
    model = trained.model(1)
    inner = keras.Model(model.inputs, model.get_layer("hidden").output)
    hidden = trained.predict(X, layer="hidden")
    np.testing.assert_allclose(hidden[1], inner.predict(X, verbose=0), atol=TOLERANCE)
    np.testing.assert_array_equal(hidden, trained.predict(X, layer=0))
    still = fit(lambda: without_dropout())
    own = still.model(0)
    parts = [own(X[start : start + 25], training=True) for start in range(0, 60, 25)]
    ours = still.predict(X, training=True, batch_size=25)
    # Statistics of 10 examples are divided by: rounding grows to some 1e-6.
    np.testing.assert_allclose(ours[0], np.concatenate(parts), atol=1e-5)
    again = still.predict(X)
    np.testing.assert_allclose(again[0], still.model(0).predict(X, verbose=0), atol=TOLERANCE)
    with pytest.raises(ValueError, match=r"`layer` must be.*'none'. Possible: hidden"):
        trained.predict(X, layer="none")


def without_dropout():
    return keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(8, activation="relu"),
            layers.BatchNormalization(),
            layers.Dense(3, activation="softmax"),
        ]
    )


def test_samples_drop_and_normalize_as_in_inference():
    trained = fit(lambda: net(0.5))
    samples = trained.predict(X, samples=200)
    assert samples.shape == (2, 200, 60, 3)
    assert samples.std(axis=1).mean() > 0.01
    # Mean output over masks against the output without: near, as dropout is unbiased in the logits.
    assert np.abs(samples.mean(axis=1) - trained.predict(X)).max() < 0.1
    with pytest.raises(ValueError, match=r"drop at random.*Dense"):
        fit(without_dropout).predict(X, samples=2)
    with pytest.raises(ValueError, match=r"`samples` must be a whole number.*samples=0"):
        trained.predict(X, samples=0)


def test_initial_replicas_predict_from_the_start():
    trained = fit()
    expected = built(SEED).predict(X, verbose=0)
    np.testing.assert_allclose(trained.initial.predict(X)[0], expected, atol=TOLERANCE)


def test_arms_may_have_rows_starts_and_numbers_of_their_own():
    rows = {"a": [[0, 1, 2], [3, 4, 5]], "b": [[6, 7, 8], [9, 10, 11]]}
    shared = {"optimizer": "sgd", "loss": LOSS, "epochs": 2, "replicas": 2, "seed": SEED}
    each = {"a": {"Dropout.rate": 0.1}, "b": {"Dropout.rate": [0.2, 0.3]}}
    build = lambda: net(0.5)  # noqa: E731
    arms = fit_arms({"a": build, "b": build}, X, Y, rows=rows, each=each, **shared)
    alone = fit(build, optimizer="sgd", epochs=2, rows=rows["b"], each=each["b"], batch_size=32)
    np.testing.assert_allclose(arms["b"].weights[0], alone.weights[0], atol=TOLERANCE)
    with pytest.raises(ValueError, match=r"`rows` must name the arms.*\['a'\]"):
        fit_arms({"a": build, "b": build}, X, Y, rows={"a": rows["a"]}, **shared)
    numbered = {1: rows["a"], 0.5: rows["b"]}, {1: each["a"], 0.5: each["b"]}
    again = fit_arms(
        dict.fromkeys([1, 0.5], build), X, Y, rows=numbered[0], each=numbered[1], **shared
    )
    np.testing.assert_array_equal(again[0.5].weights[0], arms["b"].weights[0])


def test_an_arm_goes_on_as_replicas_do():
    shared = {"optimizer": "sgd", "loss": LOSS, "replicas": 2, "seed": SEED}
    arms = fit_arms({"a": net}, X, Y, epochs=1, **shared)
    whole = fit_replicas(net, X, Y, epochs=2, **shared)
    on = arms["a"].fit(epochs=1)
    np.testing.assert_allclose(on.weights[0], whole.weights[0], atol=TOLERANCE)


@dataclass  # compares by value, so it is no key
class Build:
    rate: float

    def __call__(self):
        return net(self.rate)


def test_a_builder_need_not_be_a_key():
    shared = {"optimizer": "sgd", "loss": LOSS, "epochs": 2, "replicas": 2, "seed": SEED}
    with pytest.raises(TypeError):
        hash(Build(0.5))
    arms = fit_arms({"a": Build(0.0), "b": Build(0.5)}, X, Y, **shared)
    alone = fit_replicas(lambda: net(0.5), X, Y, **shared)
    np.testing.assert_allclose(arms["b"].weights[0], alone.weights[0], atol=TOLERANCE)
    assert not np.array_equal(arms["a"].weights[0], arms["b"].weights[0])


def test_a_design_tells_trainings_apart_that_differ_in_what_was_decided():
    one, again = fit(), fit(seed=5)
    assert one.design == again.design  # what was drawn is no decision
    assert json.loads(json.dumps(one.design)) == one.design
    faster = optimizers.SGD(0.2, momentum=0.9)
    for other in (fit(epochs=2), fit(optimizer=faster), fit(batch_size=8)):
        assert other.design != one.design
