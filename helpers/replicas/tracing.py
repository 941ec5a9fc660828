"""How a model's graph is traced, so that TensorFlow can map it over replicas and it stays small."""

import logging
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from unittest import mock

import keras
import numpy as np
import tensorflow as tf

# Steps up to which a recurrent layer is written out. As a loop it has to be mapped, forward and
# backward, which takes TensorFlow up to forty seconds of tracing where this takes one.
MOST_UNROLLED = 64
# Layers whose operations TensorFlow maps over replicas without complaint, and fails as it runs.
UNMAPPABLE = (keras.layers.Equalization, keras.layers.RandAugment)


def traced(function: Callable, **options) -> Callable:
    """Return a compiled function; Keras itself does not let AutoGraph rewrite what it traces."""
    return tf.function(function, autograph=False, **options)


def all_variables(model: keras.Model) -> list[keras.Variable]:
    """Return what replicas have values of: a model's variables, the trainable ones first."""
    return [*model.trainable_variables, *model.non_trainable_variables]


def to_numpy(value) -> np.ndarray:
    """Return a tensor, a variable or an array as an array."""
    value = getattr(value, "value", value) if isinstance(value, keras.Variable) else value
    return value.numpy() if hasattr(value, "numpy") else np.asarray(value)


def map_rows(function: Callable, rows, *, vectorize: bool):
    """Return the results of a function of one replica's tensors, for all, stacked.

    Where TensorFlow cannot vectorize the function it is computed for one replica after another
    within each step, which is right, and slower.

    Args:
        function: From nested tensors without the axis of replicas to nested tensors.
        rows: The tensors with that axis leading.
        vectorize: Whether to try.
    """
    flat = tf.nest.flatten(rows)
    present = [at for at, part in enumerate(flat) if part is not None]

    def one(parts):
        whole = dict(zip(present, parts, strict=True))
        return function(tf.nest.pack_sequence_as(rows, [whole.get(at) for at in range(len(flat))]))

    parts = [flat[at] for at in present]
    # TensorFlow says in many ways that it has no vectorized form of an operation. What is wrong
    # with the function itself is raised again by the loop.
    with suppress(Exception):
        if vectorize:
            return tf.vectorized_map(one, parts, fallback_to_while_loop=True)
    return tf.map_fn(one, parts, fn_output_signature=_signature(one, parts))


def _signature(function: Callable, parts: Sequence[tf.Tensor]):
    """Return what a function of one row of the parts gives, as specifications."""
    specs = [tf.TensorSpec(part.shape[1:], part.dtype) for part in parts]
    given = traced(function).get_concrete_function(specs).structured_outputs
    return tf.nest.map_structure(lambda one: tf.TensorSpec(one.shape, one.dtype), given)


def is_mappable(model: keras.Model) -> bool:
    """Return whether TensorFlow can map all of a model's layers over replicas."""
    layers = model._flatten_layers(include_self=False)
    return not any(isinstance(layer, UNMAPPABLE) or _grouped(layer) for layer in layers)


def _grouped(layer: keras.Layer) -> bool:
    return getattr(layer, "groups", 1) not in (1, None) and hasattr(layer, "kernel_size")


@contextmanager
def unrolled(model: keras.Model) -> Iterator[None]:
    """Write the steps of recurrent layers out while the model is traced."""
    with ExitStack() as stack:
        for layer in model._flatten_layers(include_self=False):
            if isinstance(layer, keras.layers.RNN):
                written_out = partial(_written_out, layer, layer.inner_loop)
                stack.enter_context(mock.patch.object(layer, "inner_loop", written_out))
        yield


def _written_out(layer: keras.layers.RNN, loop: Callable, sequences, *args, **options):
    steps = keras.tree.flatten(sequences)[0].shape[1]
    short = steps is not None and steps <= MOST_UNROLLED
    with mock.patch.object(layer, "unroll", layer.unroll or short):
        return loop(sequences, *args, **options)


