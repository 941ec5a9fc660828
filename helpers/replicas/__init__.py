"""Many independent trainings in one: `fit_replicas`, `fit_arms` to compare, `search` for rates.

One training says little: another seed gives another result. `fit_replicas` trains several
replicas of a model, each with its own initial weights, batch order and dropout masks, as one
stacked computation, which on a small model costs less than a single `model.fit`. What each
replica computes is what `model.fit` would have computed from the same weights and batch order.

`fitting`, `arms` and `searching` hold what is called, `result` what it returns, with `predicting`,
`as_model`, `design` and `going_on`. What they accept is in `options` and `search_options`,
`examples` (data and rows), `each` (a replica's own numbers), `signature` (names of arguments),
`checks` (models and optimizers) and `agreement` (data against model and loss). `building` makes the
replicas' models, `drawing` their weights; `sameness` and `identity` say what two have in common.
`program` is the stacked training and `forward` the forward pass in it, with `stepping` (the
optimizer), `settings` (what it was made with), `clipping`, `compiled` (loss and metrics),
`numbers`, `tracing` and `calling`; `keeping` keeps programs for the next call. `training` is the
loop over epochs, with `state` (what it changes) and `callbacks`.
"""

from helpers.numerics import batch_order
from helpers.replicas.arms import fit_arms
from helpers.replicas.fitting import fit_replicas
from helpers.replicas.program import Step
from helpers.replicas.result import Replicas
from helpers.replicas.searching import Search, best_position, search

__all__ = [
    "Replicas",
    "Search",
    "Step",
    "batch_order",
    "best_position",
    "fit_arms",
    "fit_replicas",
    "search",
]
