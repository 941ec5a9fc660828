"""Learning-rate schedules as pure functions, and what drives them in Keras 3.

A schedule here is a function of the step, counted from 0, that takes an array of steps: `decays`
has power, exponential and piecewise constant scheduling, `cosines` the cosine, `trapezoid`
warm-up, stable, decay and with it the straight line to zero, `cycle` 1cycle for the rate and for
the momentum. `checks` holds what all of them refuse.

`in_keras` makes any such function a Keras schedule that can be saved, and `own` shows how to write
one without these helpers. `callback` is 1cycle as a
callback; it rests on `momentum`, which lets an optimizer's momentum change at all. `finder` is the
learning-rate finder, `averaging` the rival of a decay. `state` keeps what a training changes and
puts it back, and `interruption` stops a training, so that resuming can be tried.
"""

from helpers.schedules.averaging import AverageEpochs
from helpers.schedules.callback import OneCycle
from helpers.schedules.checks import Schedule
from helpers.schedules.cosines import cosine
from helpers.schedules.cycle import one_cycle, one_cycle_momentum
from helpers.schedules.decays import (
    constant,
    exponential,
    piecewise_constant,
    power,
)
from helpers.schedules.finder import RateSweep, find_learning_rate, read_sweep, smooth
from helpers.schedules.in_keras import TabulatedSchedule, as_keras
from helpers.schedules.interruption import InterruptAt, InterruptedTrainingError
from helpers.schedules.momentum import momentum_attribute, momentum_variable
from helpers.schedules.own import WarmupStableDecay
from helpers.schedules.state import TrainingState, restore_state, training_state
from helpers.schedules.trapezoid import warmup_stable_decay

__all__ = [
    "Schedule",
    "constant",
    "power",
    "exponential",
    "piecewise_constant",
    "cosine",
    "warmup_stable_decay",
    "one_cycle",
    "one_cycle_momentum",
    "TabulatedSchedule",
    "as_keras",
    "WarmupStableDecay",
    "OneCycle",
    "AverageEpochs",
    "momentum_attribute",
    "momentum_variable",
    "RateSweep",
    "find_learning_rate",
    "read_sweep",
    "smooth",
    "TrainingState",
    "training_state",
    "restore_state",
    "InterruptAt",
    "InterruptedTrainingError",
]
