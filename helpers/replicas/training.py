"""The loop over epochs."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from helpers.numerics import batch_order
from helpers.replicas.callbacks import Callbacks
from helpers.replicas.calling import on_device
from helpers.replicas.each import Numbers
from helpers.replicas.forward import State
from helpers.replicas.program import Program, SparseGradientsError
from helpers.replicas.state import laid_out, one_row, put_row, stacked_weights, with_weights


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


class Outcome(NamedTuple):
    """What came of a training.

    Attributes:
        program: That trained: another than was given where gradients were sparse.
        history: Name → (replicas, epochs).
        steps: Name → (replicas, steps), what was watched.
        state: The last one.
        stopped_at: The epoch, counted from 1, after which a replica was stopped, or 0.
        rates: Those that callbacks left, numbers, or tables of the steps.
    """

    program: Program
    history: dict[str, np.ndarray]
    steps: dict[str, np.ndarray]
    state: State
    stopped_at: np.ndarray
    rates: list


def train(
    program: Program, state: State, plan: Plan, without_rows: Callable[[], Program]
) -> Outcome:
    """Run the epochs of a plan from a state.

    Args:
        program: What trains.
        state: In its layout.
        plan: What is trained.
        without_rows: Makes the program that keeps each variable by itself, should it be needed.
    """
    run = _Run(program, state, plan, without_rows)
    callbacks = run.callbacks
    callbacks.begin()
    rows: list[dict[str, np.ndarray]] = []
    running: list[np.ndarray] = []
    watched: list[dict[str, np.ndarray]] = []
    kept: dict[int, State] = {}
    for epoch in plan.epochs:
        callbacks.begin_epoch(epoch)
        run.take_weights()
        was_running = callbacks.stopped == 0
        seen, at_steps = run.epoch(epoch)
        rows.append(callbacks.end_epoch(epoch, seen) if callbacks else seen)
        running.append(was_running)
        watched.append({n: _masked(v, was_running) for n, v in at_steps.items()})
        for k in np.flatnonzero(was_running & (callbacks.stopped > 0)):
            kept[k] = run.state_of(k)
        if callbacks and (callbacks.stopped > 0).all():
            break
    run.finish(np.flatnonzero(callbacks.stopped == 0))
    callbacks.end(seen)
    run.take_weights()
    final = run.with_kept(kept)
    history = _history(rows, running)
    at_steps = {name: _joined([one[name] for one in watched]) for name in watched[0]}
    return Outcome(run.program, history, at_steps, final, callbacks.stopped, callbacks.rates)


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

    def __init__(self, program: Program, state: State, plan: Plan, without_rows: Callable):
        self.program, self.plan, self.state = program, plan, state
        self.without_rows = without_rows
        self.own = plan.numbers.optimizer | plan.numbers.layers
        names = program.compiled.names
        valid = [f"val_{name}" for name in names] if plan.validation is not None else []
        self.names = [*names, *valid]
        self._tensors = on_device(tuple(plan.training))
        self._validation = None if plan.validation is None else on_device(tuple(plan.validation))
        self._fetched: list[np.ndarray] | None = None
        # Arms share seeds, and so their orders.
        self.different, self.which = np.unique(plan.seeds, return_inverse=True)
        self.callbacks = Callbacks(
            plan.callbacks,
            len(plan.seeds),
            names=self.names,
            weights=self.weights_of,
            rates=plan.numbers.rates,
            metrics=[program.compiled.metrics],
            params={"epochs": plan.epochs.stop, "steps": plan.steps, "verbose": 0},
            finish=lambda replica: self.finish([replica]),
        )

    def epoch(self, epoch: int) -> tuple[dict, dict]:
        """Train an epoch; return loss and metrics by name, and what was watched."""
        plan = self.plan
        done = (epoch - plan.epochs.start) * plan.steps
        now = {
            name: values if values.ndim == 1 else values[done : done + plan.steps]
            for name, values in self.own.items()
        }
        numbers = now | {"learning_rate": _table(self.callbacks.rates, done, plan.steps)}
        orders = [batch_order(seed, epoch, plan.examples) for seed in self.different]
        order = np.stack(orders)[self.which]
        if plan.rows is not None:
            order = np.take_along_axis(plan.rows, order, axis=1)
        found, watched = self._train(order, numbers)
        self._fetched = None
        if self._validation is not None:
            judged, others = self.program.forward.evaluate(
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

    def _train(self, order: np.ndarray, numbers: dict):
        """Train in such an order; return loss and metrics, and what was watched."""
        given = self._tensors, order, numbers, self.plan.batch_size
        try:
            self.state, *found = self.program.train_epoch(self.state, *given)
        except SparseGradientsError:  # seen as the first step is traced
            other = self.without_rows()
            self.state = laid_out(self.state, self.program, other)
            self.program = other
            self.state, *found = other.train_epoch(self.state, *given)
        return found

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
            self.callbacks.models[replica].new_weights = None
        self._fetched = None

    def take_weights(self) -> None:
        """Set the weights that callbacks of running replicas have set."""
        for one in self.callbacks.models:
            if one.new_weights is not None and not one.stop_training:
                part = one_row(self.state, one.replica)
                self.state = put_row(
                    self.state, one.replica, with_weights(self.program, part, one.new_weights)
                )
                one.new_weights = None
                self._fetched = None

    def state_of(self, replica: int) -> State:
        """Return the state of a replica that has just stopped, with its callbacks' weights."""
        part = one_row(self.state, replica)
        new = self.callbacks.models[replica].new_weights
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
