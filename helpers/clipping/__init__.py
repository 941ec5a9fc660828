"""Clipping: the three kinds, the angle they turn the gradient by, a net that needs them.

A gradient is a sequence of arrays, one for each variable. `clip` holds the three kinds of clipping,
equal to what Keras' optimizers do, and `angles` how far they turn the gradient.

The net that diverges without clipping is a small recurrent one: `tasks` draws the sequences that it
learns from, `networks` builds it in Keras, and `recurrence` computes its gradients in NumPy.
"""

from helpers.clipping.angles import angle
from helpers.clipping.clip import (
    Array,
    Gradients,
    clip_by_global_norm,
    clip_by_norm,
    clip_by_value,
    global_norm,
)
from helpers.clipping.networks import loss_gradients, recurrent_net
from helpers.clipping.recurrence import recurrent_gradients
from helpers.clipping.tasks import SequenceTask, adding_problem, explained_share

__all__ = [
    "Array",
    "Gradients",
    "clip_by_value",
    "clip_by_norm",
    "clip_by_global_norm",
    "global_norm",
    "angle",
    "SequenceTask",
    "adding_problem",
    "explained_share",
    "recurrent_net",
    "loss_gradients",
    "recurrent_gradients",
]
