"""What `fit_replicas` cannot train, refused by name before anything runs."""

from collections.abc import Sequence

import keras
import numpy as np

# Optimizers whose step acts on each element by itself: stacking replicas does not mix them.
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
# Options that make an optimizer keep state of its own between steps.
UNSUPPORTED_OPTIONS = ("use_ema", "gradient_accumulation_steps", "loss_scale_factor")
# Config entries in which replicas may differ: they decide initial values only.
INITIAL_ONLY = ("initializer", "seed")


def check_counts(**counts: int) -> None:
    """Refuse counts that are not whole numbers of at least 1."""
    for name, count in counts.items():
        whole = isinstance(count, int | np.integer) and not isinstance(count, bool)
        if not whole or count < 1:
            raise ValueError(
                f"`{name}` must be a whole number of at least 1. Received: {name}={count!r}"
            )


def check_optimizer(optimizer: keras.Optimizer) -> None:
    """Refuse optimizers and options that would mix replicas or need state we do not stack."""
    if type(optimizer) not in ELEMENTWISE:
        known = ", ".join(kind.__name__ for kind in ELEMENTWISE)
        raise ValueError(
            f"`optimizer` must be one of {known}: others may mix the replicas that are stacked "
            f"in one variable. Received: optimizer={type(optimizer).__name__}"
        )
    for option in UNSUPPORTED_OPTIONS:
        if getattr(optimizer, option, None):
            raise ValueError(
                f"`fit_replicas` does not support the optimizer's `{option}`. "
                f"Received: {option}={getattr(optimizer, option)}"
            )
    if getattr(optimizer, "_exclude_from_weight_decay_pattern", None) or getattr(
        optimizer, "_exclude_from_weight_decay", None
    ):
        raise ValueError(
            "`fit_replicas` does not support variables excluded from weight decay. "
            "Received: an optimizer with `exclude_from_weight_decay`"
        )


def check_model(model: keras.Model) -> None:
    """Refuse models whose training is not forward pass, loss, gradient, step."""
    if not isinstance(model, keras.Model):
        raise TypeError(f"`build` must return a keras.Model. Received: {type(model).__name__}")
    if not model.built:
        raise ValueError(
            "`build` must return a built model: start it with `keras.Input(shape)`. "
            f"Received: {model.name!r} without weights"
        )
    for method in ("train_step", "compute_loss", "test_step"):
        inherited = {getattr(base, method) for base in (keras.Model, keras.Sequential)}
        if getattr(type(model), method) not in inherited:
            raise ValueError(
                f"`fit_replicas` cannot call a model's own `{method}`. "
                f"Received: {type(model).__name__}"
            )
    if isinstance(getattr(model, "inputs", None), list) and (
        len(model.inputs) != 1 or len(model.outputs) != 1
    ):
        raise ValueError(
            "`fit_replicas` trains models of one input and one output. "
            f"Received: {len(model.inputs)} inputs and {len(model.outputs)} outputs"
        )
    for layer in model._flatten_layers(include_self=False):
        _check_layer(layer)


def _check_layer(layer: keras.Layer) -> None:
    if getattr(layer, "stateful", False):
        problem = "keeps state between batches (`stateful=True`)"
    elif layer.dtype_policy.compute_dtype != layer.dtype_policy.variable_dtype:
        problem = f"uses mixed precision ({layer.dtype_policy.name})"
    elif isinstance(layer, keras.layers.Embedding):
        problem = "has sparse gradients, which Keras' optimizers apply in another way"
    elif isinstance(layer, keras.layers.Masking):
        problem = "masks steps of a sequence, which TensorFlow cannot vectorize"
    elif isinstance(layer, keras.layers.SpectralNormalization):
        problem = "iterates on weights outside of the gradient step"
    else:
        return
    raise ValueError(
        f"`fit_replicas` cannot train a layer that {problem}. "
        f"Received: {type(layer).__name__} {layer.name!r}"
    )


def check_alike(models: Sequence[keras.Model]) -> None:
    """Refuse replicas that differ in more than their initial weights."""
    first = signature(models[0])
    for number, model in enumerate(models[1:], start=1):
        other = signature(model)
        if other != first:
            raise ValueError(
                "replicas may differ in their initializers and seeds alone; train other "
                f"differences with `fit_arms`. Received: replica {number} differs from replica 0 "
                f"in {_first_difference(first, other)}"
            )


def signature(model: keras.Model) -> dict:
    """Return a model's configuration without names, seeds and initializers.

    Equal signatures mean equal computations, so that one graph can train both.
    """
    layers = list(model._flatten_layers(include_self=False))
    positions = {layer.name: f"layer {index}" for index, layer in enumerate(layers)}
    config = _neutral(model.get_config(), {**positions, model.name: "model"})
    shapes = [tuple(variable.shape) for variable in model.variables]
    trainable = [variable.trainable for variable in model.variables]
    return {"class": type(model).__name__, "shapes": shapes, "trainable": trainable} | config


def _neutral(config, positions: dict[str, str]):
    if isinstance(config, dict):
        return {
            key: _neutral(value, positions)
            for key, value in config.items()
            if not any(word in str(key) for word in INITIAL_ONLY)
        }
    if isinstance(config, list | tuple):
        return [_neutral(item, positions) for item in config]
    return positions.get(config, config) if isinstance(config, str) else config


def _first_difference(one, other, path: str = "") -> str:
    """Return where two nested configurations part, with both values."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        key = next(key for key in one if one[key] != other[key])
        return _first_difference(one[key], other[key], f"{path}.{key}" if path else str(key))
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        index = next(i for i, pair in enumerate(zip(one, other, strict=True)) if pair[0] != pair[1])
        return _first_difference(one[index], other[index], f"{path}[{index}]")
    return f"{path}: {one!r} and {other!r}"
