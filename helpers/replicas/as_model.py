"""One replica as an ordinary Keras model."""

import keras
import numpy as np

from helpers.replicas.building import Build, build_one, kept_random_state
from helpers.replicas.forward import State
from helpers.replicas.program import Program
from helpers.replicas.settings import fresh_optimizer
from helpers.replicas.tracing import all_variables, to_numpy


def as_model(
    build: Build, seed: int, state: State, program: Program, settings: dict
) -> keras.Model:
    """Return a compiled model with the weights and numbers of a replica.

    Args:
        build: Its builder.
        seed: Its seed.
        state: Its own, with an axis of one replica.
        program: That trained it.
        settings: What it was trained with.
    """
    with kept_random_state():
        model = build_one(build, seed, settings["training"].x)
    values = [*program.forward.unpack(state.trainable), *state.others]
    for variable, value in zip(all_variables(model), values, strict=True):
        variable.assign(value[0])
    numbers, places = settings["numbers"], program.forward.layer_numbers
    _set_numbers(model, {p: float(numbers.layers[n][0]) for n in places for p in places[n]})
    rate = numbers.rates[0] if settings["own_rates"] else None
    rate = rate if rate is None or np.isscalar(rate) else _Table(rate)
    own = {n: float(v[0]) for n, v in numbers.optimizer.items() if v.ndim == 1}
    model.compile(fresh_optimizer(settings["optimizer"], rate, own), **settings["compiled"])
    # Metrics may be shared with another replica's model: Keras resets them once built.
    model._symbolic_build(data_batch=tuple(settings["training"]))
    return model


class _Table(keras.optimizers.schedules.LearningRateSchedule):
    """The rates of a replica's training, the last of them from then on."""

    def __init__(self, rates):
        self.rates = keras.ops.convert_to_tensor(rates)

    def __call__(self, step):
        last = self.rates.shape[0] - 1
        return keras.ops.take(self.rates, keras.ops.minimum(keras.ops.cast(step, "int32"), last))

    def get_config(self):
        return {"rates": to_numpy(self.rates).tolist()}


def _set_numbers(model: keras.Model, values: dict) -> None:
    layers = list(model._flatten_layers(include_self=False))
    for (at, path), value in values.items():
        owner = layers[at]
        for name in path[:-1]:
            owner = getattr(owner, name)
        setattr(owner, path[-1], value)
