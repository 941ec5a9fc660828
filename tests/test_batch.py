"""`dnnbook batch` as a whole: every fault is real, made with processes and signals."""

import json
import os
import re
import shutil
import signal
import sys
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner

from helpers.batch.ask.grid.points import plan
from helpers.batch.ask.run import make_run
from helpers.batch.cli import main
from helpers.batch.drive import batch as batch_module
from helpers.batch.drive import dispatch
from helpers.batch.drive.batch import BatchOptions, _mark_interrupted, run_batch
from helpers.batch.drive.cluster import ClusterOptions
from helpers.batch.execute.execution import Outcome
from helpers.batch.results.result import result_of, save
from helpers.batch.results.store import open_store
from tests.processes import ROOT, SPAWN, Batch, Started, processes_in
from tests.running import FIXTURES
from tests.waiting import wait_for


@pytest.fixture
def processes(tmp_path):
    with processes_in(tmp_path) as processes:
        yield processes


@pytest.fixture
def batch(tmp_path):
    return Batch(tmp_path / "batch")


@dataclass
class Ended:
    """A batch that has ended."""

    batch: Batch
    driver: Started
    code: int
    begun: list[int]


ODD = {7: "../../escaped", 8: "x" * 5000, 9: "CON", 10: '<b>"ü"\\'}
MIXED = {1: "finish", 2: "raise", 3: "die", 4: "finish", 5: "print NaN", 6: "finish"}


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """A batch whose runs end in every way that there is."""
    batch = Batch(tmp_path_factory.mktemp("mixed"))
    acts = MIXED | {number: {"text": text} for number, text in ODD.items()}
    grid = batch.grid(acts, rate=[1, 1.0])
    with processes_in(batch.folder / "processes") as processes:
        driver = processes.dnnbook("batch", grid, "-o", batch.output, "--json")
        code = driver.wait()
        processes.wait_until_nothing_is_left()
    return Ended(batch, driver, code, batch.begun())


@pytest.mark.slow
def test_each_run_has_an_outcome_of_its_own(mixed):
    assert mixed.code == 1
    results = mixed.batch.results()
    errors = {number: result["error"] for number, result in results.items() if result["error"]}
    assert errors == {
        2: "cell 5, section 'The act': ZeroDivisionError: division by zero",
        3: "kernel died (SIGKILL)",
    }
    done = dict.fromkeys([1, 4, 5, 6, *ODD], "done")
    assert mixed.batch.statuses() == done | {2: "failed", 3: "failed"}


@pytest.mark.slow
def test_what_takes_too_long_is_an_outcome_too(batch, processes):
    """It does in any case: were it slow to start, that would count as well."""
    grid = batch.grid({1: "sleep"})
    arguments = ["--timeout", 2, *SPAWN, "--json"]
    driver = processes.dnnbook("batch", grid, "-o", batch.output, *arguments)
    assert driver.wait() == 1
    assert json.loads(driver.stdout)["counts"] == {"timeout": 1}
    result = batch.results()[1]
    assert (result["status"], result["error"]) == ("timeout", "it took more than 2 s")
    processes.wait_until_nothing_is_left()


@pytest.mark.slow
def test_no_failure_of_a_notebook_is_tried_again(mixed):
    assert mixed.begun == [1, 2, 3, 4, 5, 6, *ODD]
    assert {result["attempts"] for result in mixed.batch.results().values()} == {1}


@pytest.mark.slow
def test_json_is_strict_and_complete(mixed):
    def refuse(constant):
        raise ValueError(constant)

    said = json.loads(mixed.driver.stdout, parse_constant=refuse)
    assert said["output"] == str(mixed.batch.output)
    assert said["counts"] == {"done": 8, "failed": 2}
    assert [run["given"]["number"] for run in said["runs"]] == [*MIXED, *ODD]  # the grid's order
    assert said["runs"][0]["records"][0]["observed"] == 1
    for file in mixed.batch.output.rglob("*.ipynb"):
        json.loads(file.read_text(), parse_constant=refuse)


