"""nbval waits for a kernel, however long it takes."""

from queue import Empty
from types import SimpleNamespace

import pytest
from nbval.kernel import RunningKernel
from nbval.plugin import IPyNbCell

from tests.notebook_patience import PATIENCE, until_outputs_arrive


def kernel_that_answers(*, after):
    """Return a kernel whose first answers are lost, and what it is asked."""
    asked = []

    def await_idle(question, seconds):
        assert question == asked[-1]
        if len(asked) <= after:
            raise Empty

    return SimpleNamespace(
        kc=SimpleNamespace(kernel_info=lambda: asked.append(len(asked)) or asked[-1]),
        await_reply=lambda question, timeout: None,
        await_idle=await_idle,
    ), asked


def test_it_asks_until_an_answer_arrives():
    kernel, asked = kernel_that_answers(after=2)
    RunningKernel._ensure_iopub_up(kernel)
    assert asked == [0, 1, 2]


def test_it_gives_up_in_the_end():
    kernel, _ = kernel_that_answers(after=10**9)
    with pytest.raises(RuntimeError, match=r"no output of the kernel came within 0\.01 s"):
        until_outputs_arrive(kernel, patience=0.01)


def test_a_cell_s_output_and_a_kernel_s_start_have_their_time(pytestconfig):
    cell = IPyNbCell.__new__(IPyNbCell)
    cell.output_timeout = 5  # as nbval does
    assert cell.output_timeout == PATIENCE
    assert pytestconfig.option.nbval_kernel_startup_timeout == PATIENCE
