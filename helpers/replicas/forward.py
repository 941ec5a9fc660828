"""The forward pass of many replicas: predictions, loss and metrics of stacked weights."""

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from helpers.replicas.agreement import check_indices, kinds, names_of
from helpers.replicas.calling import Calls, on_device
from helpers.replicas.compiled import Compiled, outputs_of
from helpers.replicas.numbers import RowNumber, own_numbers
from helpers.replicas.tracing import RefusedError, is_mappable, map_rows, unrolled

EVALUATION_CHUNK = 1024  # examples at a time, so that activations of all replicas fit in memory


class State(NamedTuple):
    """What a training changes.

    Attributes:
        trainable: As `Forward.pack` lays them out: one array, (replicas, elements); or one for
            each trainable variable, (replicas, *its shape).
        others: As `non_trainable_variables`, each (replicas, *its shape).
        optimizer: As `Stepper.state`, each (replicas, *its shape).
        iterations: Steps done, (replicas,): equal while replicas train together.
    """

    trainable: list
    others: list
    optimizer: list
    iterations: np.ndarray


class Forward:
    """The compiled forward pass of one architecture with its loss and metrics.

    Args:
        model: The template.
        compiled: Loss and metrics.
        joined: Whether a replica's variables are kept as one row.
        layer_numbers: Name → where in the model the numbers are that each replica has for itself.
    """

    def __init__(
        self,
        model: keras.Model,
        compiled: Compiled,
        *,
        joined: bool,
        layer_numbers: Mapping[str, list],
    ):
        self.model, self.compiled, self.joined = model, compiled, joined
        self.layer_numbers = dict(layer_numbers)
        self.used: set[str] = set()  # those that something was computed with, as it was traced
        self.apart: dict[str, set[float]] = {name: set() for name in layer_numbers}  # `RowNumber`
        variables = model.trainable_variables
        self.shapes = [tuple(one.shape) for one in variables]
        self.sizes = [math.prod(shape) for shape in self.shapes]
        self.known = {
            id(one) for one in (*variables, *model.non_trainable_variables, *compiled.variables)
        }
        self.calls = Calls(model)
        self.seen: set[tuple] = set()  # kinds of data that fitted
        # Whether inference moves the layers' state on, as augmentations draw in it, too; seen when
        # it is traced.
        self.moves = False
        self.adds_losses = False  # whether calls add losses, which need be no means over examples

    def check(self, data, name: str) -> None:
        """Refuse data that do not fit the model, the loss and the metrics.

        Args:
            data: (x, y, sample_weight), nested arrays; or (x,), to predict.
            name: Of the argument that holds them.
        """
        of_x, of_y, _ = names_of(name)
        check_indices(self.model, data[0], of_x)
        kind = kinds(list(data))
        if kind not in self.seen:
            self.compiled.agree(tuple(map(first_two, data)), name)
            self.seen.add(kind)
        if len(data) > 1:
            self.compiled.labels.check(data[1], of_y)

    def pack(self, trainable: Sequence) -> list[tf.Tensor]:
        """Return stacks of variables as what the optimizer sees: itself, or one row a replica."""
        if not self.joined:
            return [tf.convert_to_tensor(one) for one in trainable]
        return [tf.concat([tf.reshape(one, (one.shape[0], -1)) for one in trainable], axis=1)]

    def unpack(self, packed: Sequence) -> list[tf.Tensor]:
        """Return the variables that `pack` has put together, with or without a leading axis."""
        if not self.joined:
            return list(packed)
        leading = packed[0].shape[:-1]
        parts = tf.split(packed[0], self.sizes, axis=-1)
        return [
            tf.reshape(part, (*leading, *shape))
            for part, shape in zip(parts, self.shapes, strict=True)
        ]

    def evaluate(self, state: State, data, rows, numbers: dict, batch_size: int):
        """Return loss and metrics in inference mode, each (replicas,), and the layers' new state.

        Args:
            state: Packed.
            data: (x, y, sample_weight).
            rows: None, or shape (replicas, m): each replica's own rows of the data.
            numbers: Name → shape (replicas,).
            batch_size: Examples at a time, where it matters.
        """
        matters = self._by_batches
        found = self._evaluate(
            state, data, rows, numbers, batch_size if matters else EVALUATION_CHUNK
        )
        if self._by_batches and not matters:  # as was seen only now
            return self._evaluate(state, data, rows, numbers, batch_size)
        return found

    @property
    def _by_batches(self) -> bool:
        """Whether it matters how many examples are judged at a time, as far as was seen."""
        return self.moves or self.adds_losses or not self.compiled.is_mean

    def _evaluate(self, state: State, data, rows, numbers: dict, batch_size: int):
        replicas = len([*state.trainable, *state.others][0])
        metrics = [tf.constant(one) for one in self.compiled.start(replicas)]
        count = len(keras.tree.flatten(data[0])[0]) if rows is None else rows.shape[1]
        total, others = tf.zeros(replicas), state.others
        whole = None if rows is None else on_device(data)
        for start in range(0, count, batch_size):
            part = slice(start, start + batch_size)
            own = None if rows is None else rows[:, part]
            shared = sliced(data, part) if rows is None else whole
            arguments = [state.trainable, others, metrics, shared, own, numbers]
            loss, metrics, moved = self.calls(
                self._evaluate_chunk,
                arguments,
                open_axes={3: 0, 4: 1},
                ready=partial(self.check_apart, numbers),
            )
            others = moved or others
            total += loss * (min(start + batch_size, count) - start)
        return [total / count, *self.calls(self.results, [metrics], open_axes={})], others

    def _evaluate_chunk(self, packed, others, metrics, data, rows, numbers):
        def one(arguments):
            packed, others, metrics, own_rows, own = arguments
            x, y, weight = data if rows is None else gathered(data, own_rows)
            with self.scoped(self.unpack(packed), others, metrics, own) as scope:
                y_pred = outputs_of(self.model, x, training=False)
                loss = self.compiled.loss(y, y_pred, weight)
                self.compiled.update(y, y_pred, weight)
            new, metrics = self.updated(scope, others, metrics)
            self.adds_losses |= bool(scope.losses)
            self.moves |= any(now is not before for now, before in zip(new, others, strict=True))
            return tf.cast(loss, tf.float32), metrics, new if self.moves else []

        return self.mapped(one, (packed, others, metrics, rows, numbers))

    def mapped(self, function: Callable, rows):
        """Return what a function of one replica's part of the rows gives, stacked."""
        return map_rows(function, rows, vectorize=is_mappable(self.model))

    def results(self, metrics):
        """Return the metrics' results, each (replicas,)."""
        if not metrics:
            return []

        def one(state):
            mapping = zip(self.compiled.variables, state, strict=True)
            with keras.StatelessScope(list(mapping)):
                return [tf.cast(result, tf.float32) for result in self.compiled.results()]

        return tf.vectorized_map(one, metrics)

    @contextmanager
    def scoped(self, trainable, others, metrics, own):
        """Call the template with a replica's values in the place of its variables."""
        mapping = [
            *zip(self.model.trainable_variables, trainable, strict=True),
            *zip(self.model.non_trainable_variables, others, strict=True),
            *zip(self.compiled.variables, metrics, strict=False),
        ]
        scope = keras.StatelessScope(mapping, collect_losses=True)
        with unrolled(self.model), own_numbers(self.model, self.layer_values(own)), scope:
            yield scope

    def layer_values(self, own: Mapping) -> dict:
        """Return a replica's own numbers of layers by their places."""
        return {
            place: RowNumber(own[name], partial(self.used.add, name), self.apart[name])
            for name, places in self.layer_numbers.items()
            for place in places
        }

    def check_apart(self, numbers: Mapping[str, np.ndarray]) -> None:
        """Refuse numbers of layers at which these compute something else, as was seen."""
        for name, others in self.apart.items():
            same = [one for one in others if np.any(numbers[name] == np.float32(one))]
            if same:
                raise RefusedError(
                    f"`each` must hold numbers for {name!r} other than {same[0]:g}, at which a "
                    "layer computes something else than at others. "
                    f"Received: each[{name!r}] with {same[0]:g}"
                )

    def updated(self, scope, others, metrics) -> tuple[list, list]:
        """Return the new values of what a call updates; refuse updates of foreign variables."""
        if set(scope.state_mapping) - self.known:
            raise RefusedError(
                "`fit_replicas` cannot train a layer that changes variables which are not the "
                "model's, as drawing random numbers without a seed generator of its own does. "
                f"Received: {', '.join(sorted({type(one).__name__ for one in self.model.layers}))}"
            )
        kept = self.model.non_trainable_variables
        new = [scope.get_current_value(one) for one in kept]
        new = [tf.cast(value, old.dtype) for value, old in zip(new, others, strict=True)]
        tracked = self.compiled.variables[: len(metrics)]
        return new, [scope.get_current_value(one) for one in tracked]


def first_two(nested):
    """Return two examples of nested arrays, as tensors."""
    return keras.tree.map_structure(
        lambda one: None if one is None else keras.ops.convert_to_tensor(one[:2]), nested
    )


def sliced(nested, part: slice):
    """Return a part of nested arrays, None where there is none."""
    return keras.tree.map_structure(lambda one: None if one is None else one[part], nested)


def gathered(nested, rows):
    """Return the rows of nested arrays, None where there is none."""
    return keras.tree.map_structure(
        lambda one: None if one is None else tf.gather(one, rows), nested
    )
