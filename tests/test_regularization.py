"""Dropout, penalties and decay in NumPy, against Keras and enumeration."""

import itertools

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from helpers import regularization as reg
from helpers.regularization import penalties

finite = arrays(np.float64, st.integers(1, 8), elements=st.floats(-1e3, 1e3))
strengths = st.floats(0, 10)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


# Dropout


def test_dropout_by_hand():
    # Rate 1/4 keeps with 3/4, so what is kept is multiplied by 4/3.
    kept = np.array([[True, False], [True, True]])
    np.testing.assert_allclose(
        reg.dropout(np.array([[3.0, 6.0], [-9.0, 0.0]]), kept, 0.25), [[4.0, 0.0], [-12.0, 0.0]]
    )


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_dropout_equals_keras_given_its_mask(rng, rate):
    x = rng.normal(size=(20, 30)).astype(np.float32)
    theirs = keras.layers.Dropout(rate, seed=1)(x, training=True).numpy()
    np.testing.assert_allclose(reg.dropout(x, theirs != 0, rate), theirs, rtol=1e-6)


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_alpha_dropout_equals_keras_given_its_mask(rng, rate):
    x = 1 + rng.random((20, 30)).astype(np.float32)  # above whatever a dropped entry becomes
    theirs = keras.layers.AlphaDropout(rate, seed=1)(x, training=True).numpy()
    dropped = np.isclose(theirs, theirs.min())
    assert 0 < dropped.mean() < 1
    np.testing.assert_allclose(reg.alpha_dropout(x, ~dropped, rate), theirs, rtol=1e-5)


def test_alpha_dropout_by_hand():
    # α' = -1.758099 (SELU's limit), p = 1/2: a = 1 / √(½ (1 + ½ · 3.090913)) = 0.886405,
    # b = -a p α' = 0.779194. Kept 1 → a + b = 1.665599; dropped → a α' + b = -0.779194.
    found = reg.alpha_dropout(np.ones(2), np.array([True, False]), 0.5)
    np.testing.assert_allclose(found, [1.665599, -0.779194], atol=2e-6)


@given(finite, st.floats(0, 0.95))
def test_over_all_masks_dropout_keeps_the_mean(x, rate):
    masks = np.array(list(itertools.product([False, True], repeat=len(x))))
    chance = np.prod(np.where(masks, 1 - rate, rate), axis=1)
    expected = sum(p * reg.dropout(x, m, rate) for p, m in zip(chance, masks, strict=True))
    np.testing.assert_allclose(expected, x, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_alpha_dropout_keeps_mean_0_and_variance_1(rng, rate):
    # Over the two masks of an entry: E[y] = a((1-p)x + pα') + b is 0 for mean 0, and the variance
    # is a²((1-p) E[x²] + p α'² - p²α'²) = a²(1-p)(1 + pα'²) = 1 for variance 1.
    x = rng.normal(size=1000)
    x = (x - x.mean()) / x.std()
    kept, dropped = (reg.alpha_dropout(x, np.full(1000, keep), rate) for keep in (True, False))
    mean = (1 - rate) * kept.mean() + rate * dropped.mean()
    square = (1 - rate) * np.mean(kept**2) + rate * np.mean(dropped**2)
    np.testing.assert_allclose([mean, square], [0, 1], atol=1e-12)


def test_mask_has_its_rate_and_follows_its_generator(rng):
    mask = reg.dropout_mask((1000, 100), 0.3, rng=rng)
    assert mask.dtype == bool
    assert abs(mask.mean() - 0.7) < 5 * np.sqrt(0.21 / 1e5)  # five standard errors
    again = reg.dropout_mask((1000, 100), 0.3, rng=np.random.default_rng(0))
    np.testing.assert_array_equal(mask, again)
    assert reg.dropout_mask((3,), 0, rng=rng).all()


def test_rate_0_changes_nothing(rng):
    x = rng.normal(size=(3, 4))
    for drop in (reg.dropout, reg.alpha_dropout):
        np.testing.assert_allclose(drop(x, np.full(x.shape, True), 0), x)


def test_drop_connect_by_hand():
    # z = (1·3 + 2·0 + 1·5) / (1 - ½) = 16: the second weight is dropped, the bias kept.
    x, kernel, bias = np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]]), np.array([5.0])
    kept = np.array([[[True], [False]]])
    found = reg.drop_connect(x, kernel, bias, kept, np.array([[True]]), rate=0.5)
    np.testing.assert_allclose(found, [[16.0]])


