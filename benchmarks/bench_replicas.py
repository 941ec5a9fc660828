"""Replicas of the digits net (5 × 100, Adam, validation each epoch) against calls of `fit`.

Every training is the first of a process: building, compiling and tracing are included on all sides.
"""

import helpers.quiet  # first: keeps TensorFlow's start-up notices off the terminal

from measuring import (
    BEFORE,
    QUICK,
    ROOT,
    checked_out,
    matrix_product_rate,
    measured_in_turns,
    medians,
    ratio,
    training_operations,
    write_rows,
)

from helpers import data, models

EPOCHS = 1 if QUICK else 10
FITS = 8


def main() -> None:
    digits = {"name": "digits", "epochs": EPOCHS}
    with checked_out() as before:
        found = measured_in_turns(
            {
                f"{FITS} fits": (ROOT, "fits", digits | {"count": FITS}),
                f"8 replicas, {BEFORE}": (before, "first", digits | {"count": 8}),
                "8 replicas": (ROOT, "first", digits | {"count": 8}),
                "32 replicas": (ROOT, "first", digits | {"count": 32}),
            }
        )
    inputs, rate = data.load("digits"), matrix_product_rate()
    weights = models.mlp(inputs.image_shape, 10, hidden=[100] * 5).count_params()
    limit = EPOCHS * training_operations(weights, len(inputs.x_train)) / rate
    rows = []
    for side, replicas in {f"8 replicas, {BEFORE}": 8, "8 replicas": 8, "32 replicas": 32}.items():
        faster = {
            what: ratio(found[what], f"{FITS} fits", side) * replicas / FITS
            for what in ("wall", "processor")
        }
        rows.append(
            {
                "side": side,
                "times faster than as many fits": round(faster["wall"], 1),
                "cost in fits": round(replicas / faster["wall"], 2),
                "times faster, processor time": round(faster["processor"], 1),
                "times the arithmetic limit": round(min(found["wall"][side]) / replicas / limit, 1),
                **medians(found, side),
            }
        )
    write_rows("replicas", rows)


if __name__ == "__main__":
    main()
