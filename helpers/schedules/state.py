"""All that a training step changes, kept and put back."""

from typing import NamedTuple

import keras
import numpy as np

from helpers.checks import check_model

Array = np.ndarray


class TrainingState(NamedTuple):
    """What a training step changes.

    Attributes:
        model: Values of the model's variables, weights and the states of random layers.
        optimizer: Values of the optimizer's, its step counter and rate among them.
    """

    model: tuple[Array, ...]
    optimizer: tuple[Array, ...]


def training_state(model: keras.Model) -> TrainingState:
    """Return a copy of all variables that a training step changes, metrics apart.

    An optimizer that has not trained yet is built first, so that its variables exist.

    Args:
        model: Built and compiled.

    Raises:
        TypeError: It is no model.
        ValueError: The model has no weights yet, or is not compiled.

    Example:
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> state = training_state(model)
        >>> len(state.model), len(state.optimizer)    # the counter of steps and the rate
        (2, 2)
    """
    check_model(model)
    optimizer = _optimizer(model)
    if not optimizer.built:
        optimizer.build(model.trainable_variables)
    return TrainingState(_values(model.variables), _values(optimizer.variables))


def restore_state(model: keras.Model, state: TrainingState) -> None:
    """Put a training state back.

    Args:
        model: The model that the state was taken from, or one built alike.
        state: From `training_state`.

    Raises:
        ValueError: The model is not compiled, or it or its optimizer has other variables.

    Example:
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> state = training_state(model)
        >>> loss = model.train_on_batch(np.ones((1, 1)), np.zeros(1))
        >>> restore_state(model, state)
        >>> int(model.optimizer.iterations)
        0
    """
    check_model(model)
    pairs = [(model.variables, state.model), (_optimizer(model).variables, state.optimizer)]
    for variables, values in pairs:
        shapes = [tuple(variable.shape) for variable in variables]
        if shapes != [value.shape for value in values]:
            raise ValueError(
                "`model` must have the variables that `state` was taken from. Received: "
                f"{len(variables)} variables for {len(values)} values, or other shapes"
            )
    for variables, values in pairs:
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)


def _optimizer(model: keras.Model) -> keras.Optimizer:
    optimizer = getattr(model, "optimizer", None)
    if optimizer is None:
        raise ValueError(
            f"`model` must be compiled with an optimizer. Received: {model.name!r} without one"
        )
    return optimizer


def _values(variables) -> tuple[Array, ...]:
    return tuple(np.array(variable.numpy()) for variable in variables)
