"""Own choices, sharpness, and an optimizer mended."""

from types import SimpleNamespace

import keras
import numpy as np
import pandas as pd
import pytest

from helpers.optimizers import OwnChoice, ScheduleFree, sharpness
from helpers.replicas import batch_order, fit_replicas

X = np.random.default_rng(0).normal(size=(40, 6)).astype("float32")
Y = np.random.default_rng(1).integers(0, 3, 40)
LOSS = "sparse_categorical_crossentropy"


class Run(SimpleNamespace):
    """Replicas whose losses are known."""

    def __len__(self):
        return len(self.history["val_loss"])

    def evaluate(self, x, y, *, rows):
        return {"loss": self.judged + x + y + rows.sum()}


def run(tune, judged):
    history = {"val_loss": np.column_stack([np.zeros(len(tune)), tune])}
    return Run(history=history, judged=np.array(judged))


class TestOwnChoice:
    def test_by_hand(self):
        # Replica 0 is best at the second rate, replica 1 at the first; 2 diverges at the second.
        own = OwnChoice([run([3.0, 1.0, 9.0], [30, 10, 90]), run([2.0, 2.0, np.nan], [20, 21, 22])])
        assert own.chosen.tolist() == [1, 0, 0]
        found = own.evaluate(0, 0, rows=np.zeros(1))
        assert found["loss"].tolist() == [20, 10, 90]
        assert own.history["val_loss"][:, -1].tolist() == [2.0, 1.0, 9.0]
        assert len(own) == 3

    def test_a_replica_that_was_stopped_counts_by_its_last_epoch(self):
        # Replica 0 is stopped after two epochs at 1, replica 1 after three at 4; the slow rate ends
        # at 2 and 3, an epoch later.
        fast = np.ma.masked_invalid([[5.0, 1.0, np.nan], [9.0, 5.0, 4.0]])
        slow = np.array([[5.0, 4.0, 3.0, 2.0], [6.0, 5.0, 4.0, 3.0]])
        own = OwnChoice([Run(history={"val_loss": losses}) for losses in (fast, slow)])
        assert own.chosen.tolist() == [0, 1]
        assert own.history["val_loss"].tolist() == [[5.0, 1.0, None, None], [6.0, 5.0, 4.0, 3.0]]

    def test_needs_validated_runs(self):
        bare = fit_replicas(small_net, X, Y, optimizer="sgd", loss=LOSS, epochs=1, replicas=1)
        with pytest.raises(ValueError, match=r"validation data\. Received: histories of loss"):
            OwnChoice([bare])

    def test_hands_on_what_it_is_asked(self):
        own = OwnChoice([run([1.0], [5])])
        assert own.evaluate(1, 2, rows=np.array([3, 4]))["loss"].tolist() == [15]

    @pytest.mark.parametrize("runs", [[], [run([1.0], [1]), run([1.0, 2.0], [1, 2])]])
    def test_refuses_runs_that_do_not_match(self, runs):
        with pytest.raises(ValueError, match=r"`runs` must have as many replicas each. Received: "):
            OwnChoice(runs)


