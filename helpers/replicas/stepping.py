"""A Keras optimizer as a pure function of gradients, weights and its own state.

Keras' TensorFlow optimizers write to variables in a way that only distribution strategies need,
and that no mapping over replicas can follow. The class that `functional` makes takes these few
methods from Keras' own backend-neutral base class instead. Then a step is `apply` in a stateless
scope: moving averages of the weights, accumulated gradients, exclusions from weight decay,
clipping, constraints and all are Keras' own code.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, partial
from unittest import mock

import keras
import numpy as np
import tensorflow as tf
from keras.src.backend.tensorflow.optimizer import TFOptimizer
from keras.src.optimizers.base_optimizer import BaseOptimizer

from helpers.replicas.numbers import RowNumber
from helpers.replicas.settings import decays, settings_of, with_exclusions
from helpers.replicas.tracing import to_numpy

NEUTRAL = (
    "stateless_apply",
    "add_variable_from_reference",
    "_var_key",
    "_apply_weight_decay",
    "_backend_update_step",
    "_backend_increment_gradient_accumulators",
    "_overwrite_model_variables_with_average_value",
)


def _assign(self, variable, value):
    """Set a variable, or the rows of it that a sparse gradient has."""
    if isinstance(value, tf.IndexedSlices):
        now = keras.ops.convert_to_tensor(variable)
        value = tf.tensor_scatter_nd_update(now, value.indices[:, None], value.values)
    variable.assign(value)


def _assign_add(self, variable, value):
    variable.assign_add(tf.convert_to_tensor(value))


def _assign_sub(self, variable, value):
    variable.assign_sub(tf.convert_to_tensor(value))


def _selecting(scope: keras.StatelessScope, variables: Sequence[keras.Variable]) -> Callable:
    """Return a `keras.ops.cond` whose branches assign within a stateless scope.

    Both are computed, and of each variable the value of one is kept: that of a branch alone could
    not leave it.
    """

    def cond(chosen, *branches):
        found = []
        for branch in branches:
            now = [(one, scope.get_current_value(one)) for one in variables]
            with keras.StatelessScope(now) as inner:
                branch()
            found.append([inner.get_current_value(one) for one in variables])
        for variable, one, other in zip(variables, *found, strict=True):
            scope.add_update((variable, tf.where(chosen, one, other)))

    return cond


# Beside an optimizer's class it comes before Keras' TensorFlow class in the order of bases, and
# after all that the optimizer says itself.
Neutral = type(
    "Neutral",
    (TFOptimizer,),
    {name: getattr(BaseOptimizer, name) for name in NEUTRAL}
    | {
        "assign": _assign,
        "assign_add": _assign_add,
        "assign_sub": _assign_sub,
        "_use_weight_decay": decays,
    },
)


@cache
def functional(kind: type[keras.Optimizer]) -> type[keras.Optimizer]:
    """Return a class of optimizers that update what a stateless scope holds."""
    own_rate = {"_get_current_learning_rate": lambda self: self.row["learning_rate"]}
    return type(kind.__name__, (kind, Neutral), own_rate)


class Stepper:
    """An optimizer that was built for the variables of one replica.

    Args:
        optimizer: Whose settings are taken; it stays as it is.
        variables: The template's trainable variables, or one for a whole row of them.
    """

    def __init__(self, optimizer: keras.Optimizer, variables: Sequence[keras.Variable]):
        self.kind = type(optimizer)
        self.optimizer = _copied(optimizer)
        self.variables = list(variables)
        self.used: set[str] = set()  # a replica's own numbers that a step was computed with
        if self.variables:
            self.optimizer.build(self.variables)
        self.iterations = self.optimizer._iterations
        shared = {id(self.iterations), id(getattr(self.optimizer, "_learning_rate", None))}
        self.state = [one for one in self.optimizer.variables if id(one) not in shared]
        places = {id(one): at for at, one in enumerate(self.state)}
        kept = getattr(self.optimizer, "_model_variables_moving_average", None) or []
        # Where in the state the averages of the weights are that replace them at the end.
        self.averages = [places[id(one)] for one in kept]

    @property
    def slots(self) -> list[tuple[str, int | None]]:
        """What each part of the state is: its name, and the number of its variable, if it has one.

        Keras calls an optimizer's variable after the one that it belongs to; what belongs to none
        is counted, for it may have no name.
        """
        prefixes = [f"{one.path.replace('/', '_')}_" for one in self.variables]
        found = []
        for part in self.state:
            owners = [at for at, prefix in enumerate(prefixes) if part.name.startswith(prefix)]
            at = max(owners, key=lambda at: len(prefixes[at])) if owners else None
            alone = sum(other is None for _, other in found)
            found.append((f"{alone}" if at is None else part.name[len(prefixes[at]) :], at))
        return found

    @property
    def keeps(self) -> list[str]:
        """The names of what the state holds, for each variable or for none."""
        return sorted({name for name, _ in self.slots})

    def start(self, replicas: int) -> list[np.ndarray]:
        """Return the state of so many replicas before the first step, stacked."""
        values = map(to_numpy, self.state)  # alike for all replicas: kept once
        return [np.broadcast_to(value, (replicas, *value.shape)) for value in values]

    def step(self, gradients, weights, state, iterations, row):
        """Return a replica's new weights and state.

        Args:
            gradients: For each variable, a tensor, the slices of a sparse gradient, or None where
                the loss does not reach it.
            weights: Of one replica.
            state: Of its optimizer.
            iterations: Steps done, the same for all replicas.
            row: The replica's own numbers: ``learning_rate``, and others by their attribute.
        """
        mapping = [
            *zip(self.variables, weights, strict=True),
            *zip(self.state, state, strict=True),
            (self.iterations, iterations),
        ]
        with _with_row(self.optimizer, row, self.used), keras.StatelessScope(mapping) as scope:
            cond = _selecting(scope, (*self.variables, *self.state, self.iterations))
            if any(gradient is not None for gradient in gradients):
                with mock.patch.object(keras.src.ops, "cond", cond):
                    self.optimizer.apply(list(gradients), self.variables)
        new = [scope.get_current_value(one) for one in (*self.variables, *self.state)]
        return new[: len(self.variables)], new[len(self.variables) :]

    def scale(self, loss):
        """Return the loss times what the optimizer scales it by."""
        return self.optimizer.scale_loss(loss)

    def unscale(self, gradient):
        """Return the gradient of the loss from that of the scaled loss."""
        factor = self.optimizer.loss_scale_factor
        return gradient if factor is None else gradient / factor


@contextmanager
def _with_row(optimizer: keras.Optimizer, row: Mapping, used: set[str]) -> Iterator[None]:
    """Give the optimizer a replica's own numbers while a step is traced."""
    numbers = {name: value for name, value in row.items() if name != "learning_rate"}
    optimizer.row["learning_rate"] = row["learning_rate"]
    kept = {name: getattr(optimizer, name) for name in numbers}
    try:
        for name, value in numbers.items():
            object.__setattr__(optimizer, name, RowNumber(value, partial(used.add, name)))
        yield
    finally:
        for name, value in kept.items():
            object.__setattr__(optimizer, name, value)


def _copied(optimizer: keras.Optimizer) -> keras.Optimizer:
    """Return a functional optimizer with the settings of the given one."""
    kind = functional(type(optimizer))  # the rate is a number of each replica's row
    copied = kind(learning_rate=1.0, **settings_of(optimizer))
    object.__setattr__(copied, "row", {})
    return with_exclusions(copied, optimizer)
