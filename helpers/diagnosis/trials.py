"""Training steps that are all taken back: how layers move, which rates work, what is learned."""

from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from helpers.diagnosis.findings import Finding
from helpers.diagnosis.guard import dropouts, taken_back
from helpers.diagnosis.patient import Array, Patient
from helpers.diagnosis.signals import kernels, values_of

# ‖step‖ / ‖weights‖ of one step. Healthy nets lie at 1e-4 to 3e-2 (chapter 1 and the tests).
STANDS, JUMPS = 1e-6, 0.5
FACTORS = (0.01, 0.1, 1.0, 10.0, 100.0, 1000.0)  # of the optimizer's own rate
FALLS = 0.2  # share of the loss that a good rate removes within the trial
FALLS_NOT = 0.01
RISES = 1.1
FEW = 32  # examples to learn by heart
BY_HEART = 0.3  # of the loss at the start or of guessing, whichever is less


def examine_flags(patient: Patient) -> Iterator[Finding]:
    """Find `trainable` flags that came after `compile`, and a model that cannot learn."""
    model = patient.model
    now = {id(variable) for variable in model.trainable_variables}
    if not now:
        text = f"0 of {model.count_params()} weights are trainable."
        yield Finding("nothing-trainable", text, 0)
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    if not optimizer.built:
        return
    then = {id(variable) for variable in optimizer._trainable_variables}
    if now != then:
        text = (
            f"{len(now - then)} variables have been thawed and {len(then - now)} frozen since the "
            "optimizer saw them."
        )
        yield Finding("frozen-after-compile", text, len(now ^ then))


class Trial:
    """A training with an optimizer like the model's own, whose steps are compiled once."""

    def __init__(self, patient: Patient):
        self.patient, model = patient, patient.model
        self.variables = model.trainable_variables
        own = getattr(model.optimizer, "inner_optimizer", model.optimizer)
        self.rate = float(own.learning_rate)
        config = own.get_config() | {"learning_rate": self.rate}
        self.optimizer = type(own).from_config(config)
        self.optimizer.build(self.variables)
        self.start = [values_of(variable) for variable in self.optimizer.variables]
        self.step = tf.function(self._step, reduce_retracing=True)

    def _step(self, x, y):
        model = self.patient.model
        with tf.GradientTape() as tape:
            outputs = model(x, training=True)
            loss = model.compute_loss(x=x, y=y, y_pred=outputs, training=True)
            data = loss - sum(model.losses) if model.losses else loss
        found = tape.gradient(loss, [variable.value for variable in self.variables])
        pairs = [pair for pair in zip(found, self.variables, strict=True) if pair[0] is not None]
        self.optimizer.apply_gradients(pairs)
        return data

    def run(self, batches: list[Array], *, factor: float) -> Array:
        """Return the loss of each batch before its step, at a multiple of the rate."""
        for variable, value in zip(self.optimizer.variables, self.start, strict=True):
            variable.assign(value)
        self.optimizer.learning_rate = self.rate * factor
        losses = []
        with taken_back(self.patient.model):
            for rows in batches:
                x, y = self.patient.x[rows], self.patient.y[rows]
                losses.append(float(self.step(x, y)))
                if not np.isfinite(losses[-1]):
                    break
        return np.array(losses)

    def moved(self, rows: Array) -> dict[str, float]:
        """Return ‖step‖ / ‖weights‖ of each kernel for one step at the model's rate."""
        watched = kernels(self.patient.model)
        before = {name: values_of(variable) for name, variable in watched.items()}
        self.optimizer.learning_rate = self.rate
        with taken_back(self.patient.model):
            self.step(self.patient.x[rows], self.patient.y[rows])
            after = {name: values_of(variable) for name, variable in watched.items()}
        return {
            name: float(np.linalg.norm(after[name] - w) / np.linalg.norm(w))
            for name, w in before.items()
            if np.any(w)  # a kernel of zeros has no size to compare with
        }


