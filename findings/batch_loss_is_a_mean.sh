#!/usr/bin/env bash
# Until Keras 3.15, train_on_batch returns the mean loss of all batches so far, not the batch's.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

export KERAS_BACKEND=jax
cd "$work"
cat > probe.py <<'PROBE'
import keras
import numpy as np

x = np.ones((8, 1), "float32")
targets = [np.full((8, 1), value, "float32") for value in (0, 2, 4)]
model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, kernel_initializer="zeros")])
model.compile(keras.optimizers.SGD(0.0), "mse")  # a rate of 0: the weights stay, the answer is 0
losses = [round(float(model.train_on_batch(x, y)), 2) for y in targets]
print(f"Keras {keras.__version__}: losses 0, 4 and 16 in turn, train_on_batch returns {losses}")
expected = {"3.14.0": [0, 2, 6.67], "3.15.1": [0, 4, 16]}[keras.__version__]
if losses != expected:
    raise SystemExit("The behaviour has changed.")
PROBE

echo "A loop over train_on_batch, as a search of the learning rate makes it, wants the loss of each"
echo "batch. Until 3.15 it got the mean over all batches since the last reset_metrics(): a curve that"
echo "is smoothed without a word, and explodes late. Call model.reset_metrics() before each batch."
for version in 3.14.0 3.15.1; do
    python3 -m venv "venv-$version"
    "venv-$version/bin/pip" install -q "keras==$version" 'jax==0.10.2' 'numpy==2.4.6'
    "venv-$version/bin/python" probe.py 2> log || { cat log; exit 1; }
done
