"""Transfer: stacks and stages against Keras' fit, tasks against counts made by hand."""

from dataclasses import replace
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import data, models, transfer
from helpers.replicas import batch_order, fit_replicas
from helpers.transfer import LabelledImages, Stage

SIZES = [6, 5, 4, 3]
# Float32 rounds at 6e-8; a few dozen steps of sums of some tens of terms stay below this.
CLOSE = {"rtol": 1e-4, "atol": 1e-5}


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def stack():
    return transfer.draw_weights(SIZES, seeds=[3, 4])


@pytest.fixture
def examples(rng):
    return rng.normal(size=(2, 10, 6)).astype(np.float32), rng.integers(0, 3, size=(2, 10))


def keras_net(stack, replica, *, frozen=0):
    """Return one network of a stack as a Keras model, compiled with its lower layers frozen."""
    net = models.mlp((6,), 3, hidden=SIZES[1:-1], activation="selu")
    net.set_weights([weight[replica] for weight in stack])
    for layer in [layer for layer in net.layers if layer.weights][:frozen]:
        layer.trainable = False
    return net


# Stacks ---------------------------------------------------------------------------------------


def test_selu_and_its_slope_equal_keras():
    z = np.linspace(-4, 4, 81, dtype=np.float32)
    np.testing.assert_allclose(transfer.selu(z), keras.activations.selu(z), rtol=1e-5, atol=1e-6)
    wide = z.astype(np.float64)
    central = (transfer.selu(wide + 1e-6) - transfer.selu(wide - 1e-6)) / 2e-6
    away = np.abs(wide) > 1e-3  # at 0 there are two slopes
    slope = transfer.selu_slope(transfer.selu(wide))
    np.testing.assert_allclose(slope[away], central[away], rtol=1e-6)


def test_one_unit_by_hand():
    # A softmax over two outputs 1·2 + 0 and 0: probabilities e²/(e² + 1) and the rest. For label 1
    # the gradient at the outputs is (p, -p), times the input 2 for the kernel.
    weights = [np.array([[[1.0, 0.0]]]), np.zeros((1, 2))]
    x, y = np.array([[[2.0]]]), np.array([[1]])
    p = np.exp(2) / (np.exp(2) + 1)
    np.testing.assert_allclose(transfer.forward(weights, x)[-1], [[[p, 1 - p]]])
    kernel, bias = transfer.gradients(weights, x, y)
    np.testing.assert_allclose(kernel, [[[2 * p, -2 * p]]])
    np.testing.assert_allclose(bias, [[p, -p]])
    seen = transfer.evaluate(weights, x[0], y[0])
    np.testing.assert_allclose(seen["loss"], [-np.log(1 - p)])
    assert seen["accuracy"] == [0]


def test_gradients_equal_finite_differences(examples):
    x, y = (part[:1] for part in examples)
    weights = [w.astype(np.float64) for w in transfer.draw_weights(SIZES, seeds=[3])]
    found = transfer.gradients(weights, x.astype(np.float64), y)
    for number, weight in enumerate(weights):
        at = (0,) * weight.ndim
        losses = []
        for shift in (1e-6, -1e-6):
            moved = [w.copy() for w in weights]
            moved[number][at] += shift
            losses.append(transfer.evaluate(moved, x[0].astype(np.float64), y[0])["loss"][0])
        # Central differences err by about 1e-10 relative here.
        np.testing.assert_allclose(
            found[number][at], (losses[0] - losses[1]) / 2e-6, rtol=1e-5, atol=1e-9
        )


