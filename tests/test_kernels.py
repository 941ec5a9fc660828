"""Warm kernels are as ordinary ones, and no kernel outlives whoever asked for it."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from helpers.batch.ask.run import make_run
from helpers.batch.book import chapters
from helpers.batch.errors import InfrastructureError
from helpers.batch.execute.execution import execute
from helpers.batch.execute.kernels import choosing
from helpers.batch.execute.kernels import managing as kernels
from helpers.batch.execute.kernels.choosing import default_kind, needs_ordinary
from helpers.batch.execute.kernels.managing import DIED, ForkedKernel, WarmServer, warm_server
from helpers.batch.notebook import read
from tests.processes import ACTS, Batch
from tests.running import FIXTURES, code_cells, execute_cells, marked, on_linux, printed, run_of
from tests.waiting import LIMIT, wait_for

ROOT = Path(__file__).parents[1]


@pytest.fixture
def mark(monkeypatch):
    """Mark what this test starts, by an environment variable."""
    text = f"DNNBOOK_TEST=kernels-{time.time_ns()}"
    monkeypatch.setenv(*text.split("="))
    return text


@pytest.fixture
def own_server(monkeypatch):
    """Let the test start a server of its own, which it may kill."""
    monkeypatch.setattr(kernels, "_server", None)
    yield
    if kernels._server is not None:
        kernels._server.stop()


def in_background(notebook, parameters):
    """Execute in a thread; return it and a list that will hold what comes of it."""
    came = []

    def run():
        try:
            came.append(execute(make_run(notebook, parameters), kernel="warm"))
        except InfrastructureError as error:
            came.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, came


def alive(pid):
    """Say whether a process is there and not merely unburied."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


# Warm kernels as ordinary ones


def shown(outcome):
    """Return what the cells show, without what differs between two ordinary kernels."""
    return [
        [
            (
                output["output_type"],
                output.get("name"),
                output.get("text"),
                sorted(output.get("data", {})),
                output.get("data", {}).get("text/plain"),
                output.get("data", {}).get("image/png"),
                re.sub(r"(?<=File )\S+", "", "\n".join(output.get("traceback", []))),
            )
            for output in cell["outputs"]
        ]
        for cell in code_cells(outcome)
    ]


@pytest.mark.slow
@on_linux
@pytest.mark.parametrize("name", ["shows_much", "raises", "small_book/book/01_small"])
def test_both_kinds_show_the_same(name):
    warm, ordinary = (
        shown(execute(make_run(FIXTURES / f"{name}.ipynb", {}), kernel=kind))
        for kind in ("warm", "spawn")
    )
    assert warm == ordinary
    if name == "shows_much":
        kinds = [output[3] for cell in warm for output in cell]
        assert ["image/png", "text/plain"] in kinds
        assert ["text/html", "text/plain"] in kinds


PROBE = """\
import json, locale, logging, multiprocessing, os, random, signal, socket, sys, warnings
import numpy as np
import psutil
me = psutil.Process()
state = {
    "path": sys.path,
    "main": [__name__, sys.modules["__main__"].__dict__ is globals()],
    "arguments": [os.path.basename(argument) for argument in sys.argv[1:]],
    "environment": sorted(dict(os.environ)),
    "leads its group": os.getpgid(0) == os.getpid(),
    "listens": [c.laddr.ip for c in me.net_connections("inet") if c.status == "LISTEN"],
    "signals": [str(signal.getsignal(n)) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD)],
    "wakeup": signal.set_wakeup_fd(-1) == -1,
    "blocked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
    "encoding": [sys.stdout.encoding, locale.getpreferredencoding()],
    "umask": os.umask(0o22),
    "logging": [logging.root.level, len(logging.root.handlers)],
    "stdin": sys.stdin.read() if sys.stdin else None,
}
import matplotlib.pyplot as plt
import pandas, scipy.linalg, sklearn.cluster, threadpoolctl
pools = threadpoolctl.threadpool_info()
state["threads"] = sorted((os.path.basename(p["filepath"]), p["num_threads"]) for p in pools)
state["tables"] = pandas.get_option("display.max_columns")
state["spawns in its folder"] = multiprocessing.process.ORIGINAL_DIR == os.getcwd()
state["style"] = {name: str(value) for name, value in plt.rcParams.items()}
own = {"pid": os.getpid(), "random": [np.random.rand(), random.random()],
       "drawn": list(np.random.default_rng(1).integers(0, 99, 3))}
print(json.dumps([state, own], default=int))
"""