@pytest.mark.slow
def test_a_failed_run_keeps_its_notebook_and_traceback(mixed):
    result = mixed.batch.results()[2]
    assert "ZeroDivisionError: division by zero" in result["traceback"]
    assert "\x1b" not in result["traceback"]
    notebook = mixed.batch.output / "runs" / result["id"] / "notebook.ipynb"
    outputs = [cell.get("outputs") for cell in json.loads(notebook.read_text())["cells"]]
    assert [output["output_type"] for output in outputs[-2]] == ["error"]
    assert outputs[-1] == []  # the cell after it has not run


@pytest.mark.slow
def test_progress_is_plain_lines_where_there_is_no_terminal(mixed):
    said = mixed.driver.stderr
    assert "\x1b" not in said
    assert "\r" not in said
    lines = said.splitlines()
    assert lines[0] == "10 points are equal to another and run once"  # rates 1 and 1.0
    assert len(lines) == 11
    for number, line in enumerate(lines[1:], 1):
        pattern = rf"\[{number}/10\] (done|failed) acts-[0-9a-f]{{12}} in \d+\.\d s(: .+)?"
        assert re.fullmatch(pattern, line)


@pytest.mark.slow
def test_a_value_is_no_part_of_a_name(mixed):
    names = {path.name for path in (mixed.batch.output / "runs").iterdir()}
    assert len(names) == 10
    assert all(re.fullmatch("acts-[0-9a-f]{12}", name) for name in names)
    assert not list(mixed.batch.folder.parent.rglob("*escaped*"))
    results = mixed.batch.results()
    for number, text in ODD.items():
        assert results[number]["given"]["text"] == text
        notebook = mixed.batch.output / "runs" / results[number]["id"] / "notebook.ipynb"
        printed = json.loads(notebook.read_text())["cells"][-1]["outputs"][0]["text"]
        assert "".join(printed) == f"{number} {text}\n"


@pytest.mark.slow
def test_the_report_shows_what_failed(mixed, processes, tmp_path):
    output = tmp_path / "copy"
    shutil.copytree(mixed.batch.output, output)
    reporter = processes.dnnbook("report", output)
    assert reporter.wait() == 0
    page = (output / "report" / "index.html").read_text()
    for text in ("ZeroDivisionError", "kernel died (SIGKILL)"):
        assert text in page


@pytest.mark.slow
def test_what_is_there_is_not_run_again_and_no_cluster_started(mixed, processes):
    """The same points in another grid file have the same results."""
    again = mixed.batch.grid({1: "finish", 6: "finish"}, name="again", rate=1)
    command = [sys.executable, "-X", "importtime", "-m", "helpers.batch.cli", "batch"]
    driver = processes.start(*command, again, "-o", mixed.batch.output)
    assert driver.wait() == 0
    assert "2 of 2 runs are there already" in driver.stderr
    for package in ("distributed", "papermill", "tensorflow"):  # they take seconds to import
        assert not re.search(rf"\b{package}$", driver.stderr, re.MULTILINE)
    assert driver.stdout.startswith("2 done\n")
    assert mixed.batch.begun() == mixed.begun


@pytest.mark.slow
def test_fresh_runs_all_again_with_ordinary_kernels_if_wanted(mixed, processes, tmp_path):
    batch = Batch(tmp_path / "batch")
    shutil.copytree(mixed.batch.output, batch.output)
    log = mixed.batch.log.read_text()
    grid = mixed.batch.grid({1: "finish", 6: "finish"}, name="fresh", rate=1)
    driver = processes.dnnbook("batch", grid, "-o", batch.output, "--fresh", *SPAWN)
    assert driver.wait() == 0
    more = mixed.batch.log.read_text().removeprefix(log)
    assert sorted(line.split()[0] for line in more.splitlines()) == ["1", "6"]
    assert batch.statuses() == mixed.batch.statuses()
    assert batch.results()[1]["worker"] != mixed.batch.results()[1]["worker"]


