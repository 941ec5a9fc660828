"""Whatever a notebook does, an outcome says so, and nothing of it is left behind."""

import json
import os
import pickle
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
import zmq
from jupyter_client.session import Session
from nbformat.v4 import new_markdown_cell

from helpers.batch.ask.identity import PACKAGE
from helpers.batch.ask.run import make_run
from helpers.batch.errors import ExecutionError, InfrastructureError
from helpers.batch.execute import execution
from helpers.batch.execute.executed import describe, finite
from helpers.batch.execute.execution import Outcome, execute, require
from helpers.batch.results.records import records_of
from tests.processes import ACTS, Batch
from tests.running import (
    FIXTURES,
    both_kinds,
    code_cells,
    execute_cells,
    marked,
    on_linux,
    printed,
    run_of,
    tagged,
)
from tests.waiting import LIMIT, wait_for


@pytest.fixture(autouse=True)
def temporary(monkeypatch, tmp_path_factory):
    """Give a folder for temporary files, with a short name; every test leaves it empty."""
    if sys.platform == "linux":
        from helpers.batch.execute.kernels.managing import warm_server

        warm_server()  # its folder lies elsewhere
    tmp_path_factory.getbasetemp()  # so does pytest's
    folder = Path(tempfile.mkdtemp(prefix="t-"))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []
    folder.rmdir()


def run(name, kind="spawn", parameters=None, **how):
    return execute(make_run(FIXTURES / f"{name}.ipynb", parameters or {}), kernel=kind, **how)


@both_kinds
def test_a_notebook_that_ends_is_done(kind):
    source = (FIXTURES / "succeeds.ipynb").read_bytes()
    outcome = run("succeeds", kind, parameters={"seed": 7})
    assert (outcome.status, outcome.error, outcome.traceback) == ("done", "", "")
    assert 0 < outcome.cell_seconds < outcome.seconds
    assert printed(code_cells(outcome)[-1]) == "7 2\n"
    notebook = json.loads(outcome.notebook)
    assert [record["observed"] for record in records_of(notebook)] == [7]
    assert "papermill" not in notebook["metadata"]
    assert (FIXTURES / "succeeds.ipynb").read_bytes() == source


@both_kinds
def test_a_failing_cell_is_named_and_the_notebook_kept_up_to_there(kind):
    outcome = run("raises", kind, parameters={"seed": 7})
    assert outcome.status == "failed"
    message = "cell 4, section 'A section that fails': ZeroDivisionError: division by zero"
    assert outcome.error == message
    assert "1 / 0" in outcome.traceback
    assert "\x1b" not in outcome.traceback
    *_, failed, after = code_cells(outcome)
    assert printed(failed) == "7\n"
    assert (after["outputs"], after["execution_count"]) == ([], None)
    with pytest.raises(ExecutionError, match=r"^raises failed: cell 4(?s:.*)1 / 0"):
        require(outcome, "raises")


@both_kinds
def test_a_kernel_that_is_killed_has_died(kind, capfd):
    outcome = run("kills_its_kernel", kind)
    assert (outcome.status, outcome.error) == ("failed", "kernel died (SIGKILL)")
    assert capfd.readouterr().err == ""  # the outcome says it, once


@both_kinds
def test_what_a_kernel_says_beside_its_channels_is_not_the_drivers(kind, capfd):
    """A script that reads `--json` would find it there."""
    outcome = execute_cells("import os; os.system('echo out; echo err >&2')", kernel=kind)
    assert (outcome.status, *capfd.readouterr()) == ("done", "", "")


@pytest.mark.parametrize(
    ("kind", "code", "error"),
    [
        (
            "spawn",
            "import sys; sys.exit()",
            "cell 1: sys.exit() ended the notebook: no cell after it has run",
        ),
        (
            "spawn",
            "import sys; sys.exit(0)",
            "cell 1: sys.exit(0) ended the notebook: no cell after it has run",
        ),
        ("spawn", "quit()", "cell 1: quit() ended the notebook: no cell after it has run"),
        pytest.param("warm", "import sys; sys.exit(3)", "cell 1: SystemExit: 3", marks=on_linux),
        ("spawn", "import os; os._exit(3)", "kernel died"),
        pytest.param("warm", "import os; os._exit(3)", "kernel died", marks=on_linux),
    ],
)
def test_a_cell_that_exits_has_failed(kind, code, error):
    outcome = execute_cells(code, "print('never')", kernel=kind)
    assert (outcome.status, outcome.error) == ("failed", error)
    assert printed(code_cells(outcome)[-1]) == ""


