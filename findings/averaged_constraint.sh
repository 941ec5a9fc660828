#!/usr/bin/env bash
# A layer with the constraint NonNeg comes back from fit with negative weights under use_ema.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q 'tensorflow==2.21.0' 'keras==3.15.1' 'numpy==2.4.6'

export KERAS_BACKEND=tensorflow TF_CPP_MIN_LOG_LEVEL=3
cd "$work"
cat > probe.py <<'PROBE'
import keras
import numpy as np
import tensorflow as tf

draw = np.random.default_rng(0)
inputs = draw.normal(size=(256, 4)).astype("float32")
targets = inputs @ np.array([[1.0], [2.0], [-3.0], [-4.0]], "float32")


class Lowest(keras.callbacks.Callback):
    """The lowest weight that was seen after any batch."""

    value = np.inf

    def on_train_batch_end(self, batch, logs=None):
        self.value = min(self.value, self.model.get_weights()[0].min())


def train(use_ema):
    keras.utils.set_random_seed(0)
    layer = keras.layers.Dense(1, use_bias=False, kernel_constraint=keras.constraints.NonNeg())
    model = keras.Sequential([keras.Input((4,)), layer])
    model.compile(keras.optimizers.SGD(0.05, use_ema=use_ema, ema_momentum=0.9), "mse")
    lowest = Lowest()
    model.fit(inputs, targets, epochs=20, verbose=0, callbacks=[lowest])
    return lowest.value, layer.get_weights()[0].ravel()


print(f"Keras {keras.__version__}, TensorFlow {tf.__version__}")
print("A mean of weights that are not negative is not negative. Yet a layer under the constraint")
print("NonNeg has negative weights after fit with use_ema=True, while none was negative after any")
print("batch: an optimizer averages the weights of a step before it applies the constraint to")
print("them, and the average that fit writes into the model is never constrained itself.")
results = {use_ema: train(use_ema) for use_ema in (False, True)}
for use_ema, (lowest, weights) in results.items():
    print(f"use_ema={use_ema!s:6} lowest weight after a batch {lowest:.3f}; after fit {weights.round(3)}")
raw, averaged = results[False][1], results[True][1]
if raw.min() < 0 or results[True][0] < 0 or averaged.min() > -0.1:
    raise SystemExit("The behaviour has changed.")
PROBE
"$work/venv/bin/python" probe.py 2> log || { cat log; exit 1; }