@pytest.mark.slow
def test_what_was_lost_with_its_process_is_run_again(batch, processes):
    """First the server of the kernels dies, then the worker; what had ended is not touched."""
    grid = batch.grid({2: "finish", 3: "finish", 1: "wait"})
    driver = processes.dnnbook("batch", grid, "-o", batch.output, "--workers", 2)
    wait_for(lambda: batch.statuses() == {2: "done", 3: "done"} and 1 in batch.begun())
    batch.kernel(1).parent().kill()
    wait_for(lambda: batch.begun().count(1) == 2)
    batch.kernel(1).parent().parent().kill()
    wait_for(lambda: batch.begun().count(1) == 3)
    batch.gate.touch()
    assert driver.wait() == 0
    assert batch.begun() == [1, 1, 1, 2, 3]
    assert batch.statuses() == {1: "done", 2: "done", 3: "done"}
    assert batch.results()[1]["attempts"] == 2  # Dask has handled the worker's death
    processes.wait_until_nothing_is_left()


@pytest.mark.slow
def test_without_retries_what_was_lost_has_failed(batch, processes):
    grid = batch.grid({1: "wait", 2: "wait", 3: "finish"})
    driver = processes.dnnbook("batch", grid, "-o", batch.output, "--workers", 1, "--retries", 0)
    wait_for(lambda: batch.begun() == [1])
    batch.kernel(1).parent().kill()
    wait_for(lambda: batch.begun() == [1, 2])
    batch.kernel(2).parent().parent().kill()
    assert driver.wait() == 1
    assert batch.begun() == [1, 2, 3]
    results = batch.results()
    assert results[1]["error"] == "lost: the server of warm kernels died"
    assert results[2]["error"] == "lost: its worker died, each time that it was tried"
    assert batch.statuses() == {1: "failed", 2: "failed", 3: "done"}
    processes.wait_until_nothing_is_left()


@pytest.mark.slow
def test_after_a_kill_only_what_is_missing_or_cut_off_runs(batch, processes):
    grid = batch.grid({1: "finish", 2: "finish", 3: "finish", 4: "wait", 5: "be busy in C"})
    arguments = ["batch", grid, "-o", batch.output, "--workers", 2, *SPAWN]
    driver = processes.dnnbook(*arguments)
    wait_for(lambda: len(batch.results()) == 3 and batch.begun() == [1, 2, 3, 4, 5])

    second = processes.dnnbook(*arguments)
    assert second.wait() == 2
    assert f"another driver is at work here: process {driver.pid} on " in second.stderr

    driver.send(signal.SIGKILL)
    processes.wait_until_nothing_is_left()
    assert batch.statuses() == {1: "done", 2: "done", 3: "done"}

    for number, name in [(3, "notebook.ipynb"), (2, "run.json")]:
        file = batch.output / "runs" / batch.results()[number]["id"] / name
        file.write_bytes(file.read_bytes()[:-10])
    batch.gate.touch()
    third = processes.dnnbook(*arguments)
    assert third.wait() == 0
    assert "1 of 5 runs are there already" in third.stderr
    assert batch.begun() == [1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert batch.statuses() == dict.fromkeys([1, 2, 3, 4, 5], "done")


def to_group(driver):
    os.killpg(driver.pid, signal.SIGINT)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stop", "code"),
    [
        pytest.param(to_group, 130, id="ctrl-c-in-a-terminal"),
        pytest.param(lambda driver: driver.send(signal.SIGINT), 130, id="interrupt"),
        pytest.param(lambda driver: driver.send(signal.SIGTERM), 143, id="terminate"),
    ],
)
def test_whoever_stops_it_finds_nothing_running_and_the_results_kept(batch, processes, stop, code):
    grid = batch.grid({1: "finish", 2: "sleep", 3: "be busy in C", 4: "finish"})
    driver = processes.dnnbook("batch", grid, "-o", batch.output, "--workers", 2)
    wait_for(lambda: batch.begun() == [1, 2, 3] and 1 in batch.results())
    stop(driver)
    assert driver.wait() == code
    processes.wait_until_nothing_is_left()
    assert batch.statuses() == {1: "done"} | dict.fromkeys([2, 3, 4], "interrupted")
    assert driver.stderr.splitlines()[1:] == ["interrupted"]


