"""The search for learning rates: which it finds, on what, and what it refuses."""

import keras
import numpy as np
import pytest
from keras import layers

from helpers.replicas import best_position, fit_replicas, fitting, search

LOSS, SEED, TOLERANCE = "sparse_categorical_crossentropy", 3, 2e-6
RNG = np.random.default_rng(1)
X, Y = RNG.normal(size=(60, 6)).astype("float32"), RNG.integers(0, 3, 60).astype("int32")
SHARED = {"optimizer": "sgd", "loss": LOSS, "epochs": 2, "replicas": 2, "seed": SEED}
JUDGE = X + 1
VALID = {"validation_data": (X[:20].copy(), Y[:20].copy())}


def net():
    return keras.Sequential(
        [keras.Input((6,)), layers.Dense(8, activation="tanh"), layers.Dense(3, "softmax")]
    )


def test_search_widens_until_the_best_lies_inside_with_equal_budgets():
    arms = {"plain": net, "decay": {"build": net, "learning_rate": lambda r: lambda t: r * 0.9**t}}
    found = search(arms, [0.001, 0.01], X[20:], Y[20:], widen=8, **VALID, **SHARED)
    assert len(found.rates["plain"]) == len(found.rates["decay"]) > 2
    for name in arms:
        at = found.position(name)
        means = found.losses[name].mean(axis=1)
        assert 0 < at < len(means) - 1
        assert means[at] == means.min()
        assert found.rate(name) == found.rates[name][at]
    alone = fit_replicas(
        net, X[20:], Y[20:], **SHARED, **VALID, each={"learning_rate": found.rate("plain")}
    )
    np.testing.assert_allclose(found.best("plain").weights[0], alone.weights[0], atol=TOLERANCE)


def test_search_widens_downwards_where_an_arm_diverges_at_all_rates():
    def choose(run):
        rate = run.model(0).optimizer.learning_rate.numpy()
        return np.full(2, np.inf if rate > 1 else abs(np.log(rate / 0.1)))

    found = search({"net": net}, [4.0, 16.0], X, Y, choose=choose, **SHARED)
    assert found.rates["net"].round(4).tolist() == [0.0156, 0.0625, 0.25, 1.0, 4.0, 16.0]
    assert found.rate("net") == 0.0625


def guessing(slope):
    """Return what to choose by: a loss that hardly depends on the rate."""

    def choose(run):
        rate = run.model(0).optimizer.learning_rate.numpy()
        return np.full(2, np.log(10) * (1 + slope * rate))

    return choose


def test_search_keeps_the_lowest_rate_of_an_arm_that_does_best_at_rest():
    found = search({"net": net}, [0.1, 1.0], X, Y, choose=guessing(1e-4), widen=2, **SHARED)
    assert found.rates["net"].round(4).tolist() == [0.001, 0.01, 0.1, 1.0]
    assert found.rate("net") == pytest.approx(0.001)
    assert found.is_at_rest("net")
    assert not found.is_inside("net")


def test_an_arm_that_would_move_further_is_not_at_rest():
    with pytest.raises(ValueError, match=r"best between worse ones.*net: best 1 of"):
        search({"net": net}, [0.01, 0.1, 1.0], X, Y, choose=guessing(-1e-4), widen=0, **SHARED)


class Stops(keras.callbacks.Callback):
    """Stops a replica of one rate, or of all, after its first epoch."""

    def __init__(self, rate):
        super().__init__()
        self.rate = rate

    def on_epoch_end(self, epoch, logs=None):
        rate = self.model.optimizer.learning_rate
        self.model.stop_training = self.rate is None or rate == np.float32(self.rate)


def test_search_takes_what_a_callback_stopped_at_its_own_last_epoch():
    stopping = {"callbacks": lambda replica: Stops(0.3), "widen": 0, **VALID, **SHARED}
    found = search({"net": net}, [0.003, 0.3, 30.0], X[20:], Y[20:], **stopping)
    assert found.best("net").stopped_at.tolist() == [1, 1]
    assert found.rate("net") == 0.3
    own = found.best("net").history["val_loss"].data[:, 0]
    np.testing.assert_array_equal(found.losses["net"][1], own)


def test_search_judges_on_another_set():
    judge = X[:10] + 1, Y[:10]
    found = search(
        {"net": net}, [0.01, 0.1, 1.0, 10.0], X[20:], Y[20:], judge=judge, **VALID, **SHARED
    )
    expected = found.best("net").evaluate(*judge)["loss"]
    np.testing.assert_array_equal(found.judged["net"]["loss"], expected)


