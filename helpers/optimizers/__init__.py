"""Optimizers: twelve update rules equal to Keras', and the paths they take.

An optimizer is two pure functions, `init` and `update`, on float64 arrays of any shape; `optimizer`
holds that contract and its checks. The rules: `momentum` has gradient descent with both momenta,
`adaptive` AdaGrad, RMSProp and AdaDelta, `adam` Adam and AdamW, `adam_variants` Adamax and Nadam,
`ftrl` FTRL and `lion` Lion; `catalogue` lists them all under their names in Keras.

`trajectories` follows a path, `surfaces` has three surfaces to descend on,
`in_keras` follows the same path with Keras, and `first_step` looks at Adam's first steps. `search`
reads the width of a good range and finds the best path, `choosing` lets each replica choose its own
rate, `curvature` measures how sharp a loss is, and `schedule_free` mends an optimizer. `animation`
draws paths for a page, with the controls of `player`.
"""

from helpers.optimizers.adam import AdamState, adam, adamw
from helpers.optimizers.adam_variants import AdamaxState, NadamState, adamax, nadam
from helpers.optimizers.adaptive import (
    AdadeltaState,
    AdagradState,
    RmspropState,
    adadelta,
    adagrad,
    rmsprop,
)
from helpers.optimizers.animation import animate_trajectories
from helpers.optimizers.catalogue import OPTIMIZERS, Entry
from helpers.optimizers.choosing import OwnChoice
from helpers.optimizers.curvature import sharpness
from helpers.optimizers.first_step import (
    FIRST_STEP_FORMS,
    STEP_RATIO_FORMS,
    adam_first_step,
    adam_step_ratio,
)
from helpers.optimizers.ftrl import FtrlState, ftrl
from helpers.optimizers.in_keras import compiled_step, keras_trajectory
from helpers.optimizers.lion import LionState, lion
from helpers.optimizers.momentum import SgdState, sgd, terminal_velocity
from helpers.optimizers.optimizer import Array, Optimizer, Schedule
from helpers.optimizers.schedule_free import ScheduleFree
from helpers.optimizers.search import GoodRange, good_range, search_path
from helpers.optimizers.surfaces import Surface, elongated_bowl, rosenbrock, rotated, saddle
from helpers.optimizers.trajectories import trajectory

__all__ = [
    "Array",
    "Schedule",
    "Optimizer",
    "sgd",
    "SgdState",
    "terminal_velocity",
    "adagrad",
    "AdagradState",
    "rmsprop",
    "RmspropState",
    "adadelta",
    "AdadeltaState",
    "adam",
    "adamw",
    "AdamState",
    "adamax",
    "AdamaxState",
    "nadam",
    "NadamState",
    "ftrl",
    "FtrlState",
    "lion",
    "LionState",
    "Entry",
    "OPTIMIZERS",
    "FIRST_STEP_FORMS",
    "adam_first_step",
    "STEP_RATIO_FORMS",
    "adam_step_ratio",
    "Surface",
    "elongated_bowl",
    "rosenbrock",
    "saddle",
    "rotated",
    "trajectory",
    "keras_trajectory",
    "compiled_step",
    "good_range",
    "GoodRange",
    "search_path",
    "animate_trajectories",
    "OwnChoice",
    "sharpness",
    "ScheduleFree",
]
