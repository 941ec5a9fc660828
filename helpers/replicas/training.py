"""The loop over epochs."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from helpers.numerics import batch_order
from helpers.replicas.each import Numbers
from helpers.replicas.forward import State
from helpers.replicas.program import Program
from helpers.replicas.tracing import to_numpy
from helpers.replicas.watching import Watchers


class Plan(NamedTuple):
    """What a training is, but for the program and where it starts.

    Attributes:
        training: The examples.
        validation: The examples of validation, or None.
        rows, validation_rows: Each replica's own rows of these, or None for all.
        seeds: One for each replica.
        epochs: Their numbers.
        batch_size: Examples a step.
        numbers: Each replica's own.
        callbacks: From a replica's number to its callbacks, or None.
    """

    training: tuple
    validation: tuple | None
    rows: np.ndarray | None
    validation_rows: np.ndarray | None
    seeds: tuple[int, ...]
    epochs: range
    batch_size: int
    numbers: Numbers
    callbacks: object

    @property
    def examples(self) -> int:
        """The examples that a replica trains on."""
        return len(self.training) if self.rows is None else self.rows.shape[1]

    @property
    def steps(self) -> int:
        """The steps of an epoch."""
        return math.ceil(self.examples / self.batch_size)


class Trained(NamedTuple):
    """What came of a training: histories (replicas, epochs), what was watched, the last state.

    The rates are those that callbacks left, numbers, or tables of the steps.
    """

    history: dict[str, np.ndarray]
    steps: dict[str, np.ndarray]
    state: State
    stopped_at: np.ndarray
    rates: list


def train(program: Program, state: State, plan: Plan) -> Trained:
    """Run the epochs of a plan from a state."""
    replicas = len(plan.seeds)
    run = _Run(program, state, plan)
    watchers = Watchers(
        plan.callbacks,
        replicas,
        names=run.names,
        weights=run.weights_of,
        rates=plan.numbers.rates,
        metrics=[program.compiled.metrics],
        params={"epochs": plan.epochs.stop, "steps": plan.steps, "verbose": 0},
        finish=lambda replica: run.finish([replica]),
    )
    run.models = watchers.models
    watchers.begin()
    rows: list[dict[str, np.ndarray]] = []
    running: list[np.ndarray] = []
    watched: list[dict[str, np.ndarray]] = []
    kept: dict[int, State] = {}
    for epoch in plan.epochs:
        watchers.begin_epoch(epoch)
        run.take_weights(watchers)
        was_running = watchers.stopped == 0
        seen, at_steps = run.epoch(epoch, [one.optimizer._rate for one in watchers.models])
        rows.append(watchers.end_epoch(epoch, epoch + 1, seen) if watchers else seen)
        running.append(was_running)
        watched.append({n: _masked(v, was_running) for n, v in at_steps.items()})
        for k in np.flatnonzero(was_running & (watchers.stopped > 0)):
            kept[k] = run.state_of(k, watchers)
        if watchers and (watchers.stopped > 0).all():
            break
    run.finish(np.flatnonzero(watchers.stopped == 0))
    watchers.end(seen)
    run.take_weights(watchers)
    final = run.with_kept(kept)
    history = _history(rows, running)
    at_steps = {name: _joined([one[name] for one in watched]) for name in watched[0]}
    rates = [one.optimizer._rate for one in watchers.models]
    return Trained(history, at_steps, final, watchers.stopped, rates)


def _history(rows: list[dict[str, np.ndarray]], running: list[np.ndarray]) -> dict:
    """Return figures by name, (replicas, epochs): NaN where a callback said nothing."""
    nothing = np.full(len(running[0]), np.nan)
    return {
        name: _joined(
            [
                _masked(row.get(name, nothing), own)[:, None]
                for row, own in zip(rows, running, strict=True)
            ]
        )
        for name in dict.fromkeys(name for row in rows for name in row)
    }


def _masked(values: np.ndarray, running: np.ndarray) -> np.ma.MaskedArray:
    mask = np.broadcast_to(~running.reshape(-1, *[1] * (values.ndim - 1)), values.shape)
    return np.ma.array(np.where(mask, np.nan, values), mask=mask)


def _joined(columns: list) -> np.ndarray:
    """Return columns side by side, an ordinary array where nothing is masked."""
    joined = np.ma.concatenate(columns, axis=1)
    return joined if joined.mask.any() else np.asarray(joined.data)


class _Run:
    """The state of a training as its epochs pass."""

    def __init__(self, program: Program, state: State, plan: Plan):
        self.program, self.plan, self.state = program, plan, state
        self.data = tuple(plan.training)
        self.own = plan.numbers.optimizer | plan.numbers.layers
        names = program.compiled.names
        valid = [f"val_{name}" for name in names] if plan.validation is not None else []
        self.names = [*names, *valid]
        self._tensors = _on_device(self.data)
        self._validation = None if plan.validation is None else _on_device(tuple(plan.validation))
        self._fetched: list[np.ndarray] | None = None
        self.steps = plan.steps
        # Arms share seeds, and so their orders.
        self.different, self.which = np.unique(plan.seeds, return_inverse=True)

    def epoch(self, epoch: int, rates: list) -> tuple[dict, dict]:
        """Train an epoch; return loss and metrics by name, and what was watched."""
        plan, program = self.plan, self.program
        done = (epoch - plan.epochs.start) * self.steps
        now = {
            name: values if values.ndim == 1 else values[done : done + self.steps]
            for name, values in self.own.items()
        }
        numbers = now | {"learning_rate": _table(rates, done, self.steps)}
        orders = [batch_order(seed, epoch, plan.examples) for seed in self.different]
        order = np.stack(orders)[self.which]
        if plan.rows is not None:
            order = np.take_along_axis(plan.rows, order, axis=1)
        self.state, found, watched = program.train_epoch(
            self.state, self._tensors, order, numbers, plan.batch_size
        )
        self._fetched = None
        if self._validation is not None:
            judged, others = program.forward.evaluate(
                self.state,
                self._validation,
                plan.validation_rows,
                plan.numbers.layers,
                plan.batch_size,
            )
            found += judged
            self.state = self.state._replace(others=others)
        seen = {name: one.numpy() for name, one in zip(self.names, found, strict=True)}
        return seen, {name: one.numpy().T for name, one in watched.items()}

    def weights_of(self, replica: int) -> list[np.ndarray]:
        """Return a replica's weights in the order of `get_weights()`."""
        if self._fetched is None:
            self._fetched = stacked_weights(self.program, self.state)
        return [one[replica] for one in self._fetched]

    def finish(self, replicas: Sequence[int]) -> None:
        """Give replicas the weights with which a training ends, before its callbacks hear of it."""
        program = self.program
        if not program.stepper.averages:
            return
        finished = program.finished(self.state)
        for replica in replicas:
            self.state = put_row(self.state, replica, one_row(finished, replica))
            self.models[replica].new_weights = None
        self._fetched = None

    def take_weights(self, watchers: Watchers) -> None:
        """Set the weights that callbacks of running replicas have set."""
        for one in watchers.models:
            if one.new_weights is not None and not one.stop_training:
                part = one_row(self.state, one.replica)
                self.state = put_row(
                    self.state, one.replica, with_weights(self.program, part, one.new_weights)
                )
                one.new_weights = None
                self._fetched = None

    def state_of(self, replica: int, watchers: Watchers) -> State:
        """Return the state of a replica that has just stopped, with its callbacks' weights."""
        part = one_row(self.state, replica)
        new = watchers.models[replica].new_weights
        return part if new is None else with_weights(self.program, part, new)

    def with_kept(self, kept: dict[int, State]) -> State:
        """Return the last state, with those that stopped as they were when they did."""
        state = self.state
        for replica, part in kept.items():
            state = put_row(state, replica, part)
        return state


def _table(rates: list, done: int, steps: int) -> np.ndarray:
    """Return the rates of an epoch, (steps, replicas), of numbers or of tables of all steps."""
    if all(map(np.isscalar, rates)):
        return np.broadcast_to(np.asarray(rates, np.float32), (steps, len(rates)))
    return np.stack(
        [
            np.full(steps, rate, np.float32) if np.isscalar(rate) else rate[done : done + steps]
            for rate in rates
        ],
        axis=1,
    )


def _on_device(nested):
    return tf.nest.map_structure(lambda one: None if one is None else tf.constant(one), nested)


def one_row(state: State, replica: int) -> State:
    """Return the state of one replica, with an axis of one replica."""
    own = slice(replica, replica + 1)
    parts = ([one[own] for one in part] for part in state[:3])
    return State(*parts, state.iterations[own])


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
    variables = [*model.trainable_variables, *model.non_trainable_variables]
    values = [*program.forward.unpack(state.trainable), *state.others]
    by_variable = {id(one): value for one, value in zip(variables, values, strict=True)}
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