@pytest.mark.slow
def test_an_interrupt_of_a_fresh_batch_leaves_earlier_results(mixed, tmp_path):
    copy = Batch(tmp_path)
    shutil.copytree(mixed.batch.output, copy.output)
    wanted = plan(mixed.batch.folder / "grid.yml", root=ROOT)
    _mark_interrupted(wanted.runs, {}, open_store(copy.output))
    assert copy.statuses() == mixed.batch.statuses()


@pytest.mark.slow
def test_a_full_disk_is_said_and_harms_nothing(batch, processes):
    """The largest file that may be written stands for a disk that is full."""
    grid = batch.grid({1: "finish", 2: "print much", 3: "sleep"})
    limited = ["sh", "-c", 'ulimit -f 2000 && exec "$0" "$@"', sys.executable]
    command = [*limited, "-m", "helpers.batch.cli", "batch", grid, "-o", batch.output]
    driver = processes.start(*command, "--workers", 1, *SPAWN)
    assert driver.wait() == 1
    error = driver.stderr.splitlines()[-1]
    assert re.fullmatch(r"Error: .*/notebook\.ipynb could not be written: File too large", error)
    assert "Traceback" not in driver.stderr
    processes.wait_until_nothing_is_left()
    assert batch.statuses() == {1: "done"}
    assert not list(batch.output.rglob(".notebook*"))  # no drafts


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "GRID must be a readable file"),
        ("chapters: [", "line 1: must be YAML"),
        ("chapters: [gradients]\nparameters: {replica: 2}", "line 2: `replica`"),
        ("chapters: [gradients]\nparameters:\n  replicas: many", "line 3: `replicas` must be int"),
    ],
)
def test_a_wrong_grid_is_refused_before_anything_happens(tmp_path, content, message):
    grid = tmp_path / "grid.yml"
    if content is not None:
        grid.write_text(content)
    done = CliRunner().invoke(main, ["batch", str(grid), "-o", str(tmp_path / "out")])
    assert done.exit_code == 2
    assert message in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.fixture
def two_grids(tmp_path):
    """Two grids of one name in two folders, each with the results of its run in `out`."""
    store = open_store(tmp_path / "project" / "out")
    for place in ("north", "south"):
        folder = tmp_path / "project" / place
        folder.mkdir(parents=True)
        shutil.copy(FIXTURES / "succeeds.ipynb", folder / f"{place}.ipynb")
        (folder / "grid.yml").write_text(f"chapters: {place}.ipynb")
        for run in plan(folder / "grid.yml", root=ROOT).runs:
            save(store, result_of(run, Outcome("done", "", 1.0), started=datetime.now(UTC)), "")
    return tmp_path / "project"


def batch_of(folder, place, name="grid"):
    command = ["batch", str(folder / place / f"{name}.yml"), "-o", str(folder / "out")]
    return CliRunner().invoke(main, command)


def test_two_grids_of_one_name_do_not_share_a_folder(two_grids):
    assert batch_of(two_grids, "north").exit_code == 0
    assert batch_of(two_grids, "north").exit_code == 0
    listed = (two_grids / "out" / "batch.json").read_bytes()
    done = batch_of(two_grids, "south")
    assert done.exit_code == 2
    message = r"out must hold one grid named grid. Received: .*south/grid.yml, while .* of .*north/"
    assert re.search(message, done.stderr)
    assert (two_grids / "out" / "batch.json").read_bytes() == listed
    (two_grids / "south" / "grid.yml").rename(two_grids / "south" / "other.yml")
    assert batch_of(two_grids, "south", "other").exit_code == 0  # asked for by its name


