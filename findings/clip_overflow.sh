#!/usr/bin/env bash
# Keras clips an exploding but finite gradient to nothing (clipnorm) or to NaN (global_clipnorm).
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

export KERAS_BACKEND=jax
cd "$work"
python3 -m venv venv
venv/bin/pip install -q 'keras==3.15.1' 'jax==0.10.2' 'numpy==2.4.6'

cat > probe.py <<'PROBE'
import keras
import numpy as np

STEPS = 70


def one_step(**clip):
    """Return input weight, recurrent weight and the loss before a step of a linear recurrence."""
    layer = keras.layers.SimpleRNN(
        1, activation=None, use_bias=False,
        kernel_initializer="ones", recurrent_initializer=keras.initializers.Constant(2.0),
    )
    model = keras.Sequential([keras.Input((STEPS, 1)), layer])
    model.compile(keras.optimizers.SGD(0.1, **clip), "mae")
    x = np.zeros((1, STEPS, 1), "float32")
    x[0, 0] = 1.0  # the state doubles 69 times: a loss of 6e20, slopes of 6e20 and 2e22
    loss = model.train_on_batch(x, np.zeros((1, 1), "float32"))
    return [round(float(one.ravel()[0]), 2) for one in model.get_weights()], float(loss)


seen = {}
for clip in ({"clipvalue": 1.0}, {"clipnorm": 1.0}, {"global_clipnorm": 1.0}):
    weights, loss = one_step(**clip)
    assert np.isfinite(loss)
    seen[next(iter(clip))] = weights
    print(f"Keras {keras.__version__}: {clip}, loss {loss:.1e}; weights 1.0 and 2.0 become {weights}")
moved = seen["clipvalue"] == [0.9, 1.9]
stuck = seen["clipnorm"] == [1.0, 2.0]
lost = all(map(np.isnan, seen["global_clipnorm"]))
if not (moved and stuck and lost):
    raise SystemExit("The behaviour has changed.")
PROBE

echo "Clipping by norm is there for gradients that explode. Loss and gradients are finite here, but a"
echo "norm above 1.8e19 has a square beyond float32. Divided by infinity, the gradient is gone: with"
echo "clipnorm the network stands still for ever, without a word. Under global_clipnorm the scale is"
echo "made NaN, and every weight with it. clipvalue takes its step."
venv/bin/python probe.py 2> log || { cat log; exit 1; }
