"""A pytest plugin: what takes long is begun first, or one processor works alone at the end.

With `--dist loadfile --no-loadscope-reorder` files are handed out in this order; by itself
pytest-xdist begins with the files of most tests, and the slow ones have few.
"""

from collections import Counter

# Seconds of one test, roughly: only what comes before what depends on it.
SLOW, CELL, QUICK = 20.0, 1.0, 0.1


def pytest_collection_modifyitems(items: list) -> None:
    """Put the files that take longest first; the tests of a file stay in their order."""
    seconds: Counter = Counter()
    for item in items:
        seconds[item.path] += _seconds(item)
    items.sort(key=lambda item: -seconds[item.path])


def _seconds(item: object) -> float:
    if item.path.suffix == ".ipynb":
        return CELL
    return SLOW if item.get_closest_marker("slow") else QUICK
