#!/usr/bin/env bash
# Schedule-Free AdamW interpolates by beta_1: under TensorFlow no value of it changes anything.
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

STEPS, RATE = 20, 0.1


def keras_path(beta):
    optimizer = keras.optimizers.ScheduleFreeAdamW(RATE, beta_1=beta)
    weight, path = keras.Variable([1.0]), []
    for _ in range(STEPS):
        optimizer.apply([keras.ops.copy(weight)], [weight])
        path.append(float(weight.numpy()[0]))
    return np.array(path)


def published_path(beta):
    z = x = y = 1.0
    square, path = 0.0, []
    for t in range(1, STEPS + 1):
        square = 0.999 * square + 0.001 * y * y
        z -= RATE * y / (np.sqrt(square / (1 - 0.999**t)) + 1e-8)
        x = (1 - 1 / t) * x + z / t
        y = (1 - beta) * z + beta * x
        path.append(y)
    return np.array(path)


def fitted(beta):
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).normal(size=(64, 5)).astype("float32")
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.ScheduleFreeAdamW(0.05, beta_1=beta), "mse")
    model.fit(x, x.sum(axis=1), epochs=3, batch_size=16, shuffle=False, verbose=0)
    return np.concatenate([np.ravel(one) for one in model.get_weights()])


print(f"Keras {keras.__version__}, TensorFlow {tf.__version__}")
print("Descent on the half square of one weight, from 1: the weight after 20 steps.")
print("beta_1   Keras     published equations")
for beta in (0.5, 0.9, 0.98):
    print(f"{beta:6}   {keras_path(beta)[-1]:.4f}    {published_path(beta)[-1]:.4f}")
alone = np.abs(keras_path(0.5) - keras_path(0.98)).max()
apart = np.abs(published_path(0.5) - published_path(0.98)).max()
trained = np.abs(fitted(0.5) - fitted(0.98)).max()
print(f"largest difference between 0.5 and 0.98: {alone:.0e} in Keras, {apart:.2f} published")
print(f"weights after `fit` at 0.5 and at 0.98: largest difference {trained:.0e}")
print("The step keeps `momentum.value` for later, which is the variable itself and not a copy;")
print("after `momentum` has changed it reads the new value, and beta_1 cancels.")
if alone > 1e-4 or trained > 1e-4 or apart < 0.1:
    raise SystemExit("The behaviour has changed.")
PROBE
"$work/venv/bin/python" probe.py 2> log || { cat log; exit 1; }