# What packages set for themselves when they are imported: a fork has the environment it was given.
SET_BY_IMPORTS = {
    *("JPY_PARENT_PID", "PYDEVD_USE_FRAME_EVAL", "KMP_INIT_AT_FORK", "KMP_DUPLICATE_LIB_OK"),
    *("TF2_BEHAVIOR", "TPU_ML_PLATFORM", "TPU_ML_PLATFORM_VERSION", "HDF5_PLUGIN_PATH"),
    "ENABLE_RUNTIME_UPTIME_TELEMETRY",
}


@pytest.fixture(scope="module", params=["", "import tensorflow\n"], ids=["light", "tensorflow"])
def probes(request):
    """Return what two warm kernels and an ordinary one say of themselves."""
    code = request.param + PROBE
    assert not needs_ordinary([code])  # else no kernel here would be a warm one
    kinds = ("warm", "warm", "spawn")
    found = [
        json.loads(printed(code_cells(execute_cells(code, kernel=kind, threads=1))[0]))
        for kind in kinds
    ]
    for state, _ in found:
        state["environment"] = sorted({*state["environment"]} - SET_BY_IMPORTS)
    return found


@pytest.mark.slow
@on_linux
def test_a_warm_kernel_is_in_the_state_of_an_ordinary_one(probes):
    (warm, _), _, (ordinary, _) = probes
    assert warm == ordinary
    assert {number for _, number in warm["threads"]} == {1}, warm["threads"]
    assert warm["arguments"] == ["-f", "k.json", "--HistoryManager.hist_file=:memory:"]
    assert warm["main"] == ["__main__", True]
    assert warm["leads its group"]
    assert (warm["tables"], warm["spawns in its folder"]) == (20, True)
    # Its channels are files; ipykernel itself adds a port for output of subprocesses.
    assert warm["listens"] == ["127.0.0.1"]


@pytest.mark.slow
@on_linux
def test_two_warm_kernels_are_two(probes):
    one, two = probes[0][1], probes[1][1]
    assert one["pid"] != two["pid"]
    assert not set(one["random"]) & set(two["random"])
    assert one["drawn"] == two["drawn"]  # what has a seed is the same


IS_THERE = "import sys; print('keras' in sys.modules, 'sklearn' in sys.modules)"


@pytest.mark.slow
@on_linux
def test_a_kernel_is_warm_with_what_notebooks_import(own_server):
    codes = [
        IS_THERE,
        f"{IS_THERE}\nimport sklearn",
        f"{IS_THERE}\nif False: import keras",
        IS_THERE,
    ]
    there = [printed(code_cells(execute_cells(code, kernel="warm"))[0]) for code in codes]
    assert there == ["False False\n", "False True\n", "True True\n", "True True\n"]


@on_linux
def test_what_cannot_be_imported_is_told_by_the_notebook_that_wants_it(
    own_server, tmp_path, monkeypatch
):
    (tmp_path / "tensorflow.py").write_text("raise ImportError('broken on purpose')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    outcome = execute_cells("import tensorflow", kernel="warm")
    assert (outcome.status, outcome.error) == ("failed", "cell 1: ImportError: broken on purpose")
    assert execute_cells("1", kernel="warm").status == "done"


# What a warm kernel has imported long ago would not listen.
LISTENS = """\
import numpy, threadpoolctl
print({pool["num_threads"] for pool in threadpoolctl.threadpool_info()})
"""


@on_linux
@pytest.mark.parametrize(
    "first",
    ["import os; os.environ['OPENBLAS_NUM_THREADS'] = '1'", "%env OPENBLAS_NUM_THREADS=1"],
)
def test_what_a_notebook_sets_before_an_import_counts_in_every_kernel(first):
    for kind in ("warm", "spawn"):
        outcome = execute_cells(first, LISTENS, kernel=kind, threads=2)
        assert printed(code_cells(outcome)[-1]) == "{1}\n"


@on_linux
def test_so_does_a_module_beside_it_that_has_the_name_of_an_installed_one(tmp_path):
    (tmp_path / "keras.py").write_text("class backend:\n    backend = lambda: 'my own'\n")
    path = tmp_path / "n.ipynb"
    path.write_text(run_of("import keras; print(keras.backend.backend())").notebook.text)
    run = make_run(path, {})
    for kind in ("warm", "spawn"):
        assert printed(code_cells(execute(run, kernel=kind))[-1]) == "my own\n"


@on_linux
def test_so_does_what_a_notebook_sets_that_it_runs(tmp_path):
    setting = run_of("import os; os.environ['OPENBLAS_NUM_THREADS'] = '1'")
    (tmp_path / "setting.ipynb").write_text(setting.notebook.text)
    path = tmp_path / "n.ipynb"
    path.write_text(run_of("%run setting.ipynb", LISTENS).notebook.text)
    for kind in ("warm", "spawn"):
        outcome = execute(make_run(path, {}), kernel=kind, threads=2)
        assert printed(code_cells(outcome)[-1]) == "{1}\n"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import os\nos.environ['A'] = 'b'", True),
        ("from os import environ\nenviron.update(A='b')", True),
        ("os.environ.setdefault('A', 'b')", True),
        ("e = os.environ", True),
        ("set_all(os.environ)", True),
        ("del os.environ['A']", True),
        ("def f():\n    os.putenv('A', 'b')", True),
        ("from dotenv import load_dotenv", True),
        ("%env A=b", True),
        ("%%time\nx = 1\n%set_env A b", True),
        ("x = = os.environ", True),
        ("%time os.environ['A'] = 'b'", True),
        ("if True:\n    !ls\nos.environ['A'] = 'b'", True),
        ("import sys\nsys.path.insert(0, 'src')", True),
        ("sys.path += ['src']", True),
        ("from sys import path", True),
        ("os.chdir('src')", True),
        ("%cd src", True),
        ("print(sys.path, sys.path[0])", False),
        ("import keras, json\nfrom helpers import data", False),
        ("import not_to_be_found", False),
        ("%env", False),
        ("os.environ['A']", False),
        ("'A' in os.environ and os.environ.get('A')", False),
        ("dict(os.environ), {**os.environ}, os.environ.copy()", False),
        ("for name in os.environ: print(name)", False),
        ("environment = 1", False),
        ("x = = 1", False),
    ],
)
def test_code_that_changes_what_imports_find_is_told_from_code_that_reads_it(code, expected):
    assert needs_ordinary([code]) == expected


