"""When replicas and arms are one computation, and when not: nothing is mixed up silently."""

import functools

import keras
import numpy as np
import pytest
from keras import layers

from helpers.replicas import fit_arms, fit_replicas
from helpers.replicas.arms import _groups
from helpers.replicas.sameness import describe, first_difference
from helpers.replicas.tracing import same_graph

X = np.random.default_rng(0).normal(size=(40, 6)).astype("float32")
Y = np.random.default_rng(1).integers(0, 3, 40)
FIT = {"optimizer": "sgd", "loss": "sparse_categorical_crossentropy", "epochs": 1}


def fit(build, replicas=2, **options):
    return fit_replicas(build, X, Y, replicas=replicas, **FIT | options)


def dense(activation="tanh", **options):
    return keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(5, activation=activation, **options),
            layers.Dense(3, activation="softmax"),
        ]
    )


def leaky(slope):
    return lambda z: keras.ops.maximum(z, slope * z)


class Scale(layers.Layer):
    """A layer of a reader's own, with a factor that no configuration tells."""

    factor = 1.0

    def call(self, x):
        return x * self.factor


def scaled(factor):
    layer = Scale()
    layer.factor = factor
    return keras.Sequential([keras.Input((6,)), layer, layers.Dense(3, activation="softmax")])


def shifted(shift):
    return keras.Sequential(
        [keras.Input((6,)), layers.Lambda(lambda x: x + shift), layers.Dense(3, "softmax")]
    )


UNLIKE = {
    "captured_slope": (lambda: dense(leaky(0.01)), lambda: dense(leaky(0.9))),
    "partial": (
        lambda: dense(functools.partial(keras.activations.leaky_relu, negative_slope=0.01)),
        lambda: dense(functools.partial(keras.activations.leaky_relu, negative_slope=0.9)),
    ),
    "attribute_set_later": (lambda: scaled(0.1), lambda: scaled(2.0)),
    "array": (lambda: shifted(np.zeros(6, "float32")), lambda: shifted(np.ones(6, "float32"))),
    "variable": [functools.partial(shifted, keras.Variable(at)) for at in (0.0, 1.0)],
}


@pytest.mark.parametrize("name", UNLIKE)
def test_arms_that_differ_in_what_they_capture_are_trained_apart(name):
    one, other = UNLIKE[name]
    arms = fit_arms({"one": one, "other": other}, X, Y, replicas=2, seed=3, **FIT)
    assert np.abs(arms["one"].weights[0] - arms["other"].weights[0]).max() > 1e-4
    for build, arm in ((one, arms["one"]), (other, arms["other"])):
        alone = fit(build, seed=3)
        np.testing.assert_allclose(arm.weights[0], alone.weights[0], atol=1e-6)


@pytest.mark.parametrize("name", UNLIKE)
def test_replicas_that_differ_in_what_they_capture_are_refused(name):
    with pytest.raises(ValueError, match="differ in their initial weights and seeds alone"):
        fit(list(UNLIKE[name]))


def test_a_value_changed_between_calls_is_not_read_from_a_kept_program():
    value = {"factor": 0.1}
    build = lambda: scaled(value["factor"])  # noqa: E731
    first = fit(build)
    value["factor"] = 2.0
    second = fit(build)
    assert np.abs(first.weights[0] - second.weights[0]).max() > 1e-4


def weighted(factor):
    """Return a loss times a variable that it has captured."""
    own = keras.Variable(factor)
    return lambda y, y_pred: own * keras.losses.sparse_categorical_crossentropy(y, y_pred)


def test_a_loss_is_computed_with_the_variable_that_it_has_captured():
    first, second = (fit(dense, loss=weighted(factor)).history["loss"] for factor in (0.1, 1.0))
    assert (first < 0.2 * second).all()


class Penalty(keras.regularizers.Regularizer):
    """A penalty whose strength nothing tells but what it computes."""

    def __init__(self, strength):
        self.strength = keras.Variable(strength)

    def __call__(self, weights):
        return self.strength * keras.ops.sum(weights**2)


def test_replicas_whose_penalties_differ_are_refused():
    builds = [lambda s=s: dense(kernel_regularizer=Penalty(s)) for s in (0.1, 10.0)]
    with pytest.raises(ValueError, match="differ in their initial weights and seeds alone"):
        fit(builds)
    fit(lambda: dense(kernel_regularizer=Penalty(0.1)))


