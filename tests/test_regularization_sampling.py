"""Monte Carlo dropout against separate calls, calibration against scikit-learn, uncertainty."""

import re

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve

from helpers import regularization as reg

LAYERS = {keras.layers.Dropout: reg.MCDropout, keras.layers.AlphaDropout: reg.MCAlphaDropout}


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def net(kind=keras.layers.Dropout, *, normalized=False, rate=0.5):
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(12, activation="selu")]
    layers += [keras.layers.BatchNormalization()] if normalized else []
    layers += [kind(rate), keras.layers.Dense(3, activation="softmax")]
    return keras.Sequential([keras.Input((4,)), *layers])


# The layers


@pytest.mark.parametrize("kind", LAYERS)
def test_in_inference_it_drops_as_its_parent_in_training(kind):
    x = np.ones((50, 20), np.float32)
    parent, twin = kind(0.3, seed=5), LAYERS[kind](0.3, seed=5)
    expected = parent(x, training=True).numpy()
    np.testing.assert_array_equal(twin(x), expected)
    assert not np.array_equal(twin(x), expected)  # drawn anew


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras'
@pytest.mark.parametrize("kind", LAYERS.values())
def test_it_survives_a_file(kind, tmp_path):
    model = net(kind, rate=0.25)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded.layers[1]) is kind
    assert loaded.layers[1].get_config() == model.layers[1].get_config()
    x = np.ones((6, 4), np.float32)
    np.testing.assert_allclose(
        reg.mc_predict(loaded, x, samples=5), reg.mc_predict(model, x, samples=5), rtol=1e-6
    )


# The conversion