@pytest.mark.parametrize("frozen", [0, 1, 2])
def test_frozen_gradients_are_the_upper_ones(stack, examples, frozen):
    every = transfer.gradients(stack, *examples)
    some = transfer.gradients(stack, *examples, frozen=frozen)
    assert len(some) == len(every) - 2 * frozen
    for one, other in zip(some, every[2 * frozen :], strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("frozen", [0, 2])
def test_fit_stack_equals_fit_of_keras(stack, examples, frozen):
    x, y = examples
    trained = transfer.fit_stack(
        stack, x, y, learning_rate=0.1, epochs=3, batch_size=4, seeds=[7, 8], frozen=frozen
    )
    for replica in range(2):
        net = keras_net(stack, replica, frozen=frozen)
        net.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
        for epoch in range(3):
            order = batch_order([7, 8][replica], epoch, 10)
            net.fit(x[replica][order], y[replica][order], batch_size=4, shuffle=False, verbose=0)
        for ours, theirs in zip(trained, net.get_weights(), strict=True):
            np.testing.assert_allclose(ours[replica], theirs, **CLOSE)


def test_fit_stack_equals_fit_replicas_on_common_examples(stack, examples):
    x, y = (part[0] for part in examples)
    builds = [lambda k=k: keras_net(stack, k) for k in range(2)]

    common = SimpleNamespace(x_train=x, y_train=y)
    options = {"epochs": 2, "batch_size": 4}
    theirs = fit_replicas(
        builds,
        common,
        optimizer=keras.optimizers.SGD(0.1),
        loss="sparse_categorical_crossentropy",
        replicas=2,
        seed=5,
        **options,
    )
    both = np.stack([x, x]), np.stack([y, y])
    ours = transfer.fit_stack(stack, *both, learning_rate=0.1, seeds=[5, 6], **options)
    for one, other in zip(ours, theirs.weights, strict=True):
        np.testing.assert_allclose(one, other, **CLOSE)


def test_fit_stack_leaves_its_argument_and_the_frozen_layers_alone(stack, examples):
    before = [weight.copy() for weight in stack]
    options = {"learning_rate": 0.1, "epochs": 1, "seeds": [0, 1], "frozen": 1}
    after = transfer.fit_stack(stack, *examples, **options)
    for one, other in zip(stack, before, strict=True):
        np.testing.assert_array_equal(one, other)
    same = [np.array_equal(*pair) for pair in zip(after, before, strict=True)]
    assert same == [True] * 2 + [False] * 4
    assert all(weight.dtype == np.float32 for weight in after)


def test_a_rate_for_each_replica_and_none_at_all(stack, examples):
    options = {"epochs": 1, "seeds": [0, 1]}
    both = transfer.fit_stack(stack, *examples, learning_rate=[0.1, 0.01], **options)
    first = transfer.fit_stack(stack, *examples, learning_rate=0.1, **options)
    np.testing.assert_array_equal(both[0][0], first[0][0])
    assert not np.array_equal(both[0][1], first[0][1])
    none = transfer.fit_stack(stack, *examples, learning_rate=0.1, epochs=0, seeds=[0, 1])
    np.testing.assert_array_equal(none[0], stack[0])


def test_divergence_is_a_result_not_a_warning(stack, examples):
    options = {"learning_rate": 1e6, "epochs": 20, "seeds": [0, 1]}
    lost = transfer.fit_stack(stack, *examples, **options)
    seen = transfer.evaluate(lost, examples[0][0], examples[1][0])
    assert seen["loss"].shape == (2,)


def test_evaluate_equals_keras_on_common_and_on_own_inputs(stack, examples, monkeypatch):
    monkeypatch.setattr("helpers.transfer.stacks.EVALUATION_CHUNK", 4)  # 10 examples: three parts
    x, y = examples
    common = transfer.evaluate(stack, x[0], y[0])
    own = transfer.evaluate(stack, x, y[0])
    for replica in range(2):
        net = keras_net(stack, replica)
        net.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
        for seen, inputs in ((common, x[0]), (own, x[replica])):
            loss, accuracy = net.evaluate(inputs, y[0], verbose=0)
            np.testing.assert_allclose(seen["loss"][replica], loss, rtol=1e-5)
            np.testing.assert_allclose(seen["accuracy"][replica], accuracy, rtol=1e-6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s, x, y: transfer.forward([], x), "Received: 0 arrays"),
        (lambda s, x, y: transfer.forward(s[:3], x), "Received: 3 arrays"),
        (lambda s, x, y: transfer.gradients(s, x, y, frozen=3), "0 to 2. Received: frozen=3"),
        (lambda s, x, y: transfer.gradients(s, x, y, frozen=-1), "Received: frozen=-1"),
    ],
)
def test_malformed_stacks_are_refused(stack, examples, call, message):
    with pytest.raises(ValueError, match=message):
        call(stack, *examples)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seeds": [0]}, "1 seeds"),
        ({"epochs": -1}, "Received: epochs=-1, batch_size=32"),
        ({"batch_size": 0}, "Received: epochs=1, batch_size=0"),
        ({"learning_rate": 0.0}, "`learning_rate` must be positive. Received: 0.0"),
        ({"learning_rate": float("nan")}, "must be positive. Received: nan"),
    ],
)
def test_fit_stack_refuses(stack, examples, options, message):
    options = {"learning_rate": 0.1, "epochs": 1, "seeds": [0, 1]} | options
    with pytest.raises(ValueError, match=message):
        transfer.fit_stack(stack, *examples, **options)


def test_fit_stack_refuses_other_lengths(stack, examples):
    x, y = examples
    with pytest.raises(ValueError, match="as many examples as `y`"):
        transfer.fit_stack(stack, x[:, :9], y, learning_rate=0.1, epochs=1, seeds=[0, 1])


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
        (lambda: transfer.tile([np.zeros((1, 1))], 0), "Received: times=0"),
    ],
)
def test_reuse_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# Stages ---------------------------------------------------------------------------------------


