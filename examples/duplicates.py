"""Look for equal and nearly equal images in data sets, as README reports it.

    python examples/duplicates.py digits mnist fashion_mnist cifar10

Every image is compared with every other, so that no more than 20,000 of a set are looked at.
"""

import helpers.quiet  # first: keeps TensorFlow's start-up notices off the terminal

import sys

from helpers.data import find_duplicates, load_pool

MOST = 20_000

if __name__ == "__main__":
    for name in sys.argv[1:] or ["digits", "mnist"]:
        pool = load_pool(name)
        if len(pool) > MOST:
            pool = load_pool(name, examples=MOST)
        found = find_duplicates(pool.x)
        print(f"{name}: {len(pool)} images, {len(found.equal)} equal pairs, {len(found.near)} near")