def test_a_magic_that_does_not_exist_is_named():
    outcome = execute_cells("x = 1\n%nosuch 3", "print('never')", kernel="spawn")
    said = "cell 1: UsageError: Line magic function `%nosuch` not found."
    assert (outcome.status, outcome.error) == ("failed", said)


def test_a_long_error_is_cut_and_the_notebook_has_it_all():
    outcome = execute_cells("raise ValueError('start' + 'x' * 200_000 + 'end')", kernel="spawn")
    assert outcome.error.startswith("cell 1: ValueError: startxxx")
    assert outcome.error.endswith("xxxend")
    assert "characters left out" in outcome.error
    assert len(outcome.error) < 1_100
    assert len(outcome.traceback) < 21_000
    (error,) = code_cells(outcome)[0]["outputs"]
    assert len(error["evalue"]) == 200_008


# Each stroke that a cell adds to the file `strokes` counts as 500 seconds. Time is up after 900.
STROKE = "with open({strokes!r}, 'a') as file:\n    _ = file.write('x' * {number})\n"
LONG = {
    "sleeps": [(2, "import time; time.sleep(600)")],
    "keeps the interpreter's lock": [(2, "import ctypes; ctypes.PyDLL(None).sleep(600)")],
    "takes two cells, none of which is long": [(1, ""), (1, "import time; time.sleep(600)")],
}


@pytest.fixture
def strokes(tmp_path, monkeypatch):
    """Return a file that tells the time: how fast this machine is makes no difference then."""
    file = tmp_path / "strokes"
    file.touch()
    clock = SimpleNamespace(monotonic=lambda: 500.0 * file.stat().st_size)
    monkeypatch.setattr(execution, "time", clock)
    return file


@both_kinds
@pytest.mark.parametrize("acts", LONG.values(), ids=LONG)
def test_what_takes_too_long_is_ended(kind, acts, strokes, monkeypatch):
    """The limit is the whole notebook's; a kernel that holds the interpreter's lock ends, too."""
    marker = f"DNNBOOK_TEST={kind}-{time.time_ns()}"
    monkeypatch.setenv(*marker.split("="))
    cells = [STROKE.format(strokes=str(strokes), number=number) + act for number, act in acts]
    outcome = execute_cells("print(0)", *cells, kernel=kind, timeout=900)
    assert (outcome.status, outcome.error) == ("timeout", "it took more than 900 s")
    assert outcome.seconds == 1000
    assert printed(code_cells(outcome)[0]) == "0\n"
    if sys.platform == "linux":
        wait_for(lambda: not marked(marker))


@both_kinds
def test_what_takes_less_is_done(kind, strokes):
    cell = STROKE.format(strokes=str(strokes), number=1)
    outcome = execute_cells(cell, kernel=kind, timeout=900)
    assert (outcome.status, outcome.seconds) == ("done", 500)


@pytest.mark.slow
@both_kinds
def test_nobody_waits_any_longer(kind, tmp_path):
    batch = Batch(tmp_path)
    wanted = make_run(ACTS, batch.parameters(act="sleep"))
    outcome = execute(wanted, kernel=kind, wanted=lambda: not batch.begun())
    assert (outcome.status, outcome.error) == ("failed", "kernel died (SIGKILL)")


WHERE = "import os; print(os.getcwd(), os.listdir())"


@both_kinds
def test_a_kernel_works_in_the_folder_of_its_notebook(kind, tmp_path):
    (tmp_path / "a file").touch()
    outcome = execute_cells(WHERE, kernel=kind, folder=tmp_path)
    assert printed(code_cells(outcome)[0]) == f"{tmp_path} ['a file']\n"