def test_drop_connect_shares_a_mask_without_axis_of_examples(rng):
    x, kernel, bias = rng.normal(size=(5, 3)), rng.normal(size=(3, 2)), rng.normal(size=2)
    kept, bias_kept = rng.random((3, 2)) < 0.5, rng.random(2) < 0.5
    shared = reg.drop_connect(x, kernel, bias, kept, bias_kept, rate=0.5)
    own = reg.drop_connect(
        x, kernel, bias, np.repeat(kept[None], 5, 0), np.repeat(bias_kept[None], 5, 0), rate=0.5
    )
    np.testing.assert_allclose(shared, own)
    np.testing.assert_allclose(shared, (x @ (kept * kernel) + bias_kept * bias) * 2)


@pytest.mark.parametrize("rate", [-0.1, 1, 1.2, np.nan])
def test_rate_is_checked(rng, rate):
    match = rf"`rate` must be in \[0, 1\). Received: rate={rate}"
    one = np.ones(1)
    for call in (
        lambda: reg.dropout_mask((1,), rate, rng=rng),
        lambda: reg.dropout(one, one > 0, rate),
        lambda: reg.alpha_dropout(one, one > 0, rate),
        lambda: reg.drop_connect(one[None], one[None], one, one[None] > 0, one > 0, rate=rate),
        lambda: reg.DropConnect(3, rate=rate),
    ):
        with pytest.raises(ValueError, match=match):
            call()


def test_shapes_of_masks_are_checked():
    with pytest.raises(ValueError, match=r"`mask` must have the shape of `x`, \(2,\). Received"):
        reg.dropout(np.ones(2), np.array([True]), 0.5)
    for mask in (np.ones((2, 2)), np.ones((4, 3, 2))):
        with pytest.raises(ValueError, match=r"`mask` must have shape \(3, 2\) or \(5, 3, 2\)"):
            reg.drop_connect(
                np.ones((5, 3)), np.ones((3, 2)), np.ones(2), mask, np.ones(2), rate=0.5
            )

    four, kept = np.ones((1, 4)), np.ones((3, 2))
    with pytest.raises(ValueError, match=r"`x` must have shape \(examples, inputs\).*\(1, 4\)"):
        reg.drop_connect(four, kept, np.ones(2), kept, np.ones(2), rate=0.5)
    with pytest.raises(ValueError, match=r"`bias_mask` \(2,\) or \(1, 2\).* and \(5, 2\)"):
        reg.drop_connect(four[:, :3], kept, np.ones(2), kept, np.ones((5, 2)), rate=0.5)


# Penalties


@pytest.mark.parametrize("kind", ["int8", "int16", "int64", "uint8", "float32"])
def test_whole_numbers_do_not_wrap(kind):
    w = np.array([[100], [75]], kind)
    assert reg.l1_l2_penalty(w, l1=1.0, l2=1.0) == 175 + 15625
    np.testing.assert_array_equal(reg.l2_gradient(w, 1), [[200], [150]])
    np.testing.assert_array_equal(reg.soft_threshold(w, 80), [[20], [0]])
    np.testing.assert_allclose(reg.max_norm(w, 25), [[20], [15]])


def test_penalties_by_hand():
    w = np.array([[3.0, -4.0]])
    assert reg.l1_penalty(w, 0.1) == pytest.approx(0.7)
    assert reg.l2_penalty(w, 0.1) == pytest.approx(2.5)  # 0.1 (9 + 16), without ½
    assert reg.l1_l2_penalty(w, l1=0.1, l2=0.1) == pytest.approx(3.2)
    np.testing.assert_allclose(reg.l1_gradient(w, 0.1), [[0.1, -0.1]])
    np.testing.assert_allclose(reg.l2_gradient(w, 0.1), [[0.6, -0.8]])


def test_penalties_equal_keras(rng):
    w = rng.normal(size=(4, 3)).astype(np.float32)
    pairs = [
        (reg.l1_penalty(w, 0.3), keras.regularizers.L1(0.3)),
        (reg.l2_penalty(w, 0.3), keras.regularizers.L2(0.3)),
        (reg.l1_l2_penalty(w, l1=0.3, l2=0.7), keras.regularizers.L1L2(0.3, 0.7)),
    ]
    for ours, theirs in pairs:
        assert ours == pytest.approx(float(theirs(w)), rel=1e-6)


