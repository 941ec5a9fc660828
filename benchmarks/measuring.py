"""What the benchmarks share: timing two sides in turns, the machine's limit, result files."""

import csv
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import tensorflow as tf

RESULTS = Path(__file__).parent / "results"


def seconds(function: Callable[[], object]) -> float:
    """Return how long one call takes."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def in_turns(sides: Mapping[str, Callable[[], object]], *, rounds: int) -> dict[str, list[float]]:
    """Time each side once a round, so that what else the machine does meets all of them."""
    times: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, function in sides.items():
            times[name].append(seconds(function))
    return times


def ratio(times: Mapping[str, list[float]], slow: str, fast: str) -> float:
    """Return the median over rounds of slow / fast."""
    pairs = zip(times[slow], times[fast], strict=True)
    return statistics.median(one / other for one, other in pairs)


def matrix_product_rate(size: int = 1024, repeats: int = 20) -> float:
    """Return the floating-point operations a second of a large float32 matrix product."""
    a = tf.random.normal((size, size))
    product = tf.function(lambda: tf.matmul(a, a))
    product()
    best = min(seconds(lambda: product().numpy()) for _ in range(repeats))
    return 2 * size**3 / best


def training_operations(parameters: int, examples: int) -> float:
    """Return the operations of training a dense net on so many examples.

    A weight costs a multiplication and an addition in the forward product, and as many in each
    of the two products of the backward pass.
    """
    return 6.0 * parameters * examples


def write_rows(name: str, rows: list[dict]) -> None:
    """Write rows to results/<name>.csv and print them."""
    RESULTS.mkdir(exist_ok=True)
    with (RESULTS / f"{name}.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    for row in rows:
        print(" · ".join(f"{key}: {value}" for key, value in row.items()))