@pytest.mark.parametrize(
    ("kind", "where"),
    [
        pytest.param("warm", {"folder": ".", "elsewhere": True}, marks=on_linux),
        ("spawn", {"folder": "/no such folder"}),
    ],
)
def test_or_in_an_empty_one_that_is_removed(kind, where, temporary):
    write = "open('made here', 'w').close()"
    outcome = execute_cells(WHERE, write, kernel=kind, **where)
    where, content = printed(code_cells(outcome)[0]).rsplit(maxsplit=1)
    assert content == "[]"
    assert Path(where).name == "work"
    assert not Path(where).parent.exists()
    # A warm kernel's lies with its server, which removes it if nobody else can.
    assert kind == "warm" or Path(where).parents[1].resolve() == temporary.resolve()


@on_linux
def test_a_long_name_of_the_folder_for_temporary_files_is_no_obstacle(temporary, monkeypatch):
    long = temporary / ("x" * 100)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    assert execute_cells("1", kernel="warm").status == "done"
    long.rmdir()


@pytest.mark.slow
@on_linux
def test_executions_at_a_time_have_each_its_own_folder(tmp_path):
    folders = [tmp_path / str(number) for number in range(4)]
    for folder in folders:
        folder.mkdir()
    here = Path.cwd()
    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(lambda f: execute_cells(WHERE, kernel="warm", folder=f), folders))
    assert [printed(code_cells(o)[0]) for o in outcomes] == [f"{f} []\n" for f in folders]
    assert Path.cwd() == here


@both_kinds
def test_an_error_that_a_tag_allows_stops_nothing(kind):
    allowed = tagged("1 / 0", "raises-exception")
    outcome = execute_cells(allowed, "print('after')", kernel=kind)
    assert (outcome.status, outcome.error) == ("done", "")
    cells = json.loads(outcome.notebook)["cells"]
    assert len(cells) == 2  # without papermill's notes on the error
    assert cells[0]["outputs"][0]["ename"] == "ZeroDivisionError"
    assert printed(cells[1]) == "after\n"


@pytest.mark.parametrize(("code", "error"), [("3", "cell 1: SystemExit: 3"), ("0", "")])
def test_a_script_that_fails_within_a_cell_fails_the_run(code, error, tmp_path):
    """IPython shows its error and goes on; papermill counts it at the end."""
    (tmp_path / "script.py").write_text(f"import sys\nsys.exit({code})")
    outcome = execute_cells("%run script.py", "print('on')", kernel="spawn", folder=tmp_path)
    assert outcome.error == error
    assert printed(code_cells(outcome)[1]) == "on\n"


def test_what_is_asked_after_the_last_cell_shows_no_error_in_it():
    outcome = execute_cells("__import__ = 1", kernel="spawn")
    assert (outcome.status, code_cells(outcome)[0]["outputs"]) == ("done", [])


def test_an_error_after_one_that_is_allowed_is_the_one_named():
    title = new_markdown_cell("# A title\n\ntext\n\n## Section `two`")
    cells = [tagged("1 / 0", "raises-exception"), title, "{}['a']"]
    outcome = execute_cells(*cells, kernel="spawn")
    assert outcome.error == "cell 3, section 'Section `two`': KeyError: 'a'"


def test_colours_are_taken_out_of_messages():
    outcome = execute_cells("raise ValueError('\\x1b[31mred\\x1b[0m')", kernel="spawn")
    assert outcome.error == "cell 1: ValueError: red"


@both_kinds
def test_outputs_are_strict_json(kind):
    nan = "display({'application/json': [float('nan')], 'text/plain': 'x'}, raw=True)"
    cell = tagged(nan)
    cell.metadata["figure"] = float("inf")
    run = run_of(cell, "print('a\\udc80b')")
    assert "Infinity" in run.notebook.text
    outcome = execute(run, kernel=kind)
    assert outcome.status == "done"
    first, second = code_cells(outcome)
    assert first["metadata"]["figure"] is None
    assert first["outputs"][0]["data"]["text/plain"] == "x"
    assert printed(second) == "a\ufffdb\n"


