"""What drives a schedule in Keras: objects, the 1cycle callback, momentum, the finder, resuming."""

import keras
import numpy as np
import pytest

from helpers import schedules
from helpers.replicas import batch_order, fit_replicas

# Keras' own callbacks read the rate in a way that NumPy 2 warns about.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3)).astype(np.float32)
Y = X @ np.array([[1.0], [-2.0], [0.5]], np.float32)
BATCH = 10
FIT = {"batch_size": BATCH, "shuffle": False, "verbose": 0}


def line(optimizer, **compiling):
    keras.utils.set_random_seed(3)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, use_bias=False)])
    model.compile(optimizer, loss="mse", **compiling)
    return model


def sgd(rate=0.01, momentum=0.9, **options):
    return keras.optimizers.SGD(rate, momentum=momentum, **options)


def gradient(w, step):
    batch = slice(BATCH * (step % 4), BATCH * (step % 4) + BATCH)
    return 2 * X[batch].T @ (X[batch] @ w - Y[batch]) / BATCH


def sgd_by_hand(w, rates, momenta, *, nesterov=False):
    """Return the weights after the steps, in float64: v ← β v − η g, w ← w + v."""
    velocity = np.zeros_like(w)
    for step, (rate, momentum) in enumerate(zip(rates, momenta, strict=True)):
        g = gradient(w, step)
        velocity = momentum * velocity - rate * g
        w = w + (momentum * velocity - rate * g if nesterov else velocity)
    return w


def adam_by_hand(w, rates, betas, *, decay=0.0):
    """Return the weights after the steps; the bias correction is of the step's own β₁."""
    m, v = np.zeros_like(w), np.zeros_like(w)
    for step, (rate, beta) in enumerate(zip(rates, betas, strict=True)):
        g, t = gradient(w, step), step + 1
        w = w - decay * rate * w
        m = beta * m + (1 - beta) * g
        v = 0.999 * v + 0.001 * g**2
        size = rate * np.sqrt(1 - 0.999**t) / (1 - beta**t)
        w = w - size * m / (np.sqrt(v) + 1e-7)
    return w


def cycle_of(steps, peak=0.1):
    grid = np.arange(steps)
    return (
        schedules.one_cycle(peak, steps=steps)(grid),
        schedules.one_cycle_momentum(steps=steps)(grid),
    )


# Twelve steps in float32 on weights of size 1: rounding errors of 1e-7 each.
CLOSE = {"rtol": 0, "atol": 5e-6}


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("fitted_before", [False, True])
def test_one_cycle_equals_numpy_with_sgd(nesterov, fitted_before):
    model = line(sgd(nesterov=nesterov))
    state = schedules.training_state(model)
    if fitted_before:  # the training step is compiled, with the momentum as a constant
        model.fit(X, Y, **FIT)
        schedules.restore_state(model, state)
    w = model.get_weights()[0].astype(np.float64)
    model.fit(X, Y, epochs=3, callbacks=[schedules.OneCycle(0.1)], **FIT)
    rates, momenta = cycle_of(12)
    np.testing.assert_allclose(
        model.get_weights()[0], sgd_by_hand(w, rates, momenta, nesterov=nesterov), **CLOSE
    )
    constant = sgd_by_hand(w, rates, np.full(12, 0.9), nesterov=nesterov)
    assert np.abs(model.get_weights()[0] - constant).max() > 1e-3  # the momentum did matter


@pytest.mark.parametrize(
    ("kind", "options", "decay"),
    [
        (keras.optimizers.Adam, {}, 0.0),
        (keras.optimizers.AdamW, {"weight_decay": 0.1}, 0.1),
    ],
)
def test_one_cycle_equals_numpy_with_adam(kind, options, decay):
    model = line(kind(0.01, **options))
    w = model.get_weights()[0].astype(np.float64)
    model.fit(X, Y, epochs=3, callbacks=[schedules.OneCycle(0.1)], **FIT)
    expected = adam_by_hand(w, *cycle_of(12), decay=decay)
    np.testing.assert_allclose(model.get_weights()[0], expected, rtol=0, atol=2e-5)


