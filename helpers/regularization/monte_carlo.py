"""Monte Carlo dropout: layers that drop in inference too, and many samples in one computation."""

import math
from collections.abc import Iterator

import keras
import numpy as np

from helpers.checks import as_reals, check_count, check_model
from helpers.regularization.drop_connect import DropConnect

Array = np.ndarray

ENTRIES = 2**23  # of the widest layer's output in one call by default: 32 MiB in float32


class _DropsAlways:
    """What makes a layer drop in inference too; it stands before the layer's class."""

    def call(self, inputs, training=False):
        """Return the inputs with entries dropped, whatever the mode."""
        return super().call(inputs, training=True)


@keras.saving.register_keras_serializable(package="dnnbook")
class MCDropout(_DropsAlways, keras.layers.Dropout):
    """Dropout that drops in inference as in training; other layers keep to their mode.

    Args:
        rate: As for `keras.layers.Dropout`, and so are all others.

    Example:
        >>> layer = MCDropout(0.5, seed=0)
        >>> sorted(set(layer(np.ones((4, 25))).numpy().ravel().tolist()))
        [0.0, 2.0]

    Reference:
        Gal and Ghahramani (2016), Dropout as a Bayesian approximation.
    """


@keras.saving.register_keras_serializable(package="dnnbook")
class MCAlphaDropout(_DropsAlways, keras.layers.AlphaDropout):
    """Alpha dropout that drops in inference as in training.

    Args:
        rate: As for `keras.layers.AlphaDropout`, and so are all others.

    Example:
        >>> layer = MCAlphaDropout(0.5, seed=0)
        >>> len(set(layer(np.ones((4, 25))).numpy().round(3).ravel().tolist()))
        2
    """


TWINS = {keras.layers.Dropout: MCDropout, keras.layers.AlphaDropout: MCAlphaDropout}
# All that drops. Without a twin a layer would be silently off in the samples.
DROPPING = (*TWINS, keras.layers.GaussianDropout, DropConnect)


def monte_carlo(model: keras.Model) -> keras.Model:
    """Return a copy of a model whose dropout layers drop in inference too.

    `Dropout` becomes `MCDropout`, `AlphaDropout` becomes `MCAlphaDropout`; all other layers are
    copied. Batch normalization, noise and augmentation stay in inference mode.

    Args:
        model: A built Sequential or Functional model.

    Returns:
        The copy, with the model's weights and not compiled; the model itself is left alone.

    Raises:
        TypeError: It is no model.
        ValueError: The model is not built or a class of one's own, has no dropout layer, or has
            one that cannot give each example a mask of its own or has no twin here, as dropout
            inside of a recurrent layer.

    Example:
        >>> net = keras.Sequential([keras.Input((2,)), keras.layers.Dropout(0.5)])
        >>> [type(layer).__name__ for layer in monte_carlo(net).layers]
        ['MCDropout']
    """
    _check_graph(model)
    copy = keras.models.clone_model(model, clone_function=_twin, recursive=True)
    copy.set_weights(model.get_weights())
    _check_dropouts(copy)
    return copy


