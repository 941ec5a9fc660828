"""8 replicas of 784-300-100-50-50-50-10 (SELU) on 20,000 × 784 random inputs, per epoch.

All sides are compiled before the clock starts: on data of this size tracing does not count.
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

from helpers import models

EXAMPLES, EPOCHS, REPLICAS = 20_000, 2 if QUICK else 4, 8


def main() -> None:
    weights = models.mlp((784,), 10, hidden=[300, 100, 50, 50, 50]).count_params()
    limit = REPLICAS * training_operations(weights, EXAMPLES) / matrix_product_rate()
    rows = []
    with checked_out() as before:
        for optimizer in ("adam", "sgd"):
            fit = {"name": "large", "optimizer": optimizer, "epochs": EPOCHS}
            stack = fit | {"count": REPLICAS}
            found = measured_in_turns(
                {
                    "fit": (ROOT, "fit_epoch", fit),
                    BEFORE: (before, "stack_epoch", stack),
                    "now": (ROOT, "stack_epoch", stack),
                }
            )
            for side in (BEFORE, "now"):
                faster = {
                    what: REPLICAS * ratio(found[what], "fit", side)
                    for what in ("processor", "wall")
                }
                rows.append(
                    {
                        "optimizer": optimizer,
                        "side": side,
                        f"times faster than {REPLICAS} fits": round(faster["processor"], 1),
                        "the same, wall time": round(faster["wall"], 1),
                        "times the arithmetic limit": round(min(found["wall"][side]) / limit, 1),
                        **medians(found, side),
                    }
                )
    write_rows("large_net", rows)


if __name__ == "__main__":
    main()
