#!/usr/bin/env bash
# default_rng([7, 0]) gives the numbers of default_rng(7): replica 0 repeats the run without a replica.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q 'numpy==2.4.6'

cd "$work"
cat > probe.py <<'PROBE'
import numpy as np

keys = {
    "7": 7,
    "[7]": [7],
    "[7, 0]": [7, 0],
    "[7, 0, 0]": [7, 0, 0],
    "[7, 0, 0, 0]": [7, 0, 0, 0],
    "[7, 0, 0, 0, 0]": [7, 0, 0, 0, 0],
    "first child of 7": np.random.SeedSequence(7).spawn(1)[0],
    "[7, 1]": [7, 1],
    "7 + 2**32": 7 + 2**32,
}
print(f"NumPy {np.__version__}")
print("Lists of numbers are the handy keys of streams: [experiment, replica, epoch]. Different")
print("lists are not different streams, though. A list is filled up with zeros to four numbers of")
print("32 bits, so zeros at its end do not count: replica 0 draws what the experiment itself drew,")
print("and epoch 0 what its replica did. From a fifth number on zeros count, and that list is the")
print("first spawned child of the plain seed. A large seed, too, is the list of its 32-bit digits.")
drawn = {name: np.random.default_rng(key).integers(1000, size=5).tolist() for name, key in keys.items()}
for name, numbers in drawn.items():
    print(f"{name:18}{numbers}")
groups = {}
for name, numbers in drawn.items():
    groups.setdefault(tuple(numbers), []).append(name)
expected = [
    ["7", "[7]", "[7, 0]", "[7, 0, 0]", "[7, 0, 0, 0]"],
    ["[7, 0, 0, 0, 0]", "first child of 7"],
    ["[7, 1]", "7 + 2**32"],
]
if list(groups.values()) != expected:
    raise SystemExit("The behaviour has changed.")
PROBE
"$work/venv/bin/python" probe.py 2> log || { cat log; exit 1; }