def permuted():
    order = np.random.permutation(6)
    return keras.Sequential(
        [keras.Input((6,)), layers.Lambda(lambda x: keras.ops.take(x, order, axis=1)), *head()]
    )


def constant():
    layer = Scale()
    layer.factor = keras.ops.convert_to_tensor(np.random.normal(size=6).astype("float32"))
    return keras.Sequential([keras.Input((6,)), layer, *head()])


def head():
    return [layers.Dense(3, activation="softmax")]


@pytest.mark.parametrize("build", [permuted, constant])
def test_what_build_draws_besides_weights_is_refused(build):
    with pytest.raises(ValueError, match=r"what else `build` draws.*differs from replica 0"):
        fit(build, replicas=4)


def test_weights_drawn_in_other_ways_are_those_of_the_builder():
    def build():
        model = dense()
        model.layers[0].kernel.assign(np.random.normal(size=(6, 5)))
        return model

    trained = fit(build, replicas=4, seed=3)
    for k in range(4):
        keras.utils.set_random_seed(3 + k)
        np.testing.assert_array_equal(trained.initial_weights[0][k], build().get_weights()[0])


def test_a_builder_is_called_twice_where_weights_are_given_but_seeds_are_its_own():
    built = []

    def build():
        layer = layers.Dense(5, activation="tanh")
        model = keras.Sequential([keras.Input((6,)), layers.Dropout(0.3), layer, *head()])
        layer.kernel.assign(np.random.normal(size=(6, 5)))  # as a body that was trained elsewhere
        built.append(model)
        return model

    def replica(k):
        keras.utils.set_random_seed(3 + k)
        return build()

    weights = zip(*(replica(k).get_weights() for k in range(4)), strict=True)
    start = [np.stack(parts) for parts in weights]
    del built[:]
    trained = fit(build, replicas=4, seed=3, start=start)
    assert len(built) == 2
    again = fit(build, replicas=4, seed=3)  # what was tried for given weights is no trial here
    assert len(built) > 4
    for k in range(4):
        model = replica(k)
        for ours, theirs in zip(again.initial_weights, model.get_weights(), strict=True):
            np.testing.assert_array_equal(ours[k], theirs)
    for ours, theirs in zip(trained.weights, again.weights, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)  # the same drops, too


def everything():
    return keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(5, kernel_initializer=keras.initializers.Orthogonal()),
            layers.Dropout(0.3),
            layers.Dense(5, bias_initializer="random_normal", kernel_initializer="he_uniform"),
            layers.GaussianNoise(0.1),
            layers.PReLU(alpha_initializer=keras.initializers.RandomUniform(0, 0.3)),
            *head(),
        ]
    )


def test_drawn_weights_are_bit_for_bit_those_of_the_builder():
    trained = fit(everything, replicas=5, seed=11)
    for k in range(5):
        keras.utils.set_random_seed(11 + k)
        for ours, theirs in zip(trained.initial_weights, everything().get_weights(), strict=True):
            np.testing.assert_array_equal(ours[k], theirs)


def test_arms_that_start_in_other_ways_share_a_stack():
    arms = {
        name: functools.partial(dense, kernel_initializer=name) for name in ("he_normal", "zeros")
    }
    assert _groups(arms, 0, X, {}) == [["he_normal", "zeros"]]
    assert _groups({"a": dense, "b": lambda: dense("relu")}, 0, X, {}) == [["a"], ["b"]]


@pytest.mark.slow
def test_equal_random_starts_are_said():
    initializer = keras.initializers.GlorotUniform()
    with pytest.warns(UserWarning, match=r"same random sequential.*kernel.*leaves that draw out"):
        fit(lambda: dense(kernel_initializer=initializer))


def test_equal_random_starts_of_one_arm_are_said():
    initializer = keras.initializers.GlorotUniform()
    arms = {"own": dense, "same": lambda: dense(kernel_initializer=initializer)}
    with pytest.warns(UserWarning, match=r"same random sequential.*kernel.*leaves that draw out"):
        fit_arms(arms, X, Y, replicas=2, **FIT)


class FromNumPy(keras.initializers.Initializer):
    """An initializer that draws with what Keras does not seed."""

    def __call__(self, shape, dtype=None):
        return keras.ops.convert_to_tensor(np.random.normal(size=shape), dtype)