@pytest.mark.parametrize(
    ("kind", "code", "status"),
    [
        pytest.param("warm", "print('\\ud800')", "done", marks=on_linux),
        ("spawn", "raise ValueError('\\ud800')", "failed"),
    ],
)
def test_text_that_is_no_unicode_does_no_harm(kind, code, status, monkeypatch):
    """The kernel cannot send it; the outcome is one that can be stored all the same.

    Now and then ipykernel loses what it should have sent after it, and the cell never ends.
    """
    monkeypatch.setattr(execution, "SILENCE", 3)
    outcome = execute_cells(code, "print('after')", kernel=kind)
    if "did not send the end" not in outcome.error:
        assert outcome.status == status
        assert ("could not send" in outcome.error) == (status == "failed")
        assert printed(code_cells(outcome)[-1]) == ("after\n" if status == "done" else "")
    assert json.loads(outcome.notebook.encode("utf-8"))


def test_what_strict_json_cannot_say_becomes_null():
    given = {"a": [1, -0.5, float("inf")], "b": {"c": float("nan")}, "d": "NaN"}
    assert finite(given) == {"a": [1, -0.5, None], "b": {"c": None}, "d": "NaN"}


VALUES = {
    "flag": True,
    "count": -7,
    "rate": 1e-7,
    "whole": 2.0,
    "text": 'it\'s "quoted" \\n {braces} %d é 🙂',
    "nothing": None,
    "layers": [1, 2.5, "x", None, False],
}
TYPES = f"import json\nprint(json.dumps([{', '.join(VALUES)}]), type(whole), type(flag))"
STREAMS = "import sys\nfor n in range(3):\n    print(n)\n    print(-n, file=sys.stderr)"
ENVIRONMENT = "import os; print(*(os.environ.get(n) for n in ('TF_NUM_INTRAOP_THREADS', 'NEW')))"


@both_kinds
def test_parameters_and_environment_go_in_and_streams_come_out(kind, monkeypatch):
    monkeypatch.delenv("TF_NUM_INTRAOP_THREADS", raising=False)
    monkeypatch.setenv("NEW", "set after the server's start")
    declared = tagged("\n".join(f"{name} = 0" for name in VALUES), "parameters")
    cells = [declared, TYPES, STREAMS, ENVIRONMENT]
    outcome = execute_cells(*cells, kernel=kind, parameters=VALUES, threads=3)
    *_, values, streams, environment = code_cells(outcome)
    text, *types = printed(values).rsplit(" <", 2)
    assert json.loads(text) == list(VALUES.values())
    assert types == ["class 'float'>", "class 'bool'>\n"]
    assert (printed(streams), printed(streams, "stderr")) == ("0\n1\n2\n", "0\n-1\n-2\n")
    assert printed(environment) == "3 set after the server's start\n"


@on_linux
def test_the_environment_counts_more_than_what_is_asked_for(monkeypatch):
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "5")
    outcome = execute_cells(ENVIRONMENT, kernel="warm", threads=3)
    assert printed(code_cells(outcome)[0]) == "5 None\n"


COUNT = """\
import os
import helpers.quiet
import tensorflow as tf
before = len(os.listdir("/proc/self/task"))
_ = tf.ones((9, 9)) @ tf.ones((9, 9))
print(len(os.listdir("/proc/self/task")) - before)
"""


@pytest.mark.slow
@on_linux
def test_tensorflow_takes_the_threads_that_it_is_given(monkeypatch):
    """A server that had run an operation would have fixed their number for all its kernels."""
    monkeypatch.delenv("TF_NUM_INTRAOP_THREADS", raising=False)
    outcomes = [execute_cells(COUNT, kernel="warm", threads=threads) for threads in (1, 17)]
    one, many = (int(printed(code_cells(outcome)[0])) for outcome in outcomes)
    assert many - one == 16


def test_a_run_holds_its_notebook_without_outputs(tmp_path):
    content = json.loads((FIXTURES / "succeeds.ipynb").read_text())
    content["cells"][-1].update(outputs=[{"output_type": "stream"}], execution_count=9)
    path = tmp_path / "n.ipynb"
    path.write_text(json.dumps(content))
    notebook = pickle.loads(pickle.dumps(make_run(path, {}))).notebook  # as a worker gets it
    last = json.loads(notebook.text)["cells"][-1]
    assert (last["outputs"], last["execution_count"]) == ([], None)
    assert (notebook.name, notebook.path) == ("n", path)


