"""8 replicas of 784-300-100-50-50-50-10 (SELU) on 20,000 × 784 random inputs, per epoch.

Both sides are compiled before the clock starts: on data of this size tracing does not count.
"""

import helpers.quiet  # first: keeps TensorFlow's start-up notices off the terminal

import time
from types import SimpleNamespace

import keras
import numpy as np
from measuring import matrix_product_rate, seconds, training_operations, write_rows

from helpers import models
from helpers.replicas import engine, fit_replicas

EXAMPLES, EPOCHS, REPLICAS = 20_000, 4, 8
LOSS = "sparse_categorical_crossentropy"


def build() -> keras.Model:
    return models.mlp(
        (784,),
        10,
        hidden=[300, 100, 50, 50, 50],
        activation="selu",
        kernel_initializer="lecun_normal",
    )


class EpochTimes(keras.callbacks.Callback):
    """Notes the time at the end of each epoch."""

    def __init__(self):
        super().__init__()
        self.ends: list[float] = []

    def on_epoch_end(self, epoch, logs=None):
        """Note the time."""
        self.ends.append(time.perf_counter())


def fit_epoch(inputs, optimizer: str) -> float:
    """Return the seconds of `fit`'s fastest epoch after the first."""
    model, clock = build(), EpochTimes()
    model.compile(optimizer, LOSS, metrics=["accuracy"])
    model.fit(inputs.x_train, inputs.y_train, epochs=EPOCHS, verbose=0, callbacks=[clock])
    return float(np.diff(clock.ends).min())


def stacked_epoch(inputs, optimizer: str) -> float:
    """Return the seconds of the fastest epoch of all replicas after the first."""
    times: list[float] = []
    original = engine.Stack.train_epoch

    def timed(self, *arguments, **options):
        start = time.perf_counter()
        seen = original(self, *arguments, **options)
        times.append(time.perf_counter() - start)
        return seen

    engine.Stack.train_epoch = timed
    try:
        fit_replicas(
            build, inputs, optimizer=optimizer, loss=LOSS, epochs=EPOCHS, replicas=REPLICAS
        )
    finally:
        engine.Stack.train_epoch = original
    return min(times[1:])


def main() -> None:
    rng = np.random.default_rng(0)
    inputs = SimpleNamespace(
        x_train=rng.random((EXAMPLES, 784), dtype="float32"),
        y_train=rng.integers(0, 10, EXAMPLES).astype("int32"),
    )
    limit = REPLICAS * training_operations(build().count_params(), EXAMPLES)
    rows = []
    for optimizer in ("sgd", "adam"):
        one, stacked = fit_epoch(inputs, optimizer), stacked_epoch(inputs, optimizer)
        rows.append(
            {
                "optimizer": optimizer,
                "times faster than 8 fits": round(REPLICAS * one / stacked, 1),
                "times the arithmetic limit": round(stacked * matrix_product_rate() / limit, 1),
            }
        )
    write_rows("large_net", rows)


if __name__ == "__main__":
    print(f"took {seconds(main):.0f} s")
