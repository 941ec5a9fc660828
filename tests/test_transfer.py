"""Transfer: a reader of tensors against files made here, heads and tasks against counts by hand."""

import hashlib
import io
import pickle
import sys
from collections import Counter, OrderedDict
from types import ModuleType

import keras
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import Ridge

from helpers import data, models, transfer
from helpers.replicas import fit_replicas
from helpers.transfer.tensors import MAGIC

# Tensors --------------------------------------------------------------------------------------


class Storage:
    def __init__(self, key, numbers, kind):
        self.key, self.numbers, self.kind = key, numbers, kind


class Tensor:
    def __init__(self, storage, offset, shape, strides):
        self.place = storage, offset, shape, strides, False, OrderedDict()

    def __reduce__(self):
        return sys.modules["torch._utils"]._rebuild_tensor_v2, self.place


class Pickler(pickle.Pickler):
    def persistent_id(self, thing):
        if isinstance(thing, Storage):
            kind = getattr(sys.modules["torch"], thing.kind)
            return "storage", kind, thing.key, "cpu", len(thing.numbers), None
        return None


@pytest.fixture
def torch(monkeypatch):
    """Modules of PyTorch's names, so that a pickle can name them."""
    torch, utils = ModuleType("torch"), ModuleType("torch._utils")
    for kind in ("FloatStorage", "LongStorage", "HalfStorage"):
        setattr(torch, kind, type(kind, (), {"__module__": "torch"}))

    def rebuild():
        """Stand for a function that is never called."""

    rebuild.__module__, rebuild.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    utils._rebuild_tensor_v2 = rebuild
    torch._utils = utils
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "torch._utils", utils)


def written(path, tensors, storages, *, magic=MAGIC, lengths=None, tail=b""):
    """Write a file as PyTorch did before its version 1.6; return its hash."""
    file = io.BytesIO()
    for head in (magic, 1001, {"little_endian": True}):
        pickle.dump(head, file, protocol=2)
    Pickler(file, protocol=2).dump(tensors)
    pickle.dump([storage.key for storage in storages], file, protocol=2)
    for number, storage in enumerate(storages):
        length = len(storage.numbers) if lengths is None else lengths[number]
        file.write(length.to_bytes(8, "little") + storage.numbers.tobytes())
    path.write_bytes(file.getvalue() + tail)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def of_numbers(n=6):
    return Storage("0", np.arange(n, dtype="<f4"), "FloatStorage")


def test_tensors_are_pieces_of_storages(torch, tmp_path):
    floats, whole = of_numbers(), Storage("1", np.array([7], "<i8"), "LongStorage")
    tensors = OrderedDict(
        plain=Tensor(floats, 0, (2, 3), (3, 1)),
        turned=Tensor(floats, 0, (3, 2), (1, 3)),  # the transpose of the first
        tail=Tensor(floats, 4, (2,), (1,)),
        count=Tensor(whole, 0, (), ()),
    )
    sha256 = written(tmp_path / "a.pth", tensors, [floats, whole])
    found = transfer.read_tensors(tmp_path / "a.pth", sha256=sha256)
    assert {name: value.tolist() for name, value in found.items()} == {
        "plain": [[0, 1, 2], [3, 4, 5]],
        "turned": [[0, 3], [1, 4], [2, 5]],
        "tail": [4, 5],
        "count": 7,
    }
    assert found["plain"].dtype == np.float32
    assert not np.shares_memory(found["plain"], found["turned"])


def test_another_hash_is_refused_before_anything_is_read(tmp_path):
    path = tmp_path / "a.pth"
    path.write_bytes(b"anything")
    with pytest.raises(transfer.RefusedFileError, match="SHA-256 0123"):
        transfer.read_tensors(path, sha256="0123")
    right = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(transfer.RefusedFileError, match=r"a\.pth is damaged"):
        transfer.read_tensors(path, sha256=right.upper())  # as Windows writes it


@pytest.mark.parametrize(
    "named", [Counter(), len, io.BytesIO, Counter], ids=["counter", "len", "BytesIO", "class"]
)
def test_a_file_that_names_anything_else_is_refused(tmp_path, named):
    path = tmp_path / "a.pth"
    path.write_bytes(pickle.dumps(named, protocol=2))
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(transfer.RefusedFileError, match="must not name anything else"):
        transfer.read_tensors(path, sha256=sha256)