LATE = """\
import asyncio
async def show(after, what):
    await after.wait()
    display({"application/json": {"shown": what}}, raw=True)
now, later = asyncio.Event(), asyncio.Event()
tasks = [asyncio.create_task(show(event, n)) for n, event in enumerate((now, later))]
"""


@both_kinds
def test_what_a_task_shows_after_its_cell_is_found_in_that_cell(kind):
    """One task ends while another cell runs, and one after the last cell."""
    cells = [LATE, "now.set()\nawait tasks[0]", "print('end')\nlater.set()"]
    outcome = execute_cells(*cells, kernel=kind)
    assert (outcome.status, outcome.warning) == ("done", "")
    first, second, last = code_cells(outcome)
    assert [output["data"] for output in first["outputs"]] == [
        {"application/json": {"shown": 0}},
        {"application/json": {"shown": 1}},
    ]
    assert (second["outputs"], printed(last)) == ([], "end\n")


def test_a_task_that_never_ends_is_told(monkeypatch):
    monkeypatch.setattr(execution, "LINGERING", 0.1)
    outcome = execute_cells(LATE, "now.set()", kernel="spawn")
    assert outcome.status == "done"
    text = "asyncio tasks still ran 0.1 s after the last cell: what they show later is lost (1)"
    assert outcome.warning == text


BEGUN = {
    "a thread": "import threading\nthreading.Timer(0.5, print, ['late']).start()",
    "a timer": "import asyncio\n_ = asyncio.get_event_loop().call_later(0.5, print, 'late')",
    "a pool's thread": """\
import time, concurrent.futures as futures
threads, processes = futures.ThreadPoolExecutor(2), futures.ProcessPoolExecutor(1)
processes.submit(abs, 1).result()
threads.submit(lambda: time.sleep(0.5) or print("late"));""",
    "a task that looks up any name late": """\
import asyncio
finish = tasks = timers = threads = errors = json = exec = "late"
async def show():
    await asyncio.sleep(0.5)
    print(*{finish, tasks, timers, threads, errors, json, exec})
_ = asyncio.create_task(show())""",
}


@pytest.mark.parametrize("code", BEGUN.values(), ids=BEGUN)
def test_what_a_notebook_has_begun_is_waited_for(code):
    outcome = execute_cells(code, kernel="spawn")
    assert (outcome.status, outcome.warning) == ("done", "")
    assert printed(code_cells(outcome)[-1]) == "late\n"


def test_threads_and_timers_that_go_on_and_the_errors_of_tasks_are_told(monkeypatch):
    monkeypatch.setattr(execution, "LINGERING", 0.1)
    begun = "import asyncio, threading\nthreading.Timer(60, print).start()\n"
    begun += "_ = asyncio.get_event_loop().call_later(60, print)"
    fails = "async def f():\n    1 / 0\ntask = asyncio.create_task(f())"
    outcome = execute_cells(begun, fails, kernel="spawn")
    when = "still ran 0.1 s after the last cell: what they show later is lost (1)"
    error = "an asyncio task ended with ZeroDivisionError: division by zero"
    assert outcome.warning == f"timers {when}; threads {when}; {error}"


@both_kinds
@pytest.mark.parametrize("last", ["1", "1 / 0"])
def test_what_a_notebook_writes_is_whole_and_its_last_words_are_heard(kind, last, tmp_path):
    cells = [
        "import atexit\n_ = atexit.register(open('heard', 'w').close)",
        "file = open('a', 'w')",
    ]
    execute_cells(*cells, "_ = file.write('whole')", last, kernel=kind, folder=tmp_path)
    assert (tmp_path / "a").read_text() == "whole"
    assert (tmp_path / "heard").exists()


