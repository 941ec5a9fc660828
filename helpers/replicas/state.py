"""What a training changes: some replicas' part of it, their weights, and another layout."""

import numpy as np
import tensorflow as tf

from helpers.replicas.forward import State
from helpers.replicas.program import Program
from helpers.replicas.tracing import all_variables, to_numpy


def some(state: State, kept: np.ndarray | slice) -> State:
    """Return the state of some replicas, which shares memory with theirs where it can."""
    parts = ([_view(one)[kept] for one in part] for part in state[:3])
    return State(*parts, state.iterations[kept])


def _view(value) -> np.ndarray:
    """Return a tensor's memory as an array, which nobody writes to; a copy where NumPy lacks it."""
    if not tf.is_tensor(value):
        return value
    plain = np.dtype(value.dtype.as_numpy_dtype).kind in "biuf"  # not bfloat16
    return np.asarray(memoryview(value)) if plain else value.numpy()


def one_row(state: State, replica: int) -> State:
    """Return the state of one replica, with an axis of one replica."""
    return some(state, slice(replica, replica + 1))


def put_row(state: State, replica: int, part: State) -> State:
    """Return a state in which one replica's is another's."""
    new = [
        [
            tf.tensor_scatter_nd_update(whole, [[replica]], one)
            for whole, one in zip(wholes, ones, strict=True)
        ]
        for wholes, ones in zip(state[:3], part[:3], strict=True)
    ]
    steps = state.iterations.copy()
    steps[replica] = part.iterations[0]
    return State(*new, steps)


def stacked_weights(program: Program, state: State) -> list[np.ndarray]:
    """Return stacked weights in the order of the template's `get_weights()`."""
    model = program.model
    values = [*program.forward.unpack(state.trainable), *state.others]
    by_variable = {id(one): value for one, value in zip(all_variables(model), values, strict=True)}
    return [to_numpy(by_variable[id(one)]) for one in model.weights]


def with_weights(program: Program, state: State, weights) -> State:
    """Return a state with other weights, given stacked in the order of `get_weights()`."""
    model = program.model
    given = {id(one): value for one, value in zip(model.weights, weights, strict=True)}
    replicas = len([*state.trainable, *state.others][0])
    shaped = lambda one: np.reshape(given[id(one)], (replicas, *one.shape))  # noqa: E731
    trainable = [tf.constant(shaped(one), one.dtype) for one in model.trainable_variables]
    others = [
        tf.constant(shaped(one), one.dtype) if id(one) in given else old
        for one, old in zip(model.non_trainable_variables, state.others, strict=True)
    ]
    return State(program.forward.pack(trainable), others, state.optimizer, state.iterations)


def laid_out(state: State, old: Program, new: Program) -> State:
    """Return a program's state as another keeps it: in a row a replica, or by variables.

    How many replicas are in a stack decides that. Rows are for optimizers whose step acts on each
    element by itself: what they keep has the shape of the variables.
    """
    trainable = new.forward.pack(old.forward.unpack(state.trainable))
    same = old.forward.joined == new.forward.joined
    if same and old.stepper.slots == new.stepper.slots:
        return state._replace(trainable=trainable)
    return state._replace(trainable=trainable, optimizer=_repacked(old, new, state.optimizer))


def _repacked(old: Program, new: Program, optimizer: list) -> list:
    """Return an optimizer's state in the other layout, without what the other does not keep."""
    parts = dict(zip(old.stepper.slots, optimizer, strict=True))
    names = dict.fromkeys(name for name, at in parts if at is not None)
    count = 1 if old.forward.joined else len(old.forward.shapes)
    whole = {name: [parts[name, at] for at in range(count)] for name in names}
    shaped = {
        name: new.forward.pack(old.forward.unpack(list(map(tf.convert_to_tensor, own))))
        for name, own in whole.items()
    }
    return [parts[name, None] if at is None else shaped[name][at] for name, at in new.stepper.slots]
