"""What the benchmarks share: sides timed in turns, the machine's limit, result files.

A training is measured in a process of its own (`trainings.py`), on the working tree and on a commit
checked out beside it. With ``--quick`` a benchmark of trainings does little, once, and writes
nothing: it shows that it runs.
"""

import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results"
BEFORE = "98557f6"  # the commit that the engine is compared with
QUICK = "--quick" in sys.argv
ROUNDS = 1 if QUICK else 3


def seconds(function: Callable[[], object]) -> float:
    """Return how long one call takes."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def in_turns(sides: Mapping[str, Callable], *, rounds: int, measure=seconds) -> dict[str, list]:
    """Measure each side once a round, so that what else the machine does meets all of them."""
    times: dict[str, list] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, function in sides.items():
            times[name].append(measure(function))
    return times


def ratio(times: Mapping[str, list[float]], slow: str, fast: str) -> float:
    """Return the median over rounds of slow / fast."""
    pairs = zip(times[slow], times[fast], strict=True)
    return statistics.median(one / other for one, other in pairs)


@contextmanager
def checked_out(commit: str = BEFORE) -> Iterator[Path]:
    """Check a commit out beside the working tree, and take it away again."""
    git = ["git", "-C", str(ROOT), "worktree"]
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        subprocess.run([*git, "add", "--detach", tree, commit], check=True, capture_output=True)
        try:
            yield tree
        finally:
            subprocess.run([*git, "remove", "--force", tree], check=True, capture_output=True)


def environment(tree: Path) -> dict[str, str]:
    """Return this process's environment, in which `helpers` is that of a tree."""
    return os.environ | {"PYTHONPATH": str(tree)}


def measured(tree: Path, case: str, **options) -> dict[str, float]:
    """Return ``wall`` and ``processor`` seconds and the peak of ``memory`` (MB) of a training.

    Args:
        tree: Whose `helpers` it uses.
        case: The name of a function in `trainings.py`.
        **options: Its arguments.
    """
    script = Path(__file__).with_name("trainings.py")
    command = [sys.executable, script, case, json.dumps(options)]
    done = subprocess.run(
        command, env=environment(tree), cwd=tree, check=True, stdout=subprocess.PIPE, text=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def measured_in_turns(sides: Mapping[str, tuple]) -> dict[str, dict[str, list[float]]]:
    """Measure trainings in turns: what was measured → side → a figure for each round.

    Args:
        sides: Name → (tree, case, options).
    """
    calls = {
        name: partial(measured, tree, case, **options)
        for name, (tree, case, options) in sides.items()
    }
    found = in_turns(calls, rounds=ROUNDS, measure=lambda call: call())
    whats = ("wall", "processor", "memory")
    return {
        what: {name: [one[what] for one in rounds] for name, rounds in found.items()}
        for what in whats
    }


def medians(found: Mapping[str, Mapping[str, list[float]]], side: str) -> dict[str, float]:
    """Return the medians of a side's figures, named and rounded for a result file."""
    median = {what: statistics.median(times[side]) for what, times in found.items()}
    return {
        "wall seconds": round(median["wall"], 2),
        "processor seconds": round(median["processor"], 2),
        "peak memory, MB": round(median["memory"]),
    }


def matrix_product_rate(size: int = 1024, repeats: int = 20) -> float:
    """Return the floating-point operations a second of a large float32 matrix product."""
    import tensorflow as tf

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
    """Write rows to results/<name>.csv, but not of a quick run, and print them."""
    if not QUICK:
        RESULTS.mkdir(exist_ok=True)
        with (RESULTS / f"{name}.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    for row in rows:
        print(" · ".join(f"{key}: {value}" for key, value in row.items()))
