"""Confirming runs: one by one, and by a grid that goes on where it stopped."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from click.testing import CliRunner
from nbformat.v4 import new_code_cell, new_notebook, new_output

from helpers.batch.ask.run import make_runs
from helpers.batch.cli import main
from helpers.batch.commit import confirm as confirm_module
from helpers.batch.commit.replicate import confirm_grid
from helpers.batch.errors import BatchError, UsageError
from helpers.batch.notebook import read as read_notebook
from helpers.batch.results import confirmed
from helpers.batch.results.confirmed import keep_confirmed, read_confirmed
from helpers.batch.results.result import Result
from helpers.claims import MIME

ROOT = Path(__file__).parents[1]
PARAMETERS = """\
dataset = "digits"  # data set: digits, mnist, fashion_mnist or cifar10
seed = 42  # of every random number, in [0, 4_000_000_000]
train_size = None  # int: images to draw from
"""
RECORD = {
    **{"kind": "claim", "id": "small-a", "statement": "A is below B.", "verdict": "holds"},
    **{"design": "home", "effect": 1.5, "low": 1.2, "high": 1.8, "scale": "ratio", "unit": ""},
    **{"margin": 1.1, "scope": "nets", "replicas": 8, "p_value": 0.01, "variants": {"holds": "So"}},
}


def write_chapter(path, record=RECORD, parameters=PARAMETERS):
    cells = [
        new_code_cell(parameters, metadata={"tags": ["parameters"]}),
        new_code_cell(
            "from helpers import data",
            outputs=[new_output("display_data", {MIME: record})] if record else [],
        ),
    ]
    path.write_text(json.dumps(new_notebook(cells=cells)))


@pytest.fixture
def book(tmp_path, monkeypatch):
    """Work in a book of two chapters, of which the second has no claims."""
    root = tmp_path / "book"
    (root / "book").mkdir(parents=True)
    (root / "book" / "index.md").write_text("# A book\n")
    write_chapter(root / "book" / "01_small.ipynb")
    write_chapter(root / "book" / "02_silent.ipynb", None)
    chapters = "- file: book/01_small\n- file: book/02_silent\n"
    (root / "_toc.yml").write_text(f"format: jb-book\nroot: book/index\nchapters:\n{chapters}")
    monkeypatch.chdir(root)
    return root


@pytest.fixture
def runs(monkeypatch):
    """Stand in for the execution of chapters; return what was asked for."""
    asked = []

    def run_once(notebook, given, **options):
        asked.append(dict(given))
        done = {"status": "done", "processor": "An old one", "seconds": 7.0}
        failed = {"status": "failed", "error": "cell 2 failed", "traceback": "ValueError: no"}
        more = failed if given.get("train_size") == 13 else done
        records = [RECORD, {"kind": "figure", "name": "small-b"}]
        return Result("x", "x", "small", "", given, given, records=records, **more), None

    monkeypatch.setattr(confirm_module, "run_once", run_once)
    return asked


def grid_of(root, text):
    path = root / "grid.yml"
    path.write_text(text)
    return path


GRID = """\
chapters: all
parameters:
  dataset: [digits, mnist]
  seed: 90000
