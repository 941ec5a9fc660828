"""The command `dnnbook`: what it prints, and its exit codes."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from helpers.batch.cli import main

ROOT = Path(__file__).parents[1]
FIXTURES = ROOT / "tests" / "fixtures"


@pytest.fixture
def book(tmp_path, monkeypatch):
    """Work in a copy of the small book, which has the real configuration."""
    root = tmp_path / "book"
    shutil.copytree(FIXTURES / "small_book", root)
    shutil.copy(ROOT / "_config.yml", root)
    monkeypatch.chdir(root)
    return root


def dnnbook(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_params_prints_a_table(book):
    done = dnnbook("params", "small")
    assert done.exit_code == 0
    assert done.stdout.splitlines()[:3] == [
        "NAME           TYPE         DEFAULT   MEANING",
        'dataset        str          "digits"  data set',
        "seed           int          42        of every random number",
    ]


def test_run_prints_the_claims_and_the_notebook(book):
    done = dnnbook("run", "small", "-p", "seed", 7, "-o", book / "runs")
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert lines[0].startswith("executed 01_small in ")
    assert lines[1] == "holds         small-less  observed 7"
    (kept,) = (book / "runs").iterdir()
    assert lines[2] == f"executed notebook: {kept}"
    assert kept.name.startswith("01_small-")


def test_a_failing_run_keeps_what_it_did(book):
    done = dnnbook("run", FIXTURES / "raises.ipynb", "-o", book / "runs")
    assert done.exit_code == 1
    assert "raises failed: cell 4, section 'A section that fails': ZeroDivisionError" in done.stderr
    assert f"executed up to there: {book / 'runs' / 'raises.ipynb'}" in done.stderr
    assert (book / "runs" / "raises.ipynb").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["params", "smal"], "Did you mean small?"),
        (["run", "smal"], "Did you mean small?"),
        (["run", "small", "-p", "replica", 2], "Did you mean replicas?"),
        (["run", "small", "-p", "replicas", 0], "`replicas` must be at least 1"),
        (["run", "small", "-p", "replicas", "many"], "`replicas` must be int"),
        (["run", "small", "-p", "learning_rate", "NaN"], "`learning_rate` must be finite"),
        (["run", "small", "-p", "dataset", "digit"], "Did you mean digits?"),
        (["run", "small", "-p", "seed", '{"a": 1}'], "a scalar or a list"),
        (["run", "small", "-p", "seed", 1, "-p", "seed", 2], "given once"),
        (["run", "small", "-p", "seed"], "requires 2 arguments"),
        (["run", "small", "-o", "_config.yml"], "must be writable"),
        (["run", "small", "-o", "book"], "must not replace the notebook"),
        (["build", "-p", "sede", 1], "Did you mean seed?"),
        (["build", "-p", "replicas", 0], "`replicas` must be at least 1"),
        (["build", "-o", "book"], "must be new, empty or a site"),
        (["biuld"], "No such command"),
    ],
)
def test_bad_usage_is_refused_before_anything_is_written(book, arguments, message):
    before = sorted(book.rglob("*"))
    done = dnnbook(*arguments)
    assert done.exit_code == 2
    assert message in done.stderr
    assert "Traceback" not in done.output
    assert sorted(book.rglob("*")) == before


def test_a_broken_configuration_is_bad_usage(book):
    (book / "_config.yml").write_text("titel: x\n")
    before = sorted(book.rglob("*"))
    done = dnnbook("build")
    assert done.exit_code == 2
    assert "Did you mean title?" in done.stderr
    assert sorted(book.rglob("*")) == before


@pytest.mark.parametrize("command", [[], ["params"], ["run"], ["build"]])
def test_every_command_explains_itself(command):
    done = dnnbook(*command, "--help")
    assert done.exit_code == 0
    assert ("Example: dnnbook" if command else "Exit codes:") in done.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(("kind", "code"), [("INT", 130), ("TERM", 143), ("KILL", -9)])
def test_a_signal_leaves_nothing_running(tmp_path, kind, code):
    """The driver ends; so do, within ten seconds, the process it started and its kernel."""
    marker = f"{kind}-{tmp_path.name}"
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "helpers.batch.cli",
            "run",
            FIXTURES / "hangs.ipynb",
            "-o",
            tmp_path,
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
        env={**os.environ, "DNNBOOK_TEST_MARKER": marker},
    )
    assert wait(lambda: len(marked(marker)) >= 3, seconds=60)  # driver, execution, kernel
    process.send_signal(getattr(signal, f"SIG{kind}"))
    assert process.wait(30) == code
    assert wait(lambda: not marked(marker), seconds=10)


def marked(marker):
    """Return the processes that have the marker in their environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if marker.encode() in (folder / "environ").read_bytes():
                found.append(folder.name)
    return found


def wait(condition, *, seconds):
    """Say whether a condition comes true in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.2)
    return False