def test_so_are_files_that_packages_read_and_packages_that_are_not_installed(tmp_path, monkeypatch):
    assert needs_ordinary(["1"], ["matplotlibrc"])
    assert not needs_ordinary(["import of_a_reader"])
    (tmp_path / "of_a_reader.py").touch()
    assert not needs_ordinary(["import of_a_reader"], ["of_a_reader.py"])  # its code is looked at
    monkeypatch.syspath_prepend(tmp_path)
    assert needs_ordinary(["import of_a_reader"])


def test_every_chapter_may_have_a_warm_kernel():
    assert not [path.stem for path in chapters(ROOT) if needs_ordinary(read(path).code)]


@pytest.mark.parametrize(
    ("system", "devices", "hidden", "kind"),
    [
        ("linux", [], None, "warm"),
        ("linux", ["nvidia0"], None, "spawn"),
        ("linux", ["nvidia0"], "", "warm"),
        ("linux", ["nvidia0"], "-1", "warm"),
        ("linux", ["nvidia0"], "0", "spawn"),
        ("linux", ["nvidiactl"], None, "warm"),
        ("darwin", [], None, "spawn"),
        ("win32", [], None, "spawn"),
    ],
)
def test_kernels_are_forked_where_that_is_safe(
    system, devices, hidden, kind, tmp_path, monkeypatch
):
    for name in devices:
        (tmp_path / name).touch()
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(choosing, "Path", lambda _: tmp_path)
    if hidden is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    assert default_kind() == kind


# Ends


@on_linux
@pytest.mark.slow
def test_a_killed_server_takes_its_kernels_along_and_another_is_started(
    own_server, mark, tmp_path, monkeypatch
):
    (tmp_path / "helpers").mkdir()  # another project's, in the current folder, is not imported
    (tmp_path / "helpers" / "__init__.py").write_text("raise SystemExit('the wrong one')")
    monkeypatch.chdir(tmp_path)
    first, batch = warm_server(), Batch(tmp_path / "batch")
    thread, came = in_background(ACTS, batch.parameters(act="sleep"))
    wait_for(batch.begun)
    assert len(marked(mark)) == 2  # the server and a kernel
    os.kill(first._process.pid, signal.SIGKILL)
    wait_for(lambda: not marked(mark))
    thread.join(LIMIT)
    assert [str(error) for error in came] == ["the server of warm kernels died"]
    code = "import helpers.data; print(helpers.data.__file__)"
    outcome = execute_cells(code, kernel="warm")
    assert printed(code_cells(outcome)[0]).startswith(str(ROOT))
    assert warm_server() is not first
    assert not first.folder.exists()


@on_linux
def test_an_asker_that_goes_takes_its_kernel_and_all_that_it_started_along(mark, monkeypatch):
    server, started = warm_server(), []
    start = server.start_kernel
    monkeypatch.setattr(
        server, "start_kernel", lambda *a, **k: started.append(start(*a, **k)) or started[-1]
    )
    thread, came = in_background(FIXTURES / "starts_a_child.ipynb", {})
    wait_for(lambda: started and len(psutil.Process(started[0].pid).children()) == 1)
    processes = [started[0].pid, psutil.Process(started[0].pid).children()[0].pid]
    started[0]._channel.shutdown(socket.SHUT_RDWR)  # as if this process had ended
    wait_for(lambda: not any(map(alive, processes)))
    thread.join(LIMIT)
    assert (came[0].status, came[0].error) == ("failed", "kernel died")
    assert server.alive
    assert execute_cells("1", kernel="warm").status == "done"


