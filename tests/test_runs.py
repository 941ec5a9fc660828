"""A result is what its marker says, and a marker counts only with all that belongs to it."""

import json
import re
import shutil
from concurrent.futures import Future
from dataclasses import FrozenInstanceError, replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from helpers.batch.ask import identity
from helpers.batch.ask.identity import PACKAGE, confirmed_digests, digest, installed
from helpers.batch.ask.run import Run, make_run, make_runs
from helpers.batch.book import find_chapter
from helpers.batch.cli import main
from helpers.batch.drive import batch, data, worker
from helpers.batch.drive.data import check_data_on
from helpers.batch.drive.run import run_once
from helpers.batch.errors import BatchError, InfrastructureError, UsageError
from helpers.batch.execute.execution import Outcome
from helpers.batch.notebook import read
from helpers.batch.results.result import (
    SCHEMA,
    load,
    notebook_path,
    read_result,
    result_of,
    save,
    this_worker,
    versions,
)
from helpers.batch.results.store import Folder, open_store
from helpers.claims import MIME
from tests.running import FIXTURES

STARTED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
RUN = make_run(FIXTURES / "succeeds.ipynb", {"seed": 7})
RECORD = {"kind": "claim", "id": "a-b", "effect": float("nan"), "low": float("-inf")}


def executed(record=RECORD):
    output = {"output_type": "display_data", "metadata": {}, "data": {MIME: record}}
    cell = {"cell_type": "code", "source": "x", "metadata": {}, "outputs": [output]}
    return json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def kept(store, status="done", notebook=None, **more):
    """Save a result of the run and return it."""
    notebook = executed() if notebook is None else notebook
    outcome = Outcome(status, notebook, 1.23456, 1.0, "" if status == "done" else "x failed")
    place = {"worker": "host:1", "processor": "AMD EPYC"}
    result = result_of(RUN, outcome, started=STARTED, attempts=2, **place, **more)
    save(store, result, notebook)
    return result


DONE = Outcome("done", executed({"kind": "claim", "id": "a-b"}), 1.0)


@pytest.fixture(params=["folder", "memory"])
def store(request, tmp_path):
    return Folder(tmp_path) if request.param == "folder" else open_store(f"memory://{tmp_path}")


def test_what_is_read_is_what_was_written(store):
    made = kept(store)
    assert load(store, RUN) == replace(made, records=made.as_json()["records"])
    assert read_result(store, RUN.id, RUN.identity) == load(store, RUN)
    assert read_result(store, RUN.id, "other") is None


@pytest.mark.parametrize("text", ["x = 2", None])
def test_a_result_of_other_modules_than_are_there_is_none(tmp_path, text):
    shutil.copy(FIXTURES / "succeeds.ipynb", tmp_path)
    (tmp_path / "mod.py").write_text("x = 1")
    run, store = make_run(tmp_path / "succeeds.ipynb", {}), Folder(tmp_path / "out")
    imported = {"mod.py": digest(tmp_path / "mod.py")}
    save(store, result_of(run, replace(DONE, imported=imported), started=STARTED), DONE.notebook)
    assert load(store, run).imported == imported
    (tmp_path / "mod.py").unlink() if text is None else (tmp_path / "mod.py").write_text(text)
    assert load(store, run) is None


@pytest.mark.parametrize("name", ["quiet.py", "gone.py"])
def test_a_result_of_another_text_of_helpers_is_none(store, name):
    file = PACKAGE / name
    seen = {name: digest(file) if file.is_file() else "0" * 64}
    save(store, result_of(RUN, replace(DONE, helpers=seen), started=STARTED), DONE.notebook)
    assert (load(store, RUN) is not None) == file.is_file()
    seen[name] = "0" * 64
    save(store, result_of(RUN, replace(DONE, helpers=seen), started=STARTED), DONE.notebook)
    assert load(store, RUN) is None