class TestSharpness:
    def test_equals_the_hessian_of_least_squares(self):
        # The mean of (x w - y)² has the Hessian 2 xᵀx / n, wherever w is.
        model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(1, use_bias=False)])
        weights = [np.random.default_rng(2).normal(size=(2, 6, 1))]
        found = sharpness(model, "mse", X, np.zeros((40, 1)), weights, iterations=200)
        expected = np.linalg.eigvalsh(2 * X.T @ X / 40).max()
        np.testing.assert_allclose(found, [expected, expected], rtol=1e-4)

    def test_rows_of_its_own(self):
        model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(1, use_bias=False)])
        rows = np.arange(40).reshape(2, 20)
        found = sharpness(
            model, "mse", X, np.zeros((40, 1)), [np.zeros((2, 6, 1))], rows=rows, iterations=200
        )
        expected = [np.linalg.eigvalsh(2 * X[own].T @ X[own] / 20).max() for own in rows]
        np.testing.assert_allclose(found, expected, rtol=1e-4)

    def test_a_row_of_an_embedding_that_is_read_twice_counts_once(self):
        # The mean of (Σ_j c_j e_j - y)² has the Hessian 2 cᵀc / n: c counts the words of a line.
        words = np.random.default_rng(3).integers(0, 5, (40, 4))
        counts = np.array([np.bincount(line, minlength=5) for line in words])
        layers = [keras.layers.Embedding(5, 1), keras.layers.GlobalAveragePooling1D()]
        model = keras.Sequential([keras.Input((4,)), *layers, keras.layers.Rescaling(4.0)])
        found = sharpness(
            model, "mse", words, np.zeros((40, 1)), [np.zeros((1, 5, 1))], iterations=300
        )
        expected = np.linalg.eigvalsh(2 * counts.T @ counts / 40).max()
        np.testing.assert_allclose(found, [expected], rtol=1e-4)

    def test_a_loss_without_a_gradient_of_its_gradient_is_flat(self):
        model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(1)])
        weights = [np.ones((1, 6, 1)), np.ones((1, 1))]
        assert sharpness(model, lambda y, answers: answers, X, Y, weights).tolist() == [0.0]

    def test_data_are_taken_by_position_in_any_type(self):
        model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(1, "sigmoid")])
        weights = [weight[None] for weight in model.get_weights()]
        labels, shuffled = (Y > 0).astype(int), np.random.default_rng(4).permutation(40)
        options = {"weights": weights, "rows": [range(20)]}
        found = [
            sharpness(model, "binary_crossentropy", x, y, **options)
            for x, y in (
                (X, labels[:, None]),
                (pd.DataFrame(X, index=shuffled), pd.Series(labels, index=shuffled)),
                (X.tolist(), labels.tolist()),
            )
        ]
        np.testing.assert_allclose(found, [found[0]] * 3, rtol=1e-6)

    def test_a_model_in_float64(self):
        layers = [keras.Input((6,), dtype="float64"), keras.layers.Dense(1, dtype="float64")]
        model = keras.Sequential(layers)
        weights = [np.zeros((1, 6, 1)), np.zeros((1, 1))]
        found = sharpness(model, "mse", X.astype(float), Y, weights, iterations=300)
        inputs = np.column_stack([X, np.ones(40)]).astype(float)
        np.testing.assert_allclose(
            found, np.linalg.eigvalsh(2 * inputs.T @ inputs / 40).max(), rtol=1e-9
        )

    def test_refuses(self):
        with pytest.raises(TypeError, match=r"`model` must be a Keras model\. Received: None"):
            sharpness(None, "mse", X, X, [])
        model = keras.Sequential([keras.Input((6,)), keras.layers.BatchNormalization()])
        weights = [np.zeros((1, 6))] * 4
        with pytest.raises(ValueError, match=r"trained weights only. Received: 2 that are not"):
            sharpness(model, "mse", X, X, weights)
        with pytest.raises(ValueError, match="`iterations` must be at least 1"):
            sharpness(model, "mse", X, X, weights, iterations=0)
        with pytest.raises(TypeError, match="`iterations` must be an integer"):
            sharpness(model, "mse", X, X, weights, iterations=2.5)


def paper(beta, steps, rate=0.1, decay=0.0):
    """Schedule-Free AdamW on θ² / 2 from 1, line by line."""
    z = x = y = 1.0
    square, path = 0.0, []
    for t in range(1, steps + 1):
        square = 0.999 * square + 0.001 * y**2
        z -= rate * (y / (np.sqrt(square / (1 - 0.999**t)) + 1e-7) + decay * y)
        x = (1 - 1 / t) * x + z / t
        y = (1 - beta) * z + beta * x
        path.append(y)
    return path


def own_path(optimizer, steps=20):
    weight, path = keras.Variable([1.0]), []
    for _ in range(steps):
        optimizer.apply([keras.ops.copy(weight)], [weight])
        path.append(weight.numpy().item())
    return path