def test_one_cycle_drives_an_optimizer_that_mixed_precision_has_wrapped():
    plain, wrapped = line(sgd()), line(keras.optimizers.LossScaleOptimizer(sgd()))
    for model in (plain, wrapped):
        model.fit(X, Y, epochs=2, callbacks=[schedules.OneCycle(0.1)], **FIT)
    np.testing.assert_allclose(wrapped.get_weights()[0], plain.get_weights()[0], rtol=1e-5)
    assert float(schedules.momentum_variable(wrapped.optimizer).numpy()) == pytest.approx(0.9)


def test_without_the_callback_a_changed_momentum_changes_nothing():
    model = line(sgd())
    state = schedules.training_state(model)
    ends = []
    for momentum in (0.9, 0.0):
        schedules.restore_state(model, state)
        model.optimizer.momentum = momentum
        model.fit(X, Y, epochs=2, **FIT)
        ends.append(model.get_weights()[0])
    np.testing.assert_array_equal(*ends)  # which is why `momentum_variable` exists


def test_one_cycle_gives_the_momentum_back_and_keeps_its_records():
    model = line(sgd())
    cycle = schedules.OneCycle(0.1)
    history = model.fit(X, Y, epochs=3, callbacks=[cycle], **FIT).history
    rates, momenta = cycle_of(12)
    np.testing.assert_allclose(cycle.learning_rates, rates)
    np.testing.assert_allclose(cycle.momenta, momenta)
    np.testing.assert_allclose(history["learning_rate"], rates[3::4])
    np.testing.assert_allclose(history["momentum"], momenta[3::4])
    assert model.optimizer.momentum == 0.9
    assert float(schedules.momentum_variable(model.optimizer)) == pytest.approx(0.9)
    state = schedules.training_state(model)
    model.fit(X, Y, **FIT)
    twin = line(sgd(float(state.optimizer[1])))
    schedules.training_state(twin)  # builds the optimizer
    schedules.restore_state(twin, state)
    twin.fit(X, Y, **FIT)
    np.testing.assert_allclose(model.get_weights()[0], twin.get_weights()[0], **CLOSE)


def test_one_cycle_leaves_no_trace_in_what_is_saved(tmp_path):
    model = line(sgd())
    model.fit(X, Y, epochs=2, callbacks=[schedules.OneCycle(0.1)], **FIT)
    plain = line(sgd())
    schedules.training_state(plain)
    assert len(model.optimizer.variables) == len(plain.optimizer.variables)
    assert model.optimizer.get_config()["momentum"] == 0.9
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert type(loaded.optimizer) is keras.optimizers.SGD
    np.testing.assert_array_equal(loaded.get_weights()[0], model.get_weights()[0])


def test_one_cycle_can_be_saved_in_the_middle_of_a_fit(tmp_path):
    model = line(sgd())
    saving = keras.callbacks.ModelCheckpoint(tmp_path / "model.keras")
    model.fit(X, Y, epochs=2, callbacks=[schedules.OneCycle(0.1), saving], **FIT)
    assert keras.models.load_model(tmp_path / "model.keras").optimizer.momentum == 0.9


def line_before_and_after_a_cycle():
    """Return a model with its state, both of before, and its weights after a whole 1cycle."""
    model = line(sgd())
    state = schedules.training_state(model)
    model.fit(X, Y, epochs=4, callbacks=[schedules.OneCycle(0.1)], **FIT)
    whole = model.get_weights()[0]
    schedules.restore_state(model, state)
    return model, state, whole


def test_one_cycle_resumes_with_initial_epoch(tmp_path):
    model, _, whole = line_before_and_after_a_cycle()
    stopped = [schedules.OneCycle(0.1), schedules.InterruptAt(2)]
    with pytest.raises(schedules.InterruptedTrainingError, match="interrupted before epoch 2"):
        model.fit(X, Y, epochs=4, callbacks=stopped, **FIT)
    model.save(tmp_path / "half.keras")
    loaded = keras.models.load_model(tmp_path / "half.keras")
    loaded.fit(X, Y, epochs=4, initial_epoch=2, callbacks=[schedules.OneCycle(0.1)], **FIT)
    np.testing.assert_allclose(loaded.get_weights()[0], whole, **CLOSE)


