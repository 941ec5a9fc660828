"""Predictions of many replicas: in either mode, of inner layers, with what drops at random."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from unittest import mock

import keras
import numpy as np

from helpers.replicas.calling import on_device
from helpers.replicas.compiled import outputs_of
from helpers.replicas.drawing import SEED
from helpers.replicas.forward import Forward, State, gathered, sliced
from helpers.replicas.options import is_whole


def predict(
    forward: Forward,
    state: State,
    x,
    rows: np.ndarray | None,
    numbers: Mapping[str, np.ndarray],
    *,
    batch_size: int,
    training: bool,
    layer: int | None,
    drops: bool,
):
    """Return the replicas' outputs, and the state of random layers after them.

    Args:
        forward: The forward pass.
        state: Packed.
        x: Nested arrays of n examples.
        rows: None, or shape (replicas, n): each replica's own rows of x.
        numbers: Name → (replicas,) numbers of layers.
        batch_size: Examples at a time.
        training: The mode of the layers.
        layer: The position, among all layers, of the one whose outputs are wanted; or None.
        drops: Whether what drops at random does so in either mode.

    Returns:
        Nested arrays of shape (replicas, n, ...), and values as `State.others`.
    """
    count = len(keras.tree.flatten(x)[0]) if rows is None else rows.shape[1]

    def chunk(*tensors):
        return _chunk(forward, *tensors, training=training, layer=layer, drops=drops)

    whole = None if rows is None else on_device(x)
    found, others = [], state.others
    for start in range(0, count, batch_size):
        part = slice(start, start + batch_size)
        own = None if rows is None else rows[:, part]
        given = [state.trainable, others, sliced(x, part) if rows is None else whole, own, numbers]
        key = training, layer, drops
        ready = partial(forward.check_apart, numbers)
        outputs, moved = forward.calls(chunk, given, open_axes={2: 0, 3: 1}, key=key, ready=ready)
        found.append(keras.tree.map_structure(lambda one: one.numpy(), outputs))
        others = _seeds_of(forward.model, moved, others)
    joined = keras.tree.map_structure(lambda *parts: np.concatenate(parts, axis=1), *found)
    return joined, others


def _seeds_of(model: keras.Model, moved: list, before: list) -> list:
    """Return the layers' state with the seeds as they moved on and all else as it was."""
    return [
        new if variable.name == SEED else old
        for variable, new, old in zip(model.non_trainable_variables, moved, before, strict=True)
    ]


def _chunk(forward: Forward, packed, others, x, rows, numbers, *, training, layer, drops):
    def one(arguments):
        packed, others, own_rows, own = arguments
        inputs = x if rows is None else gathered(x, own_rows)
        mode = _dropping(forward.model) if drops else ExitStack()
        with forward.scoped(forward.unpack(packed), others, [], own) as scope, mode:
            model = _up_to(forward.model, layer)
            outputs = outputs_of(model, inputs, training=training)
        return outputs, forward.updated(scope, others, [])[0]

    return forward.mapped(one, (packed, others, rows, numbers))


def _up_to(model: keras.Model, layer: int | None) -> keras.Model:
    """Return the model that ends with a layer, or the whole."""
    if layer is None:
        return model
    inner = list(model._flatten_layers(include_self=False))[layer]
    return keras.Model(model.inputs, inner.output)


@contextmanager
def _dropping(model: keras.Model):
    """Let what drops at random drop, whatever the mode, and all else keep to its mode."""
    with ExitStack() as stack:
        for layer in model._flatten_layers(include_self=False):
            if is_dropping(layer):
                always = partial(_in_training, layer.call)
                stack.enter_context(mock.patch.object(layer, "call", always))
        yield


def _in_training(call: Callable, *args, training=None, **options):
    return call(*args, training=True, **options)


def is_dropping(layer: keras.Layer) -> bool:
    """Return whether a layer drops or disturbs its inputs at random in training."""
    strength = getattr(layer, "rate", getattr(layer, "stddev", None))
    return strength is not None and getattr(layer, "seed_generator", None) is not None


def position_of(layer: str | int, model: keras.Model, names: Sequence[tuple[str, ...]]) -> int:
    """Return where among all layers of a model one is that is wanted by its name or position.

    Args:
        layer: The name or position, as the replicas' own builders have it.
        model: The template.
        names: Of the layers of each replica's own model.

    Raises:
        ValueError: There is no such layer, or the replicas call different ones so.
    """
    own = names[0] if names else ()
    at = own.index(layer) if layer in own else layer
    known = is_whole(at) and -len(own) <= at < len(own)
    same = at is layer or all(one[at] == layer for one in names)
    if known and same and getattr(model, "inputs", None):
        places = [id(one) for one in model._flatten_layers(include_self=False)]
        return places.index(id(model.layers[at]))
    raise ValueError(
        "`layer` must be the name or position of a layer of a functional model. "
        f"Received: {layer!r}. Possible: {', '.join(own)}"
    )


def check_samples(samples: int, model: keras.Model, *, training: bool) -> None:
    """Refuse samples that would all be equal, or that are no number of them."""
    if training or not is_whole(samples) or samples < 1:
        raise ValueError(
            "`samples` must be a whole number of at least 1, without `training`. "
            f"Received: samples={samples!r}, training={training}"
        )
    if not any(is_dropping(layer) for layer in model._flatten_layers(include_self=False)):
        raise ValueError(
            "`samples` are for models that drop at random: all would be equal. Received: "
            f"layers {', '.join(type(one).__name__ for one in model.layers)}"
        )