@given(finite.map(lambda w: np.where(np.abs(w) < 1e-2, 1.0, w)), strengths, strengths)
def test_gradients_equal_central_differences(w, l1, l2):
    step = 1e-4  # far from the kink at 0, where |w| has no derivative
    for i, shift in enumerate(np.eye(len(w)) * step):
        high, low = (reg.l1_l2_penalty(v, l1=l1, l2=l2) for v in (w + shift, w - shift))
        slope = reg.l1_l2_gradient(w, l1=l1, l2=l2)[i]
        # A penalty of up to 1e8 has an error of 1e-8, which the step divides by.
        assert (high - low) / (2 * step) == pytest.approx(slope, rel=1e-5, abs=1e-2)


def test_subgradient_at_0_is_0():
    assert reg.l1_gradient(np.zeros(2), 1.0).tolist() == [0.0, 0.0]


def test_soft_threshold_by_hand():
    np.testing.assert_allclose(
        reg.soft_threshold(np.array([2.0, -2.0, 0.5, -0.5, 1.0]), 1.0), [1, -1, 0, 0, 0]
    )


@given(st.floats(-3, 3), st.floats(0, 3))
def test_soft_threshold_minimizes_its_objective(w, amount):
    def cost(v):
        return 0.5 * (v - w) ** 2 + amount * np.abs(v)

    best = reg.soft_threshold(np.array(w), amount)
    assert cost(best) <= cost(np.linspace(-4, 4, 801)).min() + 1e-12


@given(finite, st.floats(1e-3, 10))
def test_max_norm_bounds_and_keeps_direction(column, radius):
    kept = reg.max_norm(column[:, None], radius)[:, 0]
    norm = np.linalg.norm(column)
    assert np.linalg.norm(kept) <= radius * (1 + 1e-12)
    np.testing.assert_allclose(kept * max(norm, radius), column * radius, rtol=1e-9, atol=1e-9)


def test_max_norm_by_hand_is_not_what_the_notes_say():
    w = np.array([[3.0], [4.0]])
    np.testing.assert_allclose(reg.max_norm(w, 1.0), [[0.6], [0.8]])
    assert np.linalg.norm(w * 2 / np.linalg.norm(w)) == pytest.approx(2.0)  # the notes' factor
    np.testing.assert_array_equal(reg.max_norm(np.zeros((2, 1)), 1.0), np.zeros((2, 1)))


@pytest.mark.parametrize(("shape", "axis"), [((6, 5), 0), ((3, 3, 4, 5), (0, 1, 2))])
def test_max_norm_equals_keras(rng, shape, axis):
    w = rng.normal(size=shape).astype(np.float32)
    theirs = keras.constraints.MaxNorm(1.5, axis=axis)(w).numpy()
    # Keras divides by the norm plus 1e-7.
    np.testing.assert_allclose(reg.max_norm(w, 1.5, axis=axis), theirs, rtol=1e-6)


@pytest.mark.parametrize("bad", [-1.0, np.inf, np.nan])
def test_strengths_are_checked(bad):
    w = np.ones(2)
    for call in (reg.l1_penalty, reg.l2_penalty, reg.l1_gradient, reg.l2_gradient):
        with pytest.raises(ValueError, match=rf"must be 0 or more and finite. Received: l\d={bad}"):
            call(w, bad)
    with pytest.raises(ValueError, match=f"`amount` must be 0 or more.*amount={bad}"):
        reg.soft_threshold(w, bad)
    with pytest.raises(ValueError, match=f"`amount` must be 0 or more.*amount={bad}"):
        reg.SoftThreshold(bad)


@pytest.mark.parametrize("radius", [0, -1, np.inf, np.nan])
def test_radius_is_checked(radius):
    match = f"`radius` must be above 0 and finite. Received: radius={radius}"
    with pytest.raises(ValueError, match=match):
        reg.max_norm(np.ones((2, 2)), radius)


# Decay


