"""Diagnosis: measurements on a reader's own Keras model and data, and what they point to.

`diagnosing` is the order of the examination, `illnesses` the catalogue: symptom, cause, remedy and
chapter of each. `patient` checks what comes in, `guard` puts back what a measurement changes, and
`signals` reads layers and gradients.

The examinations: `targets` (labels, output and loss that fit each other), `examples` (scale,
duplicates, balance), `passes` (forward and backward, layer by layer), `answers` (the loss and the
answers of the net as it stands), `trials` (training steps, all taken back).
"""

from helpers.diagnosis.diagnosing import diagnose
from helpers.diagnosis.findings import Diagnosis, Finding
from helpers.diagnosis.illnesses import ILLNESSES, Illness

__all__ = ["ILLNESSES", "Diagnosis", "Finding", "Illness", "diagnose"]
