"""Transfer: races against single trainings, tasks against counts made by hand."""

from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import data, models, transfer
from helpers.replicas import fit_replicas

SIZES = [6, 5, 4, 3]


@pytest.fixture
def rng():
    return np.random.default_rng(0)


# Reuse ----------------------------------------------------------------------------------------


def test_drawn_weights_have_lecuns_variance():
    kernel, bias, *_ = transfer.draw_weights([50, 400, 2], seeds=range(5))
    # 100,000 draws: the standard deviation of the estimate is 0.22 %.
    assert kernel.std() == pytest.approx(50**-0.5, rel=0.01)
    assert not bias.any()


def test_a_replica_depends_on_its_seed_alone():
    one, two = (transfer.draw_weights([4, 3], seeds=seeds) for seeds in ([1, 2], [2, 5]))
    np.testing.assert_array_equal(one[0][1], two[0][0])


@given(layers=st.integers(0, 3))
def test_reuse_copies_the_lowest_layers(layers):
    fresh, source = (transfer.draw_weights(SIZES, seeds=[seed]) for seed in (0, 1))
    mixed = transfer.reuse_layers(fresh, source, layers)
    for number, weight in enumerate(mixed):
        expected = source if number < 2 * layers else fresh
        np.testing.assert_array_equal(weight, expected[number])
        assert not np.shares_memory(weight, expected[number])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: transfer.draw_weights([4], seeds=[0]), r"Received: \[4\]"),
        (lambda: transfer.draw_weights([4, 0], seeds=[0]), r"Received: \[4, 0\]"),
        (
            lambda: transfer.reuse_layers(
                transfer.draw_weights([4, 3], seeds=[0]),
                transfer.draw_weights([4, 3], seeds=[0]),
                2,
            ),
            "0 to 1. Received: layers=2",
        ),
        (
            lambda: transfer.reuse_layers(
                transfer.draw_weights([4, 3], seeds=[0]),
                transfer.draw_weights([4, 2], seeds=[0]),
                1,
            ),
            r"Received: \(1, 4, 2\) for \(1, 4, 3\)",
        ),
    ],
)
def test_reuse_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# Races ----------------------------------------------------------------------------------------


def shared_race(task, rates, **own):
    """Race one arm, four networks: two replicas with two draws."""
    drawn = {n: transfer.draw_labels(task, n, seeds=range(4)).rows for n in (2, 4)}
    rows = {n: drawn[n][:, np.arange(4) % n] for n in drawn}
    options = {"optimizer": "sgd", "loss": "sparse_categorical_crossentropy", "epochs": 2}
    judged = transfer.evaluation_images(task)
    arm = {"build": partial(models.mlp, (8, 8), 2, hidden=[4])}
    found = transfer.race(
        {"arm": arm}, rates, task.x_train, task.y_train, rows=rows, judged=judged, draws=2,
        seed=3, **options | own,
    )  # fmt: skip
    return found, judged, rows


def test_a_race_takes_the_rate_of_least_mean_loss_for_each_number_of_labels():
    task = transfer.select_classes(data.load("digits"), [5, 6])
    found, judged, rows = shared_race(task, [1e-3, 0.3, 90.0])
    assert set(found) == {("arm", 2), ("arm", 4)}
    for n in (2, 4):
        outcome = found["arm", n]
        alone = fit_replicas(
            partial(models.mlp, (8, 8), 2, hidden=[4]), task.x_train, task.y_train, rows=rows[n],
            optimizer=keras.optimizers.SGD(outcome.rate), epochs=2, replicas=4, seed=3,
            loss="sparse_categorical_crossentropy", metrics=["accuracy"],
        )  # fmt: skip
        seen = alone.evaluate(*judged)
        # Networks 0 and 2 are replica 0 with two draws, 1 and 3 replica 1.
        loss = [np.sqrt(seen["loss"][k] * seen["loss"][k + 2]) for k in (0, 1)]
        np.testing.assert_allclose(outcome.loss, loss, rtol=1e-4)
        np.testing.assert_allclose(
            transfer.accuracy(outcome.nets, judged, 2),
            seen["accuracy"].reshape(2, 2).mean(axis=0),
            atol=1e-6,
        )


def test_accuracy_on_rows_of_each_network(rng):
    x, y = rng.normal(size=(6, 2)).astype(np.float32), np.arange(6) % 2
    nets = fit_replicas(
        partial(models.mlp, (2,), 2, hidden=[]), x, y, optimizer="sgd", epochs=1, replicas=2,
        loss="sparse_categorical_crossentropy", metrics=["accuracy"],
    )  # fmt: skip
    rows = np.array([[0, 1, 2], [3, 4, 4]])
    np.testing.assert_allclose(
        transfer.accuracy(nets, (x, y, rows), 1), nets.evaluate(x, y, rows=rows)["accuracy"]
    )


def test_the_best_of_rates_has_the_least_mean_loss():
    losses = {0.1: [4.0, 4.0, 1.0, 1.0], 0.3: [1.0, 9.0, 4.0, 1.0], 0.9: [1.0, 1.0, 1.0, np.nan]}
    nets = {
        rate: SimpleNamespace(evaluate=lambda x, y, rows, at=rate: {"loss": np.array(losses[at])})
        for rate in losses
    }
    found = transfer.best_of_rates(nets, (None, None), draws=2)
    assert found.rate == 0.1
    assert found.nets is nets[0.1]
    np.testing.assert_allclose(found.loss, [2.0, 2.0])
    with pytest.raises(ValueError, match="at which no replica diverges"):
        transfer.best_of_rates({0.9: nets[0.9]}, (None, None), draws=2)