@pytest.mark.parametrize("kind", LAYERS)
def test_conversion_changes_dropout_alone_and_keeps_weights(kind):
    model = net(kind, normalized=True)
    copy = reg.monte_carlo(model)
    assert type(copy.layers[2]) is LAYERS[kind]
    assert type(model.layers[2]) is kind
    assert copy.layers[2].rate == 0.5
    for ours, theirs in zip(copy.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    copy.layers[0].kernel.assign(copy.layers[0].kernel * 0)
    assert np.abs(model.layers[0].kernel.numpy()).max() > 0  # nothing is shared


def test_conversion_of_a_functional_model_with_a_model_inside(rng):
    inputs = keras.Input((4,))
    inner = keras.Sequential([keras.Input((4,)), keras.layers.Dropout(0.5)])
    outputs = keras.layers.Add()([inner(inputs), keras.layers.Dense(4)(inputs)])
    model = keras.Model(inputs, outputs)
    x = rng.normal(size=(3, 4)).astype(np.float32)
    drawn = reg.mc_predict(model, x, samples=400)
    assert drawn.std(axis=0).min() > 0
    np.testing.assert_allclose(drawn.mean(axis=0), model(x), atol=0.6)  # five standard errors


def test_what_layers_have_adapted_to_data_is_kept(rng):
    x = rng.normal(5, 2, size=(40, 4)).astype("float32")
    words = rng.integers(0, 9, (40, 4))
    for layer, data in (
        (keras.layers.Normalization(), x),
        (keras.layers.Discretization(num_bins=4), x),
        (keras.layers.IntegerLookup(), words),
    ):
        layer.adapt(data)
        doubled = keras.layers.Lambda(lambda seen: 2 * keras.ops.cast(seen, "float32"))
        kind = str(data.dtype)
        image, inner = keras.Input((4,), dtype=kind), keras.Input((4,), dtype=kind)
        body = keras.Model(inner, doubled(layer(inner)))
        model = keras.Model(image, reg.MCDropout(0.0)(body(image)))
        sampler = reg.monte_carlo(model)
        np.testing.assert_array_equal(sampler(data), model(data), err_msg=layer.name)
        np.testing.assert_array_equal(reg.mc_predict(sampler, data, samples=1)[0], model(data))


def test_conversion_checks():
    with pytest.raises(ValueError, match=r"`model` must be built.* Received: 'sequential.*not bu"):
        reg.monte_carlo(keras.Sequential([keras.layers.Dropout(0.5)]))
    plain = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    with pytest.raises(ValueError, match=r"must have a layer Dropout or AlphaDropout. Received: D"):
        reg.monte_carlo(plain)
    for layer in (
        keras.layers.Dropout(0.5, noise_shape=(1, None, 3)),
        keras.layers.SpatialDropout1D(0.5),
        keras.layers.GaussianDropout(0.5),
        reg.DropConnect(3, rate=0.5),
    ):
        shape = (3,) if isinstance(layer, reg.DropConnect) else (4, 3)
        model = keras.Sequential([keras.Input(shape), keras.layers.Dropout(0.1), layer])
        with pytest.raises(ValueError, match=r"every dropout layer must be .*Received: .*Drop"):
            reg.monte_carlo(model)


# The samples


@pytest.mark.parametrize(
    ("layer", "named"),
    [
        (keras.layers.LSTM(2, dropout=0.5), "LSTM 'inside' with dropout=0.5"),
        (keras.layers.GRU(2, recurrent_dropout=0.25), "GRU 'inside' with recurrent_dropout=0.25"),
        (keras.layers.RNN([keras.layers.LSTMCell(2, dropout=0.5)]), "LSTMCell"),
        (keras.layers.Bidirectional(keras.layers.SimpleRNN(2, dropout=0.5)), "SimpleRNN"),
        (keras.layers.TimeDistributed(keras.layers.Dropout(0.5)), "Received: Dropout"),
    ],
)
@pytest.mark.parametrize("beside", [[], [keras.layers.Dropout(0.5)], [reg.MCDropout(0.5)]])
def test_dropout_inside_of_layers_is_refused_wherever_it_is(layer, named, beside):
    layer.name = "inside"
    model = keras.Sequential([keras.Input((4, 3)), *beside, layer])
    with pytest.raises(ValueError, match=re.escape(named)):
        reg.mc_predict(model, np.ones((2, 4, 3)))


def test_recurrent_layers_that_drop_nothing_are_served():
    model = keras.Sequential([keras.Input((4, 3)), keras.layers.Dropout(0.5), keras.layers.LSTM(2)])
    spread = reg.mc_predict(model, np.ones((2, 4, 3)), samples=50).std(axis=0)
    assert spread.min() > 1e-3


def test_attention_that_drops_nothing_is_served_and_one_that_does_is_named(rng):
    x = rng.normal(size=(2, 4, 3))
    for rate in (0.0, 0.5):
        image = keras.Input((4, 3))
        seen = keras.layers.MultiHeadAttention(2, 3, dropout=rate)(image, image)
        model = keras.Model(image, keras.layers.Dropout(0.5)(seen))
        if rate:
            with pytest.raises(ValueError, match=r"MultiHeadAttention .* with dropout=0\.5"):
                reg.mc_predict(model, x)
        else:
            assert reg.mc_predict(model, x, samples=50).std(axis=0).min() > 1e-3


def test_outputs_in_a_list_and_a_dict_are_sampled_alike(rng):
    x, image = rng.normal(size=(3, 4)), keras.Input((4,))
    inner = keras.Input((4,))
    body = keras.Model(inner, {"same": inner, "dropped": keras.layers.Dropout(0.5)(inner)})
    dropped = body(image)["dropped"]
    found = [
        reg.mc_predict(keras.Model(image, form), x, samples=5, batch_size=4)
        for form in (dropped, [dropped], {"one": dropped})
    ]
    assert found[0].shape == (5, 3, 4)
    for other in found[1:]:
        np.testing.assert_array_equal(found[0], other)


def test_models_of_several_inputs_or_outputs_or_of_code_are_refused():
    image, other = keras.Input((4,)), keras.Input((4,))
    both = [keras.layers.Dropout(0.5)(one) for one in (image, other)]
    for model, message in (
        (keras.Model([image, other], keras.layers.Add()(both)), "output. Received: 2 and 1"),
        (keras.Model([image, other], both), "one input and one output. Received: 2 and 2"),
        (keras.Model(image, [both[0], image]), "one input and one output. Received: 1 and 2"),
        (Coded(), "must be Sequential or Functional. Received: Coded"),
    ):
        with pytest.raises(ValueError, match=message):
            reg.mc_predict(model, np.ones((1, 4)), samples=2)
    with pytest.raises(ValueError, match=r"must be Sequential or Functional\. Received: Coded"):
        reg.monte_carlo(Coded())


class Coded(keras.Model):
    """A model whose layers no graph names."""

    def __init__(self):
        super().__init__()
        self.drop = reg.MCDropout(0.5)
        self(np.ones((1, 4)))

    def call(self, inputs):
        return self.drop(inputs)


@pytest.mark.slow
def test_it_equals_many_separate_calls_in_distribution(rng):
    x = rng.normal(size=(5, 4)).astype(np.float32)
    model, number = net(), 3000
    batched = reg.mc_predict(model, x, samples=number, seed=1)
    separate = np.stack([model(x, training=True) for _ in range(number)])
    spread = np.sqrt((batched.var(axis=0) + separate.var(axis=0)) / number)
    assert (np.abs(batched.mean(axis=0) - separate.mean(axis=0)) < 5 * spread).all()
    # The standard error of a variance is some √((κ - 1) / n) of it: 5 of them, with κ below 6.
    np.testing.assert_allclose(batched.var(axis=0), separate.var(axis=0), rtol=5 * 0.058)
    for q in (0.1, 0.5, 0.9):
        ours, theirs = (np.quantile(drawn, q, axis=0) for drawn in (batched, separate))
        np.testing.assert_allclose(ours, theirs, atol=0.05)


def masks(samples=400, examples=6, units=5, **options):
    """Return which entries each row kept: inputs are 1, and the net is a dropout layer."""
    model = keras.Sequential([keras.Input((units,)), keras.layers.Dropout(0.5)])
    x = np.ones((examples, units), np.float32)
    return reg.mc_predict(model, x, samples=samples, **options) > 0


@pytest.mark.parametrize("batch_size", [None, 7, 100])
def test_each_example_and_each_sample_has_a_mask_of_its_own(batch_size):
    kept = masks(batch_size=batch_size).astype(float)
    centred = (kept - 0.5) * 2  # ±1: products of independent entries have mean 0, variance 1
    flat = centred.reshape(len(centred), -1)
    between_entries = flat.T @ flat / len(flat)
    off_diagonal = between_entries[~np.eye(len(between_entries), dtype=bool)]
    assert np.abs(off_diagonal).max() < 5 / np.sqrt(len(flat))  # examples and units
    between_samples = np.mean(centred[1:] * centred[:-1])
    assert abs(between_samples) < 5 / np.sqrt(centred[1:].size)
    assert abs(kept.mean() - 0.5) < 5 * 0.5 / np.sqrt(kept.size)


def test_all_masks_occur_equally_often():
    kept = masks(samples=2000, examples=2, units=3)
    codes = (kept @ [1, 2, 4]).ravel()
    counts = np.bincount(codes, minlength=8)
    expected = len(codes) / 8
    # Chi-squared with 7 degrees of freedom stays below 30 with probability 0.9999.
    assert np.sum((counts - expected) ** 2 / expected) < 30


def test_chunks_are_not_copies_of_one_another():
    kept = masks(samples=50, examples=4, batch_size=50)  # a call an example
    assert not (kept[:, 0] == kept[:, 1]).all()


def test_the_order_is_samples_then_examples(rng):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dropout(0.0)])
    x = np.arange(5.0)[:, None]
    drawn = reg.mc_predict(model, x, samples=3, batch_size=4)
    np.testing.assert_array_equal(drawn, np.repeat(x[None], 3, axis=0))


