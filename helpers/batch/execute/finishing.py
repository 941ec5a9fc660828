"""Sent to a kernel after a notebook's last cell: waits for what the notebook has begun.

A thread, a timer or an asyncio task may show something when all cells have ended, and looks up the
notebook's names until then. So this text is run in a namespace of its own, and leaves theirs alone.
"""

import asyncio
import json
import os
import sys
import threading
import time

import ipykernel


async def finish(patience: float) -> str:
    """Wait for the notebook's own tasks, timers and threads.

    Args:
        patience: seconds that they may take.

    Returns:
        JSON: "left", the kinds of what still ran and how many of each; "errors" of tasks that
        nobody fetched; "files" of the modules that are loaded.
    """
    end = time.monotonic() + patience

    def left() -> dict[str, int]:
        counts = {"asyncio tasks": tasks(), "timers": timers(), "threads": threads()}
        return {kind: len(found) for kind, found in counts.items() if found}

    while left() and time.monotonic() < end:
        await asyncio.sleep(0.02)
    modules = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
    files = sorted({file for file in modules if isinstance(file, str)})
    return json.dumps({"left": left(), "errors": errors(), "files": files})


def tasks() -> list:
    """Return the asyncio tasks that have not ended and are not the kernel's."""
    kernel = os.path.dirname(ipykernel.__file__)
    codes = {task: getattr(task.get_coro(), "cr_code", None) for task in asyncio.all_tasks()}
    own = asyncio.current_task()
    return [
        task
        for task, code in codes.items()
        if task is not own and code is not None and not code.co_filename.startswith(kernel)
    ]


def timers() -> list:
    """Return what was to be called later on, but for what libraries of the kernel wait for."""
    waiting = getattr(asyncio.get_running_loop(), "_scheduled", [])
    callbacks = [handle._callback for handle in waiting if not handle.cancelled()]
    names = [str(getattr(call, "__module__", "asyncio")).split(".")[0] for call in callbacks]
    kernel = ("asyncio", "tornado", "zmq", "ipykernel", "jupyter_client", "anyio", "_asyncio")
    return [name for name in names if name not in kernel]


def threads() -> list:
    """Return the threads that Python would wait for at its end, but for those of idle pools."""
    frames = sys._current_frames()

    def is_busy(thread: threading.Thread) -> bool:
        if thread.daemon or thread in (threading.main_thread(), threading.current_thread()):
            return False
        code = frames[thread.ident].f_code if thread.ident in frames else None
        waits = code is not None and code.co_name == "_worker" and "concurrent" in code.co_filename
        return not waits and bool(getattr(thread, "pending_work_items", True))

    return [thread for thread in threading.enumerate() if is_busy(thread)]


def errors() -> list[str]:
    """Return the errors of asyncio tasks that nobody has asked for."""
    names = ("_all_tasks", "_scheduled_tasks")  # before Python 3.12, and since then
    known = [task for name in names for task in list(getattr(asyncio.tasks, name, ()))]
    ended = [task for task in known if task.done() and getattr(task, "_log_traceback", False)]
    found = [task._exception for task in ended]
    return sorted({f"{type(error).__name__}: {error}" for error in found})
