"""How a batch goes is shown line by line, or as a bar where there is a terminal."""

import io
import re
from dataclasses import replace

import pytest

from helpers.batch.drive.progress import KNOWN, Bar, Lines, Watcher, watcher_for
from helpers.batch.results.result import Result


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self):
        return True


DONE = Result("chapter-1", "", "chapter", "", {}, {}, "done", seconds=1.26)
ERROR = "cell 2: KeyError: [red]'a'[/red] [1] :bug:"
FAILED = replace(DONE, id="chapter-2", status="failed", seconds=0.5, error=ERROR)


def test_lines_count_what_ends():
    lines = []
    watcher = Lines(lines.append)
    watcher.begin(4, 2)
    watcher.ended(DONE, 1)
    watcher.ended(FAILED, 0)
    watcher.end()
    assert lines == [
        f"2 of 4 runs are there already {KNOWN}",
        "[3/4] done chapter-1 in 1.3 s",
        "[4/4] failed chapter-2 in 0.5 s: cell 2: KeyError: [red]'a'[/red] [1] :bug:",
    ]


def test_nothing_is_said_of_what_is_not_there():
    lines = []
    Lines(lines.append).begin(4, 0)
    assert lines == []


@pytest.mark.parametrize("kind", [io.StringIO, Terminal])
def test_a_warning_is_said_wherever_one_looks(kind, wide):
    stream = kind()
    watcher = watcher_for(stream)
    watcher.begin(2, 0)
    watcher.ended(replace(DONE, warning="a task [1] went on"), 1)
    watcher.ended(replace(FAILED, error="cell 2: no", warning="unsaid"), 0)
    watcher.end()
    assert re.search("done chapter-1.*: a task \\[1\\] went on", stream.getvalue())
    assert re.search("failed chapter-2.*: cell 2: no", stream.getvalue())
    assert "unsaid" not in stream.getvalue()


@pytest.fixture
def wide(monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("TERM", "xterm")


def test_a_bar_shows_numbers_and_keeps_failures_as_they_stand(wide):
    terminal = Terminal()
    watcher = watcher_for(terminal)
    assert isinstance(watcher, Bar)
    watcher.begin(3, 1)
    watcher.ended(DONE, 1)
    watcher.ended(FAILED, 0)
    watcher.end()
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal.getvalue())
    assert f"failed chapter-2: {FAILED.error}" in text
    last = text.replace("\r", "\n").strip().splitlines()[-1]
    assert last.startswith("3/3 ")
    assert "0 running, 1 failed" in last


def test_a_long_failure_is_not_broken_into_pieces(wide):
    terminal, error = Terminal(), "a path " + "/x" * 200
    watcher = Bar(terminal)
    watcher.begin(1, 0)
    watcher.ended(replace(FAILED, error=error), 0)
    watcher.end()
    assert error in terminal.getvalue()


def test_lines_go_to_what_is_no_terminal():
    stream = io.StringIO()
    watcher = watcher_for(stream)
    watcher.begin(1, 0)
    watcher.ended(DONE, 0)
    assert stream.getvalue() == "[1/1] done chapter-1 in 1.3 s\n"


def test_a_watcher_may_be_deaf():
    watcher = Watcher()
    watcher.begin(1, 1)
    watcher.ended(DONE, 0)
    watcher.end()
    assert watcher.kept == 1