def mc_predict(
    model: keras.Model,
    x: Array,
    *,
    samples: int = 100,
    seed: int = 0,
    batch_size: int | None = None,
) -> Array:
    """Sample predictions of a model with dropout, all of them as one batched computation.

    Each example is repeated `samples` times along the batch's axis. Dropout draws a mask for every
    row of a batch, so each example and each sample has its own. Nothing is compiled and the
    model's state is not changed: the draws start from `seed`.

    Args:
        model: From `monte_carlo`, or with dropout layers of any kind that it converts; then each
            call pays for the conversion. It has one input and one output.
        x: Inputs, shape (n, ...).
        samples: Number of samples of each example, at least 1.
        seed: Seed of the masks, 0 or more.
        batch_size: Most rows (examples times samples) in one call of the model, at least 1; it
            bounds the memory. By default the widest layer puts out some 32 MiB.

    Returns:
        Outputs, shape (samples, n, ...). The mean over samples is the prediction.

    Raises:
        TypeError: `model` is no model, a count no integer, or `x` holds no numbers.
        ValueError: A count is below 1, `x` is empty, the model has several inputs or outputs, or as
            for `monte_carlo`.

    Example:
        >>> net = keras.Sequential([keras.Input((2,)), MCDropout(0.5), keras.layers.Dense(3)])
        >>> mc_predict(net, np.ones((4, 2)), samples=7).shape
        (7, 4, 3)

    Reference:
        Gal and Ghahramani (2016), Dropout as a Bayesian approximation.
    """
    _check_graph(model)
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise ValueError(
            "`model` must have one input and one output. "
            f"Received: {len(model.inputs)} and {len(model.outputs)}"
        )
    check_count(1, samples=samples, batch_size=1 if batch_size is None else batch_size)
    check_count(0, seed=seed)
    x = as_reals("x", x, kinds="biuf", dtype=None)
    if not x.ndim or not len(x):
        raise ValueError(f"`x` must hold at least one example. Received: shape={x.shape}")
    converted = any(isinstance(layer, tuple(TWINS.values())) for layer in _layers(model))
    model = model if converted else monte_carlo(model)
    _check_dropouts(model)
    x = np.asarray(x, dtype=model.inputs[0].dtype)
    rows = np.repeat(np.arange(len(x)), samples)
    batch_size = batch_size or max(1, ENTRIES // _widest(model))
    others = _seeded(model, seed)
    weights = [variable.value for variable in model.trainable_variables]
    outputs = []
    for start in range(0, len(rows), batch_size):
        part = keras.ops.convert_to_tensor(x[rows[start : start + batch_size]])
        output, others = model.stateless_call(weights, others, part, training=False)
        outputs += map(keras.ops.convert_to_numpy, keras.tree.flatten(output))
    together = np.concatenate(outputs)
    return np.swapaxes(together.reshape(len(x), samples, *together.shape[1:]), 0, 1)


def _twin(layer: keras.Layer) -> keras.Layer:
    """Return a copy of a layer, or the Monte Carlo layer that takes its place.

    What a layer has adapted to data is in no configuration, and a Lambda's function may be in none:
    these layers, which no training changes, are the model's own.
    """
    if hasattr(layer, "adapt") or isinstance(layer, keras.layers.Lambda):
        return layer
    kind = TWINS.get(type(layer), type(layer))
    return kind.from_config(layer.get_config())


def _layers(model: keras.Model) -> Iterator[keras.Layer]:
    return model._flatten_layers(include_self=False)


def _widest(model: keras.Model) -> int:
    """Return the number of entries that the widest layer puts out for one example."""
    outputs = [getattr(layer, "output", []) for layer in _layers(model)]
    shapes = [tensor.shape for tensor in keras.tree.flatten(outputs)]
    shapes += [tensor.shape for tensor in model.inputs]
    return max(math.prod(size or 1 for size in shape[1:]) for shape in shapes)


def _check_graph(model: keras.Model) -> None:
    """Refuse what is no model, has no weights yet, or is made of code, which cannot be copied."""
    check_model(model)
    if not hasattr(model, "inputs"):
        raise ValueError(
            f"`model` must be Sequential or Functional. Received: {type(model).__name__}"
        )


def _check_dropouts(model: keras.Model) -> None:
    """Refuse a model whose samples would be all alike, or not independent of each other."""
    kinds = tuple(TWINS.values())
    # Recurrent and attention layers that drop by themselves have no twin, wherever they stand.
    inside = [layer for layer in _layers(model) if any(_own_rates(layer).values())]
    if inside:
        rates = ", ".join(f"{name}={rate}" for name, rate in _own_rates(inside[0]).items() if rate)
        raise ValueError(
            "dropout inside of a layer cannot be sampled: give the layer none, and put a Dropout "
            f"before or after it. Received: {type(inside[0]).__name__} {inside[0].name!r} with "
            f"{rates}"
        )
    drops = [layer for layer in _layers(model) if isinstance(layer, kinds)]
    if not drops:
        raise ValueError(
            "`model` must have a layer Dropout or AlphaDropout. "
            f"Received: {', '.join(sorted({type(layer).__name__ for layer in _layers(model)}))}"
        )
    strange = [
        layer
        for layer in _layers(model)
        if isinstance(layer, DROPPING) and not isinstance(layer, kinds) and layer.rate > 0
    ]
    shared = [layer for layer in drops if (layer.noise_shape or (None,))[0] is not None]
    if strange or shared:
        layer = (strange or shared)[0]
        raise ValueError(
            "every dropout layer must be Dropout or AlphaDropout itself, with a mask for each "
            f"example. Received: {type(layer).__name__} {layer.name!r}"
        )


def _own_rates(layer: keras.Layer) -> dict[str, float]:
    """Return the rates at which a layer drops by itself, which is no dropout layer."""
    rates = {name: getattr(layer, name, 0) for name in ("dropout", "recurrent_dropout")}
    return {name: rate for name, rate in rates.items() if isinstance(rate, int | float)}


def _seeded(model: keras.Model, seed: int) -> list:
    """Return the model's other variables, the dropout layers' seeds among them made anew."""
    streams = np.random.SeedSequence(seed)
    fresh = {}
    for layer in _layers(model):
        if isinstance(layer, tuple(TWINS.values())) and layer.rate > 0:
            state = layer.seed_generator.state
            fresh[id(state)] = streams.spawn(1)[0].generate_state(2).astype(state.dtype)
    return [
        keras.ops.convert_to_tensor(fresh.get(id(variable), variable.value))
        for variable in model.non_trainable_variables
    ]
