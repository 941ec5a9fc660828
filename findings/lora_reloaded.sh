#!/usr/bin/env bash
# A saved and loaded LoRA adapter: same predictions, and it never learns again.
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

rng = np.random.default_rng(0)
x = rng.normal(size=(256, 8)).astype("float32")
y = (x @ rng.normal(size=(8, 3))).argmax(axis=1)


def fit(model, epochs):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.5), loss)
    return model.fit(x, y, epochs=epochs, verbose=0).history["loss"]


keras.utils.set_random_seed(0)
model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(3, use_bias=False)])
model.layers[0].enable_lora(2)
fit(model, 3)
model.save("adapter.keras")
loaded = keras.saving.load_model("adapter.keras")
same = np.allclose(model.predict(x, verbose=0), loaded.predict(x, verbose=0), atol=1e-5)
layer = loaded.layers[0]
before = np.array(layer.kernel)
trainable = [weight.name for weight in loaded.trainable_weights]
zero = not np.any(layer.lora_kernel_a) and not np.any(layer.lora_kernel_b)
kept, gone = fit(model, 30), fit(loaded, 30)
moved = np.abs(np.array(layer.kernel) - before).max()

print(f"Keras {keras.__version__}, TensorFlow {tf.__version__}")
print("A model with a LoRA adapter that was saved and loaded predicts what it did, and its")
print("adapter is still what trains. So its training can go on where it stopped, one would think.")
print("But saving melts the adapter A B into the kernel, and loading makes both A and B zero.")
print("The gradient of A contains B, and that of B contains A: both are zero for ever.")
print(f"same predictions after loading: {same}; trainable: {trainable}; A and B zero: {zero}")
print(f"30 epochs more without saving:  loss {kept[0]:.3f} to {kept[-1]:.3f}")
print(f"30 epochs more after loading:   loss {gone[0]:.3f} to {gone[-1]:.3f}; moved by {moved}")
lora = trainable == ["lora_kernel_a", "lora_kernel_b"]
if not (same and lora and zero and kept[-1] < 0.5 * kept[0] and moved == 0):
    raise SystemExit("The behaviour has changed.")
PROBE
"$work/venv/bin/python" probe.py 2> log || { cat log; exit 1; }