def test_one_cycle_resumes_from_a_backup(tmp_path):
    model, state, whole = line_before_and_after_a_cycle()
    callbacks = [keras.callbacks.BackupAndRestore(tmp_path / "b"), schedules.OneCycle(0.1)]
    with pytest.raises(schedules.InterruptedTrainingError):
        model.fit(X, Y, epochs=4, callbacks=[*callbacks, schedules.InterruptAt(3)], **FIT)
    schedules.restore_state(model, state)
    model.fit(X, Y, epochs=4, callbacks=callbacks, **FIT)
    np.testing.assert_allclose(model.get_weights()[0], whole, **CLOSE)


def test_one_cycle_leaves_the_momentum_alone_where_asked():
    model = line(keras.optimizers.RMSprop(0.01))
    cycle = schedules.OneCycle(0.1, max_momentum=None)
    history = model.fit(X, Y, epochs=2, callbacks=[cycle], **FIT).history
    assert cycle.momenta == []
    assert "momentum" not in history
    np.testing.assert_allclose(cycle.learning_rates, cycle_of(8)[0])


FIT_ENDLESS = {"shuffle": False, "verbose": 0}


def endless():
    while True:
        yield X[:BATCH], Y[:BATCH]


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            lambda: line(sgd(momentum=0.0)),
            "the optimizer must have a momentum above 0, as SGD(momentum=0.9). Received: momen",
        ),
        (
            lambda: line(keras.optimizers.RMSprop(0.01)),
            "the optimizer must be SGD with momentum, Adam or AdamW. Received: RMSprop",
        ),
        (
            lambda: line(keras.optimizers.Nadam(0.01)),
            "the optimizer must be SGD with momentum, Adam or AdamW. Received: Nadam",
        ),
        (
            lambda: line(sgd(keras.optimizers.schedules.ExponentialDecay(0.1, 5, 0.1))),
            "the optimizer must have a constant rate, which the callback can set. Received: Expo",
        ),
        (
            lambda: line(sgd(), steps_per_execution=2),
            "the model must run one step at a time, `steps_per_execution=1`. Received: steps_pe",
        ),
    ],
)
def test_one_cycle_names_what_it_cannot_drive(model, message):
    with pytest.raises(ValueError) as error:
        model().fit(X, Y, callbacks=[schedules.OneCycle(0.1)], **FIT)
    assert message in str(error.value)


def test_one_cycle_needs_to_know_how_long_an_epoch_is():
    with pytest.raises(ValueError, match="steps in an epoch must be known: pass `steps_per_epoc"):
        line(sgd()).fit(endless(), callbacks=[schedules.OneCycle(0.1)], **FIT_ENDLESS)
    cycle = schedules.OneCycle(0.1)
    line(sgd()).fit(endless(), steps_per_epoch=5, callbacks=[cycle], **FIT_ENDLESS)
    np.testing.assert_allclose(cycle.learning_rates, cycle_of(5)[0])


def test_one_cycle_names_what_is_out_of_range_before_any_fit():
    with pytest.raises(ValueError, match=r"`max_learning_rate` must be above 0"):
        schedules.OneCycle(0.0)
    with pytest.raises(ValueError, match=r"`min_momentum` must not exceed `max_momentum`"):
        schedules.OneCycle(0.1, max_momentum=0.5)
    with pytest.raises(ValueError, match=r"`steps` must be at least 3\. Received: steps=1"):
        line(sgd()).fit(X, Y, batch_size=40, callbacks=[schedules.OneCycle(0.1)], verbose=0)


def test_momentum_variable_is_one_and_survives_an_error():
    optimizer = sgd(1.0, 0.5)
    variable = schedules.momentum_variable(optimizer)
    assert schedules.momentum_variable(optimizer) is variable
    weight = keras.Variable(0.0)
    optimizer.apply([1.0], [weight])  # v = -1, w = -1
    variable.assign(0.25)
    optimizer.apply([1.0], [weight])  # v = -1.25, w = -2.25
    assert float(weight) == -2.25
    with pytest.raises(Exception, match=r".+"):
        optimizer.update_step("no gradient", weight, 1.0)
    assert optimizer.momentum == 0.5


