"""How replicas were trained, as data by which two trainings can be told apart."""

import keras

from helpers.replicas.settings import settings_of
from helpers.replicas.tracing import to_numpy


def design_of(model: keras.Model, replicas: int, settings: dict) -> dict:
    """Return the `design` of replicas.

    Args:
        model: The template.
        replicas: How many there are.
        settings: What they were trained with.
    """
    given, optimizer = settings["given"], settings["optimizer"]
    kinds = [
        [type(layer).__name__, *(list(weight.shape) for weight in layer.weights)]
        for layer in model._flatten_layers(include_self=False)
    ]
    activations = [
        getattr(getattr(layer, "activation", None), "__name__", "")
        for layer in model._flatten_layers(include_self=False)
    ]
    own = {name: repr(value) for name, value in settings_of(optimizer).items()}
    return {
        "layers": kinds,
        "activations": activations,
        "optimizer": [type(optimizer).__name__, own],
        "loss": str(getattr(given["loss"], "name", given["loss"])),
        "epochs": int(given["epochs"]),
        "batch_size": int(given["batch_size"]),
        "replicas": replicas,
        "learning_rate": None if settings["own_rates"] else _rate_text(optimizer),
    }


def _rate_text(optimizer: keras.Optimizer) -> str:
    """Return an optimizer's rate, a number or a schedule with its settings, as text."""
    rate = optimizer._learning_rate
    if isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
        return f"{type(rate).__name__} {rate.get_config()}"
    return repr(float(to_numpy(rate))) if isinstance(rate, keras.Variable) else type(rate).__name__
