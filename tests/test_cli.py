"""The command `dnnbook`: what it prints, and its exit codes."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from helpers.batch.cli import main
from helpers.batch.execute.execution import TIMEOUT
from helpers.batch.site import build as build_module
from tests.processes import ACTS, Batch
from tests.running import FIXTURES, marked, on_linux
from tests.waiting import LIMIT, wait_for

ROOT = Path(__file__).parents[1]


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
        'dataset        str          "digits"  data set: digits, mnist, fashion_mnist or cifar10',
        "seed           int          42        of every random number, in [0, 4_000_000_000]",
    ]


def test_params_prints_json(book):
    done = dnnbook("params", "small", "--json")
    assert json.loads(done.stdout)[1] == {
        "name": "seed",
        "type_name": "int",
        "default": 42,
        "comment": "of every random number, in [0, 4_000_000_000]",
    }


def test_run_prints_the_claims_and_the_notebook(book):
    done = dnnbook("run", "small", "-p", "seed", 7, "-o", book / "runs")
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert lines[0].startswith("executed 01_small in ")
    assert lines[1] == "holds          small-less  observed 7"
    (kept,) = (book / "runs").glob("*.ipynb")
    assert lines[2] == f"executed notebook: {kept}"
    assert kept.name.startswith("01_small-")


def test_a_failing_run_keeps_what_it_did(book):
    done = dnnbook("run", FIXTURES / "raises.ipynb", "-o", book / "runs")
    assert done.exit_code == 1
    assert done.stdout == ""
    message = "Error: raises failed: cell 4, section 'A section that fails': ZeroDivisionError"
    assert done.stderr.startswith(message)
    assert "1 / 0" in done.stderr
    (kept,) = (book / "runs").glob("*.ipynb")
    assert done.stderr.endswith(f"executed up to there: {kept}\n")
    assert kept.name.startswith("raises-")


@pytest.mark.parametrize(
    ("name", "limit", "status", "code", "error"),
    [
        ("succeeds", LIMIT, "done", 0, ""),
        ("hangs", 2, "timeout", 1, "it took more than 2 s"),
    ],
)
def test_run_prints_json(book, name, limit, status, code, error):
    arguments = [FIXTURES / f"{name}.ipynb", "--timeout", limit, "-o", book / "runs"]
    done = dnnbook("run", *arguments, "--json", "-p", "seed", 7)
    assert done.exit_code == code
    result = json.loads(done.stdout)
    assert (result["status"], result["given"]) == (status, {"seed": 7})
    assert result["error"] == error
    assert result["notebook"] == str(book / "runs" / f"{result['id']}.ipynb")
    assert Path(result["notebook"]).is_file()


def test_build_hands_on_what_it_is_told(book, monkeypatch):
    told = {}

    def build(root, *, say, **options):
        told.update(options, root=root)
        say("a line")
        return options["site"] / "index.html"

    monkeypatch.setattr(build_module, "build", build)
    flags = ["--workers", 3, "--timeout", 5, "--kernel", "spawn", "--fresh", "--json"]
    done = dnnbook("build", "-p", "seed", 1, "-o", "out", *flags)
    assert done.exit_code == 0
    assert json.loads(done.stdout) == {"page": str(book / "out" / "index.html")}
    assert done.stderr == "a line\n"
    assert (told["root"], told["site"]) == (book, book / "out")
    assert told["parameters"] == {"seed": 1}
    options = told["options"]
    assert (options.cluster.workers, options.cluster.scheduler) == (3, None)
    assert (options.timeout, options.kernel, options.fresh) == (5, "spawn", True)


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
        (["run", "small", "-p", "seed", '{"a": 1}'], "`seed` must be int"),
        (["run", "small", "-p", "seed", 1, "-p", "seed", 2], "given once. Received: seed again"),
        (["run", "small", "-p", "seed"], "requires 2 arguments"),
        (["run", "small", "-o", "_config.yml"], "must be writable"),
        (
            ["run", "small", "-o", "out.ipynb"],
            "-o must be a folder, in which the executed notebook",
        ),
        (["run", "small", "--timeout", 0], "is not in the range x>0"),
        (["build", "-p", "sede", 1], "Did you mean seed?"),
        (["build", "-p", "replicas", 0], "`replicas` must be at least 1"),
        (["build", "-o", "book"], "must be new, empty, or one that `dnnbook build` wrote"),
        (["build", "--workers", 0], "is not in the range x>=1"),
        (["build", "--kernel", "hot"], "is not one of 'auto', 'warm', 'spawn'"),
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


@pytest.mark.parametrize("command", ["run", "batch", "confirm", "build"])
def test_the_limit_that_nobody_gave_is_told(command):
    assert f"{TIMEOUT:,.0f}" in dnnbook(command, "--help").stdout


def test_a_notebook_that_is_run_again_may_be_named_by_its_path(book, monkeypatch):
    told = {}
    monkeypatch.setattr(build_module, "build", lambda root, **options: told.update(options))
    for path in ("./book/01_small.ipynb", book / "book" / "01_small.ipynb", "small"):
        assert dnnbook("build", "--again", path).exit_code == 0
        assert told.pop("options").again == {book / "book" / "01_small.ipynb"}
    assert "Did you mean small?" in dnnbook("build", "--again", "./01_smal.ipynb").stderr


@pytest.mark.slow
@on_linux
@pytest.mark.parametrize(
    ("kind", "code", "act"),
    [
        ("INT", 130, "sleep"),
        ("TERM", 143, "sleep"),
        ("KILL", -9, "sleep"),
        ("INT", 130, "be busy in C"),
        ("KILL", -9, "be busy in C"),
    ],
)
def test_a_signal_leaves_nothing_running(tmp_path, kind, code, act):
    """The driver ends, and with it its kernel, even one that is busy in C."""
    marker = f"DNNBOOK_TEST={kind}-{tmp_path.name}"
    variable, value = marker.split("=")
    batch = Batch(tmp_path / "batch")
    given = batch.parameters(act=act).items()
    process = subprocess.Popen(
        [
            *[sys.executable, "-m", "helpers.batch.cli", "run", ACTS, "-o", tmp_path / "runs"],
            *[str(part) for parameter in given for part in ("-p", *parameter)],
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, variable: value},
    )
    wait_for(batch.begun)
    assert len(marked(marker)) >= 2  # driver and kernel
    process.send_signal(getattr(signal, f"SIG{kind}"))
    said = process.communicate(timeout=LIMIT)[1]
    assert process.returncode == code
    assert said == ("" if kind == "KILL" else "interrupted\n")
    wait_for(lambda: not marked(marker))
    assert list((tmp_path / "runs").iterdir()) == []