def test_as_keras_equals_the_function_and_survives_a_file(tmp_path):
    ours = schedules.one_cycle(0.1, steps=12)
    model = line(sgd(schedules.as_keras(ours, steps=12)))
    state = schedules.training_state(model)
    model.fit(X, Y, epochs=3, **FIT)
    whole = model.get_weights()[0]
    expected = sgd_by_hand(state.model[0].astype(np.float64), ours(np.arange(12)), [0.9] * 12)
    np.testing.assert_allclose(whole, expected, **CLOSE)
    schedules.restore_state(model, state)
    model.fit(X, Y, epochs=2, **FIT)
    model.save(tmp_path / "half.keras")
    loaded = keras.models.load_model(tmp_path / "half.keras")
    assert isinstance(loaded.optimizer._learning_rate, schedules.TabulatedSchedule)
    loaded.fit(X, Y, epochs=1, **FIT)  # without initial_epoch
    np.testing.assert_allclose(loaded.get_weights()[0], whole, **CLOSE)


def test_as_keras_keeps_the_last_rate_beyond_its_table():
    schedule = schedules.as_keras(schedules.power(1.0, decay_steps=1), steps=4)
    assert [round(float(schedule(step)), 4) for step in (0, 3, 4, 99)] == [1.0, 0.25, 0.25, 0.25]


@pytest.mark.parametrize(("warmup", "decay"), [(4, 6), (0, 20), (20, 0), (0, 0), (12, 8)])
def test_the_schedule_to_be_copied_equals_the_function_and_survives_a_file(warmup, decay, tmp_path):
    copied = schedules.WarmupStableDecay(0.3, steps=20, warmup=warmup, decay=decay)
    ours = schedules.warmup_stable_decay(0.3, steps=20, warmup=warmup / 20, decay=decay / 20)
    np.testing.assert_allclose([float(copied(t)) for t in range(20)], ours(np.arange(20)), 1e-6)
    model = line(sgd(copied))
    model.fit(X, Y, **FIT)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras").optimizer._learning_rate
    assert loaded.get_config() == copied.get_config()


def test_the_schedule_to_be_copied_stays_at_0_beyond_its_steps():
    copied = schedules.WarmupStableDecay(0.3, steps=20, warmup=4, decay=6)
    assert [round(float(copied(t)), 6) for t in (0, 3, 14, 20, 99)] == [0.075, 0.3, 0.3, 0.0, 0.0]


def test_the_schedule_to_be_copied_refuses_a_peak_that_is_never_reached():
    with pytest.raises(ValueError, match=r"4 \+ 17 of 20 steps: the peak is never reached"):
        schedules.WarmupStableDecay(0.3, steps=20, warmup=4, decay=17)


@pytest.mark.parametrize(
    ("kind", "call", "message"),
    [
        (TypeError, lambda: schedules.as_keras(0.1, steps=3), "`schedule` must be a function of"),
        (
            ValueError,
            lambda: schedules.as_keras(lambda t: 0.1, steps=3),
            "`schedule` must return a rate for each step of an array. Received: shape () for 3",
        ),
        (
            ValueError,
            lambda: schedules.as_keras(schedules.constant(0.1), steps=0),
            "`steps` must be at least 1. Received: steps=0",
        ),
        (
            ValueError,
            lambda: schedules.TabulatedSchedule([]),
            "`values` must hold a rate for each step, and at least one. Received: an array of",
        ),
        (
            ValueError,
            lambda: schedules.TabulatedSchedule([[0.1], [0.2]]),
            "`values` must hold a rate for each step, and at least one. Received: an array of",
        ),
        (
            ValueError,
            lambda: schedules.TabulatedSchedule([0.1, -0.1]),
            "`values` must be finite and 0 or more. Received: from -0.1",
        ),
    ],
)
def test_as_keras_names_what_is_wrong(kind, call, message):
    with pytest.raises(kind) as error:
        call()
    assert message in str(error.value)


