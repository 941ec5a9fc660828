"""Replicas of the digits net (5 × 100, Adam, 10 epochs, validation) against calls of `fit`.

Every call starts from nothing: building, compiling and tracing are included on both sides.
"""

import helpers.quiet  # first: keeps TensorFlow's start-up notices off the terminal

import keras
from measuring import (
    in_turns,
    matrix_product_rate,
    ratio,
    seconds,
    training_operations,
    write_rows,
)

from helpers import data, models
from helpers.replicas import fit_replicas

EPOCHS, ROUNDS = 10, 3
LOSS = "sparse_categorical_crossentropy"


def main() -> None:
    digits = data.load("digits")

    def build() -> keras.Model:
        return models.mlp(digits.image_shape, 10, hidden=[100] * 5, kernel_initializer="he_normal")

    def fit() -> None:
        model = build()
        model.compile("adam", LOSS, metrics=["accuracy"])
        model.fit(
            digits.x_train,
            digits.y_train,
            epochs=EPOCHS,
            validation_data=(digits.x_valid, digits.y_valid),
            verbose=0,
        )

    def stacked(replicas: int) -> None:
        fit_replicas(build, digits, optimizer="adam", loss=LOSS, epochs=EPOCHS, replicas=replicas)

    fit()  # the first use of TensorFlow in a process costs both sides the same: not timed
    sides = {
        "eight fits": lambda: [fit() for _ in range(8)],
        "8 replicas": lambda: stacked(8),
        "32 replicas": lambda: stacked(32),
    }
    times = in_turns(sides, rounds=ROUNDS)
    rate = matrix_product_rate()
    rows = []
    for replicas in (8, 32):
        name = f"{replicas} replicas"
        work = training_operations(build().count_params(), len(digits.x_train))
        limit = replicas * EPOCHS * work / rate
        faster = ratio(times, "eight fits", name) * replicas / 8
        rows.append(
            {
                "replicas": replicas,
                "times faster than as many fits": round(faster, 1),
                "cost in fits": round(replicas / faster, 2),
                "times the arithmetic limit": round(min(times[name]) / limit, 1),
            }
        )
    write_rows("replicas", rows)


if __name__ == "__main__":
    print(f"took {seconds(main):.0f} s")
