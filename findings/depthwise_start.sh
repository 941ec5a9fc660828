#!/usr/bin/env bash
# One map, one initializer: the signal leaves DepthwiseConv2D 64 times weaker than Conv2D with groups.
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

CHANNELS = 64
images = np.random.default_rng(0).normal(size=(16, 16, 16, CHANNELS)).astype("float32")


def pair(initializer):
    depthwise = keras.layers.DepthwiseConv2D(3, depthwise_initializer=initializer, use_bias=False)
    grouped = keras.layers.Conv2D(
        CHANNELS, 3, groups=CHANNELS, kernel_initializer=initializer, use_bias=False
    )
    for layer in (depthwise, grouped):
        layer.build(images.shape)
    return depthwise, grouped


keras.utils.set_random_seed(0)
print(f"Keras {keras.__version__}, TensorFlow {tf.__version__}")
print("Both layers filter each channel by its own 3 by 3 numbers. With the same numbers they give")
print("the same outputs. With the same initializer they do not start alike: Keras counts as inputs")
print("of a depthwise filter all channels, though it sees one, and draws weights whose variance is")
print(f"too small by the number of channels, here {CHANNELS}. (Inputs of variance 1; he_normal")
print("promises 2, lecun_normal 1.)")
depthwise, grouped = pair("he_normal")
grouped.set_weights([depthwise.get_weights()[0].transpose(0, 1, 3, 2)])
apart = float(np.abs(np.asarray(depthwise(images)) - np.asarray(grouped(images))).max())
print(f"same numbers: largest difference of the outputs {apart:.0e}")
changed = apart > 1e-5
for initializer, promised in (("he_normal", 2.0), ("lecun_normal", 1.0)):
    spread = [float(np.asarray(layer(images)).var()) for layer in pair(initializer)]
    print(f"{initializer}: variance {spread[0]:.4f} from DepthwiseConv2D, {spread[1]:.4f} from Conv2D")
    changed |= not 0.7 < spread[1] / promised < 1.3
    changed |= not 0.7 < spread[0] * CHANNELS / promised < 1.3
if changed:
    raise SystemExit("The behaviour has changed.")
PROBE
"$work/venv/bin/python" probe.py 2> log || { cat log; exit 1; }
