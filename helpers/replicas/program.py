"""Many replicas of one model as one computation: functions of stacked weights, compiled once.

A `Program` holds no weights. Its functions take them, stacked on a leading axis, and give new
ones back, so that the next training of the same architecture, with other seeds, rates and numbers
of replicas, traces nothing again. The forward pass, the loss and the gradient of one replica are
mapped over replicas, which turns, say, a matrix product into a batch of them; so is the
optimizer's step, on one row for each replica where it acts on each element by itself.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from helpers.replicas.calling import Calls
from helpers.replicas.clipping import CLIPS, clipped
from helpers.replicas.compiled import outputs_of
from helpers.replicas.forward import Forward, State, gathered
from helpers.replicas.numbers import RowNumber, own_numbers
from helpers.replicas.stepping import Stepper
from helpers.replicas.tracing import RefusedError, is_mappable, map_rows, traced


class SparseGradientsError(Exception):
    """Gradients are sparse, which one row of all variables cannot hold: a signal to do without."""


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
    """The compiled training of one architecture, optimizer, loss and metrics.

    Args:
        forward: The forward pass.
        optimizer: Its settings are copied.
        fused: Whether the optimizer's step is compiled with XLA.
        watch: Name → function of a `Step`.
    """

    def __init__(
        self,
        forward: Forward,
        optimizer: keras.Optimizer,
        *,
        fused: bool,
        watch: Mapping[str, Callable],
    ):
        self.forward, self.model, self.compiled = forward, forward.model, forward.compiled
        self.watch, self.fused = dict(watch), fused
        row = [keras.Variable(np.zeros(sum(forward.sizes), np.float32), name="row")]
        variables = row if forward.joined else self.model.trainable_variables
        self.stepper = Stepper(optimizer, variables)
        self.calls = Calls(self.model)

    def train_epoch(self, state: State, data, order, numbers: dict, batch_size: int):
        """Train on the examples in each replica's order.

        Args:
            state: Packed.
            data: (x, y, sample_weight), nested arrays of n examples.
            order: Shape (replicas, examples of an epoch), rows of the data.
            numbers: Name → shape (replicas,), or (steps, replicas) as that of the learning rate.
            batch_size: Examples a step; the last batch may be smaller.

        Returns:
            The new state, a list of loss and metrics, each (replicas,), and what was watched,
            name → (steps, replicas).
        """
        metrics = self.compiled.start(len(order))
        arguments = [*state[:3], state.iterations[0], metrics, data, order, numbers]
        by_step = {name: 0 for name, values in numbers.items() if values.ndim == 2}
        try:
            trainable, others, optimizer, seen, watched = self.calls(
                self._train_epoch,
                [*arguments, np.int32(batch_size)],
                open_axes={5: 0, 6: 1} | by_step,
                ready=partial(self.forward.check_apart, numbers),
            )
        except (ValueError, TypeError, AttributeError) as error:
            if RowNumber.__name__ not in str(error):
                raise
            raise ValueError(
                "`each` must name numbers that are computed with, as rates and strengths are. "
                f"Received: {', '.join(sorted(set(numbers) - {'learning_rate'}))}, of which one "
                "decides what is computed"
            ) from error
        done = state.iterations + len(numbers["learning_rate"])
        return State(trainable, others, optimizer, done), seen, watched

    def _train_epoch(
        self, trainable, others, optimizer, iterations, metrics, data, order, numbers, batch_size
    ):
        examples, replicas = tf.shape(order)[1], order.shape[0]
        steps = tf.shape(numbers["learning_rate"])[0]

        def body(step, trainable, others, optimizer, metrics, total, watched):
            batch = order[:, step * batch_size : (step + 1) * batch_size]
            parts = gathered(data, batch)
            own = {
                name: values[step] if values.shape.rank == 2 else values
                for name, values in numbers.items()
            }
            gradients, others, metrics, loss, seen = map_rows(
                self._gradient,
                (trainable, others, metrics, parts, own),
                vectorize=is_mappable(self.model),
            )
            done = iterations + tf.cast(step, iterations.dtype)
            fused = self.fused and not any(self.sparse)
            step_function = traced(self._step_rows, jit_compile=True) if fused else self._step_rows
            trainable, optimizer = step_function(trainable, gradients, optimizer, done, own)
            self._check_used(own)
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
        seen = [total / tf.cast(examples, tf.float32), *self.forward.results(metrics)]
        named = {name: one.stack() for name, one in zip(self.watch, watched, strict=True)}
        return trainable, others, optimizer, seen, named

    def _check_used(self, own: Mapping) -> None:
        """Refuse a replica's own numbers that nothing was computed with."""
        used = {"learning_rate", *CLIPS, *self.forward.used, *self.stepper.used}
        idle = sorted(set(own) - used)
        if idle and self.model.trainable_variables:
            raise RefusedError(
                "`each` must name numbers that a step of training computes with: as they are, "
                f"others would change nothing. Received: {', '.join(map(repr, idle))}"
            )

    def _gradient(self, arguments):
        """One replica: gradients, the layers' new state, that of the metrics, the loss."""
        packed, others, metrics, (x, y, weight), own = arguments
        trainable = self.forward.unpack(packed)
        with (
            tf.GradientTape() as tape,
            self.forward.scoped(trainable, others, metrics, own) as scope,
        ):
            tape.watch(trainable)
            y_pred = outputs_of(self.model, x, training=True)
            loss = self.compiled.loss(y, y_pred, weight)
            with tape.stop_recording():
                self.compiled.update(y, y_pred, weight)
            scaled = self.stepper.scale(loss)
        gradients = tape.gradient(scaled, trainable)
        new_others, new_metrics = self.forward.updated(scope, others, metrics)
        self.reached = [gradient is not None for gradient in gradients]
        self.sparse = [isinstance(gradient, tf.IndexedSlices) for gradient in gradients]
        gradients = [
            tf.zeros_like(value) if gradient is None else gradient
            for gradient, value in zip(gradients, trainable, strict=True)
        ]
        full = [self.stepper.unscale(tf.convert_to_tensor(g)) for g in gradients if self.watch]
        seen = {name: self._watched(name, full, trainable, loss) for name in self.watch}
        gradients = clipped(gradients, own)
        # A mapping over replicas would make a sparse gradient dense, and lose which of its slices
        # came from which example: some optimizers square them one by one.
        if self.forward.joined:
            if any(self.sparse):
                raise SparseGradientsError
            gradients = [one[0] for one in self.forward.pack([one[None] for one in gradients])]
        else:
            gradients = [
                (one.values, one.indices) if sparse else one
                for one, sparse in zip(gradients, self.sparse, strict=True)
            ]
        return gradients, new_others, new_metrics, tf.cast(loss, tf.float32), seen

    def _gradients(self, parts: list, weights: list) -> list:
        """Return one replica's gradients as Keras' optimizers get them."""
        found = []
        for part, weight, reached, sparse in zip(
            parts, weights, self.reached, self.sparse, strict=True
        ):
            whole = tf.IndexedSlices(*part, tf.constant(weight.shape.as_list())) if sparse else part
            found.append(whole if reached else None)
        return found

    def finished(self, state: State) -> State:
        """Return the state as a training leaves it, with the averages of the weights."""
        averages = [state.optimizer[at] for at in self.stepper.averages]
        return state._replace(trainable=averages or state.trainable)

    def _watched(self, name, gradients, weights, loss):
        try:
            value = tf.convert_to_tensor(self.watch[name](Step(gradients, weights, loss)))
        except Exception as error:
            raise RefusedError(
                "`watch` must hold functions of a `Step` (gradients, weights, loss) that return a "
                "number, of TensorFlow's or `keras.ops`' operations, as a step has no values yet "
                f"while its graph is made. Received: {name!r}, which raises "
                f"{type(error).__name__}: {error}"
            ) from error
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
            if not self.forward.joined:
                gradients = self._gradients(gradients, weights)
            with own_numbers(self.model, self.forward.layer_values(row)):
                row = {name: v for name, v in row.items() if name not in self.forward.layer_numbers}
                return self.stepper.step(gradients, weights, state, iterations, row)

        # Of sparse gradients some optimizers look for the rows that are not zero, whose number
        # differs between replicas.
        rows = trainable, gradients, optimizer, own
        new, optimizer = map_rows(one, rows, vectorize=not any(self.sparse))
        if self.forward.joined and not all(
            self.reached
        ):  # Keras leaves what the loss does not reach alone
            pairs = zip(
                self.forward.unpack(new), self.forward.unpack(trainable), self.reached, strict=True
            )
            new = self.forward.pack(
                [after if reached else before for after, before, reached in pairs]
            )
        return new, optimizer
