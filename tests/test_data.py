"""Tests of helpers.data: scikit-learn and recounting as oracles, and files damaged in every way."""

import io
import pickle
import re
import zipfile
from collections import Counter
from pathlib import Path

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits
from sklearn.preprocessing import StandardScaler

from helpers import data

SHAPES = {"fashion_mnist": (28, 28), "cifar10": (32, 32, 3)}
TRAIN, TEST = 40, 10  # examples in a small file


def arrays_of(name, *, train=TRAIN, test=TEST):
    """Return what a small valid file of that name holds: every class, every grey level."""
    rng = np.random.default_rng(1)
    arrays = {}
    for split, n in (("train", train), ("test", test)):
        arrays[f"x_{split}"] = rng.integers(256, size=(n, *SHAPES[name]), dtype=np.uint8)
        arrays[f"y_{split}"] = (np.arange(n) % 10).astype(np.uint8)
    return arrays


def npz_bytes(arrays, *, save=np.savez):
    buffer = io.BytesIO()
    save(buffer, **arrays)
    return buffer.getvalue()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("DNNBOOK_DATA", str(tmp_path))
    return tmp_path


@pytest.fixture
def fashion_file(folder):
    """Return a function that writes fashion_mnist.npz: bytes, or arrays changed as told."""
    path = folder / "fashion_mnist.npz"

    def write(content=None, **changes):
        if content is None:
            content = npz_bytes({**arrays_of("fashion_mnist"), **changes})
        path.write_bytes(content)
        return path

    return write


@pytest.fixture
def keras_download(monkeypatch):
    """Unset DNNBOOK_DATA and return a function that replaces Keras' download of a data set."""
    monkeypatch.delenv("DNNBOOK_DATA", raising=False)

    def replace(name, load_data):
        monkeypatch.setattr(getattr(keras.datasets, name), "load_data", load_data)

    return replace


def refused(message, error=ValueError):
    """Expect an error whose whole message is this one."""
    return pytest.raises(error, match=f"^{re.escape(message)}$")


def rows(x, y):
    """Return each example as one hashable value, image and label together."""
    return [(image.tobytes(), int(label)) for image, label in zip(x, y, strict=True)]


def assert_equal_datasets(first, second):
    for field in ("x_train", "y_train", "x_valid", "y_valid", "x_test", "y_test"):
        np.testing.assert_array_equal(getattr(first, field), getattr(second, field))