@on_linux
@pytest.mark.slow
def test_a_killed_client_takes_the_server_and_a_kernel_busy_in_c_along(mark, tmp_path):
    batch = Batch(tmp_path)
    parameters = batch.parameters(act="be busy in C")
    code = (
        "from pathlib import Path\n"
        "from helpers.batch.ask.run import make_run\n"
        "from helpers.batch.execute.execution import execute\n"
        f"execute(make_run(Path({str(ACTS)!r}), {parameters!r}), kernel='warm')"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT) as client:
        wait_for(batch.begun)
        assert len(marked(mark)) == 3  # client, server, kernel
        client.kill()
        wait_for(lambda: not marked(mark))


@on_linux
def test_a_server_that_does_not_start_says_why(own_server, tmp_path, monkeypatch):
    (tmp_path / "ipykernel.py").write_text("raise ImportError('broken on purpose')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(InfrastructureError, match=r"did not start: (?s:.*)broken on purpose$"):
        execute_cells("1", kernel="warm")
    with ThreadPoolExecutor(2) as pool:
        errors = list(pool.map(lambda _: pool_error(), range(2)))
    assert all("broken on purpose" in error for error in errors)  # whoever waits is told


def pool_error():
    with pytest.raises(InfrastructureError) as error:
        warm_server()
    return str(error.value)


@on_linux
def test_a_server_that_takes_too_long_is_ended(tmp_path, monkeypatch):
    (tmp_path / "ipykernel.py").write_text("import time; time.sleep(600)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    server = WarmServer()
    with pytest.raises(InfrastructureError, match="did not start"):
        server.wait_until_ready(timeout=0.5)
    assert not server.alive
    assert not server.folder.exists()


RACE = """\
import os, selectors, signal, socket, subprocess, time
from pathlib import Path
from helpers.batch.execute.kernels.forkserver import ForkServer
control, client = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
server = ForkServer(control)
server._woken.setblocking(False)
server._selector.register(server._woken, selectors.EVENT_READ)
asker, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
kernel = subprocess.Popen(["sleep", "600"])
server._kernels[kernel.pid] = asker
server._selector.register(asker, selectors.EVENT_READ, kernel.pid)
kernel.kill()
while " Z " not in Path(f"/proc/{kernel.pid}/stat").read_text():
    time.sleep(0.01)
server._waker.send(b"x")  # as the signal does
theirs.close()
assert server._step() and not server._kernels
kernel.returncode = 0
"""


@on_linux
def test_a_kernel_that_dies_as_its_asker_goes_does_not_end_the_server():
    subprocess.run([sys.executable, "-c", RACE], cwd=ROOT, check=True)


@on_linux
def test_the_exit_code_comes_through_however_many_ask():
    for _ in range(50):
        channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        theirs.send(b'{"pid": 1}')
        kernel = ForkedKernel(channel, Path("log"))
        assert kernel.poll() is None
        with ThreadPoolExecutor(4) as pool:
            waiting = [pool.submit(kernel.wait) for _ in range(4)]
            theirs.send(b'{"code": -9}')
            theirs.close()
            assert {future.result(LIMIT) for future in waiting} == {-9}


@on_linux
def test_a_server_that_does_not_answer_is_named(monkeypatch):
    monkeypatch.setattr(kernels, "PATIENCE", 0.1)
    channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with channel, theirs, pytest.raises(InfrastructureError, match="does not answer"):
        ForkedKernel(channel, Path("log"))


@on_linux
def test_a_kernel_whose_server_is_gone_has_died():
    channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    theirs.send(b'{"pid": 1}')
    kernel = ForkedKernel(channel, Path("log"))
    theirs.close()
    assert kernel.wait() == DIED


# Many

MEET = f"""\
import os, time
open(str(os.getpid()), "w").close()
end = time.monotonic() + {2 * LIMIT}
while len(os.listdir()) < 50 and time.monotonic() < end:
    time.sleep(0.5)
print(len(os.listdir()))
"""


@on_linux
@pytest.mark.slow
def test_fifty_kernels_at_once_all_succeed(tmp_path):
    """Each waits until all are there."""
    run = run_of(MEET, folder=tmp_path)
    with ThreadPoolExecutor(50) as pool:
        started = [pool.submit(execute, run, kernel="warm", timeout=3 * LIMIT) for _ in range(50)]
    outcomes = [one.result() for one in started]
    assert [outcome.error for outcome in outcomes if outcome.error] == []
    assert {printed(code_cells(outcome)[0]) for outcome in outcomes} == {"50\n"}
