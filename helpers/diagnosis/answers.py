"""The loss and the answers of the net as it stands."""

from collections.abc import Iterator

import keras
import numpy as np

from helpers.diagnosis.findings import Finding
from helpers.diagnosis.patient import Patient
from helpers.normalization import recompute_statistics
from helpers.regularization import (
    confidence_and_hits,
    expected_calibration_error,
    fit_temperature,
)

# Fresh nets begin at 1.0 to 1.5 times the loss of guessing, twenty layers of ELU with He's weights
# at 2.2; inputs of 255 at 10 times and more.
ABOVE_GUESSING = 3.0
PENALTY = 3.0  # times the loss of the data
ONE_ANSWER = 0.99  # share of the predictions
MAJORITY = 0.9  # share of the labels up to which such predictions are a finding
NOT_LEARNED = 0.95  # of the loss of guessing
MODES = 1.5  # loss in inference mode over that in training mode
MODES_APART = 0.1  # and their difference, as a share of the loss of guessing
GAP, APART = 2.0, 0.2  # the same for validation against training
TOO_SURE = 1.5  # temperature
FEWEST_FOR_TEMPERATURE = 100  # answers; chapter 9 measures how far fewer mislead


def examine_loss(patient: Patient) -> Iterator[Finding]:
    """Compare the loss with that of guessing, with the penalties, and between the modes."""
    x, y = patient.x[patient.rows], patient.y[patient.rows]
    inference, penalty = patient.loss(x, y)
    training, _ = patient.loss(x, y, training=True)
    yield from _against_guessing(patient, min(inference, training))
    if penalty > PENALTY * max(inference, 1e-12):
        text = f"the penalty is {penalty:.3g}, the loss of the data {inference:.3g}."
        yield Finding("penalty-rules", text, penalty / max(inference, 1e-12))
    yield from _between_modes(patient, inference, training)


def _against_guessing(patient: Patient, loss: float) -> Iterator[Finding]:
    if not patient.classifies:
        return
    guessing = patient.guessing()
    ratio = loss / max(guessing, 1e-12)
    text = f"the loss is {loss:.3g}, that of guessing {guessing:.3g}."
    if ratio > ABOVE_GUESSING:
        yield Finding("loss-above-guessing", text, ratio)
    elif patient.trained and ratio > NOT_LEARNED:
        steps = int(patient.model.optimizer.iterations)
        yield Finding("not-learned", f"after {steps} steps {text}", ratio)


def _between_modes(patient: Patient, inference: float, training: float) -> Iterator[Finding]:
    layers = [
        layer
        for layer in patient.model._flatten_layers(include_self=False)
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
    fresh = not patient.trained and all(not np.any(layer.moving_mean) for layer in layers)
    if not layers or fresh:  # nothing has been averaged yet, and nobody infers
        return
    apart = inference - training
    if inference > MODES * training and apart > MODES_APART * patient.guessing():
        text = f"the loss is {inference:.3g} in inference mode, {training:.3g} in training mode"
        yield Finding("batch-norm-modes", text + _anew(patient), inference / training)


def _anew(patient: Patient) -> str:
    """Return what the loss would be with statistics of the training data, where that is told."""
    try:
        mended = recompute_statistics(patient.model, patient.x)
    except (ValueError, TypeError, NotImplementedError):  # a subclass that Keras cannot copy
        return "."
    rows = patient.rows
    outputs = mended(patient.x[rows], training=False)
    loss = float(patient.model.compute_loss(y=patient.y[rows], y_pred=outputs))
    return f"; with the statistics computed anew it is {loss:.3g} in inference mode."


def examine_answers(patient: Patient) -> Iterator[Finding]:
    """Find a trained net that answers one class, or that is surer than right."""
    if not patient.classifies or not patient.trained:
        return  # a fresh net answers one class as a rule
    answers = patient.probabilities(patient.outputs).argmax(axis=1)
    one = float(np.bincount(answers).max() / len(answers))
    labels = patient.labels(patient.y)
    most = float(np.bincount(labels).max() / len(labels))
    if one > ONE_ANSWER and most < MAJORITY:
        text = (
            f"{one:.0%} of the answers are one class, which has {most:.0%} of the labels at most."
        )
        yield Finding("always-one-class", text, one)


def examine_validation(patient: Patient) -> Iterator[Finding]:
    """Compare validation data with training data: the loss, and confidence with accuracy."""
    if patient.validation is None or not patient.trained:
        return
    train, _ = patient.loss(patient.x[patient.rows], patient.y[patient.rows])
    there, _ = patient.loss(*patient.validation)
    far = there - train > APART * patient.guessing()
    if patient.kind != "other" and there > GAP * train and far:
        text = f"the loss is {train:.3g} on training data, {there:.3g} on validation data."
        yield Finding("overfitting", text, there - train)
    if not patient.classifies or len(patient.validation[1]) < FEWEST_FOR_TEMPERATURE:
        return
    probabilities = patient.probabilities(patient.predict(patient.validation[0]))
    labels = patient.labels(patient.validation[1])
    try:
        temperature = fit_temperature(probabilities, labels)
    except ValueError:  # the outputs are no probabilities, which `examine_output` has told
        return
    if temperature > TOO_SURE:
        confidence, hits = confidence_and_hits(probabilities, labels)
        error = expected_calibration_error(confidence, hits)
        text = (
            f"a mean confidence of {confidence.mean():.1%} at an accuracy of {hits.mean():.1%} "
            f"(calibration error {error:.1%}); a temperature of {temperature:.2g} mends it."
        )
        yield Finding("overconfident", text, temperature)