class TestLoad:
    def test_names_are_those_that_the_error_tells(self):
        assert data.names() == ("digits", "mnist", "fashion_mnist", "cifar10")
        message = (
            "`name` must be one of 'digits', 'mnist', 'fashion_mnist', 'cifar10'. "
            "Received: name='mnits'"
        )
        with refused(message):
            data.load("mnits")

    def test_mnist_has_each_digit_equally_often(self):
        mnist = data.load("mnist")
        assert (len(mnist.x_train), len(mnist.x_valid), len(mnist.x_test)) == (3500, 750, 750)
        labels = np.concatenate([mnist.y_train, mnist.y_valid, mnist.y_test])
        assert np.bincount(labels).tolist() == [500] * 10
        assert mnist.image_shape == (28, 28)

    def test_digits_splits_add_up(self):
        # 1,797 images in all: 300 for validation, 300 for the test, 1,797 - 600 = 1,197 remain
        digits = data.load("digits")
        assert digits.x_train.shape == (1197, 8, 8)
        assert digits.x_valid.shape == digits.x_test.shape == (300, 8, 8)
        assert (len(digits.y_train), len(digits.y_valid), len(digits.y_test)) == (1197, 300, 300)
        assert digits.image_shape == (8, 8)
        assert digits.class_names == tuple("0123456789")
        assert digits.name == "digits"

    def test_digits_are_those_of_scikit_learn(self):
        # Grey levels are 0 to 16 there: k / 16 is exact in float32, so the images come back
        raw, digits = load_digits(), data.load("digits")
        ours = [
            row
            for split in ("train", "valid", "test")
            for row in rows(
                np.rint(16 * getattr(digits, f"x_{split}")).astype(np.float64),
                getattr(digits, f"y_{split}"),
            )
        ]
        # Equal counts of equal rows: nothing lost, nothing twice, hence the splits are disjoint
        assert Counter(ours) == Counter(rows(raw.images, raw.target))

    def test_digits_are_float32_in_the_unit_interval_with_integer_labels(self):
        digits = data.load("digits")
        for x in (digits.x_train, digits.x_valid, digits.x_test):
            assert x.dtype == np.float32
            assert (x.min(), x.max()) == (0, 1)
        for y in (digits.y_train, digits.y_valid, digits.y_test):
            assert y.dtype == np.int32
            assert sorted(set(y.tolist())) == list(range(10))

    def test_digits_are_shuffled_before_they_are_split(self):
        # Without shuffling a split would hold few of the 43 writers; with it every class has about
        # 30 of 300 examples. The standard deviation of a count is √(300 · 0.1 · 0.9) = 5.2.
        counts = np.bincount(data.load("digits").y_test)
        assert np.abs(counts - 30).max() < 4 * 5.2

    def test_splits_are_a_promise(self):
        # Every committed result rests on them: no other seed, no other order of the splits
        order = np.random.default_rng(0).permutation(1797)
        digits, raw = data.load("digits"), load_digits().target
        np.testing.assert_array_equal(digits.y_test, raw[order[:300]])
        np.testing.assert_array_equal(digits.y_valid, raw[order[300:600]])
        np.testing.assert_array_equal(digits.y_train, raw[order[600:]])

    def test_seed_never_moves_the_splits(self):
        whole = data.load("digits")
        assert_equal_datasets(whole, data.load("digits", seed=1))
        for seed in (0, 1):
            part = data.load("digits", train_size=100, seed=seed)
            np.testing.assert_array_equal(part.x_valid, whole.x_valid)
            np.testing.assert_array_equal(part.y_valid, whole.y_valid)
            np.testing.assert_array_equal(part.x_test, whole.x_test)
            np.testing.assert_array_equal(part.y_test, whole.y_test)

    def test_two_data_sets_compare_without_an_error(self):
        # Arrays have no single truth value: equality of data sets is identity
        digits = data.load("digits")
        assert digits == digits
        assert digits != data.load("digits")
        assert len({digits, digits}) == 1


class TestTrainSize:
    @given(st.integers(10, 1197), st.integers(0, 2**32 - 1))
    @settings(max_examples=12)
    def test_keeps_a_stratified_subset_without_repetition(self, train_size, seed):
        whole, part = data.load("digits"), data.load("digits", train_size=train_size, seed=seed)
        assert len(part.x_train) == len(part.y_train) == train_size
        assert not Counter(rows(part.x_train, part.y_train)) - Counter(
            rows(whole.x_train, whole.y_train)
        )
        if train_size <= 1197 - 10:
            share = np.bincount(whole.y_train) * train_size / 1197
            kept = np.bincount(part.y_train, minlength=10)
            assert np.abs(kept - share).max() < 1  # the nearest whole numbers below or above

    def test_hundred_digits_hold_eight_to_eleven_of_each_class(self):
        # The 1,197 training digits hold 106 to 127 of a class; of 100 that makes 8.9 to 10.6
        whole, part = data.load("digits"), data.load("digits", train_size=100)
        expected = 100 * np.bincount(whole.y_train) / 1197
        counts = np.bincount(part.y_train)
        assert counts.sum() == 100
        assert (counts >= np.floor(expected)).all()
        assert (counts <= np.ceil(expected)).all()

    def test_seed_decides_the_draw(self):
        first, again, other = (data.load("digits", train_size=50, seed=s) for s in (3, 3, 4))
        assert_equal_datasets(first, again)
        assert (first.x_train != other.x_train).any()

    def test_all_examples_are_the_data_set_itself(self):
        assert_equal_datasets(data.load("digits"), data.load("digits", train_size=1197, seed=9))

    def test_numpy_integers_count(self):
        assert len(data.load("digits", train_size=np.int64(20)).x_train) == 20

    @pytest.mark.parametrize("train_size", [9, 0, -1, 1198, 100.0, 0.5, True, "all"])
    def test_anything_else_is_refused(self, train_size):
        message = (
            "`train_size` must be None or a whole number from 10 (one example of each class) to "
            f"1197 (all of 'digits'). Received: train_size={train_size!r}"
        )
        with refused(message):
            data.load("digits", train_size=train_size)


