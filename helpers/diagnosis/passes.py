"""One pass forward and one back, layer by layer."""

from collections.abc import Iterator

import keras
import numpy as np

from helpers.activations import dead_units
from helpers.diagnosis.findings import Finding
from helpers.diagnosis.guard import dropouts
from helpers.diagnosis.patient import Patient
from helpers.diagnosis.signals import Signal, gradients, kernels, signals, values_of

DEAD = 0.5  # share of a layer's units; fresh He layers have below 0.2, chapter 3's losers above 0.5
SATURATED = 0.5  # share of a layer's outputs within 1% of an end
ENDS = {"sigmoid": (0, 1), "hard_sigmoid": (0, 1), "tanh": (-1, 1), "hard_tanh": (-1, 1)}
# Norm of the lowest kernel's gradient over that of the highest. Twenty layers with weights made for
# their activation stay within a factor of 30; twenty logistic ones reach 1e-10.
SHRINKS, GROWS = 1e-3, 1e3
DROPS_MOST = 0.8  # rate; the papers' are 0.1 to 0.5
FEW_VALUES = 8  # for a mean of a batch; its noise is then a third of a deviation


def examine_weights(patient: Patient) -> Iterator[Finding]:
    """Find weights that are not finite."""
    for variable in patient.model.weights:
        bad = ~np.isfinite(values_of(variable))
        if bad.any():
            text = f"{bad.sum()} of {bad.size} numbers of {variable.path}."
            yield Finding("weights-not-finite", text, int(bad.sum()), variable.path)
            return


def examine_signals(patient: Patient) -> Iterator[Finding]:
    """Find the first layer that puts out NaN or infinity."""
    for training in (False, True):
        for signal in signals(patient.model, patient.x[patient.rows], training=training):
            bad = float(np.mean(~np.isfinite(signal.left.astype(float))))
            if bad:
                text = f"{bad:.0%} of the outputs of {signal.layer.name}, the first such layer."
                yield Finding("signals-not-finite", text, bad, signal.layer.name)
                return


def examine_units(patient: Patient) -> Iterator[Finding]:
    """Find layers whose units are mostly dead or saturated, or copies of one another."""
    seen = signals(patient.model, patient.x[patient.rows])
    for signal in seen[:-1]:
        name = getattr(getattr(signal.layer, "activation", None), "__name__", "")
        if name in ("relu", "relu6") or isinstance(signal.layer, keras.layers.ReLU):
            yield from _dead(signal)
        elif name in ENDS and not isinstance(signal.layer, keras.layers.RNN):
            yield from _saturated(signal, *ENDS[name])
    top = seen[-1].layer if seen else None
    for name, variable in kernels(patient.model).items():
        values = values_of(variable).reshape(-1, variable.shape[-1])
        equal = values.shape[1] > 1 and np.all(np.ptp(values, axis=1) == 0)
        if equal and not any(variable is weight for weight in top.weights):
            text = f"the {values.shape[1]} units of {name} have one set of weights."
            yield Finding("units-equal", text, values.shape[1], name)


def _dead(signal: Signal) -> Iterator[Finding]:
    outputs = signal.left.reshape(-1, signal.left.shape[-1])
    share = float(dead_units(outputs).mean())
    if share > DEAD:
        text = f"{share:.0%} of the units of {signal.layer.name}, for {len(signal.left)} examples."
        yield Finding("units-dead", text, share, signal.layer.name)


def _saturated(signal: Signal, low: float, high: float) -> Iterator[Finding]:
    near = 0.01 * (high - low)
    share = float(np.mean((signal.left < low + near) | (signal.left > high - near)))
    if share > SATURATED:
        text = f"{share:.0%} of the outputs of {signal.layer.name} are within 1% of an end."
        yield Finding("units-saturated", text, share, signal.layer.name)


def examine_gradient(patient: Patient) -> Iterator[Finding]:
    """Find a loss or gradient that is not finite, and how the gradient changes over the layers."""
    batch = patient.rows[: max(patient.batch_size, 128)]
    loss, found = gradients(patient.model, patient.x[batch], patient.y[batch])
    if not np.isfinite(loss):
        yield Finding("loss-not-finite", f"the loss of {len(batch)} examples is {loss}.", loss)
        return
    for name, gradient in reversed(found.items()):  # the way the gradient goes
        if gradient is not None and not np.isfinite(gradient).all():
            bad = float(np.mean(~np.isfinite(gradient)))
            text = f"{bad:.0%} of the gradient of {name}, the first on the way down."
            yield Finding("gradient-not-finite", text, bad, name)
            return
    yield from _over_layers(patient, found)


def _over_layers(patient: Patient, found: dict) -> Iterator[Finding]:
    norms = {}
    for name in kernels(patient.model):
        gradient = found.get(f"{name}/kernel", found.get(name))
        norms[name] = 0.0 if gradient is None else float(np.linalg.norm(gradient))
    still = [name for name, norm in norms.items() if norm == 0]
    if still:
        text = f"the gradient of {_listed(still)} is exactly 0."
        yield Finding("gradient-missing", text, len(still), still[0])
    live = {name: norm for name, norm in norms.items() if norm > 0}
    if len(live) < 3:
        return
    lowest, highest = next(iter(live)), next(reversed(live))
    ratio = live[lowest] / live[highest]
    if not SHRINKS < ratio < GROWS:
        name = "gradient-vanishes" if ratio < 1 else "gradient-explodes"
        text = (
            f"its norm is {live[highest]:.1e} in {highest} and {live[lowest]:.1e} in {lowest}, "
            f"{len(live)} layers of weights below: a factor of {ratio:.0e}."
        )
        yield Finding(name, text, ratio, lowest)


def examine_layers(patient: Patient) -> Iterator[Finding]:
    """Find dropout that drops too much, and batch normalization with few values to average."""
    last = patient.model.layers[-1]
    for layer in dropouts(patient.model):
        if layer is last:
            text = f"{layer.name} follows the output layer, with a rate of {layer.rate:g}."
            yield Finding("dropout-heavy", text, layer.rate, layer.name)
        elif layer.rate >= DROPS_MOST:
            text = f"{layer.name} drops {layer.rate:.0%} of the units."
            yield Finding("dropout-heavy", text, layer.rate, layer.name)
    fewest = None
    for signal in signals(patient.model, patient.x[patient.rows[:2]]):
        if isinstance(signal.layer, keras.layers.BatchNormalization) and signal.layer.trainable:
            shape = signal.entered.shape
            values = patient.batch_size * int(np.prod(shape[1:-1]))
            if fewest is None or values < fewest[0]:
                fewest = values, signal.layer.name
    if fewest and fewest[0] < FEW_VALUES:
        values, name = fewest
        text = f"with a batch of {patient.batch_size}, {values} values for each mean of {name}."
        yield Finding("batch-norm-small-batch", text, values, name)


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"