class Foundations:
    """All that a run rests on and that somebody may change while it runs, one kind each."""

    def __init__(self, folder: Path, monkeypatch) -> None:
        self._folder = folder
        site = folder / "site"
        (site / "part-1.0.dist-info").mkdir(parents=True)
        monkeypatch.syspath_prepend(site)
        monkeypatch.setenv("DNNBOOK_DATA", str(folder))
        for module in (identity, worker):
            monkeypatch.setattr(module, "confirmed_digests", self._confirmed)
        self.files = {"a module": "mod.py", "a named file": "d.txt"}
        self.files |= {"a data set": "my_own.npz", "what was confirmed": "small.json"}
        for name in self.files.values():
            (folder / name).write_text("1")
        content = json.loads((FIXTURES / "succeeds.ipynb").read_text())
        content["cells"].append({"cell_type": "code", "source": "import mod\n'small-a'"})
        (folder / "n.ipynb").write_text(json.dumps(content))

    def _confirmed(self, cells, *_):
        return confirmed_digests(cells, self._folder)

    def run(self):
        """Return the run of a notebook that rests on all of it."""
        notebook = read(self._folder / "n.ipynb")
        (run,) = make_runs([(notebook, {"dataset": "my_own"})], files=[self._folder / "d.txt"])
        return run

    def change(self, kind: str) -> str:
        """Change what is of a kind, and return how a message names it."""
        if kind == "a package":
            (self._folder / "site" / "part-1.0.dist-info").rename(
                self._folder / "site" / "part-1.1.dist-info"
            )
            return "part-1.0"
        (self._folder / self.files[kind]).write_text("2")
        return self.files[kind]


@pytest.fixture
def foundations(tmp_path, monkeypatch):
    return Foundations(tmp_path, monkeypatch)