def test_another_initializer_is_tried_before_weights_are_drawn_anew():
    fit(functools.partial(dense, kernel_initializer=keras.initializers.Zeros()), replicas=3)
    build = functools.partial(dense, kernel_initializer=FromNumPy())
    trained = fit(build, replicas=3, seed=3)
    for k in range(3):
        keras.utils.set_random_seed(3 + k)
        np.testing.assert_array_equal(trained.initial_weights[0][k], build().get_weights()[0])


@pytest.mark.parametrize("initializer", ["zeros", keras.initializers.Constant(0.1)])
def test_constant_starts_are_lawful(initializer):
    fit(lambda: dense(kernel_initializer=initializer))


def test_given_starts_may_be_equal():
    start = [np.stack([w, w]) for w in dense().get_weights()]
    trained = fit(dense, start=start)
    np.testing.assert_array_equal(trained.initial_weights[0], start[0])


def test_names_of_layers_do_not_matter():
    # In a fresh process the first such layer is called "softmax", as is an activation.
    build = lambda: keras.Sequential(  # noqa: E731
        [keras.Input((6,)), layers.Dense(3, activation="softmax"), layers.Softmax(name="softmax")]
    )
    named = lambda: keras.Sequential(  # noqa: E731
        [keras.Input((6,)), layers.Dense(3, activation="softmax"), layers.Softmax(name="relu")]
    )
    assert describe(build()) == describe(named())
    fit([build, named])


def named(first, second):
    return keras.Sequential(
        [keras.Input((6,)), layers.Dense(4, name=first), layers.Dense(4, name=second), *head()]
    )


def test_layers_have_the_names_that_their_own_builder_gave_them():
    builds = {"one": lambda: named("a", "b"), "other": lambda: named("b", "a")}
    arms = fit_arms(builds, X, Y, replicas=2, **FIT)
    for arm in arms.values():
        model = arm.model(0)
        inner = keras.Model(model.inputs, model.get_layer("a").output)
        expected = inner.predict(X, verbose=0)
        np.testing.assert_allclose(arm.predict(X, layer="a")[0], expected, atol=1e-6)
    with pytest.raises(ValueError, match=r"Received: 'c'. Possible: b, a"):
        arms["other"].predict(X, layer="c")
    with pytest.raises(ValueError, match=r"Received: 'a'. Possible: a, b"):
        fit(list(builds.values())).predict(X, layer="a")


def towers(first, second):
    inputs = keras.Input((6,), name=first), keras.Input((6,), name=second)
    joined = layers.Concatenate()(
        [layers.Dense(4, activation="tanh")(inputs[0]), layers.Dense(4)(inputs[1])]
    )
    return keras.Model(list(inputs), layers.Dense(3, activation="softmax")(joined))


def test_inputs_are_found_by_the_names_that_their_own_builder_gave_them():
    builds = {"one": lambda: towers("a", "b"), "other": lambda: towers("b", "a")}
    named_data = {"a": X, "b": X**2}
    arms = fit_arms(builds, named_data, Y, replicas=2, **FIT)
    by_place = fit_replicas(builds["other"], [X**2, X], Y, replicas=2, **FIT)
    np.testing.assert_allclose(arms["other"].weights[0], by_place.weights[0], atol=1e-6)
    for arm in (*arms.values(), by_place):
        expected = arm.model(0).predict(named_data, verbose=0)
        np.testing.assert_allclose(arm.predict(named_data)[0], expected, atol=1e-6)


def decaying():
    optimizer = keras.optimizers.SGD(0.1, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_names=["kept"])
    return optimizer


def test_weights_decay_by_the_names_that_their_own_builder_gave_them():
    builds = {"one": lambda: named("kept", "other"), "other": lambda: named("other", "kept")}
    for build in builds.values():
        trained = fit(build, optimizer=decaying(), batch_size=40)
        keras.utils.set_random_seed(0)
        model = build()
        model.compile(decaying(), FIT["loss"])
        model.fit(X, Y, batch_size=40, verbose=0)
        for ours, theirs in zip(trained.weights, model.get_weights(), strict=True):
            np.testing.assert_allclose(ours[0], theirs, atol=2e-6)
    with pytest.raises(ValueError, match=r"exclude the same variables of all.*SGD that excludes"):
        fit_arms(builds, X, Y, replicas=2, **FIT | {"optimizer": decaying()})