def test_replicas_with_cycles_of_rate_and_momentum_equal_the_callback():
    cycles = {
        "learning_rate": schedules.one_cycle(0.1, steps=10),
        "momentum": schedules.one_cycle_momentum(steps=10),
    }
    build = lambda: keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])  # noqa: E731
    fitting = {"optimizer": sgd(), "loss": "mse", "epochs": 1, "batch_size": 4}
    found = fit_replicas(build, X, Y, each=cycles, replicas=2, seed=5, **fitting)
    for replica in range(2):
        keras.utils.set_random_seed(5 + replica)
        model = build()
        model.compile(sgd(), "mse")
        order = batch_order(5 + replica, 0, len(X))
        cycle = schedules.OneCycle(0.1)
        model.fit(X[order], Y[order], callbacks=[cycle], **FIT | {"batch_size": 4})
        for one, other in zip(found.weights, model.get_weights(), strict=True):
            np.testing.assert_allclose(one[replica], other, **CLOSE)


def test_average_epochs_equals_the_mean_of_the_weights_at_their_ends():
    seen, average = [], schedules.AverageEpochs(2)
    keeping = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen.append(model.get_weights()[0])
    )
    model = line(sgd())
    model.fit(X, Y, epochs=5, callbacks=[keeping, average], **FIT)
    np.testing.assert_allclose(model.get_weights()[0], np.mean(seen[2:], axis=0), rtol=1e-6)
    assert average.count == 3


def test_average_epochs_keeps_the_types_of_the_weights():
    seen, average = [], schedules.AverageEpochs(1)
    normal = keras.layers.Normalization()
    normal.adapt(X)
    normal.count.assign(2**24 + 1)  # float32 has no such number
    dense = keras.layers.Dense(1, use_bias=False, dtype="float64")
    model = keras.Sequential([keras.Input((3,)), normal, dense])
    model.compile(sgd(), "mse")
    keeping = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen.append(dense.kernel.numpy())
    )
    model.fit(X, Y, epochs=3, callbacks=[keeping, average], **FIT)
    np.testing.assert_allclose(dense.kernel.numpy(), np.mean(seen[1:], axis=0), rtol=1e-14)
    assert int(normal.count.numpy()) == 2**24 + 1


def test_average_epochs_begins_anew_with_each_fit():
    model, average = line(sgd(0.0)), schedules.AverageEpochs(0)
    before = model.get_weights()[0]
    for _ in range(2):
        model.fit(X, Y, epochs=2, callbacks=[average], **FIT)
    assert average.count == 2
    np.testing.assert_array_equal(model.get_weights()[0], before)


def test_average_epochs_gives_replicas_what_it_gives_fit():
    def build():
        return keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, use_bias=False)])

    options = {"loss": "mse", "epochs": 4, "batch_size": BATCH, "replicas": 2, "seed": 3}
    averaged = fit_replicas(
        build, X, Y, optimizer=sgd(), callbacks=lambda k: schedules.AverageEpochs(2), **options
    )
    third = fit_replicas(build, X, Y, optimizer=sgd(), **options | {"epochs": 3})
    fourth = fit_replicas(build, X, Y, optimizer=sgd(), **options)
    expected = (third.weights[0] + fourth.weights[0]) / 2
    np.testing.assert_allclose(averaged.weights[0], expected, rtol=1e-5)


def test_average_epochs_refuses_a_training_that_ends_before_it():
    with pytest.raises(ValueError, match=r"`first` must be an epoch that is trained\. Received: f"):
        line(sgd()).fit(X, Y, epochs=2, callbacks=[schedules.AverageEpochs(2)], **FIT)
    # At once, where that is known; at the end, where something stops the training.
    begun, stops = [], keras.callbacks.LambdaCallback(on_epoch_begin=lambda *_: begun.append(1))
    model = line(sgd())
    with pytest.raises(ValueError, match=r"`first` must be an epoch that is trained"):
        model.fit(X, Y, epochs=2, callbacks=[stops, schedules.AverageEpochs(2)], **FIT)
    assert not begun
    stops.on_epoch_end = lambda *_: setattr(model, "stop_training", True)
    with pytest.raises(ValueError, match=r"`first` must be an epoch that is trained"):
        model.fit(X, Y, epochs=4, callbacks=[stops, schedules.AverageEpochs(2)], **FIT)
    assert len(begun) == 1
