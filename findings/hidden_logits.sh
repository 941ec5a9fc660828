#!/usr/bin/env bash
# A Reshape to the same shape after the softmax: same predictions, other loss, and no learning.
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

example, label = np.array([[40.0, 0.0, 0.0]], "float32"), np.array([1])


def train(*last):
    """A net that starts surely wrong: its prediction, its loss, and both after 100 epochs."""
    layers = [keras.layers.Dense(3, kernel_initializer="identity"), keras.layers.Softmax()]
    model = keras.Sequential([keras.Input((3,)), *layers, *last])
    model.compile(keras.optimizers.SGD(0.01), "sparse_categorical_crossentropy")
    before = model.predict(example, verbose=0)[0]
    losses = model.fit(example, label, epochs=100, verbose=0).history["loss"]
    return before, losses[0], losses[-1], model.predict(example, verbose=0)[0]


print(f"Keras {keras.__version__}, TensorFlow {tf.__version__}")
print("The crossentropy of probabilities is told nothing but probabilities, one would think. But")
print("it looks for what they were computed from: straight after a softmax it goes back to the")
print("logits. A Reshape in between, though it changes no number and no shape, hides them. Then")
print("the probabilities are cut at 1e-7: a surely wrong example has the loss -log(1e-7) = 16.118")
print("and a gradient of exactly zero, so that it is never learned.")
plain = train()
shaped = train(keras.layers.Reshape((3,)))
for name, (before, first, last, after) in (("Softmax", plain), ("Softmax, Reshape", shaped)):
    print(
        f"{name:17} predicts {before.round(3)}, loss {first:.3f};"
        f" after 100 epochs {last:.3f}, {after.round(3)}"
    )
same_start = np.array_equal(plain[0], shaped[0])
learned = plain[1] > 39 and plain[2] < 0.1 and plain[3].argmax() == 1
stuck = abs(shaped[1] - 16.118) < 0.01 and shaped[2] == shaped[1] and shaped[3].argmax() == 0
if not (same_start and learned and stuck):
    raise SystemExit("The behaviour has changed.")
PROBE
"$work/venv/bin/python" probe.py 2> log || { cat log; exit 1; }
