"""Clipping: the kinds of it, the angle they turn the gradient by, a task that needs them.

A gradient is a sequence of arrays, one for each variable. `clip` holds the three kinds of clipping
that Keras' optimizers have, `adaptive` the one that measures each unit against its own weights,
and `angles` how far they turn the gradient.

The task that recurrent nets fail without clipping is in `tasks`; `recurrence` computes such a net's
gradient in NumPy, and by what factor an error grows on its way back.
"""

from helpers.clipping.adaptive import AdaptiveSGD, clip_adaptively
from helpers.clipping.angles import angle
from helpers.clipping.clip import (
    Array,
    Gradients,
    clip_by_global_norm,
    clip_by_norm,
    clip_by_value,
    global_norm,
)
from helpers.clipping.recurrence import recurrent_gains, recurrent_gradients
from helpers.clipping.tasks import AddingDraws, adding_problem

__all__ = [
    "Array",
    "Gradients",
    "clip_by_value",
    "clip_by_norm",
    "clip_by_global_norm",
    "clip_adaptively",
    "AdaptiveSGD",
    "global_norm",
    "angle",
    "AddingDraws",
    "adding_problem",
    "recurrent_gains",
    "recurrent_gradients",
]
