"""Many replicas of one model as one computation: functions of stacked weights, compiled once.

A `Program` holds no weights. Its functions take them, stacked on a leading axis, and give new
ones back, so that the next training of the same architecture, with other seeds, rates and numbers
of replicas, traces nothing again. The forward pass, the loss and the gradient of one replica are
mapped over replicas, which turns, say, a matrix product into a batch of them; so is the
optimizer's step, on one row for each replica where it acts on each element by itself.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import NamedTuple
from unittest import mock

import keras
import numpy as np
import tensorflow as tf

from helpers.replicas.compiled import Compiled, takes_training
from helpers.replicas.numbers import RowNumber, own_numbers
from helpers.replicas.stepping import CLIPS, Stepper, is_joinable
from helpers.replicas.tracing import RefusedError, map_rows, naming, traced, unrolled


class State(NamedTuple):
    """What a training changes, each with a leading axis of replicas but for the count of steps."""

    trainable: list
    others: list
    optimizer: list
    iterations: int


class Step(NamedTuple):
    """What a watcher sees of one replica at one step.

    Attributes:
        gradients: Of the loss, in the order of `model.trainable_variables`, before clipping; zeros
            where the loss does not reach a variable.
        weights: Before the step, in the same order.
        loss: Of the step's batch, before the step.
    """

    gradients: list
    weights: list
    loss: tf.Tensor


class Program:
    """The compiled computations of one architecture, optimizer, loss and metrics.

    Args:
        model: The template.
        optimizer: Its settings are copied.
        compiled: Loss and metrics.
        joined: Whether a replica's variables are one row to the optimizer, if it allows that.
        fused: Whether the optimizer's step is compiled with XLA.
        watch: Name → function of a `Step`.
        layer_numbers: Name → where in the model the numbers are that each replica has for itself.
    """

    def __init__(
        self,
        model: keras.Model,
        optimizer: keras.Optimizer,
        compiled: Compiled,
        *,
        joined: bool,
        fused: bool,
        watch: Mapping[str, Callable],
        layer_numbers: Mapping[str, list],
    ):
        self.model, self.compiled, self.watch = model, compiled, dict(watch)
        self.layer_numbers = dict(layer_numbers)
        variables = model.trainable_variables
        self.shapes = [tuple(one.shape) for one in variables]
        self.sizes = [math.prod(shape) for shape in self.shapes]
        self.joined = bool(variables) and joined and is_joinable(optimizer, variables)
        row = [keras.Variable(np.zeros(sum(self.sizes), np.float32), name="row")]
        self.stepper = Stepper(optimizer, row if self.joined else variables)
        self.known = {
            id(one) for one in (*variables, *model.non_trainable_variables, *compiled.variables)
        }
        self.fused = fused
        self._concrete: dict[tuple, Callable] = {}

    # Weights as trainings hold them.

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

    # What is compiled.

    def train_epoch(self, state: State, data, order, numbers: dict, batch_size: int):
        """Train on the examples in each replica's order.

        Args:
            state: Packed.
            data: (x, y, sample_weight), nested arrays of n examples.
            order: Shape (replicas, examples of an epoch), rows of the data.
            numbers: Name → shape (replicas,); of the learning rate (steps, replicas).
            batch_size: Examples a step; the last batch may be smaller.

        Returns:
            The new state, a list of loss and metrics, each (replicas,), and what was watched,
            name → (steps, replicas).
        """
        metrics = self.compiled.start(len(order))
        arguments = [*state, metrics, data, order, numbers, np.int32(batch_size)]
        trainable, others, optimizer, iterations, seen, watched = self._call(
            self._train_epoch, arguments, open_axes={5: 0, 6: 1, "learning_rate": 0}
        )
        return State(trainable, others, optimizer, iterations), seen, watched

    def evaluate(self, state: State, data, rows, numbers: dict, batch_size: int) -> list:
        """Return loss and metrics in inference mode, each (replicas,).

        Args:
            state: Packed.
            data: (x, y, sample_weight).
            rows: None, or shape (replicas, m): each replica's own rows of the data.
            numbers: Name → shape (replicas,).
            batch_size: Examples at a time.
        """
        replicas = len([*state.trainable, *state.others][0])
        metrics = [tf.constant(one) for one in self.compiled.start(replicas)]
        count = len(keras.tree.flatten(data[0])[0]) if rows is None else rows.shape[1]
        total = tf.zeros(replicas)
        for start in range(0, count, batch_size):
            part = slice(start, start + batch_size)
            own = None if rows is None else rows[:, part]
            shared = data if rows is not None else _sliced(data, part)
            arguments = [state.trainable, state.others, metrics, shared, own, numbers]
            loss, metrics = self._call(self._evaluate_chunk, arguments, open_axes={3: 0, 4: 1})
            total += loss * (min(start + batch_size, count) - start)
        return [total / count, *self._call(self._results, [metrics], open_axes={})]

    def predict(self, state: State, x, rows, numbers, *, batch_size, training, layer, drops):
        """Return outputs of shape (replicas, n, ...), and the state of random layers after it."""
        count = len(keras.tree.flatten(x)[0]) if rows is None else rows.shape[1]

        def function(*tensors):
            return self._predict_chunk(*tensors, training=training, layer=layer, drops=drops)

        found, others = [], state.others
        for start in range(0, count, batch_size):
            part = slice(start, start + batch_size)
            own = None if rows is None else rows[:, part]
            arguments = [state.trainable, others, _sliced(x, part) if rows is None else x, own]
            outputs, moved = self._call(
                function,
                [*arguments, numbers],
                open_axes={2: 0, 3: 1},
                key=(training, layer, drops),
            )
            found.append(keras.tree.map_structure(lambda one: one.numpy(), outputs))
            others = self._seeds_of(moved, others)
        joined = keras.tree.map_structure(lambda *parts: np.concatenate(parts, axis=1), *found)
        return joined, others

    def _seeds_of(self, moved: list, before: list) -> list:
        """Return the layers' state with the seeds as they moved on and all else as it was."""
        kept = self.model.non_trainable_variables
        return [
            new if variable.name == "seed_generator_state" else old
            for variable, new, old in zip(kept, moved, before, strict=True)
        ]

    def _call(self, function: Callable, arguments: list, *, open_axes: dict, key: tuple = ()):
        """Call a function compiled for tensors of such shapes, but for the axes that are open.

        Args:
            function: Of this program's.
            arguments: Nested arrays, or None.
            open_axes: Position of an argument → axis of its arrays that may have any length; of
                the learning rate in a mapping by its name.
            key: What else the function was made for.
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
                self._concrete[function.__name__, key, kinds] = compiled
            return compiled(*tensors)

    def _train_epoch(
        self, trainable, others, optimizer, iterations, metrics, data, order, numbers, batch_size
    ):
        examples, replicas = tf.shape(order)[1], order.shape[0]
        rates = numbers["learning_rate"]
        constant = {name: value for name, value in numbers.items() if name != "learning_rate"}
        steps = tf.shape(rates)[0]
        step_function = traced(self._step_rows, jit_compile=True) if self.fused else self._step_rows

        def body(step, trainable, others, optimizer, metrics, total, watched):
            batch = order[:, step * batch_size : (step + 1) * batch_size]
            parts = _gathered(data, batch)
            own = constant | {"learning_rate": rates[step]}
            gradients, others, metrics, loss, seen = map_rows(
                self._gradient,
                (trainable, others, metrics, parts, own),
                model=self.model,
                replicas=replicas,
            )
            done = iterations + tf.cast(step, iterations.dtype)
            trainable, optimizer = step_function(trainable, gradients, optimizer, done, own)
            total += loss * tf.cast(tf.shape(batch)[1], tf.float32)
            watched = [
                one.write(step, seen[name]) for one, name in zip(watched, self.watch, strict=True)
            ]
            return step + 1, trainable, others, optimizer, metrics, total, watched

        arrays = [tf.TensorArray(tf.float32, steps, element_shape=(replicas,)) for _ in self.watch]
        begin = (tf.constant(0), trainable, others, optimizer, metrics)
        end = tf.while_loop(
            lambda step, *_: step < steps, body, (*begin, tf.zeros(replicas), arrays)
        )
        _, trainable, others, optimizer, metrics, total, watched = end
        seen = [total / tf.cast(examples, tf.float32), *self._results(metrics)]
        named = {name: one.stack() for name, one in zip(self.watch, watched, strict=True)}
        done = iterations + tf.cast(steps, iterations.dtype)
        return trainable, others, optimizer, done, seen, named

    def _gradient(self, arguments):
        """One replica: gradients, the layers' new state, that of the metrics, the loss."""
        packed, others, metrics, (x, y, weight), own = arguments
        trainable = self.unpack(packed)
        with tf.GradientTape() as tape, self._scoped(trainable, others, metrics, own) as scope:
            tape.watch(trainable)
            y_pred = self.model(x, training=True) if takes_training(self.model) else self.model(x)
            loss = self.compiled.loss(y, y_pred, weight)
            with tape.stop_recording():
                self.compiled.update(y, y_pred, weight)
            scaled = self.stepper.scale(loss)
        gradients = tape.gradient(scaled, trainable)
        new_others, new_metrics = self._updated(scope, others, metrics)
        self.reached = [gradient is not None for gradient in gradients]
        full = [
            tf.zeros_like(value) if gradient is None else tf.convert_to_tensor(gradient)
            for gradient, value in zip(gradients, trainable, strict=True)
        ]
        seen = {name: self._watched(name, full, trainable, loss) for name in self.watch}
        full = _clipped(full, own)
        gradients = self.pack([one[None] for one in full]) if self.joined else full
        gradients = [one[0] for one in gradients] if self.joined else gradients
        return gradients, new_others, new_metrics, tf.cast(loss, tf.float32), seen

    def _watched(self, name, gradients, weights, loss):
        value = tf.convert_to_tensor(self.watch[name](Step(gradients, weights, loss)))
        if value.shape.rank != 0:
            raise RefusedError(
                f"`watch` must hold functions that return a number. Received: {name!r} returns "
                f"shape {tuple(value.shape)}"
            )
        return tf.cast(value, tf.float32)

    def _step_rows(self, trainable, gradients, optimizer, iterations, own):
        """Return all replicas' weights and optimizer's state after a step."""
        if not trainable:
            return trainable, optimizer
        own = {name: value for name, value in own.items() if name not in CLIPS}

        def one(arguments):
            weights, gradients, state, row = arguments
            if not self.joined:
                gradients = [
                    gradient if reached else None
                    for gradient, reached in zip(gradients, self.reached, strict=True)
                ]
            with own_numbers(self.model, self._layer_values(row)):
                row = {name: v for name, v in row.items() if name not in self.layer_numbers}
                return self.stepper.step(gradients, weights, state, iterations, row)

        new, optimizer = tf.vectorized_map(one, (trainable, gradients, optimizer, own))
        if self.joined and not all(self.reached):  # Keras leaves what the loss does not reach alone
            pairs = zip(self.unpack(new), self.unpack(trainable), self.reached, strict=True)
            new = self.pack([after if reached else before for after, before, reached in pairs])
        return new, optimizer

    def _evaluate_chunk(self, packed, others, metrics, data, rows, numbers):
        def one(arguments):
            packed, others, metrics, own_rows, own = arguments
            x, y, weight = data if rows is None else _gathered(data, own_rows)
            with self._scoped(self.unpack(packed), others, metrics, own) as scope:
                y_pred = self._outputs(x, training=False)
                loss = self.compiled.loss(y, y_pred, weight)
                self.compiled.update(y, y_pred, weight)
            return tf.cast(loss, tf.float32), self._updated(scope, others, metrics)[1]

        return self._mapped(one, (packed, others, metrics, rows, numbers))

    def _predict_chunk(self, packed, others, x, rows, numbers, *, training, layer, drops):
        def one(arguments):
            packed, others, own_rows, own = arguments
            inputs = x if rows is None else _gathered(x, own_rows)
            mode = _dropping(self.model) if drops else ExitStack()
            with self._scoped(self.unpack(packed), others, [], own) as scope, mode:
                outputs = self._outputs(inputs, training=training, layer=layer)
            return outputs, self._updated(scope, others, [])[0]

        return self._mapped(one, (packed, others, rows, numbers))

    def _mapped(self, function, rows):
        first = next(one for one in tf.nest.flatten(rows) if one is not None)
        return map_rows(function, rows, model=self.model, replicas=first.shape[0])

    def _outputs(self, x, *, training: bool, layer: int | None = None):
        model = self.model
        if layer is not None:
            inner = list(model._flatten_layers(include_self=False))[layer]
            model = keras.Model(self.model.inputs, inner.output)
        return model(x, training=training) if takes_training(model) else model(x)

    def _results(self, metrics):
        """Return the metrics' results, each (replicas,)."""
        if not metrics:
            return []

        def one(state):
            mapping = zip(self.compiled.variables, state, strict=True)
            with keras.StatelessScope(list(mapping)):
                return [tf.cast(result, tf.float32) for result in self.compiled.results()]

        return tf.vectorized_map(one, metrics)

    @contextmanager
    def _scoped(self, trainable, others, metrics, own):
        """Call the template with a replica's values in the place of its variables."""
        mapping = [
            *zip(self.model.trainable_variables, trainable, strict=True),
            *zip(self.model.non_trainable_variables, others, strict=True),
            *zip(self.compiled.variables, metrics, strict=False),
        ]
        scope = keras.StatelessScope(mapping, collect_losses=True)
        with unrolled(self.model), own_numbers(self.model, self._layer_values(own)), scope:
            yield scope

    def _layer_values(self, own: Mapping) -> dict:
        """Return a replica's own numbers of layers by their places."""
        return {
            place: RowNumber(own[name])
            for name, places in self.layer_numbers.items()
            for place in places
        }

    def _updated(self, scope, others, metrics) -> tuple[list, list]:
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


def _clipped(gradients: list, own: Mapping) -> list:
    """Return one replica's gradients clipped by its own thresholds; infinity does not clip."""
    if "clipvalue" in own:
        limit = own["clipvalue"]
        gradients = [tf.clip_by_value(one, -limit, limit) for one in gradients]
    # Sums of squares, as TensorFlow's `L2Loss` can only be looped over replicas.
    squares = [tf.reduce_sum(tf.square(one)) for one in gradients]
    if "clipnorm" in own:
        shares = [tf.minimum(1.0, own["clipnorm"] / tf.sqrt(one)) for one in squares]
        gradients = [one * share for one, share in zip(gradients, shares, strict=True)]
    if "global_clipnorm" in own:
        share = tf.minimum(1.0, own["global_clipnorm"] / tf.sqrt(tf.add_n(squares)))
        gradients = [one * share for one in gradients]
    return gradients


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


def _tensor(value):
    return None if value is None else tf.convert_to_tensor(value)


def _sliced(nested, part: slice):
    return keras.tree.map_structure(lambda one: None if one is None else one[part], nested)


def _gathered(nested, rows):
    return keras.tree.map_structure(
        lambda one: None if one is None else tf.gather(one, rows), nested
    )


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