# Tasks ----------------------------------------------------------------------------------------


@pytest.fixture
def toy():
    """Return six images of three classes; image k is all k."""
    x = np.arange(6.0, dtype=np.float32)[:, None, None] * np.ones((6, 2, 2), np.float32)
    y = np.array([2, 1, 0, 1, 2, 2])
    digits = data.load("digits")
    parts = {f"{axis}_{part}": x if axis == "x" else y for axis in "xy" for part in transfer_parts}
    return replace(digits, class_names=("a", "b", "c"), **parts)


transfer_parts = ("train", "valid", "test")


def test_select_classes_by_hand(toy):
    task = transfer.select_classes(toy, [2, 0])
    assert task.class_names == ("c", "a")
    assert task.y_train.tolist() == [0, 1, 0, 0]
    assert task.x_train[:, 0, 0].tolist() == [0, 2, 4, 5]
    assert transfer.without_classes(toy, [0]).y_valid.tolist() == [1, 0, 0, 1, 1]


@settings(max_examples=30)
@given(st.sets(st.integers(0, 9), min_size=2, max_size=8))
def test_two_complementary_tasks_share_out_the_images(classes):
    digits = data.load("digits")
    one = transfer.select_classes(digits, sorted(classes))
    other = transfer.without_classes(digits, sorted(classes))
    for part in transfer_parts:
        whole = getattr(digits, f"y_{part}")
        counts = [len(getattr(task, f"y_{part}")) for task in (one, other)]
        assert sum(counts) == len(whole)
    assert {*one.class_names} | {*other.class_names} == {*digits.class_names}
    assert {*one.y_train.tolist()} == {*range(len(classes))}


def test_drawn_labels_are_balanced_nested_and_without_repeats(toy):
    task = transfer.select_classes(data.load("digits"), [5, 6])
    few, more = (transfer.draw_labels(task, n, seeds=[3, 4]) for n in (4, 10))
    assert few.y.tolist() == [[0, 0, 1, 1]] * 2
    for drawn in (few, more):
        np.testing.assert_array_equal(task.y_train[drawn.rows], drawn.y)
        np.testing.assert_array_equal(task.x_train[drawn.rows], drawn.x)
        assert all(len({*rows}) == len(rows) for rows in drawn.rows.tolist())
    for small, large in zip(few.rows, more.rows, strict=True):
        assert {*small.tolist()} <= {*large.tolist()}
    assert not np.array_equal(more.rows[0], more.rows[1])


def test_rotations_by_hand():
    digits = data.load("digits")
    corner = np.zeros((1, 2, 2), np.float32)
    corner[0, 0, 0] = 1  # top left
    task = transfer.rotation_task(replace(digits, x_train=corner, y_train=np.array([7])))
    # A quarter turn against the clock takes top left to bottom left, bottom right, top right.
    assert [np.argwhere(image)[0].tolist() for image in task.x_train] == [
        [0, 0],
        [1, 0],
        [1, 1],
        [0, 1],
    ]
    assert task.y_train.tolist() == [0, 1, 2, 3]


def test_rotations_keep_channels_and_refuse_oblongs():
    digits = data.load("digits")
    coloured = np.random.default_rng(0).random((3, 4, 4, 3)).astype(np.float32)
    parts = {f"x_{part}": coloured for part in transfer_parts}
    task = transfer.rotation_task(replace(digits, **parts))
    np.testing.assert_array_equal(task.x_valid[6:9], coloured[:, ::-1, ::-1])
    with pytest.raises(ValueError, match="Received: 4 × 2 pixels"):
        transfer.rotation_task(replace(digits, x_train=coloured[:, :, :2]))


def test_separation_ignores_shift_and_scale(rng):
    features, y = rng.normal(size=(3, 20, 4)), np.arange(20) % 2
    found = transfer.separation(features, y)
    assert found.shape == (3,)
    np.testing.assert_allclose(transfer.separation(5 * features - 2, y), found)
    with pytest.raises(ValueError, match=r"Received: \[0, 1, 2\]"):
        transfer.separation(features, np.arange(20) % 3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda d: transfer.select_classes(d, [1]), r"2 different.*classes=\[1\]"),
        (lambda d: transfer.select_classes(d, [1, 1]), r"classes=\[1, 1\]"),
        (lambda d: transfer.select_classes(d, [1, 3]), r"from 0 to 2.*classes=\[1, 3\]"),
        (lambda d: transfer.without_classes(d, [9]), r"from 0 to 2.*classes=\[9\]"),
        (lambda d: transfer.without_classes(d, [0, 1]), r"classes=\[2\]"),
        (lambda d: transfer.draw_labels(d, 4, seeds=[0]), "multiple of 3.*n=4"),
        (lambda d: transfer.draw_labels(d, 0, seeds=[0]), "n=0"),
        (lambda d: transfer.draw_labels(d, 6, seeds=[0]), "at most 3.*n=6"),
    ],
)
def test_tasks_refuse(toy, call, message):
    with pytest.raises(ValueError, match=message):
        call(toy)
