"""A site on the way: with committed outputs first, and each chapter's own when it has run."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from typing_extensions import override

from helpers.batch.ask.run import Run
from helpers.batch.book import chapters
from helpers.batch.drive.progress import Watcher
from helpers.batch.errors import BatchError, RenderError
from helpers.batch.notebook import INJECTED, read_notebook, tags
from helpers.batch.results.result import Result
from helpers.batch.site.publishing import State, publish
from helpers.batch.site.rendering import Rendering
from helpers.batch.site.sources import contents, merge


class Chapters:
    """The pages of a book, with what has been executed of them.

    Args:
        root: the book's folder.
        runs: of its chapters, in their order.
    """

    def __init__(self, root: Path, runs: list[Run]) -> None:
        self._pages, self.others = contents(root)
        self._chapters = {}
        self.names: dict[str, str] = {}  # of pages in the site, by their runs' ids
        for path, run in zip(chapters(root), runs, strict=True):
            place = path.relative_to(root)
            self.names[run.id] = place.with_suffix(".html").as_posix()
            self._chapters[place] = (run, _committed(path))

    def pages(self, executed: Mapping[str, dict]) -> dict[Path, bytes]:
        """Return all pages, each chapter with the outputs of its run, else with committed ones."""
        merged = {
            place: json.dumps(
                merge(run.notebook.content, executed.get(run.id, committed)), ensure_ascii=False
            ).encode("utf-8")
            for place, (run, committed) in self._chapters.items()
        }
        return self._pages | merged

    def can_show(self, executed: Mapping[str, dict]) -> bool:
        """Return whether chapters have outputs to show, and some of them are to run yet."""
        waiting = [
            committed for run, committed in self._chapters.values() if run.id not in executed
        ]
        outputs = (cell.get("outputs") for notebook in waiting for cell in notebook["cells"])
        return bool(executed and waiting) or any(outputs)


def _committed(path: Path) -> dict:
    """Return a notebook as it is committed, without values that an earlier run was given."""
    notebook = read_notebook(path)
    return {**notebook, "cells": [cell for cell in notebook["cells"] if INJECTED not in tags(cell)]}


class Unfinished(Watcher):
    """Renders what has been executed while the rest runs, and hands on how it goes.

    Args:
        chapters: the book.
        rendering: where it is rendered.
        site: what readers see.
        read: gives the executed notebook of a run.
        say: takes one line of progress at a time.
        watcher: is told how it goes.
    """

    def __init__(
        self,
        chapters: Chapters,
        rendering: Rendering,
        *,
        site: Path,
        read: Callable[[str], dict],
        say: Callable[[str], None],
        watcher: Watcher,
    ) -> None:
        self._chapters, self._rendering = chapters, rendering
        self._site, self._read, self._say, self._watcher = site, read, say, watcher
        self._executed: dict[str, dict] = {}
        self._failed: dict[str, str] = {}
        self._is_shown = False
        self._news, self._over = threading.Event(), threading.Event()

    def begin_with(self, executed: Mapping[str, dict]) -> None:
        """Show the whole book, with committed outputs where a chapter has not been executed."""
        if not self._chapters.can_show(executed):
            return
        started = time.monotonic()
        self._executed |= executed
        try:
            self._show()
        except RenderError as error:  # it may be the outputs that are missing
            self._say(f"not shown before all has run: {str(error).splitlines()[0]}")
            return
        self._is_shown = True
        took = time.monotonic() - started
        self._say(f"all pages can be read, {took:.0f} s: {self._site / 'index.html'}")

    def _show(self) -> None:
        executed = dict(self._executed)
        self._rendering.render(self._chapters.pages(executed), self._chapters.others)
        publish(self._rendering.pages, self._site, self._marks(executed))

    def _marks(self, executed: Mapping[str, dict]) -> dict[str, tuple[State, str]]:
        failed = dict(self._failed)  # at once, for the driver's thread adds to it
        names = self._chapters.names
        waiting = names.keys() - executed.keys() - failed.keys()
        marks = {names[id]: (State.RUNNING, "") for id in waiting}
        marks |= {names[id]: (State.FAILED, error) for id, error in failed.items()}
        marks |= {names[id]: None for id in executed}
        beside = State.RUNS_BESIDE if waiting else State.FAILED_BESIDE
        return marks | ({"": (beside, "")} if waiting or failed else {})

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Replace pages for the time of a `with` block; at its end, what failed is marked."""
        if not self._is_shown:
            yield
            return
        thread = threading.Thread(target=self._replace_pages, daemon=True)
        thread.start()
        try:
            yield
        except KeyboardInterrupt:
            self._rendering.stop()
            raise
        finally:
            self._over.set()
            self._news.set()
            thread.join()
            if self._failed and self._is_shown:
                marks = self._marks(self._executed)
                publish(self._rendering.pages, self._site, marks)

    def _replace_pages(self) -> None:
        while self._news.wait() and not self._over.is_set():
            self._news.clear()
            try:
                self._show()
            except (BatchError, OSError):  # it is told when all has run
                self._is_shown = False
                return

    def render(self, executed: Mapping[str, dict]) -> None:
        """Render the book with what has been executed, strictly.

        Raises:
            RenderError: A page has a warning.
        """
        started = time.monotonic()
        self._rendering.render(self._chapters.pages(executed), self._chapters.others)
        self._say(f"rendered in {time.monotonic() - started:.1f} s")

    @override
    def begin(self, total: int, kept: int) -> None:
        self._watcher.begin(total, kept)

    @override
    def ended(self, result: Result, running: int) -> None:
        self._watcher.ended(result, running)
        if self._is_shown:
            if result.is_done:
                self._executed[result.id] = self._read(result.id)
            else:
                self._failed[result.id] = result.error
            self._news.set()

    @override
    def end(self) -> None:
        self._watcher.end()