class TestScheduleFree:
    @pytest.mark.parametrize("beta", [0.5, 0.9, 0.99])
    def test_is_the_papers(self, beta):
        np.testing.assert_allclose(
            own_path(ScheduleFree(0.1, beta_1=beta)), paper(beta, 20), atol=1e-5
        )

    def test_decay_takes_off_the_fast_point_alone(self):
        ours = own_path(ScheduleFree(0.1, weight_decay=0.5))
        np.testing.assert_allclose(ours, paper(0.9, 20, decay=0.5), atol=1e-5)
        without = ScheduleFree(0.1, weight_decay=0.5)
        without.exclude_from_weight_decay(var_names=["variable"])
        np.testing.assert_allclose(own_path(without), paper(0.9, 20), atol=1e-5)

    def test_a_sparse_gradient_steps_as_the_dense_one_that_it_means(self):
        tf, ends = pytest.importorskip("tensorflow"), []
        slices = tf.IndexedSlices(
            values=np.float32([[1.0], [2.0], [4.0]]), indices=[2, 0, 2], dense_shape=[3, 1]
        )
        for gradient in (slices, tf.constant([[2.0], [0.0], [5.0]])):
            rows, optimizer = keras.Variable(np.ones((3, 1), "float32")), ScheduleFree(0.1)
            for _ in range(3):
                optimizer.apply([gradient], [rows])
            ends.append(rows.numpy())
        np.testing.assert_allclose(*ends, rtol=1e-6)

    @pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras'
    def test_survives_a_file(self, tmp_path):
        model = small_net()
        model.compile(ScheduleFree(0.02, weight_decay=0.01), LOSS)
        model.fit(X, Y, epochs=2, verbose=0)
        model.save(tmp_path / "net.keras")
        again = keras.models.load_model(tmp_path / "net.keras")
        for one in (model, again):
            one.fit(X, Y, shuffle=False, verbose=0)
        for ours, theirs in zip(model.get_weights(), again.get_weights(), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-6)

    def test_refuses(self):
        with pytest.raises(ValueError, match=r"`beta_1` must be in \(0, 1\)\. Received: beta_1=0"):
            ScheduleFree(beta_1=0.0)
        with pytest.raises(ValueError, match=r"`amsgrad` must be False.* Received: amsgrad=True"):
            ScheduleFree(amsgrad=True)

    def test_keras_own_has_no_use_for_beta(self):
        """When this fails, Keras has mended it: then chapter 7 says so, and takes Keras' own."""
        paths = [own_path(keras.optimizers.ScheduleFreeAdamW(0.1, beta_1=b)) for b in (0.5, 0.9)]
        np.testing.assert_allclose(paths[0], paths[1], atol=1e-5)
        assert np.abs(np.subtract(paths[0], paper(0.5, 20))).max() > 0.05

    def test_survives_a_round_trip(self):
        made = ScheduleFree(0.2, beta_1=0.8, weight_decay=0.01)
        again = ScheduleFree.from_config(made.get_config())
        assert (again.beta_1, again.weight_decay) == (0.8, 0.01)


def small_net():
    return keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Dense(5, "relu"),
            keras.layers.Dense(3, "softmax", name="output"),
        ]
    )


@pytest.mark.parametrize(
    "optimizer",
    [
        keras.optimizers.Muon(0.02, exclude_layers=["output"]),
        keras.optimizers.Lamb(0.02),
        keras.optimizers.Adafactor(0.1, epsilon_1=1e-15),
        ScheduleFree(0.02),
    ],
    ids=lambda one: type(one).__name__,
)
def test_replicas_equal_fit_under_the_newer_optimizers(optimizer):
    trained = fit_replicas(
        small_net, X, Y, optimizer=optimizer, loss=LOSS, epochs=3, batch_size=8, replicas=2, seed=3
    )
    keras.utils.set_random_seed(4)
    model = small_net()
    model.compile(type(optimizer).from_config(optimizer.get_config()), LOSS)
    for epoch in range(3):
        order = batch_order(4, epoch, 40)
        model.fit(X[order], Y[order], batch_size=8, shuffle=False, verbose=0)
    for ours, theirs in zip(trained.weights, model.get_weights(), strict=True):
        np.testing.assert_allclose(ours[1], theirs, atol=3e-6)


@pytest.mark.parametrize(("epsilon", "broken"), [(1e-30, 12), (1e-15, 0)])
def test_adafactor_divides_nothing_by_nothing(epsilon, broken):
    """When this fails, Keras has mended it: then chapter 7 says so."""
    gradient = np.ones((4, 3), "float32")
    gradient[0], gradient[:, 1] = 0, 0
    kernel = keras.Variable(np.ones((4, 3), "float32"))
    keras.optimizers.Adafactor(0.01, epsilon_1=epsilon).apply(
        [keras.ops.convert_to_tensor(gradient)], [kernel]
    )
    assert np.isnan(kernel.numpy()).sum() == broken


def test_muon_is_adamw_on_what_is_no_matrix():
    """When this fails, Keras has mended it: then chapter 7 says so."""
    paths = []
    for optimizer in (
        keras.optimizers.Muon(0.01),
        keras.optimizers.AdamW(0.01, weight_decay=0.004),
    ):
        kernel = keras.Variable(np.ones((3, 3, 2, 2), "float32"))
        for gradient in np.random.default_rng(1).normal(size=(3, 3, 3, 2, 2)):
            optimizer.apply([keras.ops.convert_to_tensor(gradient, "float32")], [kernel])
        paths.append(kernel.numpy())
    np.testing.assert_allclose(*paths, atol=1e-6)