BAD_SEARCHES = {
    "no_arm": ({"arms": {}}, r"`arms` must map names to arms, one or more.*\{\}"),
    "arms_as_list": ({"arms": [net]}, r"`arms` must map names to arms"),
    "arm_without_build": ({"arms": {"net": {"epochs": 3}}}, r"`arms\['net'\]`.*no `build`"),
    "arm_with_unknown": (
        {"arms": {"net": {"build": net, "optimiser": "adam", "seed": 1}}},
        r"`arms\['net'\]`.*among build, optimizer.*Received: optimiser, seed",
    ),
    "arm_with_a_number": (
        {"arms": {"net": {"build": net, "learning_rate": 0.1}}},
        r"`learning_rate` a function.*go into `rates`.*0\.1",
    ),
    "arm_is_none": ({"arms": {"net": None}}, r"`arms\['net'\]` must be a function.*None"),
    "one_rate": ({"rates": [0.1]}, r"`rates` must be two or more"),
    "falling": ({"rates": [0.1, 0.01]}, r"constant factor above"),
    "uneven": ({"rates": [0.1, 0.2, 2.0]}, r"constant factor above"),
    "names": ({"rates": {"other": [0.1, 1]}}, r"`rates` must name the arms \['net'\]"),
    "edge": ({"rates": [1e-6, 1e-5], "widen": 0}, r"best between worse ones.*net: best 1e-05"),
    "judge_is_chosen_on": ({"judge": VALID["validation_data"]}, r"must not be what is chosen on"),
    "judge_is_trained_on": ({"judge": (X, Y)}, r"must not be what is trained on"),
    "judge_is_an_arms_own": (
        {
            "judge": (JUDGE, Y),
            "arms": {"net": {"build": net, "validation_data": (JUDGE, Y)}},
        },
        r"must not be what is chosen on",
    ),
    "judge_overlaps": ({"judge": (X[::2], Y[::2])}, r"must not be what is trained on"),
    "each": ({"each": [0.1]}, r"`each` must map names to values.*\[0.1\]"),
    "rate_twice": ({"each": {"learning_rate": 0.1}}, r"once, in `rates` or in `each`.*0.1"),
    "rate_of_an_arm_twice": (
        {"arms": {"net": {"build": net, "each": {"learning_rate": 3.0}}}},
        r"the rate must be given once, in `rates` or in `each`.*3.0",
    ),
    "choose": ({"choose": "val_auc"}, r"`choose` must be one of loss, val_loss.*val_auc"),
    "accuracy": (
        {"choose": "val_accuracy", "metrics": ["accuracy"]},
        r"must name what is to be low.*choose='val_accuracy', of which high is good",
    ),
    "judge_of_other_lengths": ({"judge": (X + 1, Y[:3])}, r"`judge` must hold.*lengths \[3, 60\]"),
    "judge_rows": ({"judge": (X + 1, Y, [[1, 60]] * 2)}, r"`judge` must be from 0 to 59.*1 to 60"),
    "widen": ({"widen": -1}, r"`widen` must be a whole number of 0 or more.*widen=-1"),
    "widen_a_bit": ({"widen": 0.5}, r"`widen` must be a whole number.*widen=0.5"),
    "rates_as_text": ({"rates": "abc"}, r"`rates` must be two or more.*abc"),
    "rates_as_generator": ({"rates": (one for one in (0.1, 1))}, r"`rates` must be two.*generator"),
}
# Seen in what a training gives.
LATE_SEARCHES = {
    "one_number": ({"choose": lambda run: 1.0}, r"`choose` must give a number for each of 2.*1.0"),
    "all_epochs": (
        {"choose": lambda run: run.history["loss"]},
        r"number for each of 2 replicas.*shape \(2, 2\)",
    ),
    "no_number": ({"choose": lambda run: "low"}, r"number for each of 2 replicas.*'low'"),
    "masked": (
        {
            "choose": lambda run: run.history["loss"][:, -1],
            "callbacks": lambda k: Stops(None) if k == 0 else [],
        },
        r"takes each at its own last epoch.*masked values",
    ),
    "unknown_to_callbacks": (
        {"choose": "mine", "callbacks": lambda k: Stops(None)},
        r"`choose` must be one of loss, val_loss, or a function.*'mine'",
    ),
}
LATE_SEARCHES["edge"] = BAD_SEARCHES.pop("edge")


@pytest.mark.parametrize("name", [*BAD_SEARCHES, *LATE_SEARCHES])
def test_search_refuses_by_name(name, monkeypatch):
    options, message = (BAD_SEARCHES | LATE_SEARCHES)[name]
    if name in BAD_SEARCHES:
        monkeypatch.setattr(fitting, "train", pytest.fail)
    given = {"arms": {"net": net}, "rates": [0.01, 0.1]} | options
    with pytest.raises((ValueError, TypeError), match=f"(?s){message}"):
        search(given.pop("arms"), given.pop("rates"), X, Y, **VALID, **SHARED, **given)


def towers():
    inputs = [keras.Input((6,), name="a"), keras.Input((6,), name="b")]
    return keras.Model(inputs, layers.Dense(3, "softmax")(layers.Add()(inputs)))


def test_search_refuses_a_judge_whose_nested_arrays_are_trained_on():
    with pytest.raises(ValueError, match="must not be what is trained on"):
        search({"net": towers}, [0.1, 1], [X, X], Y, judge=([JUDGE, X], Y), **VALID, **SHARED)


def test_search_judges_on_every_other_example():
    judge, rates = (X[1::2], Y[1::2]), [0.001, 0.1, 10.0]
    found = search({"net": net}, rates, X[::2], Y[::2], judge=judge, widen=8, **VALID, **SHARED)
    assert found.judged["net"]["loss"].shape == (2,)


def test_best_position_takes_rates_by_replicas():
    with pytest.raises(ValueError, match=r"`losses` must be of shape.*Received: \(2,\)"):
        best_position([1.0, 2.0])


def test_search_refuses_judge_rows_that_are_trained_on():
    rows = {"rows": [[0, 1, 2], [3, 4, 5]], "validation_rows": [[6, 7], [8, 9]]}
    with pytest.raises(ValueError, match=r"rows that are trained on.*replica 1, among them 5"):
        search({"net": net}, [0.1, 1], X, Y, judge=(X, Y, [[10], [5]]), **rows, **SHARED)