def test_stages_without_a_change_are_one_training(stack, examples):
    options = {"learning_rate": 0.1, "seeds": [0, 1], "batch_size": 4}
    once = transfer.fit_stages(stack, *examples, [Stage(5)], **options)
    twice = transfer.fit_stages(stack, *examples, [Stage(2), Stage(3)], **options)
    for one, other in zip(once, twice, strict=True):
        np.testing.assert_array_equal(one, other)


def test_stages_freeze_and_scale(stack, examples):
    options = {"learning_rate": 0.1, "seeds": [0, 1]}
    plan = [Stage(2, frozen=2), Stage(1, factor=0.1)]
    staged = transfer.fit_stages(stack, *examples, plan, **options)
    head = transfer.fit_stack(stack, *examples, epochs=2, frozen=2, **options)
    options["learning_rate"] = 0.1 * 0.1
    tuned = transfer.fit_stack(head, *examples, epochs=1, first_epoch=2, **options)
    for one, other in zip(staged, tuned, strict=True):
        np.testing.assert_array_equal(one, other)


def test_best_of_rates_averages_draws_and_takes_the_better_rate(stack, examples):
    x, y = examples
    both = transfer.tile(stack, 2)
    labelled = LabelledImages(np.zeros((4, 10), int), np.tile(x, (2, 1, 1)), np.tile(y, (2, 1)))
    options = {"labelled": labelled, "evaluation": (x[0], y[0]), "seeds": [0, 1, 2, 3]}
    found = transfer.best_of_rates(
        both, [Stage(3)], learning_rates=[1e-6, 0.1], replicas=2, **options
    )
    trained = transfer.fit_stack(
        both, labelled.x, labelled.y, learning_rate=0.1, epochs=3, seeds=[0, 1, 2, 3]
    )
    seen = transfer.evaluate(trained, x[0], y[0])
    assert found.rate == 0.1
    # Networks 0 and 2 are replica 0 with two draws, 1 and 3 replica 1.
    loss = [np.sqrt(seen["loss"][k] * seen["loss"][k + 2]) for k in (0, 1)]
    np.testing.assert_allclose(found.loss, loss, rtol=1e-6)
    np.testing.assert_allclose(found.accuracy, seen["accuracy"].reshape(2, 2).mean(axis=0))
    with pytest.raises(ValueError, match=r"divisor of 4.*replicas=3"):
        transfer.best_of_rates(both, [Stage(1)], learning_rates=[0.1], replicas=3, **options)


def test_best_rate_and_empty_plans_refuse(stack, examples):
    with pytest.raises(ValueError, match=r"does not diverge.*nan"):
        transfer.best_rate({0.1: np.array([np.nan, 1.0])})
    with pytest.raises(ValueError, match="at least one stage"):
        transfer.fit_stages(stack, *examples, [], learning_rate=0.1, seeds=[0, 1])


def test_best_arms_stacks_arms_and_rates():
    asked = {}

    def fit(builds, **options):
        asked.update(options, builds=builds)
        losses = np.array([3.0, 4.0, 1.0, 2.0, 5.0, 6.0, np.nan, 7.0])
        return type("Trained", (), {"history": {"val_loss": np.stack([losses, losses], axis=1)}})

    arms = {"a": ["a0", "a1"], "b": ["b0", "b1"]}
    found = transfer.best_arms(fit, arms, learning_rates=[0.1, 1.0], seed=5, epochs=2)
    assert asked["builds"] == ["a0", "a1"] * 2 + ["b0", "b1"] * 2
    assert asked["seed"] == [5, 6] * 4
    assert asked["learning_rates"].tolist() == [0.1, 0.1, 1.0, 1.0] * 2
    assert (asked["replicas"], asked["epochs"]) == (8, 2)
    assert {name: losses.tolist() for name, losses in found.items()} == {
        "a": [1.0, 2.0],  # the second rate
        "b": [5.0, 6.0],  # the first: at the second a replica diverged
    }
    with pytest.raises(ValueError, match=r"Received: \{'a': 1, 'b': 2\}"):
        transfer.best_arms(fit, {"a": [1], "b": [1, 2]}, learning_rates=[0.1], seed=0)


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


def test_features_take_the_place_of_pixels(rng):
    task = transfer.select_classes(data.load("digits"), [5, 6])
    drawn = transfer.draw_labels(task, 4, seeds=[0, 1])
    features = rng.normal(size=(2, len(task.x_train), 3))
    found = transfer.with_features(drawn, features)
    for replica in range(2):
        np.testing.assert_array_equal(found.x[replica], features[replica][drawn.rows[replica]])
    with pytest.raises(ValueError, match="Received: 1 for 2"):
        transfer.with_features(drawn, features[:1])


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
