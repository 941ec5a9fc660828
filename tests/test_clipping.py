"""Clipping against Keras' optimizers, TensorFlow, hand-worked values and finite differences."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from helpers import clipping
from helpers.claims import judge
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
        x, y = clipping.adding_problem(50, steps=7, seed=3)
        np.testing.assert_allclose((x[..., 0] * x[..., 1]).sum(axis=1), y, rtol=1e-6)
        assert set(np.unique(x[..., 1])) == {0, 1}
        # Three steps make up the first half of seven, four the second.
        assert (x[:, :3, 1].sum(axis=1) == 1).all()
        assert (x[:, 3:, 1].sum(axis=1) == 1).all()
        assert x.dtype == y.dtype == np.float32
        assert (x.shape, y.shape) == ((50, 7, 2), (50,))

    def test_variance_of_the_targets(self):
        # A uniform number has variance 1/12. Of 50,000 sums the variance is known to some 1%.
        assert np.var(clipping.adding_problem(50_000, steps=2)[1]) == pytest.approx(1 / 6, rel=0.03)

    def test_same_seed_same_task(self):
        first, again, other = (clipping.adding_problem(5, steps=3, seed=s)[0] for s in (1, 1, 2))
        np.testing.assert_array_equal(first, again)
        assert not np.array_equal(first, other)


class TestAddingDraws:
    def test_replica_k_draws_with_its_own_seed(self):
        draws = clipping.AddingDraws("digits", (4, 2, 3), steps=5, replicas=3, seed=7)
        judge = draws.open_judge()
        for k in range(3):
            x, y = clipping.adding_problem(9, steps=5, seed=7 + k)
            rows = np.concatenate([draws.train[k], draws.tune[k], judge[k]])
            np.testing.assert_array_equal(draws.x[rows], x)
            np.testing.assert_array_equal(draws.y[rows], y)
        assert len(draws) == 3
        assert [part.shape for part in (draws.train, draws.tune, judge)] == [(3, 4), (3, 2), (3, 3)]

    def test_judge_rows_are_handed_out_once(self):
        draws = clipping.AddingDraws("digits", (1, 1, 1), steps=2, replicas=2, seed=0)
        draws.open_judge()
        with pytest.raises(RuntimeError, match="handed out already"):
            draws.open_judge()

    def test_a_claim_is_judged_on_them(self):
        draws = clipping.AddingDraws("digits", (16, 4, 8), steps=4, replicas=2, seed=0)
        options = {"optimizer": "sgd", "loss": "mse", "epochs": 1, "replicas": 2}
        trained = fit_replicas(small_net, draws.x, draws.y, rows=draws.train, **options)
        judged = judge(draws, {"net": trained}, scope="a small net")
        rows = np.arange(56).reshape(2, 28)[:, 20:]
        expected = trained.evaluate(draws.x, draws.y, rows=rows)["loss"]
        np.testing.assert_allclose(judged["net"], expected, rtol=1e-6)


def recurrent_net(steps=4, units=5):
    return keras.Sequential(
        [
            keras.Input((steps, 2)),
            keras.layers.SimpleRNN(units, activation="relu", recurrent_initializer="identity"),
            keras.layers.Dense(1),
        ]
    )


def small_net():
    return recurrent_net()


def keras_gradients(model, x, y):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.square(model(x)[:, 0] - y))
    return tape.gradient(loss, [weight.value for weight in model.trainable_variables])


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
        model, (x, y) = recurrent_net(units=6), clipping.adding_problem(20, steps=4, seed=5)
        weights = [weight + rng.normal(size=weight.shape) for weight in model.get_weights()]
        model.set_weights(weights)
        expected = keras_gradients(model, x, y)
        loss, gradients = clipping.recurrent_gradients(weights, x, y)
        expected_loss = np.mean(np.square(model.predict(x, verbose=0)[:, 0] - y))
        assert loss == pytest.approx(expected_loss, rel=1e-4)
        # Float32 sums over 20 sequences and 4 steps, whose terms partly cancel.
        for ours, theirs in zip(gradients, expected, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-3)

    def test_equal_central_differences(self, rng):
        weights = [
            weight + 0.1 * rng.normal(size=weight.shape)
            for weight in recurrent_net(units=3).get_weights()
        ]
        x, y = clipping.adding_problem(5, steps=4, seed=5)
        x = x.astype(np.float64)
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
        x, y = clipping.adding_problem(20, steps=4, seed=5)
        trained = fit_replicas(
            small_net,
            x,
            y,
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
                    gradients = clipping.recurrent_gradients(weights, x[batch], y[batch])[1]
                    norms.append(global_norm(gradients))
                    clipped = clip(gradients, threshold) if threshold else gradients
                    weights = [w - 0.05 * g for w, g in zip(weights, clipped, strict=True)]
            # Float32 over six steps, which multiply what was rounded before.
            np.testing.assert_allclose(trained.steps["norm"][replica], norms, rtol=1e-3)
            for ours, theirs in zip(weights, trained.weights, strict=True):
                np.testing.assert_allclose(ours, theirs[replica], rtol=1e-3, atol=1e-4)


class TestRecurrentGains:
    def test_by_hand(self):
        # W stretches the second unit by 3 at each of two steps back; the first is switched off at
        # the last step: h₂ = (1 - 2, 3 + 0), so that only 3 is left of it, then 9.
        weights = [np.array([[1.0, 1.0], [-2.0, 0.0]]), np.diag([1.0, 3.0]), np.zeros(2)]
        x = np.array([[[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]]])
        assert clipping.recurrent_gains(weights, x).tolist() == [9.0]

    def test_equal_central_differences(self, rng):
        weights = [rng.normal(size=shape) for shape in [(2, 4), (4, 4), (4,)]]
        x = rng.random((3, 5, 2))
        step, gains = 1e-6, clipping.recurrent_gains(weights, x)

        def last_state(first, sequence):
            state = first
            for z in sequence[1:]:
                state = np.maximum(z @ weights[0] + state @ weights[1] + weights[2], 0)
            return state

        for sequence, gain in zip(x, gains, strict=True):
            first = np.maximum(sequence[0] @ weights[0] + weights[2], 0)
            jacobian = [
                (last_state(first + shift, sequence) - last_state(first - shift, sequence))
                / (2 * step)
                for shift in step * np.eye(4)
            ]
            assert gain == pytest.approx(np.linalg.norm(jacobian, 2), rel=1e-6)

    def test_never_exceed_the_bound(self, rng):
        weights = [rng.normal(size=shape) for shape in [(2, 4), (4, 4), (4,)]]
        gains = clipping.recurrent_gains(weights, rng.random((50, 6, 2)))
        assert gains.max() <= np.linalg.norm(weights[1], 2) ** 5


class TestAdaptive:
    def test_by_hand(self):
        # Units with weights of norm 5 and 1: limits 1 and 0.2, gradients of norm 10 and 0.1.
        kernel, bias = np.array([[3.0, 0.0], [4.0, 1.0]]), np.zeros(2)
        gradients = [np.array([[6.0, 0.1], [8.0, 0.0]]), np.array([3.0, 4.0])]
        after = clipping.clip_adaptively(gradients, [kernel, bias], 0.2)
        np.testing.assert_allclose(after[0], [[0.6, 0.1], [0.8, 0.0]], rtol=1e-15)
        np.testing.assert_allclose(after[1], [0.2e-3 * 0.6, 0.2e-3 * 0.8], rtol=1e-15)

    @pytest.mark.parametrize("ratio", [0.01, 0.3, 100.0])
    def test_the_optimizer_clips_so(self, rng, ratio):
        shapes = [(4, 3), (3, 2), (3, 3, 2, 4), (2, 2, 2, 3, 2), (5, 2, 3), ()]
        weights = float32(np.zeros(3), *(rng.normal(size=shape) for shape in shapes))
        gradients = float32(*(rng.normal(size=array.shape) for array in weights))
        variables = [keras.Variable(array) for array in weights]
        optimizer = clipping.AdaptiveSGD(1.0, ratio=ratio)
        optimizer.apply([keras.ops.convert_to_tensor(g) for g in gradients], variables)
        clipped = clipping.clip_adaptively(gradients, weights, ratio)
        for variable, weight, gradient in zip(variables, weights, clipped, strict=True):
            np.testing.assert_allclose(variable.numpy(), weight - gradient, rtol=1e-5, atol=1e-6)

    @pytest.mark.parametrize("size", [2, 3])
    def test_a_filter_of_a_convolution_is_clipped_as_a_column(self, rng, size):
        shape = (*[3] * size, 4, 5)  # as Keras' Conv2D and Conv3D have it, the filters last
        kernel, gradient = rng.normal(size=(2, *shape))
        columns = clipping.clip_adaptively(
            [gradient.reshape(-1, 5)], [kernel.reshape(-1, 5)], ratio=0.3
        )
        after = clipping.clip_adaptively([gradient], [kernel], ratio=0.3)
        np.testing.assert_allclose(after[0].reshape(-1, 5), columns[0], rtol=1e-12)
        assert not np.allclose(after[0], gradient)

    def test_each_head_of_attention_has_columns_of_its_own(self, rng):
        kernel, gradient = rng.normal(size=(2, 6, 2, 3))  # inputs, heads, units
        heads = [
            clipping.clip_adaptively([gradient[:, head]], [kernel[:, head]], 0.3)[0]
            for head in range(2)
        ]
        after = clipping.clip_adaptively([gradient], [kernel], 0.3)
        np.testing.assert_allclose(after[0], np.stack(heads, axis=1), rtol=1e-12)

    def test_slices_of_one_row_are_added_up_before_they_are_clipped(self):
        table, values = np.full((3, 2), 0.5, np.float32), np.float32([[1, 5], [2, 0], [4, 1]])
        slices = tf.IndexedSlices(values=values, indices=[2, 0, 2], dense_shape=[3, 2])
        variable = keras.Variable(table)
        clipping.AdaptiveSGD(1.0, ratio=0.1).apply([slices], [variable])
        whole = np.float32([[2, 0], [0, 0], [5, 6]])
        expected = table - clipping.clip_adaptively([whole], [table], 0.1)[0]
        np.testing.assert_allclose(variable.numpy(), expected, rtol=1e-6)

    def test_a_zero_gradient_stays(self):
        variable = keras.Variable(np.ones((2, 2), np.float32))
        clipping.AdaptiveSGD(1.0).apply([keras.ops.zeros((2, 2))], [variable])
        np.testing.assert_array_equal(variable.numpy(), np.ones((2, 2)))
        after = clipping.clip_adaptively([np.zeros((2, 2))], [np.ones((2, 2))], 0.1)
        np.testing.assert_array_equal(after[0], np.zeros((2, 2)))

    def test_a_saved_optimizer_keeps_its_ratio(self):
        config = keras.optimizers.serialize(clipping.AdaptiveSGD(0.1, ratio=0.3))
        assert keras.optimizers.deserialize(config).ratio == 0.3

    def test_replicas_have_ratios_of_their_own(self):
        x, y = clipping.adding_problem(16, steps=4, seed=5)
        options = {"loss": "mse", "epochs": 1, "batch_size": 16}
        trained = fit_replicas(
            small_net,
            x,
            y,
            optimizer=clipping.AdaptiveSGD(0.1),
            replicas=2,
            seed=[3, 3],
            each={"ratio": [0.01, 0.2]},
            **options,
        )
        order = batch_order(3, 0, 16)
        for replica, ratio in enumerate([0.01, 0.2]):
            weights = [weight[replica] for weight in trained.initial_weights]
            gradients = clipping.recurrent_gradients(weights, x[order], y[order])[1]
            clipped = clipping.clip_adaptively(gradients, weights, ratio)
            for new, old, gradient in zip(trained.weights, weights, clipped, strict=True):
                np.testing.assert_allclose(new[replica], old - 0.1 * gradient, atol=1e-5)


@pytest.mark.parametrize("option", KERAS)
def test_keras_takes_a_threshold_of_0_for_none(option):
    (gradient,) = float32([3.0, 4.0])
    np.testing.assert_array_equal(keras_step([gradient], **{option: 0.0})[0], gradient)


def test_a_loss_scaling_optimizer_unscales_before_it_clips():
    inner = keras.optimizers.SGD(1.0, global_clipnorm=1.0)
    (gradient,) = float32([0.3, 0.4])
    variable = keras.Variable(np.zeros_like(gradient))
    scaled = keras.ops.convert_to_tensor(2.0**15 * gradient)
    keras.optimizers.LossScaleOptimizer(inner, 2.0**15).apply([scaled], [variable])
    np.testing.assert_allclose(variable.numpy(), -gradient, rtol=1e-6)
    with pytest.raises(ValueError, match="does not support `global_clipnorm`"):
        keras.optimizers.LossScaleOptimizer(inner, global_clipnorm=1.0)


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
        *[(ValueError, lambda c=c: c([None], 1.0), "at least one array") for c in KINDS],
        *[
            (TypeError, lambda c=c: c([object()], 1.0), "real numbers. .*gradients=<object")
            for c in KINDS
        ],
        (TypeError, lambda: clipping.clip_adaptively([None], ONE, 0.1), "for each of `weights`"),
        (ValueError, lambda: angle([None, *ONE], [*ONE, None]), "None.*same variables"),
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
        (
            ValueError,
            lambda: clipping.adding_problem(5, steps=1),
            "at least 2.*steps=1",
        ),
        (ValueError, lambda: clipping.adding_problem(0), "at least 1.*n=0"),
        (
            ValueError,
            lambda: clipping.AddingDraws("digits", (1, 0, 1), steps=4, replicas=2, seed=0),
            r"at least 1.*sizes=\[1, 0, 1\]",
        ),
        (
            ValueError,
            lambda: clipping.AddingDraws("digits", (1, 1, 1), steps=4, replicas=0, seed=0),
            "replicas=0",
        ),
        *[
            (TypeError, lambda c=c, t=t: c(ONE, t), "`threshold` must be a number. Received: thr")
            for c in KINDS
            for t in ("1", None, [1.0])
        ],
        *[(TypeError, lambda c=c: c(3.0, 1.0), "each variable. Received: fl") for c in KINDS],
        *[
            (
                TypeError,
                lambda c=c: c([np.ma.array([3.0, 999.0], mask=[0, 1])], 1.0),
                "`gradients` must have no mask.*1 masked",
            )
            for c in KINDS
        ],
        (TypeError, lambda: global_norm(one for one in ONE), "variable. Received: generator"),
        (TypeError, lambda: clipping.clip_adaptively(3.0, ONE, 0.1), "Received: float"),
        (
            TypeError,
            lambda: clipping.clip_adaptively(ONE, 3.0, 0.1),
            "`weights` must be a seq",
        ),
        (TypeError, lambda: clipping.clip_adaptively(ONE, ONE, "a"), "`ratio` must be a number"),
        (TypeError, lambda: clipping.AdaptiveSGD(ratio=None), "`ratio` must be a number"),
        (
            TypeError,
            lambda: clipping.adding_problem("5"),
            "`n` must be an integer.*n='5'",
        ),
        (TypeError, lambda: clipping.adding_problem(5, seed=None), "`seed` must be an integer"),
        (
            TypeError,
            lambda: clipping.AddingDraws("digits", "abc", steps=4, replicas=2, seed=0),
            "`sizes` must hold real numbers",
        ),
        (ValueError, lambda: clipping.clip_adaptively(ONE, ONE, 0.0), "`ratio`.*ratio=0.0"),
        (ValueError, lambda: clipping.clip_adaptively(ONE, [np.ones(3)], 0.1), "same shapes"),
        (ValueError, lambda: clipping.AdaptiveSGD(ratio=-1.0), "above 0 and finite.*ratio=-1.0"),
    ],
)
def test_bad_input_is_refused(error, call, message):
    with pytest.raises(error, match=message):
        call()


# Gradients as a tape returns them


@pytest.mark.parametrize("clip", KINDS)
def test_a_missing_gradient_stays_missing_and_counts_for_nothing(clip):
    arrays = [np.array([3.0, 4.0]), np.array([0.6, 0.8])]
    clipped = clip([arrays[0], None, arrays[1]], 1.0)
    assert clipped[1] is None
    for ours, theirs in zip((clipped[0], clipped[2]), clip(arrays, 1.0), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("clip", KINDS)
def test_a_sparse_gradient_is_the_dense_one_that_it_means(clip):
    # Row 2 is looked up twice: its slices add up to (3, 4), of norm 5.
    table = tf.Variable(np.zeros((4, 2), np.float32))
    weights = tf.constant([[1.0, 1.0], [2.0, 3.0]])
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(weights * tf.gather(table, [2, 2]))
    sparse = tape.gradient(loss, table)
    assert isinstance(sparse, tf.IndexedSlices)
    expected = np.zeros((4, 2), np.float32)
    expected[2] = [3, 4]
    (clipped,), (dense,) = clip([sparse], 1.0), clip([expected], 1.0)
    np.testing.assert_array_equal(clipped, dense)
    assert global_norm([sparse, None]) == pytest.approx(5)
    assert angle([sparse], [expected]) == pytest.approx(0, abs=1e-5)


def test_sparse_slices_without_a_shape_are_refused():
    slices = tf.IndexedSlices(tf.ones((1, 2)), tf.constant([0]))
    with pytest.raises(ValueError, match="dense_shape=None"):
        global_norm([slices])
