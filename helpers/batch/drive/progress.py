"""Shows how a batch goes: a bar on a terminal, plain lines elsewhere."""

import sys
from collections.abc import Callable
from typing import TextIO

from typing_extensions import override

from helpers.batch.results.result import Result

# What a kept result is known to rest on, and what to do where it rests on more.
KNOWN = (
    "(same code, modules, versions and parameters; what else a notebook reads is not known: a "
    "grid names it under `files`, --again CHAPTER runs it anew)"
)


class Watcher:
    """Is told how a batch goes; this one shows nothing.

    Attributes:
        kept: how many runs were there already.
    """

    kept = 0

    def begin(self, total: int, kept: int) -> None:
        """Learn how many runs there are, and how many of them need not run."""
        self.kept = kept

    def ended(self, result: Result, running: int) -> None:
        """Learn what became of a run, and how many are under way."""

    def end(self) -> None:
        """Learn that nothing more comes."""


class Lines(Watcher):
    """Says one line for each run that ends.

    Args:
        say: takes a line.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._total = self._ended = 0

    @override
    def begin(self, total: int, kept: int) -> None:
        super().begin(total, kept)
        self._total = total
        if kept:
            self._say(f"{kept} of {total} runs are there already {KNOWN}")

    @override
    def ended(self, result: Result, running: int) -> None:
        self._ended += 1
        count = f"[{self.kept + self._ended}/{self._total}]"
        line = f"{count} {result.status} {result.id} in {result.seconds:.1f} s"
        said = result.error or result.warning
        self._say(line + (f": {said}" if said else ""))


class Bar(Watcher):
    """A bar with the number done, running and failed, and the time left.

    What failed stays in view, and so does what is to be said of a run that ended well.

    Args:
        stream: a terminal.
    """

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self._bar = Progress(
            TextColumn("{task.completed:.0f}/{task.total:.0f}"),
            BarColumn(),
            TextColumn("{task.fields[running]} running, {task.fields[failed]} failed"),
            TimeRemainingColumn(),
            console=Console(file=stream),
        )
        self._task = None
        self._failed = 0

    @override
    def begin(self, total: int, kept: int) -> None:
        super().begin(total, kept)
        self._bar.start()
        if kept:
            self._bar.console.print(f"{kept} of {total} runs are there already {KNOWN}")
        self._task = self._bar.add_task("", total=total, running=0, failed=0, completed=kept)

    @override
    def ended(self, result: Result, running: int) -> None:
        self._failed += not result.is_done
        said = result.error or result.warning
        if said or not result.is_done:
            # As it stands: brackets are not marks of style, `:bug:` is no picture, and a path is
            # not broken at the end of a line.
            self._bar.console.print(
                f"{result.status} {result.id}: {said}",
                markup=False,
                emoji=False,
                highlight=False,
                soft_wrap=True,
            )
        self._bar.update(self._task, advance=1, running=running, failed=self._failed)

    @override
    def end(self) -> None:
        self._bar.stop()


def watcher_for(stream: TextIO = sys.stderr) -> Watcher:
    """Return the bar for a terminal, and lines for anything else."""
    if stream.isatty():
        return Bar(stream)
    return Lines(lambda line: print(line, file=stream, flush=True))