def test_seeds_repeat_and_differ():
    one, again, other = (masks(samples=5, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other)


def test_it_leaves_the_model_as_it_was(rng):
    x = rng.normal(size=(5, 4)).astype(np.float32)
    sampler = reg.monte_carlo(net(normalized=True))
    before = [variable.numpy() for variable in sampler.variables]
    reg.mc_predict(sampler, x, samples=3)
    for old, variable in zip(before, sampler.variables, strict=True):
        np.testing.assert_array_equal(old, variable.numpy())


def test_batch_normalization_stays_in_inference_mode_in_contrast_to_training_true(rng):
    x = rng.normal(size=(8, 4)).astype(np.float32) + 3
    model = net(normalized=True, rate=0.0)
    expected = model(x).numpy()
    drawn = reg.mc_predict(model, x, samples=2)
    np.testing.assert_allclose(drawn, np.repeat(expected[None], 2, axis=0), atol=1e-6)
    moving = model.layers[1].moving_mean.numpy()
    assert np.abs(model(x, training=True).numpy() - expected).max() > 0.01
    assert not np.array_equal(moving, model.layers[1].moving_mean.numpy())


def test_images_and_shared_noise_shapes_work(rng):
    layers = [
        keras.layers.Conv2D(2, 3),
        keras.layers.Dropout(0.5, noise_shape=(None, 1, 1, 2)),
        keras.layers.Flatten(),
    ]
    model = keras.Sequential([keras.Input((6, 6, 1)), *layers])
    drawn = reg.mc_predict(model, rng.normal(size=(3, 6, 6, 1)), samples=4)
    assert drawn.shape == (4, 3, 32)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"samples": 0}, r"`samples` must be at least 1\. Received: samples=0"),
        ({"samples": "5"}, r"`samples` must be an integer\. Received: samples='5'"),
        ({"batch_size": 0}, r"`batch_size` must be at least 1\. Received: batch_size=0"),
        ({"seed": -1}, r"`seed` must be at least 0\. Received: seed=-1"),
        ({"x": np.ones((0, 4))}, r"`x` must hold at least one example\. Received: shape=\(0, 4\)"),
        ({"x": [["a"] * 4]}, r"`x` must hold real numbers\. Received: an array of type <U1"),
        ({"x": [[None] * 4]}, r"`x` must hold real numbers\. Received: x=\[\[None"),
        ({"x": 5}, r"`x` must hold at least one example\. Received: shape=\(\)"),
        ({"model": None}, r"`model` must be a Keras model\. Received: None"),
    ],
)
def test_mc_predict_checks(wrong, message):
    options = {"model": net(), "x": np.ones((2, 4)), "samples": 2} | wrong
    with pytest.raises((TypeError, ValueError), match=message):
        reg.mc_predict(options.pop("model"), options.pop("x"), **options)


