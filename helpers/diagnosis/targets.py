"""Whether labels, the output layer and the loss fit each other."""

from collections.abc import Iterator

import keras
import numpy as np

from helpers.diagnosis.findings import Finding
from helpers.diagnosis.patient import Array, Patient

SUM_OFF = 1e-3  # a softmax in float32 sums to 1 within 1e-6, in float16 within 1e-3
OUT_OF_REACH = 0.05  # share of targets; a few that are rounded past the end do no harm
LARGE_TARGETS = 10.0  # the outputs of a fresh network are of size 1
REACH = {"sigmoid": (0, 1), "softmax": (0, 1), "tanh": (-1, 1), "relu": (0, np.inf)}
REACH |= {"softplus": (0, np.inf), "hard_sigmoid": (0, 1), "relu6": (0, 6)}


def examine_labels(patient: Patient) -> Iterator[Finding]:
    """Find labels of the wrong shape or range. After such a finding no loss can be computed."""
    for whose, x, y in patient.parts():
        shape = patient.predict(x[:1]).shape if whose else patient.outputs.shape
        if not np.isfinite(y.astype(float)).all():
            bad = int(np.sum(~np.isfinite(y.astype(float))))
            text = f"{bad} of {y.size} {whose}labels are not finite."
            yield Finding("labels-outside", text, bad)
        elif not _same_shape(patient, y.shape[1:], shape[1:]):
            text = (
                f"{whose}labels have the shape {_each(y.shape)}, outputs {_each(shape)}, each "
                f"without the number of examples; the loss is {_loss_name(patient)}."
            )
            yield Finding("labels-shape", text, len(y.shape))
        elif patient.classifies:
            yield from _outside(patient, y.astype(float), whose)


def _same_shape(patient: Patient, y: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    if patient.kind == "sparse":
        return y in (shape[:-1], (*shape[:-1], 1))
    if patient.kind == "other":
        return True
    return y == shape or (*y, 1) == shape or y == (*shape, 1)


def _outside(patient: Patient, y: Array, whose: str) -> Iterator[Finding]:
    if patient.kind == "sparse":
        low, high, what = 0, patient.outputs.shape[-1] - 1, "integers"
        bad = (y < low) | (y > high) | (y != np.rint(y))
    else:
        low, high, what = 0, 1, "numbers"
        bad = (y < low) | (y > high)
    if bad.any():
        yield Finding(
            "labels-outside",
            f"{whose}labels run from {y.min():g} to {y.max():g}; the loss takes {what} from {low} "
            f"to {high}. {bad.mean():.0%} of them are not.",
            float(bad.mean()),
        )


def examine_output(patient: Patient) -> Iterator[Finding]:
    """Find an output that is not what the loss takes it for."""
    if patient.kind in ("sparse", "categorical"):
        yield from _classes(patient)
    elif patient.kind == "binary":
        yield from _yes_or_no(patient)
    elif patient.kind == "number":
        yield from _numbers(patient)


def _classes(patient: Patient) -> Iterator[Finding]:
    outputs = patient.outputs.astype(float)
    if outputs.shape[-1] == 1:
        yield Finding("one-answer", "the output has one unit, the loss compares classes.", 1)
        return
    off = float(np.abs(outputs.sum(axis=-1) - 1).mean())
    inside = bool((outputs >= 0).all() and (outputs <= 1 + SUM_OFF).all())
    total = f"the outputs for an example sum to {outputs.sum(axis=-1).mean():.2g} on average"
    if patient.from_logits and inside and off < SUM_OFF:
        yield Finding("softmax-twice", f"{total}, and `from_logits` is True.", off)
    elif not patient.from_logits and off >= SUM_OFF:
        name = "sigmoid-for-classes" if inside else "logits-as-probabilities"
        low, high = outputs.min(), outputs.max()
        text = f"{total}, and run from {low:.2g} to {high:.2g}; `from_logits` is False."
        yield Finding(name, text, off)


def _yes_or_no(patient: Patient) -> Iterator[Finding]:
    outputs = patient.outputs
    if patient.activation == "softmax" and outputs.shape[-1] == 1:
        yield Finding("one-answer", "the last layer is a softmax over one unit.", 1)
    elif patient.from_logits and patient.activation in ("sigmoid", "hard_sigmoid"):
        text = "the last layer is a sigmoid, and `from_logits` is True."
        yield Finding("softmax-twice", text, 1)
    elif not patient.from_logits and ((outputs < 0) | (outputs > 1)).any():
        share = float(np.mean((outputs < 0) | (outputs > 1)))
        text = f"{share:.0%} of the outputs lie outside of 0 to 1; `from_logits` is False."
        yield Finding("logits-as-probabilities", text, share)


def _numbers(patient: Patient) -> Iterator[Finding]:
    y = patient.y.astype(float)
    low, high = REACH.get(patient.activation, (-np.inf, np.inf))
    beyond = float(np.mean((y < low) | (y > high)))
    if beyond > OUT_OF_REACH:
        text = (
            f"{beyond:.0%} of the targets lie outside of {low:g} to {high:g}, where "
            f"{patient.activation} ends; they run from {y.min():.3g} to {y.max():.3g}."
        )
        yield Finding("targets-out-of-reach", text, beyond)
    size = float(np.sqrt(np.mean(y**2)))
    missed = float(np.mean((patient.outputs.reshape(-1) - y[patient.rows].reshape(-1)) ** 2))
    if size > LARGE_TARGETS and missed > np.var(y):  # a net that has learned them is well
        text = f"the root of the targets' mean square is {size:.3g}; a fresh output's is about 1."
        yield Finding("targets-unscaled", text, size)


def _each(shape: Array) -> tuple:
    return tuple(int(size) for size in shape[1:])


def _loss_name(patient: Patient) -> str:
    loss = keras.losses.get(patient.model.loss)
    return getattr(loss, "name", None) or getattr(loss, "__name__", type(loss).__name__)