def test_models_are_left_as_they_were_built():
    made = []

    def build():
        made.append(dense())
        return made[-1]

    trained = fit(build)
    kept = [one.get_weights() for one in made]
    trained.evaluate(X, Y)
    own = trained.model(0)
    own.set_weights([w + 1 for w in own.get_weights()])
    assert own is not trained.model(0)
    for one, weights in zip(made, kept, strict=False):
        for now, before in zip(one.get_weights(), weights, strict=True):
            np.testing.assert_array_equal(now, before)


class Unregistered(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule that Keras can neither write down nor read."""

    def __call__(self, step):
        return 0.1 / (1 + keras.ops.cast(step, "float32"))


def test_a_schedule_need_not_be_registered():
    trained = fit(dense, optimizer=keras.optimizers.SGD(Unregistered()))
    np.testing.assert_allclose(
        trained.predict(X)[0], trained.model(0).predict(X, verbose=0), atol=1e-6
    )
    judged = trained.model(0).evaluate(X, Y, verbose=0)
    assert trained.evaluate(X, Y)["loss"][0] == pytest.approx(judged, abs=1e-6)


def test_layers_that_draw_while_their_graph_is_traced_are_refused():
    def build():
        return keras.Sequential(
            [keras.Input((8, 8, 3)), layers.AugMix((0, 1)), layers.Flatten(), *head()]
        )

    images = np.zeros((8, 8, 8, 3), "float32")
    with pytest.raises(ValueError, match=r"while its graph is traced.*AugMix"):
        fit_replicas(build, images, Y[:8], replicas=2, **FIT)


class DrawsAnywhere(layers.Layer):
    """A layer without a seed generator of its own."""

    def call(self, x):
        return x + keras.random.normal(keras.ops.shape(x))


def test_layers_that_draw_from_the_global_generator_are_refused():
    build = lambda: keras.Sequential([keras.Input((6,)), DrawsAnywhere(), *head()])  # noqa: E731
    with pytest.raises(ValueError, match=r"variables which are not the model's.*DrawsAnywhere"):
        fit(build)


def skip(wired):
    inputs = keras.Input((4,))
    first = layers.Dense(4)(inputs)
    second = layers.Dense(4)(first)
    return keras.Model(inputs, layers.Add()([inputs if wired else first, second]))


def test_descriptions_see_the_wiring():
    assert describe(skip(True)) == describe(skip(True))
    assert describe(skip(True)) != describe(skip(False))
    assert "and" in first_difference(describe(skip(True)), describe(skip(False)))


def test_what_cannot_be_looked_into_is_compared_by_its_graph():
    class Opaque(Scale):
        def __init__(self):
            super().__init__()
            self.handle = iter([1, 2, 3])

    build = lambda: keras.Sequential([keras.Input((6,)), Opaque(), *head()])  # noqa: E731
    assert describe(build()) != describe(build())
    assert same_graph(build(), build(), X)
    fit(build)
    assert not same_graph(scaled(0.1), scaled(0.2), X)


DESCRIBED_ALIKE = {
    "numbers": (1, 1),
    "closures": (leaky(0.1), leaky(0.1)),
    "arrays": (np.arange(3), np.arange(3)),
    "sets": ({"a", "b"}, {"b", "a"}),
    "losses": (keras.losses.Huber(0.5), keras.losses.Huber(0.5)),
    "initializers": (keras.initializers.Zeros(), keras.initializers.Zeros()),
}
DESCRIBED_APART = {
    "kinds": (1, 1.0),
    "closures": (leaky(0.1), leaky(0.2)),
    "arrays": (np.arange(3), np.arange(3) + 1),
    "types": (np.arange(3), np.arange(3.0)),
    "code": (lambda x: x + 1, lambda x: x + 2),
    "losses": (keras.losses.Huber(0.5), keras.losses.Huber(0.6)),
    "objects": (iter([1]), iter([1])),
    "variables": (keras.Variable(1.0), keras.Variable(1.0)),
}
SLOPE = keras.Variable(0.1)
DESCRIBED_ALIKE["a captured variable"] = leaky(SLOPE), leaky(SLOPE)


@pytest.mark.parametrize("name", DESCRIBED_ALIKE)
def test_alike(name):
    one, other = DESCRIBED_ALIKE[name]
    assert describe(one) == describe(other)


@pytest.mark.parametrize("name", DESCRIBED_APART)
def test_apart(name):
    one, other = DESCRIBED_APART[name]
    assert describe(one) != describe(other)
