"""Clipping against Keras' optimizers, TensorFlow, hand-worked values and finite differences."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers import clipping
from helpers.clipping import angle, clip_by_global_norm, clip_by_norm, clip_by_value, global_norm
from helpers.replicas import batch_order, fit_replicas

KERAS = {
    "clipvalue": clip_by_value,
    "clipnorm": clip_by_norm,
    "global_clipnorm": clip_by_global_norm,
}
NORMS = [clip_by_norm, clip_by_global_norm]
KINDS = [clip_by_value, *NORMS]

components = st.floats(-1e6, 1e6).map(lambda value: 0.0 if abs(value) < 1e-6 else value)
variables = st.lists(components, min_size=1, max_size=5).map(np.array)
gradients = st.lists(variables, min_size=1, max_size=4)
thresholds = st.floats(1e-3, 1e3)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def keras_step(arrays, **options):
    """Return what one step of rate 1 subtracts from variables that are 0: the clipped gradient."""
    variables = [keras.Variable(np.zeros_like(array), dtype=str(array.dtype)) for array in arrays]
    optimizer = keras.optimizers.SGD(1.0, **options)
    optimizer.apply([keras.ops.convert_to_tensor(array) for array in arrays], variables)
    return [-variable.numpy() for variable in variables]


def float32(*arrays):
    return [np.array(array, np.float32) for array in arrays]


# Float32 has a relative spacing of 1.2e-7; the norm, the ratio and the product each round once.
RTOL = {"float32": 1e-6, "float64": 1e-14}


@pytest.mark.parametrize("dtype", RTOL)
@pytest.mark.parametrize("threshold", [0.3, 2.0, 1e4])
@pytest.mark.parametrize("option", KERAS)
def test_equals_one_step_of_keras(rng, option, threshold, dtype):
    shapes = [(4, 3), (3,), (), (2, 3, 2)]
    arrays = [np.asarray(rng.normal(size=shape), dtype) for shape in shapes]
    arrays = [array * scale for array, scale in zip(arrays, [1, 0.01, 3, 10], strict=True)]
    arrays = [np.asarray(array, dtype) for array in arrays]
    ours = KERAS[option](arrays, threshold)
    for array, expected in zip(ours, keras_step(arrays, **{option: threshold}), strict=True):
        assert array.dtype == dtype
        assert array.shape == expected.shape
        np.testing.assert_allclose(array, expected, rtol=RTOL[dtype])


# What becomes of gradients that are 0, tiny, huge or not finite, as measured on Keras 3.15; the
# last overflows when squared, although it is finite: one kind turns it into 0, another into NaN.
NAN, INF = np.nan, np.inf
EXTREMES = {
    "zero": ([0, 0], [0, 0], [0, 0], [0, 0]),
    "tiny": ([1e-25, 0], [1e-25, 0], [1e-25, 0], [2e-26, 0]),
    "nan": ([NAN, 1], [NAN, 1], [NAN, NAN], [NAN, NAN]),
    "infinite": ([INF, 1], [1, 1], [NAN, 0], [NAN, NAN]),
    "minus infinite": ([-INF, 1], [-1, 1], [NAN, 0], [NAN, NAN]),
    "overflowing": ([1e20, 1e19], [1, 1], [0, 0], [NAN, NAN]),
}


@pytest.mark.parametrize("option", KERAS)
@pytest.mark.parametrize("case", EXTREMES)
def test_extreme_gradients_end_as_they_do_in_keras(case, option):
    first, *expected = EXTREMES[case]
    arrays = float32(first, [3, 4])
    ours = KERAS[option](arrays, 1.0)
    for array, theirs in zip(ours, keras_step(arrays, **{option: 1.0}), strict=True):
        np.testing.assert_allclose(array, theirs, rtol=1e-6, equal_nan=True)
    by_option = dict(zip(KERAS, expected, strict=True))
    np.testing.assert_allclose(ours[0], by_option[option], rtol=1e-6, equal_nan=True)


@pytest.mark.parametrize("option", KERAS)
@pytest.mark.parametrize("threshold", [0.0, -1.0, NAN])
def test_keras_takes_thresholds_that_are_not_positive_as_none(option, threshold):
    # The book says so; ours refuse what Keras ignores.
    (step,) = keras_step(float32([0.9, 100]), **{option: threshold})
    np.testing.assert_array_equal(step, float32([0.9, 100])[0])
    with pytest.raises(ValueError, match="`threshold` must be above 0"):
        KERAS[option](float32([0.9, 100]), threshold)


class TestTheNotesExample:
    def test_by_value(self):
        assert clip_by_value([np.array([0.9, 100.0])], 1.0)[0].tolist() == [0.9, 1.0]

    @pytest.mark.parametrize("clip", NORMS)
    def test_by_norm(self, clip):
        # ‖[0.9, 100]‖ = √10000.81 = 100.00405, and the gradient is divided by that.
        (clipped,) = clip([np.array([0.9, 100.0])], 1.0)
        np.testing.assert_allclose(clipped, [0.00899964, 0.9999595], rtol=1e-6)

    def test_angles(self):
        # Directions at atan(100 / 0.9) = 89.48° and atan(1 / 0.9) = 48.01° from the first axis.
        before = [np.array([0.9, 100.0])]
        expected = np.arctan2(100, 0.9) - np.arctan2(1, 0.9)
        after = clip_by_value(before, 1.0)
        assert angle(before, after, degrees=False) == pytest.approx(expected, rel=1e-12)
        assert angle(before, after) == pytest.approx(np.degrees(expected), rel=1e-12)
        assert angle(before, clip_by_norm(before, 1.0)) == pytest.approx(0, abs=1e-6)


class TestTwoVariables:
    # Norms 5 and 0.5, of the whole √25.25 = 5.02494.
    before = (np.array([3.0, 4.0]), np.array([0.3, -0.4]))

    def test_by_norm_scales_the_first_alone(self):
        after = clip_by_norm(self.before, 1.0)
        np.testing.assert_allclose(after[0], [0.6, 0.8], rtol=1e-15)
        np.testing.assert_array_equal(after[1], self.before[1])

    def test_by_norm_turns_the_whole(self):
        # The variables' norms make up a vector (5, 0.5) before and (1, 0.5) after.
        expected = np.degrees(np.arctan2(0.5, 1) - np.arctan2(0.5, 5))
        assert angle(self.before, clip_by_norm(self.before, 1.0)) == pytest.approx(expected)

    def test_by_global_norm_scales_both_and_turns_nothing(self):
        after = clip_by_global_norm(self.before, 1.0)
        np.testing.assert_allclose(after[0], np.array([3.0, 4.0]) / np.sqrt(25.25), rtol=1e-14)
        np.testing.assert_allclose(after[1], np.array([0.3, -0.4]) / np.sqrt(25.25), rtol=1e-14)
        assert angle(self.before, after) == pytest.approx(0, abs=1e-6)

    def test_global_norm(self):
        assert global_norm(self.before) == pytest.approx(np.sqrt(25.25), rel=1e-15)

    @pytest.mark.parametrize("clip", KINDS)
    def test_input_is_left_alone(self, clip):
        arrays = [array.copy() for array in self.before]
        for array in clip(arrays, 0.1):
            array[:] = 7
        for array, original in zip(arrays, self.before, strict=True):
            np.testing.assert_array_equal(array, original)


@given(gradients, thresholds)
def test_norms_and_values_never_exceed_the_threshold(arrays, threshold):
    limit = threshold * (1 + 1e-12)  # a few roundings of float64
    assert max(np.abs(array).max() for array in clip_by_value(arrays, threshold)) <= limit
    assert max(np.linalg.norm(array) for array in clip_by_norm(arrays, threshold)) <= limit
    assert global_norm(clip_by_global_norm(arrays, threshold)) <= limit


@given(gradients, thresholds)
def test_directions(arrays, threshold):
    whole = clip_by_global_norm(arrays, threshold)
    each = clip_by_norm(arrays, threshold)
    if global_norm(arrays) > 0:
        assert angle(arrays, whole) == pytest.approx(0, abs=1e-6)
    for before, after in zip(arrays, each, strict=True):
        if np.any(before):
            assert angle([before], [after]) == pytest.approx(0, abs=1e-6)


@given(gradients, thresholds)
def test_by_value_keeps_signs_and_order(arrays, threshold):
    for before, after in zip(arrays, clip_by_value(arrays, threshold), strict=True):
        np.testing.assert_array_equal(np.sign(before), np.sign(after))
        assert np.all(np.diff(after[np.argsort(before)]) >= 0)


@pytest.mark.parametrize("clip", KINDS)
@given(gradients, thresholds)
def test_clipping_twice_is_clipping_once(clip, arrays, threshold):
    once = clip(arrays, threshold)
    for first, second in zip(once, clip(once, threshold), strict=True):
        np.testing.assert_allclose(first, second, rtol=1e-12)


@pytest.mark.parametrize("clip", KINDS)
@given(gradients)
def test_a_threshold_beyond_the_norm_changes_nothing(clip, arrays):
    for before, after in zip(arrays, clip(arrays, 1e8), strict=True):
        np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("clip", KINDS)
def test_whole_numbers_become_float64(clip):
    (after,) = clip([np.array([3, 4])], 1.0)
    assert after.dtype == np.float64


@pytest.mark.parametrize("clip", KINDS)
def test_the_type_is_that_of_the_gradient_not_of_the_threshold(clip):
    assert clip(float32([3, 4]), np.float64(1.0))[0].dtype == np.float32


@given(gradients, gradients)
def test_angle_is_symmetric_and_blind_to_scale(one, other):
    one = [np.concatenate(one), np.array(1.0)]
    other = [np.resize(np.concatenate(other), one[0].shape), np.array(-2.0)]
    between = angle(one, other)
    assert 0 <= between <= 180
    assert angle(other, one) == pytest.approx(between, abs=1e-9)
    assert angle([1e200 * array for array in one], other) == pytest.approx(between, abs=1e-9)
    assert angle([-array for array in one], other) == pytest.approx(180 - between, abs=1e-9)


@pytest.mark.parametrize("radians", [1e-9, 0.5, np.pi / 2, 3.0, np.pi])
def test_angle_by_hand(radians):
    # At 1e-9 the arc cosine of the scalar product would give 0.
    one, other = [np.array([2.0]), np.array(0.0)], [np.cos([radians]), np.sin(radians)]
    assert angle(one, other, degrees=False) == pytest.approx(radians, rel=1e-12)


class TestAddingProblem:
    def test_targets_are_the_sums_of_the_marked_numbers(self):
        task = clipping.adding_problem(steps=7, train_size=50, valid_size=20, seed=3)
        for x, y in [(task.x_train, task.y_train), (task.x_valid, task.y_valid)]:
            np.testing.assert_allclose((x[..., 0] * x[..., 1]).sum(axis=1), y, rtol=1e-6)
            assert set(np.unique(x[..., 1])) == {0, 1}
            # Three steps make up the first half of seven, four the second.
            assert (x[:, :3, 1].sum(axis=1) == 1).all()
            assert (x[:, 3:, 1].sum(axis=1) == 1).all()
            assert x.dtype == y.dtype == np.float32
        assert task.x_train.shape == (50, 7, 2)
        assert task.y_valid.shape == (20,)

    def test_variance_of_the_targets(self):
        # A uniform number has variance 1/12. Of 50,000 sums the variance is known to some 1%.
        task = clipping.adding_problem(steps=2, train_size=50_000, valid_size=1)
        assert np.var(task.y_train) == pytest.approx(1 / 6, rel=0.03)

    def test_same_seed_same_task(self):
        tasks = [clipping.adding_problem(steps=3, train_size=5, seed=seed) for seed in (1, 1, 2)]
        np.testing.assert_array_equal(tasks[0].x_train, tasks[1].x_train)
        assert not np.array_equal(tasks[0].x_train, tasks[2].x_train)

    def test_explained_share_by_hand(self):
        # The variance of 0, 2 is 1.
        losses = [0.0, 0.25, 1.0, 3.0, np.inf, np.nan]
        shares = clipping.explained_share(losses, np.array([0.0, 2.0]))
        assert shares.tolist() == [1, 0.75, 0, 0, 0, 0]


def small_task(steps=4, n=20):
    return clipping.adding_problem(steps=steps, train_size=n, valid_size=10, seed=5)


class TestRecurrentGradients:
    def test_by_hand(self):
        # One unit, U = (1, 0), W = 2, v = 3, biases 0; x = 1, 1 without marks, y = 8:
        # h₁ = 1, h₂ = 1 + 2 = 3, ŷ = 9, J = 1, ∂J/∂ŷ = 2. δ₂ = 2 · 3 = 6, δ₁ = 6 · 2 = 12.
        # ∂J/∂U = (1 · 12 + 1 · 6, 0), ∂J/∂W = h₁ δ₂ = 6, ∂J/∂b = 18, ∂J/∂v = 2 h₂ = 6, ∂J/∂c = 2.
        weights = [[[1.0], [0.0]], [[2.0]], [0.0], [[3.0]], [0.0]]
        weights = [np.array(weight) for weight in weights]
        x = np.array([[[1.0, 0.0], [1.0, 0.0]]])
        loss, gradients = clipping.recurrent_gradients(weights, x, np.array([8.0]))
        assert loss == 1
        expected = [[[18], [0]], [[6]], [18], [[6]], [2]]
        assert [gradient.tolist() for gradient in gradients] == expected

    def test_equal_keras(self, rng):
        model, task = clipping.recurrent_net(4, units=6), small_task()
        weights = [weight + rng.normal(size=weight.shape) for weight in model.get_weights()]
        model.set_weights(weights)
        x, y = task.x_train, task.y_train
        expected = clipping.loss_gradients(model, x, y[:, None], loss="mse")
        loss, gradients = clipping.recurrent_gradients(weights, x, y)
        expected_loss = np.mean(np.square(model.predict(x, verbose=0)[:, 0] - y))
        assert loss == pytest.approx(expected_loss, rel=1e-4)
        # Float32 sums over 20 sequences and 4 steps, whose terms partly cancel.
        for ours, theirs in zip(gradients, expected, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-3)

    def test_equal_central_differences(self, rng):
        weights = [
            weight + 0.1 * rng.normal(size=weight.shape)
            for weight in clipping.recurrent_net(4, units=3).get_weights()
        ]
        task = small_task()
        x, y = task.x_train[:5].astype(np.float64), task.y_train[:5]
        _, gradients = clipping.recurrent_gradients(weights, x, y)
        step = 1e-6  # error of order step² plus 1e-16 / step
        for weight, gradient in zip(weights, gradients, strict=True):
            for index in np.ndindex(*weight.shape):
                kept, losses = weight[index], []
                for shift in (step, -step):
                    weight[index] = kept + shift
                    losses.append(clipping.recurrent_gradients(weights, x, y)[0])
                weight[index] = kept
                difference = (losses[0] - losses[1]) / (2 * step)
                assert gradient[index] == pytest.approx(difference, rel=1e-5, abs=1e-7)

    @pytest.mark.parametrize(("option", "clip"), KERAS.items())
    def test_with_clipping_are_the_first_steps_of_fit_replicas(self, option, clip):
        task = small_task()
        trained = fit_replicas(
            lambda: clipping.recurrent_net(4, units=5),
            task,
            optimizer=keras.optimizers.SGD(0.05),
            loss="mse",
            epochs=2,
            batch_size=8,
            replicas=3,
            seed=[3, 3, 4],
            each={option: [0.2, np.inf, 0.2]},
            watch={"norm": lambda step: sum(keras.ops.sum(g**2) for g in step.gradients) ** 0.5},
        )
        for replica, (seed, threshold) in enumerate([(3, 0.2), (3, None), (4, 0.2)]):
            weights = [weight[replica] for weight in trained.initial_weights]
            norms = []
            for epoch in range(2):
                order = batch_order(seed, epoch, 20)
                for batch in (order[:8], order[8:16], order[16:]):
                    x, y = task.x_train[batch], task.y_train[batch]
                    gradients = clipping.recurrent_gradients(weights, x, y)[1]
                    norms.append(global_norm(gradients))
                    clipped = clip(gradients, threshold) if threshold else gradients
                    weights = [w - 0.05 * g for w, g in zip(weights, clipped, strict=True)]
            # Float32 over six steps, which multiply what was rounded before.
            np.testing.assert_allclose(trained.steps["norm"][replica], norms, rtol=1e-3)
            for ours, theirs in zip(weights, trained.weights, strict=True):
                np.testing.assert_allclose(ours, theirs[replica], rtol=1e-3, atol=1e-4)


def test_recurrent_net_starts_as_the_identity():
    weights = clipping.recurrent_net(3, units=4).get_weights()
    np.testing.assert_array_equal(weights[1], np.eye(4))
    assert not any(weights[2])
    assert not any(weights[4])


ONE = [np.ones(2)]


@pytest.mark.parametrize(
    ("error", "call", "message"),
    [
        *[
            (ValueError, lambda c=c: c([], 1.0), "at least one array. Received: none")
            for c in KINDS
        ],
        *[
            (TypeError, lambda c=c: c(ONE[0], 1.0), r"sequence.*one array of shape \(2,\)")
            for c in KINDS
        ],
        *[(TypeError, lambda c=c: c([None], 1.0), "real numbers. .*type object") for c in KINDS],
        *[(TypeError, lambda c=c: c([1j], 1.0), "real numbers. .*type complex128") for c in KINDS],
        *[
            (ValueError, lambda c=c: c(ONE, 0.0), "above 0 and finite.*threshold=0.0")
            for c in KINDS
        ],
        *[
            (ValueError, lambda c=c: c(ONE, -1.0), "above 0 and finite.*threshold=-1.0")
            for c in KINDS
        ],
        *[
            (ValueError, lambda c=c: c(ONE, INF), "above 0 and finite.*threshold=inf")
            for c in KINDS
        ],
        (ValueError, lambda: global_norm([]), "at least one array"),
        (ValueError, lambda: angle([np.zeros(2)], ONE), "`one` must be.*not all 0.*component 0.0"),
        (ValueError, lambda: angle(ONE, [np.zeros(2)]), "`other` must be.*not all 0"),
        (ValueError, lambda: angle(ONE, [np.array([1, NAN])]), "must be finite.*component nan"),
        (ValueError, lambda: angle(ONE, [np.array([1, INF])]), "must be finite.*component inf"),
        (ValueError, lambda: angle(ONE, [np.zeros(0)]), r"same shapes.*\(2,\) and \(0,\)"),
        (ValueError, lambda: angle(ONE, ONE * 2), r"same shapes.*\(2,\) and \(2,\), \(2,\)"),
        (ValueError, lambda: angle([], []), "at least one array"),
        (ValueError, lambda: clipping.adding_problem(steps=1), "at least 2.*steps=1"),
        (ValueError, lambda: clipping.adding_problem(valid_size=0), "valid_size=0"),
        (ValueError, lambda: clipping.explained_share(-0.1, [0, 1]), "0 or more.*loss=-0.1"),
        (ValueError, lambda: clipping.explained_share(0.1, [1, 1]), "vary.*variance=0.0"),
        (ValueError, lambda: clipping.recurrent_net(0), "at least 1. Received: steps=0"),
        (ValueError, lambda: clipping.recurrent_net(3, units=0), "units=0"),
    ],
)
def test_bad_input_is_refused(error, call, message):
    with pytest.raises(error, match=message):
        call()


class TestLossGradients:
    def test_by_hand(self):
        # ŷ = 2·3 + 1 = 7, J = (7 - 5)², ∂J/∂w = 2 (7 - 5) 3 = 12, ∂J/∂b = 4.
        model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        model.set_weights([np.array([[2.0]]), np.array([1.0])])
        x, y = np.array([[3.0]], np.float32), np.array([[5.0]], np.float32)
        kernel, bias = clipping.loss_gradients(model, x, y, loss="mse")
        assert (kernel.tolist(), bias.tolist()) == ([[12.0]], [4.0])

    def test_is_what_a_step_of_gradient_descent_subtracts(self, rng):
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="softmax")])
        x, y = rng.normal(size=(6, 4)).astype(np.float32), rng.integers(0, 3, 6)
        gradients = clipping.loss_gradients(model, x, y)
        before = model.get_weights()
        model.compile(keras.optimizers.SGD(1.0), loss="sparse_categorical_crossentropy")
        model.fit(x, y, batch_size=6, epochs=1, verbose=0)
        for old, new, gradient in zip(before, model.get_weights(), gradients, strict=True):
            np.testing.assert_allclose(old - new, gradient, atol=1e-6)  # float32, values near 1

    def test_a_model_that_is_not_built_is_refused(self):
        model = keras.Sequential([keras.layers.Dense(1)], name="later")
        with pytest.raises(ValueError, match=r"must be built\. Received: model='later', not built"):
            clipping.loss_gradients(model, np.zeros((1, 2)), np.zeros(1))
