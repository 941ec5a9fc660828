"""The order of the examination."""

import warnings
from collections.abc import Callable, Iterator
from functools import partial

import keras
import numpy as np

from helpers.checks import check_count
from helpers.diagnosis import answers, examples, passes, targets, trials
from helpers.diagnosis.findings import Diagnosis, Finding
from helpers.diagnosis.guard import untouched
from helpers.diagnosis.patient import Patient

Examination = Callable[[Patient], Iterator[Finding]]

# Examinations of one group do not depend on each other. A finding that is named behind a group ends
# the examination there: what follows would compute with nonsense, or fail.
GROUPS: list[tuple[tuple[Examination, ...], set[str]]] = [
    (
        (examples.examine_inputs, passes.examine_weights),
        {"inputs-not-finite", "weights-not-finite"},
    ),
    ((passes.examine_signals,), {"signals-not-finite"}),
    (
        (targets.examine_labels, targets.examine_output, examples.examine_copies),
        {"labels-outside", "labels-shape"},
    ),
    ((examples.examine_balance, trials.examine_flags), {"nothing-trainable"}),
    ((passes.examine_gradient,), {"loss-not-finite", "gradient-not-finite"}),
    (
        (
            passes.examine_units, passes.examine_layers, answers.examine_loss,
            answers.examine_answers, answers.examine_validation,
        ),
        set(),
    ),
]  # fmt: skip


def diagnose(
    model: keras.Model,
    x: np.ndarray,
    y: np.ndarray,
    *,
    validation_data: tuple[np.ndarray, np.ndarray] | None = None,
    batch_size: int = 32,
    steps: int = 50,
    seed: int = 0,
) -> Diagnosis:
    """Measure what may be wrong with a model and its data, and say it in plain sentences.

    Looks at data, labels, output and loss, at one pass forward and back, and at some ten short
    trainings. All that these change is put back: weights, moving averages, random states, rates of
    dropout. The model's optimizer is read and never used.

    Args:
        model: Compiled, with one input, one output and one loss. Fresh or trained.
        x: Training examples as `model.fit` takes them, shape (n, …), n at least 16.
        y: Their labels.
        validation_data: A pair (x, y) that the model was not trained on: adds overfitting,
            confidence and leaks.
        batch_size: Of the trainings, as in `fit`; at least 1.
        steps: Of each training at another rate, at least 10; 0 for none.
        seed: Of the order of the examples.

    Returns:
        The findings; `print` tells them, `.table` has a row for each.

    Raises:
        TypeError: The model is none, the data are no arrays of numbers, or a number is no integer.
        ValueError: The model is not compiled, or has several inputs, outputs or losses; data are
            too few or of the wrong shape; an argument is out of its range.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> x = rng.normal(size=(64, 3)).astype("float32")
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        >>> model.compile("adam", "sparse_categorical_crossentropy")
        >>> diagnose(model, x, (x[:, 0] > 0).astype(int), steps=0).names[0]
        'logits-as-probabilities'
    """
    check_count(0, steps=steps, seed=seed)
    check_count(1, batch_size=batch_size)
    if 0 < steps < 10:
        raise ValueError(f"`steps` must be 0 or at least 10. Received: steps={steps}")
    options = {"validation_data": validation_data, "batch_size": batch_size, "seed": seed}
    patient = Patient(model, x, y, **options)
    groups = [*GROUPS]
    if steps:
        groups.append(((partial(trials.examine_training, steps=steps),), set()))
    with untouched(model), warnings.catch_warnings():
        # Keras warns of some illnesses at the first pass; the findings say it once, with a number.
        warnings.simplefilter("ignore", UserWarning)
        warnings.simplefilter("ignore", RuntimeWarning)
        return _examined(patient, groups)


def _examined(patient: Patient, groups) -> Diagnosis:
    findings: list[Finding] = []
    for number, (examinations, ends) in enumerate(groups, start=1):
        for examine in examinations:
            found = list(examine(patient))
            findings += found
            if ends & {finding.name for finding in found}:
                if number < len(groups) or examine is not examinations[-1]:
                    why = f"what needs a sound {_object(found[-1].name)}; mend that first."
                    return Diagnosis(tuple(findings), (why,))
                return Diagnosis(tuple(findings))
    return Diagnosis(tuple(findings))


def _object(name: str) -> str:
    for word in ("input", "weights", "signal", "label", "loss", "gradient"):
        if name.startswith(word):
            return {"input": "input", "signal": "forward pass", "label": "set of labels"}.get(
                word, word
            )
    return "model"