class TestStandardized:
    def test_by_hand(self):
        # Two images of two pixels, (0, 0) and (0, 1): means (0, 1/2), remainders (0, 0), (0, ±1/2),
        # their standard deviation √((0 + 1/4 + 0 + 1/4) / 4) = √(1/8)
        x = np.array([[0, 0], [0, 1]], dtype=np.float32)
        y = np.array([0, 1], dtype=np.int32)
        scaled = data.Dataset("two", x, y, x[:1], y[:1], x[1:], y[1:], ("a", "b")).standardized()
        half = 0.5 / np.sqrt(1 / 8)
        np.testing.assert_allclose(scaled.x_train, [[0, -half], [0, half]], rtol=1e-6)
        np.testing.assert_allclose(scaled.x_valid, [[0, -half]], rtol=1e-6)  # by training figures
        np.testing.assert_allclose(scaled.x_test, [[0, half]], rtol=1e-6)

    def test_equals_scikit_learn(self):
        digits = data.load("digits")
        scaler = StandardScaler(with_std=False).fit(digits.x_train.reshape(1197, 64))
        scale = scaler.transform(digits.x_train.reshape(1197, 64)).astype(np.float64).std()
        scaled = digits.standardized()
        for split in ("train", "valid", "test"):
            x = getattr(digits, f"x_{split}").reshape(-1, 64)
            ours = getattr(scaled, f"x_{split}")
            assert ours.dtype == np.float32
            assert ours.shape[1:] == (8, 8)
            # float32 keeps 24 bits: 6e-8 of values up to 3.4
            expected = (scaler.transform(x) / scale).reshape(ours.shape)
            np.testing.assert_allclose(ours, expected, atol=1e-6)

    def test_each_pixel_has_mean_0_and_the_whole_standard_deviation_1(self):
        x = data.load("digits").standardized().x_train
        assert np.abs(x.mean(axis=0, dtype=np.float64)).max() < 1e-6
        assert x.std(dtype=np.float64) == pytest.approx(1, abs=1e-6)

    def test_original_and_labels_stay(self):
        digits = data.load("digits")
        scaled = digits.standardized()
        assert digits.x_train.min() == 0
        np.testing.assert_array_equal(scaled.y_train, digits.y_train)
        assert (scaled.name, scaled.class_names) == (digits.name, digits.class_names)

    @pytest.mark.parametrize("level", [0.0, 0.1])
    def test_images_all_alike_are_refused(self, level):
        x, y = np.full((7, 2, 2), level, dtype=np.float32), np.zeros(7, dtype=np.int32)
        flat = data.Dataset("flat", x, y, x, y, x, y, ("a",))
        with refused("the training images of 'flat' must not all be alike."):
            flat.standardized()


