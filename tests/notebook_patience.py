"""A pytest plugin: nbval waits for a kernel as long as a busy machine needs.

By itself it gives a kernel 60 s to start, 10 and 30 s to answer first, and 5 s to send what a cell
that has ended put out.
"""

import contextlib
import time
from queue import Empty

from nbval.kernel import RunningKernel
from nbval.plugin import IPyNbCell

PATIENCE = 600.0  # seconds, which only end a hang


def pytest_configure(config) -> None:
    """Let kernels take their time to start, where nbval is at work."""
    config.option.nbval_kernel_startup_timeout = PATIENCE


def until_outputs_arrive(kernel: RunningKernel, patience: float = PATIENCE) -> None:
    """Ask the kernel until the end of an answer comes through the channel of outputs.

    What is sent there before the channel stands is lost, hence one question is not enough.

    Raises:
        RuntimeError: It never comes.
    """
    end = time.monotonic() + patience
    while time.monotonic() < end:
        question = kernel.kc.kernel_info()
        kernel.await_reply(question, timeout=patience)
        with contextlib.suppress(Empty):
            kernel.await_idle(question, 1)
            return
    raise RuntimeError(f"no output of the kernel came within {patience:g} s")


RunningKernel._ensure_iopub_up = until_outputs_arrive
# nbval sets it for each cell, to 5.
IPyNbCell.output_timeout = property(lambda cell: PATIENCE, lambda cell, seconds: None)
