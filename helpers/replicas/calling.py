"""Functions compiled once for each kind of arguments."""

from collections.abc import Callable, Sequence
from functools import partial

import keras
import numpy as np
import tensorflow as tf

from helpers.replicas.tracing import check_operations, naming, traced


class Calls:
    """Compiled functions, kept by the shapes and types of what they were called with.

    Args:
        model: The template, by whose layers an error is explained.
    """

    def __init__(self, model: keras.Model):
        self.model = model
        self._concrete: dict[tuple, Callable] = {}

    def __call__(
        self,
        function: Callable,
        arguments: list,
        *,
        open_axes: dict,
        key: tuple = (),
        ready: Callable[[], None] = lambda: None,
    ):
        """Call a function compiled for tensors of such shapes, but for the axes that are open.

        Args:
            function: Of tensors, nested as the arguments.
            arguments: Nested arrays, or None.
            open_axes: Position of an argument → axis of its arrays that may have any length; of
                what a mapping holds by step, as the learning rate, by its name.
            key: What else the function was made for.
            ready: Is called before the function runs, which is traced by then.
        """
        leaves = [(at, path, one) for at, path, one in _leaves(arguments) if one is not None]
        tensors = [tf.convert_to_tensor(one) for _, _, one in leaves]
        shapes = [
            _open(tensor.shape, open_axes.get(_name(path), open_axes.get(at)))
            for (at, path, _), tensor in zip(leaves, tensors, strict=True)
        ]
        kinds = tuple(
            (at, path, shape, tensor.dtype)
            for (at, path, _), shape, tensor in zip(leaves, shapes, tensors, strict=True)
        )
        compiled = self._concrete.get((function.__name__, key, kinds))
        with naming(self.model):
            if compiled is None:
                structure = keras.tree.map_structure(
                    lambda one: one if one is None else 0, arguments
                )
                specs = [
                    tf.TensorSpec(shape, tensor.dtype)
                    for shape, tensor in zip(shapes, tensors, strict=True)
                ]
                flat = partial(_nested_call, function, structure)
                compiled = traced(lambda *given: flat(given)).get_concrete_function(*specs)
                check_operations(compiled.graph, self.model)
                self._concrete[function.__name__, key, kinds] = compiled
            ready()
            return compiled(*tensors)


def on_device(nested):
    """Return nested arrays as tensors, which calls take over and over without a copy."""
    return tf.nest.map_structure(lambda one: None if one is None else tf.constant(one), nested)


def _leaves(arguments: Sequence) -> list[tuple]:
    """Return (position of the argument, path in it, leaf) of nested arguments, None among them."""
    found = []
    for at, argument in enumerate(arguments):
        if argument is None or tf.is_tensor(argument) or isinstance(argument, np.ndarray):
            found.append((at, (), argument))
        else:
            pairs = keras.tree.flatten_with_path(argument)
            found += [(at, path, leaf) for path, leaf in pairs]
    return found


def _nested_call(function: Callable, structure, tensors: Sequence):
    """Call a function with tensors in the place of the structure's leaves, but for None."""
    given = iter(tensors)
    return function(
        *keras.tree.map_structure(lambda one: None if one is None else next(given), structure)
    )


def _name(path: tuple) -> str | None:
    """Return the name under which a mapping holds a leaf, if one does."""
    return path[-1] if path and isinstance(path[-1], str) else None


def _open(shape, axis: int | None) -> tuple:
    """Return a shape in which one axis may have any length."""
    return tuple(None if at == axis else size for at, size in enumerate(shape))