def test_monte_carlo_takes_a_model_alone():
    with pytest.raises(TypeError, match=r"`model` must be a Keras model\. Received: 'net'"):
        reg.monte_carlo("net")


# Calibration


def test_reliability_by_hand():
    # Two bins. [0, ½): 0.2 wrong, 0.4 right. [½, 1]: 0.6, 0.8, 1.0 right, 0.6 wrong.
    confidence = [0.2, 0.4, 0.6, 0.8, 1.0, 0.6]
    hits = [False, True, True, True, True, False]
    found = reg.reliability(confidence, hits, bins=2)
    np.testing.assert_allclose(found.confidence, [0.3, 0.75])
    np.testing.assert_allclose(found.accuracy, [0.5, 0.75])
    assert found.count.tolist() == [2, 4]
    # ECE = 2/6 · |0.5 - 0.3| + 4/6 · 0
    assert reg.expected_calibration_error(confidence, hits, bins=2) == pytest.approx(0.2 / 3)


def test_edges_belong_to_the_bin_above_and_1_to_the_last():
    found = reg.reliability([0.0, 0.25, 0.5, 0.75, 1.0], [True] * 5, bins=4)
    assert found.count.tolist() == [1, 1, 1, 2]


def test_reliability_equals_scikit_learn(rng):
    # With two classes and the first one's probability as confidence both ask the same.
    probability = rng.random(500)
    truth = rng.random(500) < probability**2
    ours = reg.reliability(probability, truth, bins=8)
    share, mean = calibration_curve(truth, probability, n_bins=8)
    np.testing.assert_allclose(ours.accuracy, share)
    np.testing.assert_allclose(ours.confidence, mean)


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1), st.integers(1, 20))
def test_error_lies_between_the_overall_distance_and_1(answers, bins):
    confidence, hits = map(np.array, zip(*answers, strict=True))
    error = reg.expected_calibration_error(confidence, hits, bins=bins)
    assert abs(confidence.mean() - hits.mean()) - 1e-12 <= error <= 1  # one bin is the least


def test_an_empty_bin_is_nan_and_costs_nothing():
    found = reg.reliability([0.9], [True], bins=2)
    assert np.isnan(found.accuracy[0])
    assert reg.expected_calibration_error([0.9], [True], bins=2) == pytest.approx(0.1)


def test_confidence_and_hits_over_replicas():
    p = np.array([[[0.7, 0.3], [0.1, 0.9]], [[0.4, 0.6], [0.5, 0.5]]])
    confidence, hits = reg.confidence_and_hits(p, np.array([0, 0]))
    np.testing.assert_allclose(confidence, [[0.7, 0.9], [0.6, 0.5]])
    assert hits.tolist() == [[True, False], [False, True]]


