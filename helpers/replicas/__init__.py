"""Many independent trainings in one: `fit_replicas`, and `fit_arms` to compare them.

One training says little: another seed gives another result. `fit_replicas` trains several
replicas of a model, each with its own initial weights, batch order and dropout masks, as one
stacked computation, which on a small model costs less than a single `model.fit`. What each
replica computes is what `model.fit` would have computed from the same weights and batch order.

`fitting` holds the two functions, `result` what they return, `options` and `checks` what they
accept, `training` the loop over epochs, and `engine` the stacked computation itself.
"""

from helpers.replicas.fitting import fit_arms, fit_replicas
from helpers.replicas.result import Replicas
from helpers.replicas.training import batch_order

__all__ = ["Replicas", "batch_order", "fit_arms", "fit_replicas"]
