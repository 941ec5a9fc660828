#!/usr/bin/env bash
# A body called with training=False is trained in training mode all the same.
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
from keras import layers

x = np.random.default_rng(0).normal(5, 1, (64, 4)).astype("float32")
y = np.arange(64) % 2


def averages_after(*, frozen):
    """Train a head on a body of one batch normalization, called in inference mode."""
    keras.utils.set_random_seed(0)
    normalization = layers.BatchNormalization()
    body = keras.Sequential([keras.Input((4,)), normalization])
    image = keras.Input((4,))
    model = keras.Model(image, layers.Dense(2)(body(image, training=False)))
    body.trainable = not frozen
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(x, y, batch_size=16, epochs=3, verbose=0)
    return np.array(normalization.moving_mean).round(2)


thawed, frozen = averages_after(frozen=False), averages_after(frozen=True)
print(f"Keras {keras.__version__}, TensorFlow {tf.__version__}")
print("A functional model calls a body with training=False, so that its batch normalizations keep")
print("to their averages also when the body is thawed, one would think: many recipes rest on it.")
print("But fit passes training=True to the model, which hands it to each layer in place of what")
print("the layer was called with. Only trainable=False holds the averages.")
print(f"moving means after 12 steps, from 0 each: thawed {thawed}, frozen {frozen}")
if not (np.all(thawed > 0.3) and not np.any(frozen)):
    raise SystemExit("The behaviour has changed.")
PROBE
"$work/venv/bin/python" probe.py 2> log || { cat log; exit 1; }