KINDS = ["a module", "a named file", "a data set", "what was confirmed", "a package"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_changed_while_it_ran_is_no_result_and_is_not_lost(foundations, monkeypatch, kind):
    run, names = foundations.run(), []

    def execute(*_, **__):
        names.append(foundations.change(kind))
        return DONE

    monkeypatch.setattr(worker, "execute", execute)
    result, notebook = worker.carry_out(run)
    assert (result.status, notebook) == ("failed", DONE.notebook)
    assert re.search(f"^changed while it ran, .*: (.*/)?{names[0]}. The same", result.error)
    with pytest.raises(InfrastructureError, match=f"^since it began: (.*/)?{names[0]}. The same"):
        worker.require_unchanged(run, "since it began", False)
    assert foundations.run().identity != run.identity  # and so it is run again


def test_what_has_come_while_it_ran_changes_no_result(foundations, tmp_path, monkeypatch):
    """As what the notebook itself has installed or written."""
    run = foundations.run()
    for name in ("new.py", "site/new-1.0.dist-info", "other.npz"):
        (tmp_path / name).touch()
    monkeypatch.setattr(worker, "execute", lambda *_, **__: DONE)
    assert worker.carry_out(run)[0].status == "done"


def test_a_failure_is_told_as_it_is_whatever_changed(foundations, monkeypatch):
    """It is run again in any case."""
    run = foundations.run()
    foundations.change("a module")
    failed = replace(DONE, status="failed", error="cell 1: no")
    monkeypatch.setattr(worker, "execute", lambda *_, **__: failed)
    assert worker.carry_out(run)[0].error == "cell 1: no"


@pytest.mark.parametrize("kind", KINDS)
def test_a_worker_on_another_machine_looks_at_what_it_has_itself(foundations, monkeypatch, kind):
    run = foundations.run()
    monkeypatch.setattr(worker, "execute", lambda *_, **__: DONE)
    foundations.change(kind)
    result, _ = worker.carry_out(run, elsewhere=True)
    assert (result.status == "failed") == (kind == "a data set")
    if kind == "a data set":
        text = "differs from the driver: another my_own.npz in DNNBOOK_DATA"
        assert re.fullmatch(f"worker .* {text}", result.error)
        monkeypatch.delenv("DNNBOOK_DATA")  # then it is Keras' own, as far as anybody knows
        assert worker.carry_out(run, elsewhere=True)[0].status == "done"


def test_packages_that_a_notebook_imports_must_be_the_drivers():
    own = dict(one.split("-", 1) for one in installed())
    driver = [f"{name}-{version}" for name, version in own.items()]
    assert worker.unlike(["sklearn", "yaml", "json", "helpers", "nowhere"], driver, {}) == ""
    other = [*driver, "scikit_learn-0.1", "PyYAML-0.2", "numpy-0.3"]
    assert worker.unlike(["yaml", "sklearn"], other, {}) == (
        f"pyyaml {own['pyyaml']}, driver 0.2; scikit-learn {own['scikit_learn']}, driver 0.1"
    )
    assert worker.unlike(["sklearn"], ["numpy-0.3"], {}) == ""  # the driver has none


def test_workers_that_differ_are_named_before_anything_runs(foundations):
    run = foundations.run()
    seen = []

    def broadcast(function, *arguments, on_error):
        seen.append(on_error)
        return {"tcp://one": function(*arguments), "tcp://two": "", "tcp://gone": OSError()}

    client = SimpleNamespace(run=broadcast)
    check_data_on(client, [run])
    foundations.change("a data set")
    text = "^worker tcp://one differs from the driver: another my_own.npz in DNNBOOK_DATA$"
    with pytest.raises(UsageError, match=text):
        check_data_on(client, [run, run])
    assert seen == ["return", "return"]


def test_a_worker_that_does_not_answer_is_named(foundations, monkeypatch):
    """One that is gone leaves a task that waits for it, and would for ever."""
    monkeypatch.setattr(data, "ANSWER", 0.01)
    silent = Future()  # as Dask's, which raises the same error
    client = SimpleNamespace(
        run=lambda *_, **how: {},
        scheduler_info=lambda n_workers: {"workers": {"tcp://gone": {}}},
        submit=lambda *_, **how: silent,
    )
    run = replace(foundations.run(), parameters={"dataset": "cifar10"})
    monkeypatch.setattr(Run, "loads_data", True)
    text = "^worker tcp://gone: it must say whether it can load the data. Received: no answer"
    with pytest.raises(UsageError, match=text):
        check_data_on(client, [run])


def test_a_result_stays_as_it_is(store):
    with pytest.raises(FrozenInstanceError):
        kept(store).status = "done"


@pytest.mark.parametrize("status", ["done", "failed", "timeout"])
def test_a_result_comes_back_as_it_was_kept(store, status):
    kept(store, status)
    result = load(store, RUN)
    assert result.id == RUN.id
    assert (result.status, result.attempts, result.worker) == (status, 2, "host:1")
    assert result.processor == "AMD EPYC"
    assert (result.given, result.parameters["replicas"]) == ({"seed": 7}, 2)
    assert (result.chapter, result.started) == ("succeeds", "2026-01-02T03:04:05+00:00")
    assert (result.seconds, result.cell_seconds) == (1.235, 1.0)
    assert json.loads(store.read_text(notebook_path(RUN))) == json.loads(executed())


def test_a_result_is_strict_json(store):
    kept(store, versions={"x": float("inf")})
    text = store.read_text(f"runs/{RUN.id}/run.json")
    result = json.loads(text, parse_constant=pytest.fail)
    assert result["records"] == [{"kind": "claim", "id": "a-b", "effect": None, "low": None}]
    assert result["versions"] == {"x": None}


def test_a_run_that_was_lost_has_no_notebook(store):
    kept(store, "failed", notebook="")
    assert load(store, RUN).records == []
    assert not store.exists(notebook_path(RUN))


def test_what_was_never_kept_is_not_there(store):
    assert load(store, RUN) is None


@pytest.mark.parametrize("name", ["run.json", "notebook.ipynb"])
def test_whatever_is_cut_off_counts_as_absent(store, name):
    kept(store)
    path = f"runs/{RUN.id}/{name}"
    whole = store.read_text(path)
    for length in {0, 1, len(whole) // 2, len(whole.rstrip()) - 1}:
        store.write_text(path, whole[:length])
        assert load(store, RUN) is None
    store.write_text(path, whole)
    assert load(store, RUN) is not None


def test_a_notebook_that_is_gone_or_another_counts_as_absent(tmp_path):
    store = Folder(tmp_path)
    kept(store)
    store.write_text(notebook_path(RUN), executed({"kind": "claim"}))
    assert load(store, RUN) is None
    (tmp_path / notebook_path(RUN)).unlink()
    assert load(store, RUN) is None


@pytest.mark.parametrize(
    "change",
    [
        {"identity": "0" * 64},
        {"schema": SCHEMA + 1},
        {"schema": None},
        {"status": "finished"},
        {"status": ["done"]},
        {"notebook_sha256": 1},
    ],
)
def test_a_marker_of_something_else_counts_as_absent(store, change):
    kept(store)
    path = f"runs/{RUN.id}/run.json"
    store.write_text(path, json.dumps(json.loads(store.read_text(path)) | change))
    assert load(store, RUN) is None


@pytest.mark.parametrize("text", ["[]", "null", "{}", '"x"', "\0", "{"])
def test_a_marker_that_is_none_counts_as_absent(store, text):
    store.write_text(f"runs/{RUN.id}/run.json", text)
    assert load(store, RUN) is None


def test_versions_name_what_results_depend_on():
    found = versions()
    assert {"python", "dnnbook", "tensorflow", "keras", "numpy"} <= set(found)
    assert "missing" not in found.values()
    assert ":" in this_worker()


def test_a_single_run_is_kept_in_a_folder(tmp_path):
    result, path = run_once(FIXTURES / "succeeds.ipynb", {"seed": 7}, folder=tmp_path)
    assert result.status == "done"
    assert path == tmp_path / f"{result.id}.ipynb"
    assert [record["observed"] for record in result.records] == [7]
    assert json.loads(path.read_text())["cells"]


def test_a_single_run_that_ended_well_is_not_run_again(tmp_path, monkeypatch):
    notes = []
    monkeypatch.setattr(worker, "execute", lambda *run, **how: notes.append((*run, how)) or DONE)
    first, path = run_once(FIXTURES / "succeeds.ipynb", {"seed": 7}, folder=tmp_path)
    assert run_once(FIXTURES / "succeeds.ipynb", {"seed": 7}, folder=tmp_path) == (first, path)
    assert len(notes) == 1
    run_once(FIXTURES / "succeeds.ipynb", {"seed": 8}, folder=tmp_path)
    run_once(FIXTURES / "succeeds.ipynb", {"seed": 7}, folder=tmp_path, again=True)
    path.unlink()
    run_once(FIXTURES / "succeeds.ipynb", {"seed": 7}, folder=tmp_path)
    assert [run.parameters["seed"] for run, _ in notes] == [7, 8, 7, 7]
    assert {how["kernel"] for _, how in notes} == {"auto"}


@pytest.mark.parametrize("status", ["failed", "timeout", "interrupted"])
def test_what_ended_well_stays_beside_what_then_did_not(store, status):
    done, text = kept(store), executed({"kind": "claim", "id": "a-b"})
    marker = store.read_text(f"runs/{RUN.id}/run.json")
    failed = kept(store, status, text)
    assert load(store, RUN) == failed  # whoever ran it again knew of a change: no old result
    assert store.read_text(f"runs/{RUN.id}/notebook.ipynb") == text
    kept(store, status, text)  # once more: the one that ended well is there still
    assert store.read_text(f"runs/{RUN.id}/before.ipynb") == executed()
    assert store.read_text(f"runs/{RUN.id}/before.json") == marker
    assert json.loads(marker)["status"] == done.status


def test_what_ended_well_stays_though_a_driver_dies_between_two_failures(store):
    """Killed before the marker: the notebook that lies there is no more the marker's."""
    kept(store)
    marker = store.read_text(f"runs/{RUN.id}/run.json")
    failed = executed({"kind": "claim", "id": "a-b"})
    kept(store, "failed", failed)
    store.write_text(f"runs/{RUN.id}/run.json", marker)
    kept(store, "failed", failed)
    assert store.read_text(f"runs/{RUN.id}/before.ipynb") == executed()


def test_a_single_run_that_fails_again_says_where_the_good_one_is(tmp_path, monkeypatch):
    good = executed({"kind": "claim", "id": "a-b", "verdict": "holds", "observed": 1})
    outcomes = [Outcome("done", good, 1.0), Outcome("failed", executed(), 1.0, error="cell 1: no")]
    monkeypatch.setattr(worker, "execute", lambda *run, **how: outcomes.pop(0))
    command = ["run", str(FIXTURES / "succeeds.ipynb"), "-o", str(tmp_path)]
    assert CliRunner().invoke(main, command).exit_code == 0
    done = CliRunner().invoke(main, [*command, "--again"])
    assert done.exit_code == 1
    before = re.search("as it last ended well: (.*)", done.stderr)[1]
    assert Path(before).read_text() == good
    assert Path(before).parent == tmp_path


def test_without_o_results_lie_where_one_works(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(worker, "execute", lambda *run, **how: Outcome("done", "", 1.0))
    monkeypatch.setattr(batch, "run_batch", lambda runs, **how: [])
    shutil.copy(FIXTURES / "succeeds.ipynb", "n.ipynb")
    Path("grid.yml").write_text("chapters: [n.ipynb]")
    done = CliRunner().invoke(main, ["run", "n.ipynb"])
    assert f"executed notebook: {tmp_path}/_build/runs/n-" in done.stdout
    done = CliRunner().invoke(main, ["batch", "grid.yml"])
    assert f"results: {tmp_path}/_build/batch/grid\n" in done.stdout


def test_what_is_there_says_when_it_was_executed(tmp_path, monkeypatch):
    good = executed({"kind": "claim", "id": "a-b", "verdict": "holds", "observed": 1})
    monkeypatch.setattr(worker, "execute", lambda *run, **how: Outcome("done", good, 1.0))
    command = ["run", str(FIXTURES / "succeeds.ipynb"), "-o", str(tmp_path)]
    said = [CliRunner().invoke(main, command).stdout.splitlines()[0] for _ in range(2)]
    assert said[0] == "executed succeeds in 1.0 s"
    assert re.fullmatch(r"executed succeeds at \d{4}-\d\d-\d\d \d\d:\d\d UTC in 1\.0 s", said[1])


@pytest.mark.parametrize(
    ("place", "message"),
    [
        (
            "precious.json",
            r"--keep must name a new file, or one that --keep wrote. Received: .*precious",
        ),
        ("n.ipynb", "--keep must name a new file"),
        (".", "--keep must name a new file"),
        ("precious.json/x.json", "must be writable"),
        ("/proc/no/x.json", "must be writable. Received: /proc/no"),
    ],
)
def test_nothing_else_is_replaced_by_what_is_kept(tmp_path, monkeypatch, place, message):
    monkeypatch.setattr(worker, "execute", lambda *run, **how: pytest.fail("it has run"))
    shutil.copy(FIXTURES / "succeeds.ipynb", tmp_path / "n.ipynb")
    (tmp_path / "precious.json").write_text('{"mine": 1}')
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    command = ["run", str(tmp_path / "n.ipynb"), "-o", str(tmp_path / "out")]
    done = CliRunner().invoke(main, [*command, "--keep", str(tmp_path / place)])
    assert done.exit_code == 2
    assert re.search(message, done.stderr)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_wrong_request_writes_nothing(tmp_path):
    with pytest.raises(UsageError, match="Did you mean seed"):
        run_once(FIXTURES / "succeeds.ipynb", {"sede": 7}, folder=tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_chapters_have_runs(tmp_path):
    notebook = find_chapter("gradients", root=FIXTURES.parents[1])
    run = make_run(notebook, {})
    assert run.id.startswith("01_gradients-")
    assert run.planned()["parameters"]["dataset"] == "digits"


def test_a_folder_that_is_a_file_is_an_error(tmp_path):
    (tmp_path / "runs").touch()
    with pytest.raises(BatchError, match="could not be written"):
        kept(Folder(tmp_path))