class TestFile:
    @pytest.mark.parametrize("name", SHAPES)
    @pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
    def test_small_file_is_split_and_scaled(self, folder, name, save):
        # A fifth of 40 training images, hence 8, are for validation and 32 remain
        arrays = arrays_of(name)
        (folder / f"{name}.npz").write_bytes(npz_bytes(arrays, save=save))
        loaded = data.load(name)
        assert loaded.name == name
        assert loaded.image_shape == SHAPES[name]
        assert len(loaded.class_names) == len(set(loaded.class_names)) == 10
        for split, x, y in (
            ("valid", arrays["x_train"][:8], arrays["y_train"][:8]),
            ("train", arrays["x_train"][8:], arrays["y_train"][8:]),
            ("test", arrays["x_test"], arrays["y_test"]),
        ):
            ours = getattr(loaded, f"x_{split}")
            assert ours.dtype == np.float32
            assert getattr(loaded, f"y_{split}").dtype == np.int32
            np.testing.assert_allclose(ours, x / 255.0, rtol=1e-7)
            np.testing.assert_array_equal(getattr(loaded, f"y_{split}"), y)

    def test_grey_levels_by_hand(self, fashion_file):
        # 0 / 255 = 0, 51 / 255 = 1/5, 255 / 255 = 1
        x = np.zeros((10, 28, 28), dtype=np.uint8)
        x[:, 0, :3] = [0, 51, 255]
        fashion_file(x_test=x)
        pixels = data.load("fashion_mnist").x_test[0, 0, :3]
        assert pixels.tolist() == [0, float(np.float32(0.2)), 1]

    def test_training_subset_of_a_file(self, fashion_file):
        fashion_file(**arrays_of("fashion_mnist", train=100))
        part = data.load("fashion_mnist", train_size=20)
        assert np.bincount(part.y_train).tolist() == [2] * 10  # 8 of each class of 80
        assert (len(part.x_valid), len(part.x_test)) == (20, 10)

    def test_labels_in_a_column_are_flattened(self, fashion_file):
        plain = data.load(fashion_file().stem)
        columns = {k: v[:, None] for k, v in arrays_of("fashion_mnist").items() if k[0] == "y"}
        assert_equal_datasets(plain, data.load(fashion_file(**columns).stem))

    @pytest.mark.parametrize("dtype", [np.int8, np.int64, np.uint64, ">i4"])
    def test_labels_of_any_integer_type(self, fashion_file, dtype):
        plain = data.load(fashion_file().stem)
        labels = {k: v.astype(dtype) for k, v in arrays_of("fashion_mnist").items() if k[0] == "y"}
        assert_equal_datasets(plain, data.load(fashion_file(**labels).stem))

    def test_other_members_are_never_read(self, fashion_file):
        plain = data.load(fashion_file().stem)
        extra = fashion_file(notes=np.array([{"a": 1}], dtype=object))
        assert_equal_datasets(plain, data.load(extra.stem))

    def test_smallest_file_leaves_one_image_for_validation(self, fashion_file):
        fashion_file(**arrays_of("fashion_mnist", train=5, test=1))
        loaded = data.load("fashion_mnist")
        assert (len(loaded.x_train), len(loaded.x_valid), len(loaded.x_test)) == (4, 1, 1)

    def test_missing_file(self, folder):
        path = folder / "cifar10.npz"
        message = (
            f"{path} does not exist. Put it there, or unset DNNBOOK_DATA to let Keras download it."
        )
        with refused(message, FileNotFoundError):
            data.load("cifar10")

    def test_folder_in_the_place_of_the_file(self, folder):
        (folder / "cifar10.npz").mkdir()
        with pytest.raises(FileNotFoundError, match=r"cifar10\.npz does not exist"):
            data.load("cifar10")

    def test_missing_arrays(self, fashion_file):
        path = fashion_file(npz_bytes({"x_train": np.zeros(1), "images": np.zeros(1)}))
        message = (
            f"{path} must hold the arrays x_train, y_train, x_test, y_test. "
            "Received: x_train, images"
        )
        with refused(message):
            data.load("fashion_mnist")

    def test_no_arrays_at_all(self, fashion_file):
        fashion_file(npz_bytes({}))
        with pytest.raises(ValueError, match=r"Received: none$"):
            data.load("fashion_mnist")

    @pytest.mark.parametrize(
        ("key", "array", "complaint"),
        [
            ("x_train", np.zeros((40, 28, 27), np.uint8), "(n, 28, 28) with n of at least 5"),
            ("x_train", np.zeros((40, 784), np.uint8), "(n, 28, 28) with n of at least 5"),
            ("x_train", np.zeros((4, 28, 28), np.uint8), "(n, 28, 28) with n of at least 5"),
            ("x_test", np.zeros((10, 28, 28, 1), np.uint8), "(n, 28, 28) with n of at least 1"),
            ("x_test", np.zeros((0, 28, 28), np.uint8), "(n, 28, 28) with n of at least 1"),
            ("x_test", np.uint8(0), "(n, 28, 28) with n of at least 1"),
            ("y_train", np.zeros((40, 2), np.uint8), "(n) with n of at least 1"),
            ("y_test", np.zeros((10, 10), np.uint8), "(n) with n of at least 1"),
            ("y_test", np.zeros(0, np.uint8), "(n) with n of at least 1"),
            ("y_test", np.uint8(0), "(n) with n of at least 1"),
        ],
    )
    def test_wrong_shapes(self, fashion_file, key, array, complaint):
        path = fashion_file(**{key: array})
        message = f"{path}: `{key}` must have shape {complaint}. Received: shape={array.shape}"
        with refused(message):
            data.load("fashion_mnist")

    @pytest.mark.parametrize("key", ["x_train", "x_test"])
    @pytest.mark.parametrize("dtype", ["float32", "int64", "bool", "<U1"])
    def test_images_of_another_type(self, fashion_file, key, dtype):
        path = fashion_file(**{key: arrays_of("fashion_mnist")[key].astype(dtype)})
        message = f"{path}: `{key}` must be uint8. Received: dtype={dtype}"
        with refused(message):
            data.load("fashion_mnist")

    @pytest.mark.parametrize("key", ["y_train", "y_test"])
    @pytest.mark.parametrize("dtype", ["float64", "bool", "<U1", "complex128"])
    def test_labels_of_another_type(self, fashion_file, key, dtype):
        path = fashion_file(**{key: arrays_of("fashion_mnist")[key].astype(dtype)})
        message = f"{path}: `{key}` must be integers. Received: dtype={dtype}"
        with refused(message):
            data.load("fashion_mnist")

    @pytest.mark.parametrize(("label", "received"), [(10, "from 0 to 10"), (-1, "from -1 to 9")])
    @pytest.mark.parametrize("split", ["train", "test"])
    def test_labels_out_of_range(self, fashion_file, split, label, received):
        labels = arrays_of("fashion_mnist")[f"y_{split}"].astype(np.int64)
        labels[0], labels[-2] = label, 0
        path = fashion_file(**{f"y_{split}": labels})
        message = f"{path}: `y_{split}` must be from 0 to 9. Received: {received}"
        with refused(message):
            data.load("fashion_mnist")

    @pytest.mark.parametrize(("split", "n"), [("train", 40), ("test", 10)])
    def test_more_labels_than_images(self, fashion_file, split, n):
        path = fashion_file(**{f"y_{split}": np.zeros(n + 1, np.uint8)})
        message = (
            f"{path}: `x_{split}` and `y_{split}` must be equally long. "
            f"Received: {n} images and {n + 1} labels"
        )
        with refused(message):
            data.load("fashion_mnist")


