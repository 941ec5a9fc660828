"""What `fit_replicas` cannot train, refused by name before anything runs."""

import inspect

import keras

# Layers that no training of stacked replicas can serve, and why.
REFUSED_LAYERS: tuple[tuple[str, str], ...] = (
    ("AugMix", "picks its operations with Python's random numbers while its graph is traced"),
    ("TFSMLayer", "holds a graph as TensorFlow saved it, whose variables are one for all replicas"),
    ("SpectralNormalization", "iterates on weights outside of the gradient step"),
)
# Optimizers that keep more than a pure function of gradients and weights can give back.
REFUSED_OPTIMIZERS = {
    "ScheduleFreeAdamW": "evaluates at other weights than it steps from, which did not equal `fit`",
    "LossScaleOptimizer": "changes its scale with what one replica's gradients do",
}


def check_optimizer(optimizer: keras.Optimizer) -> None:
    """Refuse optimizers whose step is no function of one replica alone."""
    if getattr(optimizer, "_exclude_from_weight_decay", None):
        raise ValueError(
            "an optimizer for replicas can exclude variables from weight decay by `var_names`; "
            "those of a `var_list` belong to another model. "
            f"Received: optimizer={type(optimizer).__name__} with a var_list"
        )
    reason = REFUSED_OPTIMIZERS.get(type(optimizer).__name__)
    if reason:
        raise ValueError(
            f"`fit_replicas` cannot train with an optimizer that {reason}. "
            f"Received: optimizer={type(optimizer).__name__}"
        )


def check_model(model: keras.Model) -> None:
    """Refuse models whose training is not forward pass, loss, gradient, step."""
    if not isinstance(model, keras.Model):
        raise TypeError(f"`build` must return a keras.Model. Received: {type(model).__name__}")
    for method in ("train_step", "test_step", "compute_loss", "compute_metrics"):
        inherited = {getattr(base, method) for base in (keras.Model, keras.Sequential)}
        if getattr(type(model), method) not in inherited:
            raise ValueError(
                f"`fit_replicas` cannot call a model's own `{method}`. "
                f"Received: {type(model).__name__}"
            )
    if model.compiled:
        raise ValueError(
            "`build` must return a model that is not compiled: leave out `compile`, and give "
            "optimizer, loss and metrics as arguments. "
            f"Received: a compiled {type(model).__name__}"
        )
    if model.metrics:
        names = ", ".join(one.name for one in model.metrics)
        raise ValueError(
            "`fit_replicas` cannot keep metrics that a model tracks itself; pass `metrics`, or "
            f"`watch`. Received: {names} of {type(model).__name__}"
        )
    for layer in model._flatten_layers(include_self=False):
        _check_layer(layer)


def _check_layer(layer: keras.Layer) -> None:
    kinds = [kind.__name__ for kind in inspect.getmro(type(layer))]
    problem = next((why for name, why in REFUSED_LAYERS if name in kinds), None)
    policy = layer.dtype_policy
    if getattr(layer, "stateful", False):
        problem = "keeps state between batches (`stateful=True`)"
    elif policy.compute_dtype != policy.variable_dtype:
        problem = f"uses mixed precision ({policy.name})"
    elif getattr(policy, "quantization_mode", None):
        problem = f"is quantized ({policy.name})"
    if problem:
        raise ValueError(
            f"`fit_replicas` cannot train a layer that {problem}. "
            f"Received: {type(layer).__name__} {layer.name!r}"
        )
