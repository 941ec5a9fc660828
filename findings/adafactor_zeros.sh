#!/usr/bin/env bash
# Adafactor with its defaults: one unused input and one idle unit make a whole kernel NaN.
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


def broken(row, column, epsilon=1e-30):
    gradient = np.ones((4, 3), "float32")
    gradient[row] = 0
    gradient[:, column] = 0
    kernel = keras.Variable(np.ones((4, 3), "float32"))
    keras.optimizers.Adafactor(0.01, epsilon_1=epsilon).apply(
        [keras.ops.convert_to_tensor(gradient)], [kernel]
    )
    return int(np.isnan(kernel.numpy()).sum())


print(f"Keras {keras.__version__}, TensorFlow {tf.__version__}")
print("One step of Adafactor on a kernel of 4 x 3; how many of its 12 weights are NaN?")
nothing, one, both = slice(0, 0), 0, 1
cases = {
    "a row of the gradient is 0 (an input that is never lit)": (one, nothing),
    "a column of the gradient is 0 (a unit that is dead)": (nothing, both),
    "both": (one, both),
}
counts = {name: broken(*where) for name, where in cases.items()}
counts["both, epsilon_1=1e-15"] = broken(one, both, 1e-15)
for name, count in counts.items():
    print(f"{count:3}  {name}")
print("epsilon_1 is 1e-30, and stands once in the mean of the row and once in that of the column.")
print("Where both are 0 else, their product 1e-60 is 0 in float32, and 0/0 spreads by the norm of")
print("the step. Padded images and ReLU units have such rows and columns.")
if list(counts.values()) != [0, 0, 12, 0]:
    raise SystemExit("The behaviour has changed.")
PROBE
"$work/venv/bin/python" probe.py 2> log || { cat log; exit 1; }
