"""Probabilities, their loss and the order of examples, held to Keras and to arithmetic by hand."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from helpers import replicas
from helpers.numerics import batch_order, cross_entropy, softmax

logits = arrays.arrays(
    np.float64,
    arrays.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=5),
    elements=st.floats(-1000, 1000),
)


class TestSoftmax:
    def test_by_hand(self):
        # exp(ln k) = k, and 1 + 2 + 3 = 6
        np.testing.assert_allclose(softmax(np.log([1, 2, 3])), [1 / 6, 2 / 6, 3 / 6], rtol=1e-15)

    def test_equals_keras(self):
        z = np.random.default_rng(0).normal(scale=5, size=(2, 7, 10)).astype("float32")
        theirs = keras.ops.convert_to_numpy(keras.ops.softmax(z))
        np.testing.assert_allclose(softmax(z), theirs, rtol=1e-5)  # some ten roundings of 6e-8

    @given(z=logits, shift=st.floats(-1000, 1000))
    def test_is_a_distribution_and_knows_differences_alone(self, z, shift):
        found = softmax(z)
        assert (found >= 0).all()
        np.testing.assert_allclose(found.sum(axis=-1), 1, rtol=1e-12)
        # z + shift is rounded by up to 2e-13, and exp makes that a relative error of its result
        np.testing.assert_allclose(softmax(z + shift), found, rtol=1e-11, atol=1e-300)

    def test_keeps_the_floating_type(self):
        assert softmax(np.zeros(3, np.float32)).dtype == np.float32
        assert softmax([0, 0]).tolist() == [0.5, 0.5]


class TestCrossEntropy:
    def test_by_hand(self):
        found = cross_entropy([[0.5, 0.5], [0.25, 0.75]], [1, 0])
        np.testing.assert_allclose(found, [np.log(2), np.log(4)], rtol=1e-15)

    def test_equals_keras(self):
        rng = np.random.default_rng(1)
        p = softmax(rng.normal(scale=3, size=(50, 10))).astype("float32")
        y = rng.integers(0, 10, 50)
        theirs = keras.losses.sparse_categorical_crossentropy(y, p)
        theirs = keras.ops.convert_to_numpy(theirs)
        np.testing.assert_allclose(cross_entropy(p, y), theirs, rtol=1e-5, atol=1e-6)

    @pytest.mark.parametrize("p", [0.0, 1.0])
    def test_of_certainty_is_what_keras_says(self, p):
        row = np.array([[p, 1 - p]], "float32")
        theirs = keras.losses.sparse_categorical_crossentropy(np.array([0]), row)
        theirs = keras.ops.convert_to_numpy(theirs)
        np.testing.assert_allclose(cross_entropy(row, [0]), theirs, rtol=1e-5, atol=2e-7)

    @given(z=logits, seed=st.integers(0, 100))
    def test_labels_of_all_or_of_each_leading_entry(self, z, seed):
        p = softmax(np.stack([z, z[::-1]]))
        y = np.random.default_rng(seed).integers(0, z.shape[-1], p.shape[:-1])
        each = cross_entropy(p, y)
        assert each.shape == y.shape
        assert (each >= 0).all()
        for row in np.ndindex(p.shape[:-2]):
            np.testing.assert_array_equal(cross_entropy(p[row], y[row]), each[row])
            np.testing.assert_array_equal(cross_entropy(p, y[row])[row], each[row])

    @pytest.mark.parametrize(("p", "y"), [((2, 3), (3,)), ((4, 2, 3), (4,)), ((3,), (1,))])
    def test_refuses_labels_that_do_not_fit(self, p, y):
        with pytest.raises(ValueError, match=r"without its last axis.*Received: probabilities"):
            cross_entropy(np.full(p, 0.5), np.zeros(y, int))

    @pytest.mark.parametrize(
        ("p", "y", "message"),
        [
            ([[0.5, 0.5]], [-1], r"`labels` must be whole numbers from 0 to 1.*from -1 to -1"),
            ([[0.5, 0.5]], [2], r"`labels` must be whole numbers from 0 to 1.*from 2 to 2"),
            ([[0.5, 0.5]], [0.5], r"`labels` must be whole numbers from 0 to 1.*from 0.5 to 0.5"),
            ([[0.5, 0.5]], ["a"], r"`labels` must hold real numbers. Received: an array of type"),
            ([[3.0, -1.0]], [0], r"`probabilities` must be in \[0, 1\].*take `softmax` first"),
            ([[0.5], [0.5, 0.5]], [0], r"`probabilities` must hold real numbers. Received: prob"),
        ],
    )
    def test_refuses_what_is_no_class_or_no_probability(self, p, y, message):
        with pytest.raises((TypeError, ValueError), match=message):
            cross_entropy(p, y)

    def test_of_a_net_that_has_diverged_is_nan(self):
        assert np.isnan(cross_entropy([[np.nan, np.nan], [0.5, 0.5]], [0, 0])).tolist() == [1, 0]


class TestBatchOrder:
    def test_is_what_numpy_draws_and_replicas_use(self):
        drawn = np.random.default_rng((3, 1)).permutation(10)
        np.testing.assert_array_equal(batch_order(3, 1, 10), drawn)
        assert batch_order(3, 1, 10).dtype == np.int32
        assert replicas.batch_order is batch_order

    @given(st.integers(0, 2**31), st.integers(0, 1000), st.integers(0, 50))
    def test_holds_every_example_once_and_comes_again(self, seed, epoch, examples):
        order = batch_order(seed, epoch, examples)
        np.testing.assert_array_equal(np.sort(order), np.arange(examples))
        np.testing.assert_array_equal(order, batch_order(seed, epoch, examples))

    def test_differs_between_seeds_and_between_epochs(self):
        orders = {tuple(batch_order(seed, epoch, 20)) for seed in range(5) for epoch in range(5)}
        assert len(orders) == 25
