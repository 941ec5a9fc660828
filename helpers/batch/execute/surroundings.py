"""What surrounds an execution: the folder and environment of its kernel, and a loop of events."""

import asyncio
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def event_loop() -> Iterator[None]:
    """Close the loop that Jupyter's synchronous calls make for this thread and leave open.

    After Ctrl-C its tasks are left with the error of a dead kernel. Nobody fetches it, and asyncio
    would print it; what the user is to know is in the outcome.
    """
    from jupyter_core.utils import ensure_event_loop

    loop = ensure_event_loop()
    if loop.is_running():  # somebody else's
        yield
        return
    loop.set_exception_handler(lambda *_: None)
    try:
        yield
    finally:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.wait(left, timeout=2))
        loop.close()


@contextmanager
def kernel_folder(folder: Path | None, server: object) -> Iterator[tuple[str, Path]]:
    """Give the kernel's working folder, and one for its sockets, which only this user may enter.

    The sockets of a warm kernel lie with the server's, which removes them when all else has died.
    """
    from helpers.batch.execute.kernels.managing import socket_place

    place = socket_place() if server is None else server.folder
    with tempfile.TemporaryDirectory(
        prefix="dnnbook-", dir=place, ignore_cleanup_errors=True
    ) as sockets:
        if folder is None or not folder.is_dir():
            folder = Path(sockets, "work")
            folder.mkdir()
        yield str(folder), Path(sockets)


def processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def kernel_environment(threads: int | None, *, quiet: bool) -> dict[str, str]:
    """Return the environment of a kernel that computes with so many threads, unless the user says.

    Args:
        threads: of TensorFlow and of linear algebra; None leaves that to them.
        quiet: whether the notebook imports `helpers.quiet`, which chooses for TensorFlow itself.
    """
    names = ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"]
    if not quiet:
        names.append("TF_NUM_INTRAOP_THREADS")
    limits = {} if threads is None else dict.fromkeys(names, str(threads))
    return {"TF_CPP_MIN_LOG_LEVEL": "3", **limits, **os.environ, "PYTHONUNBUFFERED": "1"}
