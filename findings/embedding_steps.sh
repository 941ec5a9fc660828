#!/usr/bin/env bash
# clipnorm=1 lets an embedding move by 10, and Adam's first step is 10 learning rates long.
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

LENGTH = 100  # one sentence of 100 tokens, all of them the same word


def moved(first_layer, sentence, optimizer):
    """How far one step of training moves the only weight that the sentence uses."""
    model = keras.Sequential([first_layer, keras.layers.GlobalAveragePooling1D()])
    model.compile(optimizer, "mse")
    model.fit(sentence, np.array([[50.0]]), verbose=0)
    return float(first_layer.get_weights()[0][0, 0])


def as_embedding(optimizer):
    layer = keras.layers.Embedding(5, 1, embeddings_initializer="zeros")
    return moved(layer, np.zeros((1, LENGTH), "int32"), optimizer)


def as_product(optimizer):
    layer = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")
    sentence = np.zeros((1, LENGTH, 5), "float32")
    sentence[..., 0] = 1
    return moved(layer, sentence, optimizer)


cases = {
    "SGD(1.0)": (lambda: keras.optimizers.SGD(1.0), 1),
    "SGD(1.0, clipnorm=1.0)": (lambda: keras.optimizers.SGD(1.0, clipnorm=1.0), 10),
    "SGD(1.0, global_clipnorm=1.0)": (lambda: keras.optimizers.SGD(1.0, global_clipnorm=1.0), 10),
    "Adam(0.01)": (lambda: keras.optimizers.Adam(0.01), 10),
}
print(f"Keras {keras.__version__}, TensorFlow {tf.__version__}")
print("A sentence repeats one word 100 times. Its vector is looked up by Embedding, or by a")
print("product of one-hot rows with the same table: one function, one gradient, and with plain SGD")
print("one step. But the gradient of Embedding is a list of 100 parts, and Keras squares the parts")
print("before it has added them up. So the norm that clipping looks at, and the root that Adam")
print("divides by, are too small by the root of the number of repetitions, here 10.")
print(f"{'first step of the vector':32}{'one-hot':>9}{'Embedding':>11}{'ratio':>7}")
changed = False
for name, (optimizer, expected) in cases.items():
    product, embedding = as_product(optimizer()), as_embedding(optimizer())
    print(f"{name:32}{product:9.3f}{embedding:11.3f}{embedding / product:7.2f}")
    changed |= abs(embedding / product - expected) > 0.01 * expected
if changed:
    raise SystemExit("The behaviour has changed.")
PROBE
"$work/venv/bin/python" probe.py 2> log || { cat log; exit 1; }