@pytest.mark.parametrize(
    ("place", "options", "message"),
    [
        ((0, (2,), (1,)), {"magic": 5}, r"not PyTorch's old format. Received: \(5, 1001\)"),
        ((0, (2,), (1,)), {"lengths": [5]}, "storage 0 must hold 6 numbers"),
        ((0, (2,), (1,)), {"tail": b"x"}, "something behind the last storage"),
        ((3, (4,), (1,)), {}, "must lie in its storage"),
        ((0, (2, 2), (5, 1)), {}, "must lie in its storage"),
        ((-1, (2,), (1,)), {}, "must not be negative"),
        ((1, (2,), (-1,)), {}, "must not be negative"),
    ],
)
def test_a_damaged_file_is_refused(torch, tmp_path, place, options, message):
    floats = of_numbers()
    tensors = OrderedDict(one=Tensor(floats, *place))
    sha256 = written(tmp_path / "a.pth", tensors, [floats], **options)
    with pytest.raises(transfer.RefusedFileError, match=message):
        transfer.read_tensors(tmp_path / "a.pth", sha256=sha256)


def test_another_kind_of_storage_and_a_cut_file_are_refused(torch, tmp_path):
    half = Storage("0", np.zeros(2, "<f2"), "HalfStorage")
    path, tensors = tmp_path / "a.pth", OrderedDict(one=Tensor(half, 0, (2,), (1,)))
    sha256 = written(path, tensors, [half])
    with pytest.raises(transfer.RefusedFileError, match=r"Received: torch\.HalfStorage"):
        transfer.read_tensors(path, sha256=sha256)
    floats = of_numbers()
    written(path, OrderedDict(one=Tensor(floats, 0, (2,), (1,))), [floats])
    path.write_bytes(path.read_bytes()[:-4])
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(transfer.RefusedFileError, match="is damaged: "):
        transfer.read_tensors(path, sha256=sha256)


# Heads ----------------------------------------------------------------------------------------


