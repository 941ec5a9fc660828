"""A process that forks a ready kernel for each run, and imports once what their notebooks import.

A kernel's own modules are there from the start. TensorFlow and the like are imported when the
first notebook comes that needs them: one that does not pays nothing for them.

The standard library has such a server in `multiprocessing.forkserver`. It does not serve here:

- Dask's nannies make workers daemonic, and a daemonic process may start no `multiprocessing`
  child;
- its children inherit the pipe that tells the server that its client lives, so that a killed
  worker leaves server and kernels behind;
- each of its children imports the client's main module again.

Here a kernel's life hangs on a socket of its own. Whoever asked for the kernel holds the other
end. When that end closes, by whatever death, the server kills the kernel and all that the kernel
started. When the server's own socket closes, it does so with all kernels and ends.

The server never runs an operation of TensorFlow: its threads would not survive the fork.
"""

import atexit
import builtins
import ctypes
import gc
import importlib
import io
import json
import os
import selectors
import shutil
import signal
import socket
import sys
import threading
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import SimpleNamespace

KERNEL = (
    "ipykernel.kernelapp",
    "ipykernel.ipkernel",
    "ipykernel.comm",
    "ipykernel.debugger",  # a kernel loads it, and takes as long for that as for all else
    "IPython.core.completerlib",
    "IPython.core.debugger",
    "IPython.core.oinspect",
    "IPython.extensions.storemagic",
    "IPython.core.completer",
)
_KERAS = ("helpers.quiet", "keras")  # TensorFlow first, without its notices
_DRAWING = ("matplotlib.pyplot", "matplotlib.backends.backend_agg", "matplotlib.style")
# What a notebook imports -> what is imported for it and all that come later.
PRELOADED = {
    "tensorflow": _KERAS,
    "keras": _KERAS,
    "numpy": ("numpy",),
    "pandas": ("pandas",),
    "scipy": ("scipy.stats",),
    "sklearn": ("sklearn.datasets",),
    "matplotlib": _DRAWING,
    "seaborn": _DRAWING,
    "helpers": (*_KERAS, *_DRAWING, "scipy.stats", "sklearn.datasets"),
}
MESSAGE_SIZE = 1 << 20  # bytes; a request holds one environment
DIED = 255


class ForkServer:
    """The server's side: one socket to the client, one to the asker of each kernel.

    Args:
        control: takes one request a message, each with the asker's socket attached.
    """

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._selector = selectors.DefaultSelector()
        self._kernels: dict[int, socket.socket] = {}
        self._woken, self._waker = socket.socketpair()

    def serve(self) -> None:
        """Fork kernels until the client is gone; then kill those that are left."""
        for end in (self._woken, self._waker):
            end.setblocking(False)
        # Signals write to the socket, so that `select` returns when a kernel ends.
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the client's to handle
        signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        for end in (self._control, self._woken):
            self._selector.register(end, selectors.EVENT_READ)
        try:
            while self._step():
                pass
        finally:
            for pid in self._kernels:
                self._kill(pid)

    @staticmethod
    def _kill(pid: int) -> None:
        kill_group(pid)
        os.kill(pid, signal.SIGKILL)  # it may not have made its group yet

    def _step(self) -> bool:
        """Handle what has come in; return whether the client is still there."""
        for key, _ in self._selector.select():
            if key.fileobj is self._control:
                if not self._accept():
                    return False
            elif key.fileobj is self._woken:
                with suppress(BlockingIOError):
                    self._woken.recv(4096)
                self._reap()
            elif key.data in self._kernels:  # the asker has closed its end: it never sends
                self._selector.unregister(key.fileobj)
                self._kill(key.data)
        return True

    def _accept(self) -> bool:
        message, descriptors, _, _ = socket.recv_fds(self._control, MESSAGE_SIZE, 1)
        if not message:
            return False
        asker = socket.socket(fileno=descriptors[0])
        request = json.loads(message)
        preload(module for name in request["imports"] for module in PRELOADED.get(name, ()))
        try:
            pid = os.fork()
        except OSError:  # no process or memory is left: this kernel is lost, the others are not
            asker.close()
            return True
        if pid == 0:
            self._become_kernel(request, asker)
        self._kernels[pid] = asker
        self._selector.register(asker, selectors.EVENT_READ, pid)
        _send(asker, {"pid": pid})
        return True

    def _reap(self) -> None:
        while self._kernels:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            asker = self._kernels.pop(pid)
            with suppress(KeyError):
                self._selector.unregister(asker)
            kill_group(pid)  # what the kernel started and left behind
            _send(asker, {"code": os.waitstatus_to_exitcode(status)})
            asker.close()

    def _become_kernel(self, request: dict, asker: socket.socket) -> None:
        """In the child: drop what is the server's, then be a kernel until the end."""
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            self._selector.close()
            others = self._kernels.values()
            for end in (self._control, self._woken, self._waker, asker, *others):
                end.close()
            run_kernel(request)
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            with suppress(Exception):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)


