"""Many replicas of one model as one computation: variables stacked on a leading axis.

The trainable variables of a small model are one row a replica of a single variable, so that the
optimizer's step, which acts on each element by itself, costs a few operations whatever the number
of layers. Those of a large model stay apart: there, copying them to and fro would cost more.
The forward pass, the loss and the gradient of one row are mapped over the rows with
`tf.vectorized_map`, which turns, say, a matrix product into a batch of them.
"""

import logging
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import keras
import numpy as np
import tensorflow as tf

# Stacked elements from which a model counts as large. Then the optimizer's step is compiled with
# XLA, too: its twenty or so elementwise operations become one pass through memory (a third faster
# in benchmarks/); below, compiling takes longer than it saves.
LARGE = 1_000_000
EVALUATION_CHUNK = 1024  # examples at a time, so that activations of all replicas fit in memory


class Stack:
    """The variables of `replicas` models, stacked, and the computations on them.

    Args:
        models: The replicas, built alike; the first is the template whose graph is used.
        optimizer: A Keras optimizer with an elementwise step; its configuration is copied.
        loss: A Keras loss: an instance, or a function of (y, y_pred) that gives a value each.
        metrics: Functions of (y, y_pred) that give a value for each example, by name.
        learning_rates: Shape (replicas,): each replica's own constant rate, or None.
    """

    def __init__(
        self,
        models: Sequence[keras.Model],
        *,
        optimizer: keras.Optimizer,
        loss: Callable,
        metrics: dict[str, Callable],
        learning_rates: np.ndarray | None = None,
    ):
        self.template = models[0]
        self.replicas = len(models)
        self.loss = loss
        self.metrics = metrics
        variables = self.template.trainable_variables
        shapes = [tuple(variable.shape) for variable in variables]
        large = self.replicas * sum(math.prod(shape) for shape in shapes) >= LARGE
        # The shapes that share a row: each its own in a large model, all of them in a small one.
        self.groups = [[shape] for shape in shapes] if large else [shapes] if shapes else []
        rows = [self._join([v.value for v in model.trainable_variables]) for model in models]
        self.rows = [keras.Variable(np.stack(same)) for same in zip(*rows, strict=True)]
        self.others = _stack([model.non_trainable_variables for model in models])
        # Keras' own clipping, mapped over replicas: the norms are those of one replica.
        clips = optimizer.clipnorm, optimizer.global_clipnorm, optimizer.clipvalue
        self.clip = optimizer._clip_gradients if any(clips) else None
        self.optimizer = _stacked_optimizer(optimizer, learning_rates)
        self.optimizer.build(self.rows)
        self.constraints = [variable.constraint for variable in self.template.trainable_variables]
        # Keras itself does not let AutoGraph rewrite what it traces; that would take seconds.
        traced = partial(tf.function, autograph=False)
        self._step = traced(self._move, jit_compile=large)
        self._compiled_epoch = traced(self._train_epoch)
        self._compiled_evaluation = traced(self._evaluate_chunk, reduce_retracing=True)
        self._compiled_prediction = traced(self._predict_chunk, reduce_retracing=True)

    def weights(self) -> tuple[np.ndarray, ...]:
        """Return the stacked weights in the order of the template's `get_weights()`."""
        originals = (*self.template.trainable_variables, *self.template.non_trainable_variables)
        stacks = (*self._split(self._variables()[0]), *self.others)
        stacked = {id(one): whole.numpy() for one, whole in zip(originals, stacks, strict=True)}
        return tuple(stacked[id(variable)] for variable in self.template.weights)

    def assign(self, weights: Sequence[np.ndarray]) -> None:
        """Set the stacked weights, given in the order of `weights()`."""
        values = {id(one): new for one, new in zip(self.template.weights, weights, strict=True)}
        parts = [tf.constant(values[id(one)]) for one in self.template.trainable_variables]
        for variable, value in zip(self.rows, self._join(parts, leading=1), strict=True):
            variable.assign(value)
        for one, whole in zip(self.template.non_trainable_variables, self.others, strict=True):
            if id(one) in values:  # seeds of random layers are variables, yet no weights
                whole.assign(values[id(one)])

    def train_epoch(
        self, x: tf.Tensor, y: tf.Tensor, order: np.ndarray, *, batch_size: int
    ) -> dict[str, np.ndarray]:
        """Train on the examples in each replica's order, shape (replicas, n).

        Returns the means over the epoch of loss and metrics, each of shape (replicas,).
        """
        with _vectorizing(self.template):
            totals = self._compiled_epoch(x, y, tf.constant(order), batch_size).numpy()
        return self._named(totals / order.shape[1])

    def evaluate(self, x: tf.Tensor, y: tf.Tensor) -> dict[str, np.ndarray]:
        """Return the loss and the metrics in inference mode, each of shape (replicas,)."""
        totals = 0.0
        with _vectorizing(self.template):
            for start in range(0, len(x), EVALUATION_CHUNK):
                part = slice(start, start + EVALUATION_CHUNK)
                totals = totals + self._compiled_evaluation(x[part], y[part]).numpy()
        return self._named(totals / len(x))

    def predict(self, x: tf.Tensor) -> np.ndarray:
        """Return the outputs in inference mode, of shape (replicas, n, ...)."""
        starts = range(0, len(x), EVALUATION_CHUNK)
        with _vectorizing(self.template):
            parts = [
                self._compiled_prediction(x[start : start + EVALUATION_CHUNK]) for start in starts
            ]
        return np.concatenate([part.numpy() for part in parts], axis=1)

    def _named(self, values: np.ndarray) -> dict[str, np.ndarray]:
        """Return rows of (1 + metrics, replicas) under their names, the loss first."""
        return dict(zip(["loss", *self.metrics], values, strict=True))

    def _train_epoch(self, x, y, order, batch_size):
        """Train one epoch; return sums over it of loss and metrics, (1 + metrics, replicas)."""
        examples = tf.shape(order)[1]

        def step(start, totals):
            # The last batch may be smaller, as in `fit`.
            batch = order[:, start : start + batch_size]
            seen = self._train_batch(tf.gather(x, batch), tf.gather(y, batch))
            return start + batch_size, totals + seen * tf.cast(tf.shape(batch)[1], tf.float32)

        begin = (tf.constant(0), tf.zeros((1 + len(self.metrics), self.replicas)))
        _, totals = tf.while_loop(lambda start, _: start < examples, step, begin)
        return totals

    def _train_batch(self, x, y):
        rows, others = self._variables()
        gradients, others, seen = tf.vectorized_map(self._gradient, (rows, others, x, y))
        for variable, value in zip(self.others, others, strict=True):
            variable.assign(value)
        self._step(gradients)
        if any(self.constraints):
            kept = tf.vectorized_map(self._constrain, self._variables()[0])
            for variable, value in zip(self.rows, kept, strict=True):
                variable.assign(value)
        return tf.transpose(seen)

    def _move(self, gradients):
        self.optimizer.apply(gradients, self.rows)

    def _gradient(self, arguments):
        """One replica: gradients of its rows, new state of the layers, and (loss, *metrics)."""
        rows, others, x, y = arguments
        with tf.GradientTape() as tape:
            tape.watch(rows)
            y_pred, others, penalties = self.template.stateless_call(
                self._split(rows), others, x, training=True, return_losses=True
            )
            loss = self._mean_loss(y, y_pred, penalties)
        gradients = tape.gradient(loss, rows, unconnected_gradients="zero")
        if self.clip is not None:
            gradients = self._join(self.clip(self._split(gradients)))
        return gradients, others, self._seen(loss, y, y_pred)

    def _constrain(self, rows):
        parts = zip(self._split(rows), self.constraints, strict=True)
        return self._join([part if keep is None else keep(part) for part, keep in parts])

    def _split(self, rows: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """Return the variables that rows (size,) hold, or stacks of rows (replicas, size)."""
        variables = []
        for row, shapes in zip(rows, self.groups, strict=True):
            parts = tf.split(row, [math.prod(shape) for shape in shapes], axis=-1)
            leading = row.shape[:-1]
            variables += [
                tf.reshape(part, (*leading, *shape))
                for part, shape in zip(parts, shapes, strict=True)
            ]
        return variables

    def _join(self, variables: Sequence[tf.Tensor], *, leading: int = 0) -> list[tf.Tensor]:
        """Return the rows that hold the variables: the inverse of `_split`."""
        flat = iter(tf.reshape(one, (*one.shape[:leading], -1)) for one in variables)
        return [tf.concat([next(flat) for _ in shapes], axis=-1) for shapes in self.groups]

    def _evaluate_chunk(self, x, y):
        """Return sums over the chunk of loss and metrics, (1 + metrics, replicas)."""

        def one(variables):
            rows, others = variables
            y_pred, _, penalties = self.template.stateless_call(
                self._split(rows), others, x, training=False, return_losses=True
            )
            return self._seen(self._mean_loss(y, y_pred, penalties), y, y_pred)

        seen = tf.vectorized_map(one, self._variables())
        return tf.transpose(seen) * tf.cast(tf.shape(x)[0], tf.float32)

    def _predict_chunk(self, x):
        def one(variables):
            rows, others = variables
            return self.template.stateless_call(self._split(rows), others, x, training=False)[0]

        return tf.vectorized_map(one, self._variables())

    def _variables(self):
        others = [tf.convert_to_tensor(variable.value) for variable in self.others]
        return [tf.convert_to_tensor(rows.value) for rows in self.rows], others

    def _mean_loss(self, y, y_pred, penalties):
        loss = tf.reduce_mean(self.loss(match_rank(y, y_pred), y_pred))
        return loss + tf.add_n(penalties) if penalties else loss

    def _seen(self, loss, y, y_pred):
        y = match_rank(y, y_pred)
        values = [tf.reduce_mean(metric(y, y_pred)) for metric in self.metrics.values()]
        return tf.stack([loss, *values])


def match_rank(y, y_pred):
    """Give labels (n,) the axis of outputs (n, 1), as Keras does; else they would broadcast."""
    if len(y.shape) == len(y_pred.shape) - 1 and y_pred.shape[-1] == 1:
        return y[..., None]
    return y


@contextmanager
def _vectorizing(model: keras.Model) -> Iterator[None]:
    """Keep TensorFlow's notices about vectorization quiet, and name the model where it fails.

    The notices say that an operation, as the drawing of a dropout mask, is looped over replicas:
    slower, and right.
    """
    logger = tf.get_logger()
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    except (TypeError, ValueError, NotImplementedError) as error:
        kinds = sorted({type(layer).__name__ for layer in model.layers})
        raise ValueError(
            "`fit_replicas` cannot train this model: TensorFlow could not compute its loss over "
            f"stacked replicas. Received: layers {', '.join(kinds)}; cause: {error}"
        ) from error
    finally:
        logger.setLevel(level)


def _stack(columns: Sequence[Sequence[keras.Variable]]) -> list[keras.Variable]:
    """Return one variable of shape (replicas, ...) for each variable of the models."""
    return [
        keras.Variable(
            np.stack([variable.numpy() for variable in same]),
            dtype=same[0].dtype,
            trainable=same[0].trainable,
            name=same[0].name,
        )
        for same in zip(*columns, strict=True)
    ]


def _stacked_optimizer(
    optimizer: keras.Optimizer, learning_rates: np.ndarray | None
) -> keras.Optimizer:
    """Return a fresh optimizer like the given one for stacked variables.

    It does not clip (the norm of a stack is not the norm of a replica), and where each replica
    has a rate of its own it multiplies by that.
    """
    config = optimizer.get_config()
    config |= {"clipnorm": None, "global_clipnorm": None, "clipvalue": None}
    schedule = optimizer._learning_rate
    if isinstance(schedule, keras.optimizers.schedules.LearningRateSchedule):
        config["learning_rate"] = schedule  # as it is: a schedule need not be registered
    kind = type(optimizer)
    if learning_rates is None:
        return kind(**config)

    class OwnRates(kind):
        """The optimizer with a learning rate for each replica."""

        def update_step(self, gradient, variable, learning_rate):
            super().update_step(gradient, variable, _along_replicas(learning_rates, variable))

        def _apply_weight_decay(self, variables):
            for variable in variables if self.weight_decay else ():
                rates = _along_replicas(learning_rates, variable)
                variable.assign_sub(variable.value * self.weight_decay * rates)

    return OwnRates(**config)


def _along_replicas(values: np.ndarray, variable) -> tf.Tensor:
    """Return (replicas,) values shaped to multiply a stacked variable."""
    shape = [-1] + [1] * (len(variable.shape) - 1)
    return tf.reshape(tf.constant(values, variable.dtype), shape)