"""


def replicate(root, text=GRID, **options):
    lines = []
    errors = confirm_grid(grid_of(root, text), root=root, timeout=60, say=lines.append, **options)
    return lines, errors


def test_each_run_is_kept_under_its_data_set(book, runs):
    lines, errors = replicate(book)
    assert errors == []
    assert runs == [{"dataset": data, "seed": 90000} for data in ("digits", "mnist")]
    assert lines == [
        f"[{number}/2] small on {data}: 1 claims in results/small.json"
        for number, data in ((1, "digits"), (2, "mnist"))
    ]
    kept = read_confirmed(book, "small")["mnist"]
    assert kept["parameters"] == {"dataset": "mnist", "seed": 90000}
    assert kept["machine"] == {"processor": "An old one", "seconds": 7.0, "versions": {}}
    assert kept["claims"]["small-a"]["sentence"] == "So"
    assert kept["claims"]["small-a"]["verdict"] == "holds"
    assert "variants" not in kept["claims"]["small-a"]


def test_a_second_call_finds_all_there(book, runs):
    replicate(book)
    lines, _ = replicate(book)
    assert (len(runs), lines) == (2, ["2 of 2 runs are there already"])
    replicate(book, again=True)
    assert len(runs) == 4


def test_it_goes_on_where_it_stopped(book, runs):
    replicate(book, GRID.replace("[digits, mnist]", "digits"))
    lines, _ = replicate(book)
    assert runs[1:] == [{"dataset": "mnist", "seed": 90000}]
    assert lines[0] == "1 of 2 runs are there already"
    assert lines[1].startswith("[1/1] small on mnist")


def test_a_default_that_is_given_is_the_same_run(book, runs):
    replicate(book)
    replicate(book, f"{GRID}  train_size: null\n")
    assert len(runs) == 2


@pytest.mark.parametrize("change", ["seed: 90001", "seed: 90000\n  train_size: 100"])
def test_another_size_or_seed_runs_anew(book, runs, change):
    replicate(book)
    replicate(book, GRID.replace("seed: 90000", change))
    assert len(runs) == 4


def test_a_claim_that_was_rewritten_runs_anew(book, runs):
    replicate(book)
    write_chapter(book / "book" / "01_small.ipynb", RECORD | {"statement": "B is below A."})
    replicate(book)
    assert len(runs) == 4


def test_a_claim_with_other_arms_runs_anew_where_its_design_can_be_compared(book, runs):
    """A design names the data: that of a run on other data says nothing of the committed one."""
    replicate(book)
    write_chapter(book / "book" / "01_small.ipynb", RECORD | {"design": "with other arms"})
    replicate(book)
    assert runs[2:] == [{"dataset": "digits", "seed": 90000}]


def test_a_claim_that_was_struck_needs_no_other_run(book, runs):
    replicate(book)
    kept = json.loads((book / "results" / "small.json").read_text())
    for run in kept["data"].values():
        run["claims"]["small-struck"] = run["claims"]["small-a"]
    (book / "results" / "small.json").write_text(json.dumps(kept))
    replicate(book)
    assert len(runs) == 2


@pytest.mark.slow
def test_a_run_that_fails_stops_no_other(book, runs):
    text = f"{GRID}include:\n- {{dataset: digits, train_size: 13}}\n"
    lines, errors = replicate(book, text)
    assert lines[0] == "[1/2] small on digits: failed: ValueError: no"
    assert list(read_confirmed(book, "small")) == ["mnist"]
    assert [str(error) for error in errors] == ["small failed: cell 2 failed\nValueError: no"]
    lines, _ = replicate(book, text)
    assert lines[0] == "1 of 2 runs are there already"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GRID.replace("all", "[smal]"), r"line 1.*Did you mean small\?"),
        (GRID.replace("mnist", "mnest"), "mnest"),
        (GRID.replace("90000", "42"), r"`seed` must be .* from 10000 on.*Received: 42"),
        (GRID.replace("90000", "[90000, 90001]"), r"once .* data set. Received: small on digits"),
        ("chapters: [silent]\n", "must name chapters that judge claims over draws"),
    ],
)
def test_a_wrong_grid_runs_nothing(book, runs, text, message):
    with pytest.raises(UsageError, match=f"(?s){message}"):
        replicate(book, text)
    assert (runs, read_confirmed(book, "small")) == ([], {})


def test_data_that_is_absent_is_named_before_anything_runs(book, runs, tmp_path, monkeypatch):
    monkeypatch.setenv("DNNBOOK_DATA", str(tmp_path))
    with pytest.raises(UsageError, match=r"data set cifar10 cannot be loaded: .*does not exist"):
        replicate(book, GRID.replace("[digits, mnist]", "[digits, cifar10]"))
    assert (runs, read_confirmed(book, "small")) == ([], {})


def test_the_command_takes_a_grid(book, runs):
    grid = grid_of(book, f"{GRID}include:\n- {{dataset: digits, train_size: 13}}\n")
    done = CliRunner().invoke(main, ["confirm", "--grid", str(grid)])
    assert done.exit_code == 1
    assert "[2/2] small on mnist: 1 claims in results/small.json" in done.stdout
    assert "Error: small failed: cell 2 failed" in done.stderr
    done = CliRunner().invoke(main, ["confirm", "--grid", str(grid_of(book, GRID))])
    assert (done.exit_code, done.stdout.splitlines()[0]) == (0, "1 of 2 runs are there already")


def test_again_and_a_chapter_by_name_execute_what_is_kept_elsewhere(book, runs, monkeypatch):
    told, run_once = [], confirm_module.run_once

    def noted(*given, again, **options):
        told.append(again)
        return run_once(*given, **options)

    monkeypatch.setattr(confirm_module, "run_once", noted)
    one = GRID.replace("[digits, mnist]", "digits")
    replicate(book, one)
    replicate(book, one, again=True)
    assert CliRunner().invoke(main, ["confirm", "small"]).exit_code == 0
    assert told == [False, True, True]


def test_a_notebook_of_a_chapter_s_name_does_not_take_its_place(book, runs, tmp_path):
    replicate(book)
    before = (book / "results" / "small.json").read_bytes()
    foreign = tmp_path / "03_small.ipynb"
    write_chapter(foreign)
    grid = grid_of(tmp_path, GRID.replace("all", "[03_small.ipynb]"))
    for arguments in ([str(foreign)], ["small", str(foreign)], ["--grid", str(grid)]):
        done = CliRunner().invoke(main, ["confirm", *arguments])
        assert (done.exit_code, len(runs)) == (2, 2)
        assert f"must be a chapter of {book}. Received: {foreign}" in done.stderr
    assert (book / "results" / "small.json").read_bytes() == before
    assert CliRunner().invoke(main, ["confirm", "./book/01_small.ipynb"]).exit_code == 0


def test_of_several_chapters_none_runs_if_one_cannot(book, runs):
    write_chapter(book / "book" / "02_silent.ipynb", parameters="depth = 3")
    done = CliRunner().invoke(main, ["confirm", "small", "silent"])
    assert (done.exit_code, runs) == (2, [])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["small", "--grid", "grid.yml"], "--grid names chapters and parameters itself"),
        (["--grid", "grid.yml", "-p", "seed", "90000"], "--grid names chapters and parameters"),
        (["small", "--again"], "--again is for --grid"),
        (["--grid", "nowhere.yml"], "nowhere.yml"),
    ],
)
def test_bad_usage_is_refused(book, runs, arguments, message):
    done = CliRunner().invoke(main, ["confirm", *arguments])
    assert (done.exit_code, runs) == (2, [])
    assert message in done.stderr


def test_one_chapter_is_confirmed_with_a_seed_that_nobody_used(book, runs):
    done = CliRunner().invoke(main, ["confirm", "small"])
    assert done.exit_code == 0
    assert done.stdout.splitlines() == ["results/small.json: 1 claims", "holds          small-a"]
    assert runs == [{"seed": 10000}]
    assert list(read_confirmed(book, "small")) == ["digits"]


def test_runs_that_end_together_are_all_kept(book, monkeypatch):
    together = threading.Barrier(2, timeout=0.3)
    read = confirmed.read_confirmed

    def reading(*place):
        found = read(*place)
        with suppress(threading.BrokenBarrierError):
            together.wait()  # for the other to have read the same, if nobody keeps it away
        return found

    monkeypatch.setattr(confirmed, "read_confirmed", reading)
    run = {"parameters": {}, "claims": {}, "machine": {}}
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda data: keep_confirmed(book, "small", data, run), ("digits", "mnist")))
    assert set(read(book, "small")) == {"digits", "mnist"}


def test_a_confirming_run_rests_on_no_earlier_one():
    point = read_notebook(ROOT / "book" / "08_schedules.ipynb"), {}
    (usual,), (confirming,) = make_runs([point]), make_runs([point], confirming=True)
    assert list(usual.confirmed) == ["schedules.json"]
    assert confirming.confirmed == {}
    assert confirming.sources == usual.sources
    assert confirming.identity != usual.identity


def test_a_chapter_without_claims_or_seed_is_refused(book, runs, monkeypatch):
    write_chapter(book / "book" / "02_silent.ipynb", parameters="depth = 3")
    done = CliRunner().invoke(main, ["confirm", "silent"])
    assert "a chapter to confirm must declare `seed`. Received: silent" in done.stderr
    monkeypatch.setitem(RECORD, "design", "")
    done = CliRunner().invoke(main, ["confirm", "small"])
    assert "must judge claims over draws. Received: small, which has none" in done.stderr


def test_a_damaged_file_of_results_stays_as_it_is(book, runs):
    (book / "results").mkdir()
    (book / "results" / "small.json").write_text("[]")
    with pytest.raises(BatchError, match=r"small\.json must hold the results of `dnnbook confirm"):
        replicate(book)
    assert (book / "results" / "small.json").read_text() == "[]"


def test_the_book_s_own_grid_asks_for_every_chapter_on_every_set():
    from helpers.batch.ask.grid.points import plan
    from helpers.batch.commit.confirm import confirmable

    wanted = plan(ROOT / "examples" / "replication.yml", root=ROOT).runs
    runs = [run for run in wanted if "seed" in run.parameters]  # the errata have none
    places = [(run.notebook.path, run.given["dataset"]) for run in runs]
    assert len(places) == len(set(places))
    assert {path for path, _ in places} >= set(confirmable(ROOT))
    assert len({data for _, data in places}) == 4
    assert all(run.given["seed"] >= 10_000 for run in runs)