def examine_training(patient: Patient, *, steps: int) -> Iterator[Finding]:
    """Find layers that stand or jump, a rate that does not fit, and a batch that is not learned."""
    for layer in dropouts(patient.model):
        layer.rate = 0.0  # chance would blur which rate is the better one
    trial = Trial(patient)
    size = min(patient.batch_size, len(patient.x))
    yield from _movement(trial.moved(patient.rows[:size]), trial.rate)
    order = np.concatenate([patient.rng.permutation(len(patient.x)) for _ in range(1 + steps)])
    batches = list(order[: steps * size].reshape(steps, size))
    few = patient.rows[:FEW]
    sweep = {factor: _level(trial.run(batches, factor=factor)) for factor in FACTORS}
    start = float(trial.run(batches[:8], factor=0.0).mean())
    yield from _rate(sweep, start, trial.rate, patient)
    best = min(sweep, key=lambda factor: sweep[factor])
    tries = {
        f: trial.run([few] * 4 * steps, factor=f) for f in dict.fromkeys((best, best / 10, 1.0))
    }
    yield from _by_heart(tries, trial.rate, patient)


def _level(losses: Array) -> float:
    """Return the mean loss of the last fifth, infinity where the training diverged."""
    return (
        float(losses[-max(1, len(losses) // 5) :].mean()) if np.isfinite(losses).all() else np.inf
    )


def _movement(moved: dict[str, float], rate: float) -> Iterator[Finding]:
    still = {name: share for name, share in moved.items() if share < STANDS}
    jumping = {name: share for name, share in moved.items() if share > JUMPS}
    for kind, group, pick in (("layers-stand", still, min), ("layers-jump", jumping, max)):
        if group:
            name = pick(group, key=group.get)
            text = (
                f"a step at the rate {rate:.2g} moves {name} by {group[name]:.1e} of its norm"
                f"{f', and {len(group) - 1} more alike' * (len(group) > 1)}."
            )
            yield Finding(kind, text, group[name], name)


def _rate(
    sweep: dict[float, float], start: float, rate: float, patient: Patient
) -> Iterator[Finding]:
    # What counts as a fall is a share of the loss of guessing, so that a trained net, whose loss
    # only moves by chance, is told neither to raise nor to lower its rate.
    unit = max(start, patient.guessing()) if patient.kind != "other" else abs(start)
    own, lower = sweep[1.0], min((0.01, 0.1), key=lambda factor: sweep[factor])
    higher = min((10.0, 100.0, 1000.0), key=lambda factor: sweep[factor])
    text = (
        f"after the trial the loss has gone from {start:.3g} to {own:.3g} at the rate {rate:.2g}, "
    )
    if not own < start + (RISES - 1) * unit and sweep[lower] < start + (RISES - 1) / 2 * unit:
        text += f"and to {sweep[lower]:.3g} at {rate * lower:.2g}."
        yield Finding("rate-too-high", text, rate)
    elif start - own < FALLS_NOT * unit and start - sweep[higher] > FALLS * unit:
        text += f"and to {sweep[higher]:.3g} at {rate * higher:.2g}."
        yield Finding("rate-too-low", text, rate)


def _by_heart(tries: dict[float, Array], rate: float, patient: Patient) -> Iterator[Finding]:
    ends = {factor: _level(losses) for factor, losses in tries.items()}
    best = min(ends, key=lambda factor: ends[factor])
    start = float(tries[best][0])
    goal = BY_HEART * (min(start, patient.guessing()) if patient.kind != "other" else start)
    if not ends[best] < max(goal, 0.01 * patient.guessing() if patient.kind != "other" else 0):
        text = (
            f"{len(tries[best])} steps on {min(FEW, len(patient.x))} examples bring the loss from "
            f"{start:.3g} to {ends[best]:.3g} at the best rate tried, {rate * best:.2g}."
        )
        yield Finding("cannot-overfit", text, ends[best])
