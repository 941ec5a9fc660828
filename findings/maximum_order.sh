#!/usr/bin/env bash
# tf.maximum(z, 0) and tf.maximum(0, z) are different activations: one learns from zero, the other does not.
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

inputs = np.linspace(-1, 1, 64, dtype="float32")[:, None]
targets = np.maximum(inputs, 0)


def slope(function):
    at = tf.constant(0.0)
    with tf.GradientTape() as tape:
        tape.watch(at)
        value = function(at)
    return float(tape.gradient(value, at))


def train(function):
    """Loss before and after training a net whose hidden weights start at zero."""
    keras.utils.set_random_seed(0)
    hidden = keras.layers.Dense(16, activation=function, kernel_initializer="zeros")
    model = keras.Sequential([keras.Input((1,)), hidden, keras.layers.Dense(1, use_bias=False)])
    model.compile(keras.optimizers.SGD(0.3), "mse")
    before = model.evaluate(inputs, targets, verbose=0)
    model.fit(inputs, targets, batch_size=64, epochs=100, verbose=0)
    return before, model.evaluate(inputs, targets, verbose=0)


functions = {
    "tf.maximum(z, 0.0)": (lambda z: tf.maximum(z, 0.0), 1.0, True),
    "tf.maximum(0.0, z)": (lambda z: tf.maximum(0.0, z), 0.0, False),
    "tf.reduce_max([z, 0.0])": (lambda z: tf.reduce_max([z, tf.zeros_like(z)], 0), 0.5, True),
    "tf.nn.relu(z)": (tf.nn.relu, 0.0, False),
}
print(f"Keras {keras.__version__}, TensorFlow {tf.__version__}")
print("A maximum does not ask for the order of its arguments, but its gradient at a tie does: in")
print("tf.maximum the first argument gets all of it, while tf.reduce_max shares it out. Of three")
print("ways to write the rectifier, which agree everywhere, two let a net leave hidden weights of")
print("exactly zero and one stays there for ever, as tf.nn.relu does.")
print(f"{'activation':26}{'slope at 0':>11}{'loss':>9}{'trained':>9}")
changed = False
for name, (function, expected, learns) in functions.items():
    at_zero, (before, after) = slope(function), train(function)
    print(f"{name:26}{at_zero:11.1f}{before:9.4f}{after:9.4f}")
    changed |= at_zero != expected or (after < 0.1 * before) != learns
    changed |= not learns and after != before
if changed:
    raise SystemExit("The behaviour has changed.")
PROBE
"$work/venv/bin/python" probe.py 2> log || { cat log; exit 1; }