def keras_path(optimizer, start, gradients, l2):
    variable = keras.Variable(start.astype(np.float32))
    path = [variable.numpy()]
    for gradient in gradients:
        total = gradient + reg.l2_gradient(variable.numpy(), l2)
        optimizer.apply([keras.ops.convert_to_tensor(total.astype(np.float32))], [variable])
        path.append(variable.numpy())
    return np.stack(path)


@pytest.mark.parametrize("options", [{"l2": 0.05}, {"weight_decay": 0.1}, {}])
@pytest.mark.parametrize("adaptive", [True, False])
def test_decayed_path_equals_keras(rng, options, adaptive):
    start, gradients = rng.normal(size=3), rng.normal(size=(50, 3))
    kind = keras.optimizers.Adam if adaptive else keras.optimizers.SGD
    optimizer = kind(0.01, weight_decay=options.get("weight_decay"))
    theirs = keras_path(optimizer, start, gradients, options.get("l2", 0.0))
    ours = reg.decayed_path(start, gradients, learning_rate=0.01, adaptive=adaptive, **options)
    np.testing.assert_allclose(ours, theirs, atol=2e-6)  # fifty steps of float32


def test_decay_by_hand_and_adam_first_step():
    # Without a gradient, decay alone: 1, 0.9, 0.81. Adam's first step is η for every gradient.
    path = reg.decayed_path(np.ones(1), np.zeros((2, 1)), learning_rate=0.1, weight_decay=1.0)
    np.testing.assert_allclose(path[:, 0], [1, 0.9, 0.81])
    path = reg.decayed_path(np.zeros(2), np.array([[5.0, -0.01]]), learning_rate=0.1)
    np.testing.assert_allclose(path[1], [-0.1, 0.1], rtol=1e-3)


@given(st.floats(0, 1), st.floats(0, 0.5))
def test_under_gradient_descent_l2_is_decay_with_twice_its_strength(strength, rate):
    gradients = np.random.default_rng(0).normal(size=(20, 2))
    paths = [
        reg.decayed_path(np.ones(2), gradients, learning_rate=rate, adaptive=False, **decay)
        for decay in ({"l2": strength}, {"weight_decay": 2 * strength})
    ]
    np.testing.assert_allclose(*paths, atol=1e-9)


def test_decayed_path_checks():
    with pytest.raises(ValueError, match=r"`gradients` must have shape \(steps, 2\) to fit"):
        reg.decayed_path(np.ones(2), np.ones((3, 1)), learning_rate=0.1)
    with pytest.raises(ValueError, match=r"`weight_decay` must be 0 or more.*weight_decay=-1"):
        reg.decayed_path(np.ones(1), np.ones((3, 1)), learning_rate=0.1, weight_decay=-1)


def test_check_names_what_it_refuses():
    with pytest.raises(ValueError, match=r"`what` must be 0 or more and finite. Received: what=-2"):
        penalties.check_strengths(what=-2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: reg.dropout_mask((2,), "a", rng=None),
            "`rate` must be a number. Received: rate='a",
        ),
        (lambda: reg.dropout_mask((2,), 0.5, rng=0), "`rng` must be a generator.*Received: rng=0"),
        (lambda: reg.dropout([1.0], [True], None), "`rate` must be a number. Received: rate=None"),
        (lambda: reg.dropout([1.0], [0.3], 0.5), "`mask` must be True or False, for each one"),
        (lambda: reg.DropConnect(2, [0.5]), r"`rate` must be a number. Received: rate=\[0.5\]"),
        (lambda: reg.l1_penalty([1.0], "a"), "`l1` must hold real numbers. Received: an array"),
        (lambda: reg.l2_gradient(None, 0.1), "`weights` must hold real numbers. Received: weights"),
        (lambda: reg.soft_threshold([1.0], None), "`amount` must hold real numbers"),
        (lambda: reg.SoftThreshold("a"), "`amount` must hold real numbers"),
        (lambda: reg.max_norm(np.eye(2), "1"), "`radius` must be a number. Received: radius='1'"),
        (lambda: reg.largest_norm(np.eye(2), kernel=0), "pass the function to `watch`.*ndarray"),
        (
            lambda: reg.l2_penalty(np.ma.array([1.0, 999.0], mask=[0, 1]), 1.0),
            "`weights` must have no mask, which would be ignored.*an array with 1 masked",
        ),
    ],
)
def test_what_is_no_number_is_named(call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call()