def run_kernel(request: dict) -> None:
    """Be the kernel that is asked for: own process group, folder, environment, random numbers."""
    os.setsid()
    die_with_parent(signal.SIGKILL)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    del sys.path[0]  # the server's folder; IPython puts the kernel's own there
    if "multiprocessing.process" in sys.modules:
        # Where Python was started: processes that a notebook spawns look for its modules there.
        sys.modules["multiprocessing.process"].ORIGINAL_DIR = os.getcwd()
    speak_into(request["log"])
    # What a notebook's own import of it sets in the environment, it sets in an ordinary kernel.
    sys.modules.pop("helpers.quiet", None)
    if "matplotlib" in sys.modules:
        _choose_backend()
    if "numpy" in sys.modules:
        _limit_threads()
        _reseed()
    sys.argv = ["ipykernel_launcher.py", *request["arguments"]]
    serve_until_shutdown(sys.argv[1:])
    _leave()


def speak_into(log: str | os.PathLike) -> None:
    """Send what this process, and all that it starts, says beside its channels into a file.

    The notebook has it all the same: a kernel listens to itself.
    """
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)


def serve_until_shutdown(arguments: list[str]) -> None:
    """Be a kernel until it is asked to end.

    Then ipykernel would wait for its thread of control, which may wait for one that has ended.
    """
    from ipykernel.kernelapp import IPKernelApp

    IPKernelApp.launch_instance(argv=arguments)
    atexit.unregister(IPKernelApp.instance().close)


def _leave() -> None:
    """Do what Python does at its end as far as a notebook can tell: files are whole then.

    Taking down all that the server had imported would take longer than many a notebook.
    """
    threading._shutdown()
    atexit._run_exitfuncs()  # IPython's forgets all that the notebook has named
    gc.collect()
    for thing in gc.get_objects():
        if issubclass(type(thing), io.TextIOWrapper | io.BufferedWriter | io.BufferedRandom):
            with suppress(Exception):
                thing.flush()


def _choose_backend() -> None:
    # What importing Matplotlib does in an ordinary kernel, which sets the variable before that.
    import matplotlib

    os.environ.setdefault("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    matplotlib.rcParams["backend"] = os.environ["MPLBACKEND"]


@cache
def _thread_pools() -> object:
    # Found once, in the server: it takes a look at every library that is loaded.
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def _limit_threads() -> None:
    # The libraries of linear algebra have read the variables in the server's environment.
    cores = len(os.sched_getaffinity(0))
    wanted = [os.environ.get(name, "") for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")]
    blas, openmp = (int(text) if text.isdecimal() and int(text) else cores for text in wanted)
    _thread_pools().limit(limits={"blas": blas, "openmp": openmp})


def _reseed() -> None:
    # NumPy's global generator was seeded in the server: forks would all draw the same numbers.
    import numpy as np

    np.random.seed()


def die_with_parent(kind: signal.Signals) -> None:
    """Have Linux send this process a signal when its parent is gone."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, kind)


def kill_group(pid: int) -> None:
    """Kill a process group, if it is still there."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _send(asker: socket.socket, message: dict) -> None:
    with suppress(OSError):  # the asker is gone; the selector says so next
        asker.send(json.dumps(message).encode())


def preload(modules: Iterable[str]) -> None:
    """Import what is not there yet.

    What cannot be imported is passed over: the notebook that wants it is told by its own import.
    """
    missing = [module for module in dict.fromkeys(modules) if module not in sys.modules]
    if not missing:
        return
    # With a backend named, pyplot would load it here; the inline one must find a kernel's shell.
    os.environ.pop("MPLBACKEND", None)
    # Else pandas, which asks while it is imported, would show tables as on a terminal.
    builtins.get_ipython = lambda: SimpleNamespace(kernel=None)
    for module in missing:
        with suppress(Exception):
            importlib.import_module(module)
            if module == "matplotlib.style":
                _draw_once()
                _find_backends()
    del builtins.get_ipython
    _settle()


def _settle() -> None:
    """Find once what every kernel would find again, and keep the collector from shared pages."""
    if "numpy" in sys.modules:
        _thread_pools.cache_clear()
        _thread_pools()
    gc.collect()
    gc.freeze()  # a collection in a kernel would write to, and so copy, shared pages


def _find_backends() -> None:
    """Look through all installed packages for what draws, as the first choice of a backend does."""
    from matplotlib.backends import backend_registry

    backend_registry.list_all()


def _draw_once() -> None:
    """Draw as the book does: fonts are found, and the usual tick labels parsed, for all kernels."""
    import matplotlib.style
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    style = Path(__file__).parents[3] / "book.mplstyle"
    with matplotlib.style.context([style] if style.is_file() else []):
        figure = Figure()
        axes = figure.subplots()
        axes.plot([1e-12, 1e4], [1e-12, 1e4], marker="o", label="line")
        axes.set(xscale="log", yscale="log", xlabel="x", ylabel="y")
        axes.legend()
        FigureCanvasAgg(figure).print_png(io.BytesIO())


def main() -> None:
    """Serve on the socket whose descriptor is the first argument; remove the folder at the end."""
    control, folder = socket.socket(fileno=int(sys.argv[1])), sys.argv[2]
    try:
        for module in KERNEL:
            importlib.import_module(module)
        _settle()
        control.send(b"ready")
        ForkServer(control).serve()
    except BrokenPipeError:
        pass  # the client was gone before anything was ready
    shutil.rmtree(folder, ignore_errors=True)  # kept after a failure: it holds the last words


if __name__ == "__main__":
    main()