@contextmanager
def naming(model: keras.Model) -> Iterator[None]:
    """Keep TensorFlow's notices about vectorization quiet, and name the model where it fails.

    The notices say that an operation, as the drawing of a dropout mask, is looped over replicas:
    slower, and right.
    """
    logger = tf.get_logger()
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    except (TypeError, ValueError, NotImplementedError, tf.errors.OpError) as error:
        if isinstance(error, RefusedError):
            raise
        kinds = sorted({type(layer).__name__ for layer in model.layers})
        raise ValueError(
            "`fit_replicas` cannot train this model: TensorFlow could not compute its loss over "
            f"stacked replicas. Received: layers {', '.join(kinds)}; cause: {error}"
        ) from error
    finally:
        logger.setLevel(level)


class RefusedError(ValueError):
    """What cannot be trained, said by name already."""


def same_graph(one: keras.Model, other: keras.Model, x) -> bool:
    """Return whether two models' outputs and penalties are the same operations and constants."""
    return all(
        _graph(one, x, training=training) == _graph(other, x, training=training)
        for training in (False, True)
    )


# Operations that write to variables, or draw numbers, which belong to no replica.
FOREIGN = ("Assign", "Random", "TruncatedNormal", "ParameterizedTruncatedNormal", "Multinomial")


def check_operations(graph: tf.Graph, model: keras.Model) -> None:
    """Refuse a traced model with state or random numbers that Keras does not know."""
    definition = graph.as_graph_def()
    for node in (*definition.node, *(n for f in definition.library.function for n in f.node_def)):
        if node.op.startswith((*FOREIGN, "Stateful")) and "PartitionedCall" not in node.op:
            scopes = {re.sub(r"_\d+$", "", scope) for scope in node.name.split("/")}
            layers = model._flatten_layers(include_self=False)
            names = [
                type(layer).__name__
                for layer in layers
                if re.sub(r"_\d+$", "", layer.name) in scopes
            ]
            raise RefusedError(
                "`fit_replicas` cannot train a layer whose state or random numbers Keras does not "
                "know: use `self.add_weight` and `keras.random` with a `SeedGenerator`. "
                f"Received: {names[-1] if names else type(model).__name__} with {node.op}"
            )


def _graph(model: keras.Model, x, *, training: bool) -> list | None:
    """Return a model's forward pass as operations numbered in their order."""
    variables = all_variables(model)
    count = len(model.trainable_variables)

    def forward(values, inputs):
        outputs, _, losses = model.stateless_call(
            values[:count], values[count:], inputs, training=training, return_losses=True
        )
        return outputs, losses

    like = [tf.TensorSpec(tuple(v.shape), v.dtype) for v in variables]
    inputs = tf.nest.map_structure(lambda a: tf.TensorSpec((None, *a.shape[1:]), a.dtype), x)
    concrete = traced(forward).get_concrete_function(like, inputs)
    held = {id(one.handle): one for one in concrete.graph.variables}
    captured = [tensor for tensor, _ in concrete.graph.captures if hasattr(tensor, "numpy")]
    constants = [
        # Of a resource, as a table of words, nobody knows whether it holds the same as another.
        id(tensor)
        if tensor.dtype == tf.resource and id(tensor) not in held
        else held.get(id(tensor), tensor).numpy().tobytes()
        for tensor in captured
    ]
    definition = concrete.graph.as_graph_def()
    functions = {f.signature.name: f for f in definition.library.function}
    return [*_numbered(definition.node, functions), constants]


def _numbered(nodes: Sequence, functions: dict) -> list:
    """Return nodes without their names: an input is the number of the node that gives it."""
    numbers = {node.name: number for number, node in enumerate(nodes)}
    found = []
    for node in nodes:
        inputs = [_renamed(name, numbers) for name in node.input]
        attributes = []
        for key in sorted(node.attr):
            value = node.attr[key]
            if value.HasField("func"):
                inner = functions[value.func.name]
                attributes.append((key, _numbered(inner.node_def, functions)))
            elif not key.startswith("_"):
                attributes.append((key, value.SerializeToString()))
        found.append((node.op, inputs, attributes))
    return found


def _renamed(name: str, numbers: dict[str, int]) -> str:
    """Return `node:out:0` or `^node` with the node's number in place of its name."""
    control, bare = name.startswith("^"), name.lstrip("^")
    node, _, port = bare.partition(":")
    return f"{'^' if control else ''}{numbers.get(node, 'argument')}:{port}"
