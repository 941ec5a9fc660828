"""What `fit_replicas` returns."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import keras
import numpy as np
import tensorflow as tf

from helpers.replicas.engine import Stack
from helpers.replicas.options import stack_options

Build = Callable[[], keras.Model]


@dataclass(frozen=True)
class Replicas:
    """Trained replicas of one model.

    Attributes:
        history: Name → shape (replicas, epochs): ``loss``, the metrics, and the same with
            ``val_``; NaN after early stopping ended a replica.
        initial_weights, weights: In the order of `model.get_weights()`, each with a leading axis
            of replicas.
        seeds: The seed of each replica.
        builds: The function that built each replica.
        compile_options: Optimizer, loss and metrics, as `compile` takes them.
    """

    history: dict[str, np.ndarray]
    initial_weights: tuple[np.ndarray, ...]
    weights: tuple[np.ndarray, ...]
    seeds: tuple[int, ...]
    builds: tuple[Build, ...]
    compile_options: dict

    def __len__(self) -> int:
        return len(self.seeds)

    def __getitem__(self, part: slice) -> "Replicas":
        """Return some of the replicas, by a slice."""
        if not isinstance(part, slice):
            raise TypeError(f"replicas are taken by a slice, as in [:4]. Received: {part!r}")
        return Replicas(
            {name: values[part] for name, values in self.history.items()},
            tuple(weight[part] for weight in self.initial_weights),
            tuple(weight[part] for weight in self.weights),
            self.seeds[part],
            self.builds[part],
            self.compile_options,
        )

    def model(self, replica: int) -> keras.Model:
        """Return one replica as an ordinary Keras model, compiled with a fresh optimizer."""
        model = self.builds[replica]()
        model.set_weights([weight[replica] for weight in self.weights])
        options = dict(self.compile_options)
        optimizer = options.pop("optimizer")
        model.compile(type(optimizer).from_config(optimizer.get_config()), **options)
        return model

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Return every replica's outputs in inference mode, shape (replicas, n, ...)."""
        return self._stack.predict(tf.constant(x))

    def evaluate(self, x: np.ndarray, y: np.ndarray) -> dict[str, np.ndarray]:
        """Return loss and metrics of every replica in inference mode, each (replicas,)."""
        return self._stack.evaluate(tf.constant(x), tf.constant(y))

    @cached_property
    def _stack(self) -> Stack:
        stack = Stack([self.model(0)] * len(self), **stack_options(**self.compile_options))
        stack.assign(self.weights)
        return stack