def test_a_grid_that_has_moved_goes_on(two_grids):
    assert batch_of(two_grids, "north").exit_code == 0
    (two_grids / "north").rename(two_grids / "west")
    shutil.copytree(two_grids, two_grids.parent / "copy")
    for folder in (two_grids, two_grids.parent / "copy"):
        notebook = folder / "west" / "north.ipynb"
        (run,) = plan(folder / "west" / "grid.yml", root=ROOT).runs
        assert run.notebook.path == notebook
        store = open_store(folder / "out")
        save(store, result_of(run, Outcome("done", "", 1.0), started=datetime.now(UTC)), "")
        assert batch_of(folder, "west").exit_code == 0


def test_a_script_is_told_of_warnings(two_grids):
    grid = two_grids / "north" / "grid.yml"
    (run,) = plan(grid, root=ROOT).runs
    outcome = Outcome("done", "", 1.0, warning="a task went on")
    store = open_store(two_grids / "out")
    save(store, result_of(run, outcome, started=datetime.now(UTC)), "")
    command = ["batch", str(grid), "-o", store.address, "--json"]
    (said,) = json.loads(CliRunner().invoke(main, command).stdout)["runs"]
    assert (said["status"], said["warning"]) == ("done", "a task went on")


def performed(run, **_):
    return result_of(run, Outcome("done", "", 1.0), started=datetime.now(UTC)), ""


@pytest.mark.parametrize(
    ("options", "most"),
    [
        (ClusterOptions(workers=5), 5),
        (ClusterOptions(), 4),  # this machine has four processors
        (ClusterOptions("tcp://127.0.0.1:1"), 6),  # a scheduler knows its own
    ],
)
def test_as_many_go_on_at_a_time_as_was_asked_for(tmp_path, monkeypatch, options, most):
    """Whatever threads there are: two workers of three each cannot be five."""
    from distributed import Client

    runs = [make_run(FIXTURES / "succeeds.ipynb", {"seed": seed}) for seed in range(8)]
    under_way, launch = [], dispatch._Flight.launch

    def counted(flight, key):
        launch(flight, key)
        under_way.append(len(flight.keys))

    monkeypatch.setattr(dispatch, "perform", performed)
    monkeypatch.setattr(dispatch._Flight, "launch", counted)
    monkeypatch.setattr(batch_module, "processors", lambda: 4)
    threads = {"n_workers": 2, "threads_per_worker": 3, "processes": False}
    with Client(**threads, dashboard_address="127.0.0.1:0") as client:
        monkeypatch.setattr(batch_module, "open_cluster", lambda _: nullcontext(client))
        store, options = open_store(tmp_path), BatchOptions(options)
        results = run_batch(runs, store=store, name="eight", options=options)
    assert [result.parameters["seed"] for result in results] == list(range(8))
    assert max(under_way) == most


@pytest.mark.parametrize("text", ['{"jobs": []}', "[]", "{"])
def test_a_foreign_list_of_a_batch_is_not_replaced(two_grids, text):
    (two_grids / "out" / "batch.json").write_text(text)
    done = batch_of(two_grids, "north")
    assert done.exit_code == 2
    assert "batch.json must be what `dnnbook batch` wrote" in done.stderr
    assert (two_grids / "out" / "batch.json").read_text() == text


def test_missing_data_is_said_before_anything_runs(batch, tmp_path, monkeypatch):
    monkeypatch.setenv("DNNBOOK_DATA", str(tmp_path))
    grid = batch.grid({1: "finish"}, dataset="cifar10")
    done = CliRunner().invoke(main, ["batch", str(grid), "-o", str(batch.output)])
    assert done.exit_code == 2
    assert "the data set cifar10 cannot be loaded" in done.stderr
    assert batch.results() == {}
    assert not (batch.output / "batch.json").exists()