def clouds(replicas=2, n=40, features=5, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(3, size=200)
    x = rng.normal(size=(200, features)) + np.eye(3, features)[y]
    rows = np.stack([rng.permutation(200) for _ in range(replicas)])
    return x, y, rows[:, :n], rows[:, n : n + 40], rows[:, n + 40 :]


def test_a_probe_by_hand():
    # Two images at ±1 and targets ±½ for class 1: with λ = 1, in units of the mean eigenvalue
    # (2 + 0) / 2 of F Fᵀ, the slope is Σ f y / (Σ f² + 1) = 1 / 3, and the threshold is 0.
    x, y = np.array([[-1.0], [1.0], [0.1], [-0.1]]), np.array([0, 1, 1, 0])
    probe = transfer.RidgeProbe(x.__getitem__, y, train=[[0, 1]], tune=[[2, 3]], strengths=[1.0])
    assert probe.tune_accuracy.tolist() == [[1.0]]
    assert probe.evaluate(None, None, rows=[[2, 0]])["accuracy"].tolist() == [1.0]


def test_a_probe_equals_ridge_regression_of_scikit_learn():
    x, y, train, tune, judge = clouds()
    probe = transfer.RidgeProbe(x.__getitem__, y, train=train, tune=tune, strengths=[0.1])
    found = probe.evaluate(None, None, rows=judge)["accuracy"]
    for k, own in enumerate(train):
        seen = x[own] - x[own].mean(axis=0)
        alpha = 0.1 * np.square(seen).sum() / len(own)  # the mean eigenvalue of F Fᵀ
        theirs = Ridge(alpha=alpha).fit(x[own], np.eye(3)[y[own]])
        right = theirs.predict(x[judge[k]]).argmax(axis=1) == y[judge[k]]
        assert found[k] == pytest.approx(right.mean())


@given(scale=st.floats(1e-2, 1e3))
def test_large_features_are_no_better(scale):
    x, y, train, tune, judge = clouds()
    one, other = (
        transfer.RidgeProbe(values.__getitem__, y, train=train, tune=tune).evaluate(
            None, None, rows=judge
        )["accuracy"]
        for values in (x, scale * x)
    )
    np.testing.assert_allclose(one, other, atol=0.011)  # one image of 120 may lie on an edge


def test_a_probe_takes_the_strength_that_is_best_on_tune_rows():
    x, y, train, tune, _ = clouds(features=60)
    probe = transfer.RidgeProbe(x.__getitem__, y, train=train, tune=tune)
    best = probe.tune_accuracy.mean(axis=1)
    assert probe.strength == probe.strengths[int(best.argmax())]
    assert len(probe) == 2
    assert probe.history["accuracy"].shape == (2, 1)
    assert probe.design["train"] == [2, 40, 60]


@pytest.mark.parametrize("strengths", [[], [0.0, 1.0]])
def test_strengths_are_above_zero(strengths):
    x, y, train, tune, _ = clouds()
    with pytest.raises(ValueError, match="`strengths` must be one or more, above 0"):
        transfer.RidgeProbe(x.__getitem__, y, train=train, tune=tune, strengths=strengths)


def test_a_probe_takes_labels_in_any_form_but_those_that_are_no_classes():
    x, y, train, tune, _ = clouds()
    expected = transfer.RidgeProbe(x.__getitem__, y, train=train, tune=tune).tune_accuracy
    unused = np.where(np.isin(np.arange(200), [*train.flat, *tune.flat]), y, -1)
    for form in (y[:, None], y.astype(float), y.astype("uint8"), y.tolist(), unused):
        probe = transfer.RidgeProbe(x.__getitem__, form, train=train, tune=tune)
        np.testing.assert_array_equal(probe.tune_accuracy, expected)
    for form, message in (
        (2 * (y > 0) - 1, r"`y` must be whole numbers from 0 to 1, .* Received: from -1 to 1"),
        (np.eye(3)[y], r"`y` must have 1 axis. Received: shape=\(200, 3\)"),
        (y.astype(str), r"`y` must hold real numbers. Received: an array of type <U"),
    ):
        with pytest.raises((TypeError, ValueError), match=message):
            transfer.RidgeProbe(x.__getitem__, form, train=train, tune=tune)


def test_a_probe_of_features_that_are_all_alike_says_the_commonest_class():
    y, rows = np.array([1, 1, 0, 1, 0, 0]), np.array([[0, 1, 2]])
    for features, train in ((np.ones((6, 2)), rows), (np.eye(6), rows[:, :1])):
        probe = transfer.RidgeProbe(features.__getitem__, y, train=train, tune=[[3, 4, 5]])
        np.testing.assert_allclose(probe.tune_accuracy, 1 / 3)


def test_a_probe_refuses_features_of_a_body_that_diverged():
    x, y, train, tune, _ = clouds()
    x[train[0, 0]] = np.nan
    with pytest.raises(ValueError, match=r"`features` must be finite on the train.*: \d\.\d% of"):
        transfer.RidgeProbe(x.__getitem__, y, train=train, tune=tune)


def test_heads_on_features_are_judged_as_on_images():
    x, y, train, tune, judge = clouds()
    x = x.astype("float32")
    trained = fit_replicas(
        lambda: models.mlp((5,), 3, hidden=[]),
        x,
        y,
        rows=train,
        validation_rows=tune,
        replicas=2,
        optimizer="adam",
        loss="sparse_categorical_crossentropy",
        epochs=2,
        metrics=["accuracy"],
    )
    reading = transfer.OnFeatures(trained, x.__getitem__)
    ours, theirs = reading.evaluate(None, y, rows=judge), trained.evaluate(x, y, rows=judge)
    np.testing.assert_allclose(ours["accuracy"], theirs["accuracy"])
    assert len(reading) == 2
    assert reading.history is trained.history
    assert reading.design == trained.design


# Bodies ---------------------------------------------------------------------------------------


@pytest.fixture
def scales():
    """Bodies that multiply by k + 1, and by ten times as much, and the replicas that were made."""
    image = keras.Input((1,))
    once = keras.layers.Dense(1, use_bias=False)(image)
    reader = keras.Model(image, [once, keras.layers.Rescaling(10.0)(once)])
    made = []

    def make(k):
        made.append(k)
        reader.set_weights([np.full((1, 1), k + 1)])

    x = np.arange(6.0)[:, None]
    first = [np.array([[0, 1], [2, 3]])]
    return transfer.OwnBodies(reader, ["one", "ten"], make, x, first=first), made


def test_each_replica_is_read_by_its_own_body_which_is_made_once(scales):
    bodies, made = scales
    rows = np.array([[0, 1], [2, 3]])
    # Replica 0 multiplies by 1, replica 1 by 2.
    np.testing.assert_array_equal(bodies.at("one")(rows)[..., 0], [[0, 1], [4, 6]])
    np.testing.assert_array_equal(bodies.at("ten")(rows)[..., 0], [[0, 10], [40, 60]])
    # Rows that were not looked at first: the weights are put back, though replica 1 came last.
    np.testing.assert_array_equal(bodies.at("one")([[5], [4]])[..., 0], [[5], [8]])
    assert made == [0, 1]
    assert {k: float(own[0][0, 0]) for k, own in bodies.weights.items()} == {0: 1.0, 1: 2.0}


def test_bodies_take_rows_of_a_table_by_position():
    image = keras.Input((1,))
    reader = keras.Model(image, [keras.layers.Rescaling(2.0)(image)])
    for x in (pd.DataFrame([[1.0], [3.0]], index=[1, 0]), [[1.0], [3.0]]):
        bodies = transfer.OwnBodies(reader, ["end"], lambda k: None, x)
        assert bodies.at("end")([[0], [1]]).ravel().tolist() == [2.0, 6.0]


def test_bodies_need_a_name_for_each_output(scales):
    image = keras.Input((1,))
    reader = keras.Model(image, [keras.layers.Dense(1)(image)])
    with pytest.raises(ValueError, match=r"each of 1 outputs. Received: names=\['a', 'b'\]"):
        transfer.OwnBodies(reader, ["a", "b"], print, np.zeros((1, 1)))


# Tasks ----------------------------------------------------------------------------------------


@given(y=st.lists(st.integers(0, 3), min_size=1, max_size=30), seed=st.integers(0, 9))
def test_classes_take_turns(y, seed):
    y = np.array(y)
    rows = np.random.default_rng(seed).permutation(len(y))
    found = transfer.take_turns(y, rows)
    assert sorted(found) == sorted(rows)
    np.testing.assert_array_equal(transfer.take_turns(y[:, None], rows), found)
    for n in range(1, len(y) + 1):
        counts = np.bincount(y[found[:n]], minlength=4)
        some_left = counts < np.bincount(y, minlength=4)
        # A class that has images left is behind no other by more than one.
        assert not some_left.any() or counts.max() - counts[some_left].min() <= 1


def test_rotations_turn_and_say_so():
    x = np.arange(9.0).reshape(1, 3, 3)
    turned, turns = transfer.rotations(np.concatenate([x, -x]))
    assert turns.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    np.testing.assert_array_equal(turned[4], x[0, ::-1, ::-1])
    np.testing.assert_array_equal(np.rot90(turned[6]), x[0])
    with pytest.raises(ValueError, match="Received: 2 × 3 pixels"):
        transfer.rotations(np.zeros((1, 2, 3)))
    with pytest.raises(ValueError, match=r"`x` must have shape \(n, side, side\) .*shape=\(2, 3\)"):
        transfer.rotations(np.zeros((2, 3)))


def test_pairs_keep_to_their_classes_and_sets():
    pool = data.load_pool("digits")
    draws = pool.draw(replicas=2, seed=3)
    pairs = [(0, 1), (5, 6)]
    task = transfer.PairDraws(draws, pairs, labels=8)
    judge = task.open_judge()
    for k, pair in enumerate(pairs):
        for rows in (task.train[k], task.tune[k], judge[k]):
            assert set(pool.y[rows]) == set(pair)
        assert set(pool.y[task.source[k]]) == set(range(10)) - set(pair)
        assert np.bincount(pool.y[task.train[k]])[list(pair)].tolist() == [4, 4]
        assert set(task.train[k]) | set(task.source[k]) <= set(draws.train[k])
        assert set(task.tune[k]) | set(task.source_tune[k]) <= set(draws.tune[k])
        assert not set(judge[k]) & ({*draws.train[k]} | {*draws.tune[k]})
    assert (len(task), task.name, task.pairs) == (2, "digits", ((0, 1), (5, 6)))
    assert "2 pairs of classes of digits: train 8" in repr(task)
    with pytest.raises(RuntimeError, match="handed out already"):
        task.open_judge()


@pytest.mark.parametrize(
    ("pairs", "labels", "message"),
    [
        ([(0, 1)], 8, r"for each of 2 draws. Received: pairs=\[\(0, 1\)\]"),
        ([(0, 0), (1, 2)], 8, r"pairs=\[\(0, 0\), \(1, 2\)\]"),
        ([(0, 10), (1, 2)], 8, r"pairs=\[\(0, 10\)"),
        ([(0, 3), (1, 2)], 1, "the target's images. Received: labels=1"),
        ([(0, 3), (1, 2)], 900, "Received: labels=900"),
    ],
)
def test_pairs_that_are_none_are_refused(pairs, labels, message):
    draws = data.load_pool("digits").draw(replicas=2, seed=3)
    with pytest.raises(ValueError, match=message):
        transfer.PairDraws(draws, pairs, labels=labels)


# Autoencoders ---------------------------------------------------------------------------------


def test_an_autoencoder_squeezes_and_reconstructs():
    network = transfer.autoencoder(6, 4)
    assert [tuple(weight.shape) for weight in network.weights] == [(6, 4), (4,), (4, 6), (6,)]
    with pytest.raises(ValueError, match=r"`units` must be at least 1\. Received: units=0"):
        transfer.autoencoder(6, 0)
    with pytest.raises(TypeError, match=r"`features` must be an integer\. Received: features='6'"):
        transfer.autoencoder("6", 4)