class CreatesAFile:
    """What a hostile file would hold: unpickling it creates a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


class TestDamagedFile:
    def refuses(self, path):
        message = f"^{re.escape(str(path))} is damaged or not an \\.npz file; fetch it again"
        with pytest.raises(ValueError, match=message):
            data.load("fashion_mnist")

    @pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
    @pytest.mark.parametrize("kept", [0, 1, 3, 4, 30, 200, 0.25, 0.5, 0.75, -100, -22, -1])
    def test_cut_off(self, fashion_file, save, kept):
        whole = npz_bytes(arrays_of("fashion_mnist"), save=save)
        end = int(kept * len(whole)) if isinstance(kept, float) else kept
        self.refuses(fashion_file(whole[:end]))

    @pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
    def test_one_wrong_byte_in_the_middle(self, fashion_file, save):
        # The checksum of the archive's member betrays it
        content = bytearray(npz_bytes(arrays_of("fashion_mnist"), save=save))
        content[len(content) // 2] ^= 0xFF
        self.refuses(fashion_file(bytes(content)))

    @pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
    @given(where=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255), head=st.booleans())
    @settings(
        max_examples=80,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )
    def test_any_wrong_byte_is_named_or_harmless(self, fashion_file, save, where, flip, head):
        # A date in the archive's directory is harmless; nothing may change what is loaded
        whole = npz_bytes(arrays_of("fashion_mnist"), save=save)
        plain = data.load(fashion_file(whole).stem)
        content = bytearray(whole)
        # half of the trials hit headers or the directory at the end, which are short
        place = int(where * (250 if head else len(content)))
        content[place if where < 0.5 or not head else -place] ^= flip
        path = fashion_file(bytes(content))
        try:
            assert_equal_datasets(plain, data.load("fashion_mnist"))
        except (ValueError, FileNotFoundError) as error:
            assert str(path) in str(error)  # noqa: PT017

    def test_text_file(self, fashion_file):
        self.refuses(fashion_file(b"404: not found"))

    def test_empty_file(self, fashion_file):
        self.refuses(fashion_file(b""))

    def test_npy_file(self, fashion_file):
        buffer = io.BytesIO()
        np.save(buffer, np.zeros(3))
        self.refuses(fashion_file(buffer.getvalue()))

    def test_archive_whose_members_are_no_arrays(self, fashion_file):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for key in data.FILE_KEYS:
                archive.writestr(f"{key}.npy", b"not an array")
        self.refuses(fashion_file(buffer.getvalue()))

    def test_member_that_goes_on_after_its_array(self, fashion_file):
        source = zipfile.ZipFile(io.BytesIO(npz_bytes(arrays_of("fashion_mnist"))))
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for name in source.namelist():
                archive.writestr(name, source.read(name) + b"more")
        self.refuses(fashion_file(buffer.getvalue()))

    def test_file_that_the_system_refuses_says_why(self, fashion_file, monkeypatch):
        def refuse(path):
            raise PermissionError(13, "Permission denied", str(path))

        path = fashion_file()
        monkeypatch.setattr(zipfile, "ZipFile", refuse)
        with pytest.raises(ValueError, match=f"^{re.escape(str(path))} .*Permission denied"):
            data.load("fashion_mnist")

    @pytest.mark.parametrize("key", data.FILE_KEYS)
    def test_pickle_inside_is_refused_and_never_run(self, fashion_file, key):
        trace = fashion_file().with_name("trace")
        path = fashion_file(**{key: np.array([CreatesAFile(trace)], dtype=object)})
        message = (
            f"{path} holds a pickled object, which is never loaded: it could run code. Write "
            "plain arrays with `numpy.savez`."
        )
        with refused(message):
            data.load("fashion_mnist")
        assert not trace.exists()

    def test_pickle_as_the_file_or_as_a_member_is_never_run(self, fashion_file):
        trace = fashion_file().with_name("trace")
        hostile = pickle.dumps(CreatesAFile(trace))
        self.refuses(fashion_file(hostile))
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for key in data.FILE_KEYS:
                archive.writestr(f"{key}.npy", hostile)
        self.refuses(fashion_file(buffer.getvalue()))
        assert not trace.exists()
        pickle.loads(hostile)  # the trap itself works
        assert trace.exists()


class TestDownload:
    def test_counts_of_the_notes(self, keras_download):
        # Fashion-MNIST: 60,000 for training, of which the notes split off the first 5,000
        x, y = np.zeros((60_000, 28, 28), np.uint8), np.zeros(60_000, np.uint8)
        x[:5000], y[:5000] = 255, 9
        keras_download("fashion_mnist", lambda: ((x, y), (x[:10_000], y[:10_000])))
        loaded = data.load("fashion_mnist")
        assert (len(loaded.x_train), len(loaded.x_valid)) == (55_000, 5_000)
        assert len(loaded.x_test) == 10_000
        assert (loaded.y_valid.min(), loaded.y_train.max()) == (9, 0)
        assert (loaded.x_valid.min(), loaded.x_train.max()) == (1, 0)

    def test_labels_of_cifar10_come_in_a_column(self, keras_download):
        arrays = arrays_of("cifar10")
        train = arrays["x_train"], arrays["y_train"][:, None]
        keras_download("cifar10", lambda: (train, (arrays["x_test"], arrays["y_test"][:, None])))
        assert data.load("cifar10").y_test.tolist() == arrays["y_test"].tolist()

    @pytest.mark.parametrize("error", [Exception("URL fetch failure: no route"), OSError("no")])
    def test_failure_names_both_ways_out(self, keras_download, error):
        def fails():
            raise error

        keras_download("cifar10", fails)
        message = (
            "'cifar10' is not on this machine and Keras could not download it. Two ways out: set "
            "DNNBOOK_DATA to a folder that holds cifar10.npz (arrays x_train, y_train, x_test, "
            f"y_test), or run once with a network. Received: {error}"
        )
        with refused(message, FileNotFoundError):
            data.load("cifar10")

    def test_interruption_passes(self, keras_download):
        def interrupted():
            raise KeyboardInterrupt

        keras_download("cifar10", interrupted)
        with pytest.raises(KeyboardInterrupt):
            data.load("cifar10")

    def test_downloaded_arrays_are_checked_too(self, keras_download):
        arrays = arrays_of("fashion_mnist")
        train = arrays["x_train"] / 255.0, arrays["y_train"]
        keras_download("fashion_mnist", lambda: (train, (arrays["x_test"], arrays["y_test"])))
        with pytest.raises(ValueError, match=r"^Keras' copy of fashion_mnist: `x_train` must be"):
            data.load("fashion_mnist")
