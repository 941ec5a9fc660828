"""One batched computation of 100 Monte Carlo samples against 100 separate calls of the model.

Both sides predict the digits' test images with the same net and draw as many masks. The other side
calls the model itself, as the recipe that is everywhere does, or its `predict`.
"""

import helpers.quiet  # first: keeps TensorFlow's start-up notices off the terminal

from functools import partial

import keras
import numpy as np
from measuring import ROUNDS, in_turns, ratio, seconds, write_rows

from helpers import data
from helpers.regularization import mc_predict, monte_carlo

SAMPLES = 100
BATCHED, CONVERTED = "batched", "batched, converted each time"
SEPARATE = ("model(x, training=True)", "model.predict")


def main() -> None:
    x = data.load("digits").x_test
    hidden = [
        layer
        for _ in range(3)
        for layer in (keras.layers.Dense(100, "relu"), keras.layers.Dropout(0.5))
    ]
    top = keras.layers.Dense(10, "softmax")
    model = keras.Sequential([keras.Input(x.shape[1:]), keras.layers.Flatten(), *hidden, top])
    sampler = monte_carlo(model)

    def calls() -> np.ndarray:
        return np.stack([model(x, training=True) for _ in range(SAMPLES)])

    def predictions() -> np.ndarray:
        return np.stack([sampler.predict(x, verbose=0) for _ in range(SAMPLES)])

    sampler.predict(x, verbose=0)  # compiles, and the calls below trace: not timed
    sides = {
        BATCHED: partial(mc_predict, sampler, x, samples=SAMPLES),
        CONVERTED: partial(mc_predict, model, x, samples=SAMPLES),
    }
    for call in sides.values():
        call()
    times = in_turns(sides | dict(zip(SEPARATE, (calls, predictions), strict=True)), rounds=ROUNDS)
    rows = [
        {
            "against": f"{SAMPLES} of {name}",
            "times faster": round(ratio(times, name, BATCHED), 1),
            "times faster, converted each time": round(ratio(times, name, CONVERTED), 1),
        }
        for name in SEPARATE
    ]
    write_rows("mc_dropout", rows)


if __name__ == "__main__":
    print(f"took {seconds(main):.0f} s")
