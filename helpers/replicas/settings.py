"""What a Keras optimizer was made with, and what that says of how it trains."""

from collections.abc import Mapping, Sequence

import keras
import numpy as np

from helpers.replicas.clipping import CLIPS

# Optimizers whose step acts on each element by itself: all variables of a replica may be one row.
ELEMENTWISE = (
    keras.optimizers.SGD,
    keras.optimizers.RMSprop,
    keras.optimizers.Adagrad,
    keras.optimizers.Adadelta,
    keras.optimizers.Adam,
    keras.optimizers.AdamW,
    keras.optimizers.Adamax,
    keras.optimizers.Nadam,
    keras.optimizers.Ftrl,
    keras.optimizers.Lion,
)
EXCLUDED = "_exclude_from_weight_decay_pattern"  # the attribute: what has no weight decay


def decays(optimizer: keras.Optimizer, variable: keras.Variable) -> bool:
    """Return whether a variable decays: on TensorFlow patterns are looked for in its whole path."""
    pattern = getattr(optimizer, EXCLUDED, None)
    return pattern is None or pattern.search(variable._value.name) is None


def by_names(optimizer: keras.Optimizer, variables: Sequence[keras.Variable]) -> tuple:
    """Return what an optimizer decides by variables' names: decay, and whether Muon is Adam."""
    is_adam = getattr(optimizer, "_should_use_adamw", lambda variable: None)
    return tuple((decays(optimizer, one), is_adam(one)) for one in variables)


def check_names(optimizer: keras.Optimizer, models: Sequence[keras.Model]) -> None:
    """Refuse models that are trained together, and whose names an optimizer treats differently."""
    decided = [by_names(optimizer, one.trainable_variables) for one in dict.fromkeys(models)]
    if any(one != decided[0] for one in decided):
        raise ValueError(
            "`optimizer` must exclude the same variables of all models that compute alike, whose "
            "layers may have different names. Received: a "
            f"{type(optimizer).__name__} that excludes others"
        )


def is_joinable(optimizer: keras.Optimizer, variables: Sequence[keras.Variable]) -> bool:
    """Return whether the step may see all of a replica's variables as one row."""
    plain = not any(
        (
            getattr(optimizer, "use_ema", False),
            getattr(optimizer, "gradient_accumulation_steps", None),
            getattr(optimizer, "loss_scale_factor", None),
            getattr(optimizer, "clipnorm", None),
            getattr(optimizer, EXCLUDED, None),
        )
    )
    return (
        plain
        and type(optimizer) in ELEMENTWISE
        and all(one.constraint is None and one.dtype == "float32" for one in variables)
        and not any(getattr(one, "overwrite_with_gradient", False) for one in variables)
    )


def settings_of(optimizer: keras.Optimizer) -> dict:
    """Return an optimizer's configuration but for its name and its learning rate.

    A schedule as the rate need not be one that Keras can write down.
    """
    kept = optimizer._learning_rate
    try:
        if not isinstance(kept, keras.Variable):
            object.__setattr__(optimizer, "_learning_rate", 0.0)
        config = optimizer.get_config()
    finally:
        object.__setattr__(optimizer, "_learning_rate", kept)
    return {name: value for name, value in config.items() if name not in ("name", "learning_rate")}


def fresh_optimizer(
    optimizer: keras.Optimizer, learning_rate=None, numbers: Mapping[str, float] | None = None
) -> keras.Optimizer:
    """Return an untrained optimizer with the same settings, or with another rate or numbers."""
    if learning_rate is None:
        own = optimizer._learning_rate
        learning_rate = float(own.numpy()) if isinstance(own, keras.Variable) else own
    settings = settings_of(optimizer)
    for name, value in (numbers or {}).items():
        whole = isinstance(settings.get(name), int) and value.is_integer()
        settings[name] = int(value) if whole else value
        if name in CLIPS and np.isinf(value):
            settings[name] = None
    return with_exclusions(type(optimizer)(learning_rate=learning_rate, **settings), optimizer)


def with_exclusions(copied: keras.Optimizer, optimizer: keras.Optimizer) -> keras.Optimizer:
    """Return a copied optimizer that excludes from weight decay what the other does."""
    if getattr(optimizer, EXCLUDED, None):
        setattr(copied, EXCLUDED, getattr(optimizer, EXCLUDED))
    return copied
