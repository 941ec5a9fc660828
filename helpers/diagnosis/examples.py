"""The data by themselves: finite, of a size, without copies, in balance."""

from collections.abc import Iterator

import keras
import numpy as np

from helpers.diagnosis.findings import Finding
from helpers.diagnosis.patient import Array, Patient
from helpers.diagnosis.signals import signals

# Pixels in [0, 1] have a root mean square of some 0.4, standardized features 1, pixels up to 255
# some 90. Chapter 2 follows what a factor of 10 does to all layers above.
LARGE_INPUTS = 10.0
SMALL_INPUTS = 0.1  # norm of an example; a one-hot example has 1, a digit divided by 255 twice 0.03
OFF_CENTRE = 10.0  # |mean| in deviations; pixels in [0, 1] stay below 2
COPIES = 0.05  # share; Fashion-MNIST has no copy, scikit-learn's digits none
LEAKED = 0.01
CONTRADICTED = 0.005
LOPSIDED = 10.0  # largest class over smallest; digits and CIFAR-10 are below 1.3
ENOUGH = 20  # examples a class from which a class without any is a finding


def examine_inputs(patient: Patient) -> Iterator[Finding]:
    """Find inputs that are not finite, not of size 1, or far from 0."""
    for whose, x, _ in patient.parts():
        bad = int(np.sum(~np.isfinite(x))) if x.dtype.kind == "f" else 0
        if bad:
            text = f"{bad} numbers of the {whose}inputs ({bad / x.size:.2%})."
            yield Finding("inputs-not-finite", text, bad)
            return
    first = _first_with_weights(patient)
    if first is None:
        return
    layer, entered = first
    flat = entered.reshape(len(entered), -1).astype(float)
    columns = np.sqrt(np.mean(flat**2, axis=0))
    # Of a table each column counts, of images and sequences their numbers together.
    size = float(
        columns.max() if entered.ndim == 2 and entered.shape[1] < 50 else np.sqrt(np.mean(flat**2))
    )
    norm = float(np.linalg.norm(flat, axis=1).mean())
    if size > LARGE_INPUTS:
        text = f"the root of the mean square of what enters {layer} is {size:.3g}."
        yield Finding("inputs-unscaled", text, size, layer)
    elif norm < SMALL_INPUTS:
        text = f"what enters {layer} has a mean norm of {norm:.2g} an example."
        yield Finding("inputs-unscaled", text, norm, layer)
    spread = flat.std(axis=0)
    varies = spread > 1e-6 * np.maximum(columns, 1e-30)
    if size <= LARGE_INPUTS and varies.any():
        off = float(np.median(np.abs(flat.mean(axis=0))[varies] / spread[varies]))
        if off > OFF_CENTRE:
            text = f"half of the inputs have a mean of more than {off:.3g} deviations."
            yield Finding("inputs-off-centre", text, off, layer)


def _first_with_weights(patient: Patient) -> tuple[str, Array] | None:
    """Return the name of the first layer that weighs its inputs, and what enters it.

    None if that layer normalizes by itself, or looks up integers.
    """
    weighs_not = keras.layers.Normalization, keras.layers.Rescaling
    for signal in signals(patient.model, patient.x[patient.rows]):
        if isinstance(signal.layer, keras.layers.Embedding):
            return None
        if isinstance(
            signal.layer, keras.layers.BatchNormalization | keras.layers.LayerNormalization
        ):
            return None
        weighs = any(len(weight.shape) > 1 for weight in signal.layer.weights)
        if weighs and not isinstance(signal.layer, weighs_not):
            return signal.layer.name, signal.entered
    return None


def examine_copies(patient: Patient) -> Iterator[Finding]:
    """Find copies, equal inputs with different labels, and validation data seen in training."""
    _, group, count = _groups(patient.x)
    copies = 1 - len(count) / len(group)
    if copies > COPIES:
        text = f"{copies:.1%} of the examples are copies of another."
        yield Finding("duplicates", text, copies)
    if patient.classifies and patient.labels(patient.y).shape == group.shape:
        pairs = np.unique(np.stack([group, patient.labels(patient.y)]), axis=1)[0]
        several = np.bincount(pairs, minlength=len(count)) > 1
        share = float(several[group].mean())
        if share > CONTRADICTED:
            text = f"{share:.1%} of the examples have a copy with another label."
            yield Finding("labels-contradict", text, share)
    if patient.validation is not None:
        seen = set(_keys(patient.x))
        share = float(np.mean([key in seen for key in _keys(patient.validation[0])]))
        if share > LEAKED:
            text = f"{share:.1%} of the validation examples."
            yield Finding("leak", text, share)


def _keys(x: Array) -> list[bytes]:
    flat = np.ascontiguousarray(x.reshape(len(x), -1))
    return [row.tobytes() for row in flat]


def _groups(x: Array) -> tuple[Array, Array, Array]:
    return np.unique(np.array(_keys(x), dtype=object), return_inverse=True, return_counts=True)


def examine_balance(patient: Patient) -> Iterator[Finding]:
    """Find classes that are much rarer than others."""
    if not patient.classifies:
        return
    labels = patient.labels(patient.y)
    classes = 2 if patient.kind == "binary" else patient.outputs.shape[-1]
    count = np.bincount(labels, minlength=classes)
    if len(labels) < ENOUGH * classes:
        return
    ratio = float(count.max() / max(count.min(), 1))
    if not count.min() or ratio > LOPSIDED:
        text = (
            f"class {count.argmin()} has {count.min()} of {len(labels)} examples, "
            f"class {count.argmax()} {count.max()}."
        )
        yield Finding("imbalance", text, ratio)