def test_modules_that_nobody_could_foresee_are_seen(tmp_path):
    for name in ("src/part.py", "pkg/__init__.py", "pkg/inner.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("__all__ = ['inner']" if "init" in name else "")
    cell = "import sys\nsys.path.insert(0, 'src')\nimport part\nfrom pkg import *"
    imported = execute_cells(cell, kernel="spawn", folder=tmp_path).imported
    assert sorted(imported) == ["pkg/__init__.py", "pkg/inner.py", "src/part.py"]
    assert all(imported.values())


def test_modules_are_seen_on_another_machine_as_far_as_the_driver_can_see_them(
    tmp_path, monkeypatch
):
    """Those of `helpers` are the driver's; what else is not installed is told."""
    monkeypatch.setenv("PYTHONPATH", f"{PACKAGE.parent}{os.pathsep}{tmp_path}")
    (tmp_path / "part.py").touch()
    cells = ["%%writefile own.py\nx = 1", "import own, part, importlib"]
    cells += ["name = 'errata'", "importlib.import_module(f'helpers.{name}')"]
    outcome = execute_cells(*cells, kernel="spawn", elsewhere=True)
    assert sorted(outcome.helpers) == ["errata/__init__.py", "errata/calls.py", "errata/ledger.py"]
    assert all(outcome.helpers.values())
    assert (outcome.status, outcome.imported) == ("done", {})
    text = "modules of the worker's own were imported, whose changes go unseen: part.py"
    assert outcome.warning == text


# A kernel that loses messages, as ipykernel does now and then where there are widgets.
LOSE = """\
session = get_ipython().kernel.session
send = session.send
def lossy(socket, message, content=None, *arguments, parent=None, **options):
    lost = {lost} and (parent or {{}}).get("header", parent or {{}}).get("msg_type")
    if lost == "execute_request":
        return None
    return send(socket, message, content, *arguments, parent=parent, **options)
session.send = lossy
"""
REPLY = "message == 'execute_reply'"


@pytest.mark.slow
@pytest.mark.parametrize(
    "lost", [REPLY, f"({REPLY} or (content or {{}}).get('execution_state') == 'idle')"]
)
def test_a_kernel_that_is_idle_and_does_not_reply_is_noticed(lost, monkeypatch):
    monkeypatch.setattr(execution, "SILENCE", 1)
    with pytest.raises(InfrastructureError, match="the kernel fell idle without a reply"):
        execute_cells(LOSE.format(lost=lost), kernel="spawn")


def test_an_answer_to_a_widget_does_not_hide_the_reply(monkeypatch):
    """It is sent just when the reply has come, which happens now and then and here each time."""
    send = Session.send

    def late(self, stream, message, *arguments, **options):
        if isinstance(message, dict) and message["msg_type"] == "comm_msg":
            zmq.Socket.shadow(stream.underlying).poll(20_000)
        return send(self, stream, message, *arguments, **options)

    monkeypatch.setattr(Session, "send", late)
    monkeypatch.setattr(execution, "SILENCE", 10 * LIMIT)
    widget = "from ipywidgets import interact\ninteract(lambda x: print(x), x=3)\n"
    outcome = execute_cells(widget, "print('after')", kernel="spawn", timeout=LIMIT)
    assert (outcome.status, printed(code_cells(outcome)[-1])) == ("done", "after\n")


@pytest.mark.slow
def test_a_kernel_that_is_busy_for_long_is_not_taken_for_an_idle_one(monkeypatch):
    monkeypatch.setattr(execution, "SILENCE", 1)
    cells = ["import time; time.sleep(4)", "import asyncio; await asyncio.sleep(4)", "print(1)"]
    outcome = execute_cells(*cells, kernel="spawn")
    assert (outcome.status, printed(code_cells(outcome)[-1])) == ("done", "1\n")


def test_a_tuple_and_a_mapping_go_in_as_they_are():
    values = {"shape": (1, ("x",), ()), "options": {"a": [1, None, True]}}
    declared = tagged("shape = options = 0", "parameters")
    outcome = execute_cells(declared, "print([shape, options])", parameters=values)
    assert printed(code_cells(outcome)[-1]) == f"{list(values.values())}\n"


def test_an_outcome_without_an_error_passes():
    require(Outcome("done", "", 1.0), "x")


def test_a_notebook_in_which_no_cell_failed_has_nothing_to_describe():
    import nbformat

    notebook = nbformat.read(FIXTURES / "succeeds.ipynb", as_version=4)
    assert describe(notebook) is None