def test_calibration_checks():
    with pytest.raises(ValueError, match=r"`bins` must be at least 1. Received: bins=0"):
        reg.reliability([0.5], [True], bins=0)
    for confidence, hits in (([0.5], [True, False]), ([], [])):
        with pytest.raises(ValueError, match="`confidence` and `hits` must have the same shape"):
            reg.expected_calibration_error(confidence, hits)
    for bad in (1.1, -0.1, np.nan):
        with pytest.raises(ValueError, match=r"`confidence` must be in \[0, 1\]. Received: values"):
            reg.reliability([bad], [True])
    with pytest.raises(ValueError, match=r"`probabilities` must have shape \(..., n, classes\)"):
        reg.confidence_and_hits(np.ones((3, 2)), np.zeros(2, int))


# Uncertainty


def test_entropies_by_hand():
    # Two samples that are sure of different classes: everything is disagreement, log 2.
    split = np.array([[[1.0, 0.0]], [[0.0, 1.0]]])
    np.testing.assert_allclose(reg.predictive_entropy(split), np.log(2))
    np.testing.assert_allclose(reg.mutual_information(split), np.log(2))
    # Two samples that are unsure in the same way: no disagreement.
    same = np.full((2, 1, 2), 0.5)
    np.testing.assert_allclose(reg.predictive_entropy(same), np.log(2))
    np.testing.assert_allclose(reg.mutual_information(same), 0, atol=1e-15)


@given(st.integers(1, 5), st.integers(2, 6), st.integers(0, 100))
def test_information_is_between_0_and_the_entropy(samples, classes, seed):
    p = np.random.default_rng(seed).dirichlet(np.full(classes, 0.5), size=(samples, 4))
    whole, part = reg.predictive_entropy(p), reg.mutual_information(p)
    assert (part >= -1e-12).all()
    assert (part <= whole + 1e-12).all()
    assert (whole <= np.log(classes) + 1e-12).all()


def test_entropy_checks():
    for bad in (np.ones(3), np.ones((0, 3))):
        with pytest.raises(ValueError, match=r"`probabilities` must have shape \(samples, ..., c"):
            reg.predictive_entropy(bad)


LOGITS, P, Y = np.array([[3.0, -1.0], [0.5, 2.0]]), np.array([[0.9, 0.1], [0.4, 0.6]]), [0, 1]
NO_PROBABILITIES = r"`probabilities` must be in \[0, 1\] and sum to 1 over the classes; of logits"
NO_LABELS = r"`labels` must be whole numbers from 0 to 1, one of 2 classes\. Received: from"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: reg.temper(LOGITS, 2.0), NO_PROBABILITIES),
        (lambda: reg.fit_temperature(LOGITS, Y), NO_PROBABILITIES),
        (lambda: reg.fit_temperature(P, [1, 2]), NO_LABELS),
        (lambda: reg.fit_temperature(P, [0.5, 1]), NO_LABELS),
        (lambda: reg.fit_temperature(np.full((2, 2), np.nan), Y), "must be finite.*100.0% of th"),
        (lambda: reg.confidence_and_hits(LOGITS, Y), NO_PROBABILITIES),
        (lambda: reg.confidence_and_hits(P, [7, 8]), NO_LABELS),
        (lambda: reg.confidence_and_hits(P / 2, Y), r"sums from 0\.5 to 0\.5"),
        (lambda: reg.confidence_and_hits(P * np.nan, Y), "`probabilities` must be finite"),
        (lambda: reg.reliability([0.9, 0.8], [0, 3]), "`hits` must be True or False.*from 0 to 3"),
        (lambda: reg.reliability([0.9], [True], bins="2"), "`bins` must be an integer"),
        (lambda: reg.expected_calibration_error([0.9], [2]), "`hits` must be True or False"),
        (lambda: reg.predictive_entropy(LOGITS[None]), NO_PROBABILITIES),
        (lambda: reg.predictive_entropy([[[0.5, 0.5]], [[1.0]]]), "must hold real numbers"),
        (lambda: reg.mutual_information(LOGITS[None]), NO_PROBABILITIES),
        (lambda: reg.error_detection([0.1, 0.2], [3, 1]), "`wrong` must be True or False"),
    ],
)
def test_answers_that_are_no_probabilities_are_refused(call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call()


def test_probabilities_of_half_precision_are_taken():
    p = np.random.default_rng(0).dirichlet(np.ones(1000), size=50).astype(np.float16)
    assert 0 <= reg.predictive_entropy(p[None]).max() <= np.log(1000)
    p = keras.ops.softmax(keras.ops.cast(LOGITS, "bfloat16"))
    assert reg.confidence_and_hits(p, [True, True])[1].tolist() == [False, True]
