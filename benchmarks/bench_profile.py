"""Where a chapter's processor time goes: importing, tracing and compiling, training, all else.

Each chapter's cells run in a process of their own, as they stand, with a clock around what
TensorFlow traces and runs for `helpers.replicas`. *Tracing* makes a graph; *compiling* is the first
call of one, in which XLA compiles the step, with the training that this call does; *training* is
every other call. *Making* is what else `fit_replicas`, `fit_arms` and `search` do: they build
models, compare them, cut rows. The *rest* is what a chapter does outside: Keras models called as
they are, from-scratch code, intervals, figures.
"""

import json
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from unittest import mock

from measuring import QUICK, ROOT, environment, write_rows

PARTS = ("importing", "tracing", "compiling", "training", "making", "rest")


class Clock:
    """Processor seconds for each part of what runs, where an inner part is no part of the outer."""

    def __init__(self):
        self.seconds = dict.fromkeys(PARTS, 0.0)
        self._open: list[float] = []

    def around(self, function, part):
        """Return a function whose seconds, less those of parts inside, count for a part.

        Args:
            function: What is called.
            part: From the arguments to the name of the part.
        """

        def timed(*args, **options):
            name, start = part(*args), time.process_time()
            self._open.append(0.0)
            try:
                return function(*args, **options)
            finally:
                whole = time.process_time() - start
                inside = self._open.pop()
                if self._open:
                    self._open[-1] += whole
                self.seconds[name] += whole - inside

        return timed


def profile(notebook: Path) -> dict[str, float]:
    """Run a notebook's cells in this process, and return processor seconds for each part."""
    import matplotlib

    matplotlib.use("agg")
    start = time.process_time()
    import helpers.quiet  # as in a chapter: TensorFlow starts with one thread

    import nbformat
    import tensorflow as tf
    from IPython.core.interactiveshell import InteractiveShell

    from helpers import replicas

    clock = Clock()
    clock.seconds["importing"] = time.process_time() - start
    shell = InteractiveShell.instance()
    function = type(tf.function(lambda: None))
    graph = type(tf.function(lambda: tf.constant(0)).get_concrete_function())
    called = set()

    def kind(one, *_):
        first = one not in called
        called.add(one)  # not its id, which another may get once it is gone
        return "compiling" if first else "training"

    parts = (
        (function, "get_concrete_function", lambda *_: "tracing"),
        (graph, "__call__", kind),
        *((replicas, name, lambda *_: "making") for name in ("fit_replicas", "fit_arms", "search")),
    )
    start = time.process_time()
    with ExitStack() as stack:
        for owner, name, part in parts:
            timed = clock.around(getattr(owner, name), part)
            stack.enter_context(mock.patch.object(owner, name, timed))
        for cell in nbformat.read(notebook, as_version=4).cells:
            if cell.cell_type == "code":
                shell.run_cell(cell.source).raise_error()
    whole = time.process_time() - start
    counted = sum(seconds for part, seconds in clock.seconds.items() if part != "importing")
    clock.seconds["rest"] = whole - counted
    return clock.seconds


def main() -> None:
    if "--notebook" in sys.argv:
        print(json.dumps(profile(Path(sys.argv[-1]))))
        return
    rows = []
    for notebook in sorted((ROOT / "book").glob("[0-9][0-9]_*.ipynb"))[: 1 if QUICK else None]:
        command = [sys.executable, __file__, "--notebook", str(notebook)]
        done = subprocess.run(
            command,
            cwd=ROOT / "book",
            env=environment(ROOT),
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        seconds = json.loads(done.stdout.splitlines()[-1])
        rows.append(
            {"chapter": notebook.stem, "processor seconds": round(sum(seconds.values()), 1)}
            | {part: round(seconds[part], 1) for part in PARTS}
        )
    write_rows("profile", rows)


if __name__ == "__main__":
    main()
