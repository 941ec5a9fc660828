import time

import keras
import numpy as np
import pytest
from keras import layers

from helpers import timing


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def net():
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(5),
            layers.BatchNormalization(),
            layers.Dense(3, "softmax"),
        ]
    )


def test_time_interleaved_goes_round_and_keeps_the_fastest(monkeypatch):
    # A clock that each call moves on by its own amount.
    now, order = [0.0], []

    def call(name, durations):
        left = iter(durations)

        def run():
            order.append(name)
            now[0] += next(left)

        return run

    monkeypatch.setattr(timing.time, "process_time", lambda: now[0])
    calls = {"a": call("a", [9, 1, 3, 5, 4]), "b": call("b", [9, 2, 2, 2, 7])}
    seconds = timing.time_interleaved(calls, rounds=2, repeats=2)
    # Once beforehand, then rounds × repeats, each turn in an order of its own.
    assert [sorted(order[turn : turn + 2]) for turn in range(0, 10, 2)] == [["a", "b"]] * 5
    assert {name: values.tolist() for name, values in seconds.items()} == {
        "a": [1, 4],
        "b": [2, 2],
    }


@pytest.mark.parametrize(
    ("calls", "rounds", "repeats"), [({}, 1, 1), ({"a": int}, 0, 1), ({"a": int}, 1, 0)]
)
def test_time_interleaved_refuses_bad_arguments(calls, rounds, repeats):
    with pytest.raises(
        ValueError, match=rf"{len(calls)} calls, rounds={rounds}, repeats={repeats}"
    ):
        timing.time_interleaved(calls, rounds=rounds, repeats=repeats)


def test_time_interleaved_takes_another_clock():
    ticks = iter(range(100))
    seconds = timing.time_interleaved(
        {"a": int, "b": int}, rounds=2, repeats=3, clock=lambda: next(ticks)
    )
    # Two readings for each of 2 calls × 2 rounds × 3 repeats, one tick apart; none beforehand.
    assert {name: values.tolist() for name, values in seconds.items()} == {"a": [1, 1], "b": [1, 1]}
    assert next(ticks) == 24


def test_processor_time_leaves_out_what_waits():
    calls = {"waits": lambda: time.sleep(0.05), "works": lambda: sum(range(3_000_000))}
    seconds = timing.time_interleaved(calls, rounds=2, repeats=2, clock=time.process_time)
    assert (seconds["works"] > seconds["waits"]).all()


def test_time_interleaved_refuses_what_is_no_clock():
    with pytest.raises(TypeError, match=r"`clock` must be callable or None. Received: clock=1.5"):
        timing.time_interleaved({"a": int}, rounds=1, clock=1.5)


def test_prediction_computes_what_the_model_does(net, rng):
    x = rng.standard_normal((8, 4))
    np.testing.assert_allclose(timing.prediction(net, x)(), net(x), rtol=1e-5)


def test_training_step_has_the_loss_of_training_mode_and_leaves_the_model_alone(net, rng):
    x, y = rng.standard_normal((8, 4)), rng.integers(3, size=8)
    before = net.get_weights()
    step = timing.training_step(net, x, y)
    losses = [float(step()) for _ in range(3)]
    for old, new in zip(before, net.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    expected = keras.losses.sparse_categorical_crossentropy(y, net(x, training=True))
    np.testing.assert_allclose(losses, float(np.mean(expected)), rtol=1e-5)  # a rate of 0


def test_only_built_models_are_timed():
    bare = keras.Sequential([layers.Dense(2)], name="bare")
    for make in (timing.prediction, lambda *given: timing.training_step(*given, np.ones(2))):
        with pytest.raises(ValueError, match=r"`model` must be built.* Received: 'bare', not"):
            make(bare, np.ones((2, 2)))
