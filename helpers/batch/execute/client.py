"""nbclient as it is used here: no output is lost, and no reply is waited for in vain.

Since ipykernel 7 what an asyncio task shows belongs to the cell that began the task. nbclient
drops it once that cell has ended.

What nbclient answers to a widget goes through a second handle of the socket on which it waits for
the cell's reply. If the reply comes at that moment, the handle takes the signal that wakes whoever
waits: of notebooks with widgets, 1 in 40 to 1 in 10 hung for ever. Here the waiting side is asked
to look for itself.
"""

import ast
import asyncio
import json
import time
from contextlib import suppress
from pathlib import Path
from queue import Empty

import zmq
from nbclient.exceptions import CellExecutionComplete, CellExecutionError
from nbformat.v4 import new_output
from papermill.clientwrap import PapermillNotebookClient
from traitlets import Float
from typing_extensions import override

FINISH = Path(__file__).with_name("finishing.py").read_text("utf-8")


class Client(PapermillNotebookClient):
    """Executes one notebook.

    Attributes:
        silence: seconds after which a kernel that does not reply is asked whether it is idle.
        patience: seconds that what the notebook has begun may go on after the last cell.
        fell_idle: whether the kernel was idle while a cell's reply was waited for.
        farewell: what the kernel said of itself after the last cell; see `finishing.finish`.
    """

    silence = Float()
    patience = Float()
    fell_idle = False

    def __init__(self, manager: object, **options: object) -> None:
        super().__init__(manager, **options)
        self.farewell: dict = {}
        self._begun: dict[str, tuple] = {}  # cell and its number by the id of its request
        self._asked: dict[str, bool] = {}  # whether a question was answered, by the request's id
        self._last_request = ""  # our own, after the last cell
        self._idle_since: float | None = None  # when the present cell ended, as the kernel says

    @override
    async def _async_poll_output_msg(self, parent_msg_id: str, cell, cell_index: int) -> None:
        self._begun[parent_msg_id] = (cell, cell_index)
        self._idle_since = None
        while not self._receive(await self.kc.iopub_channel.get_msg(timeout=None), parent_msg_id):
            pass
        self._idle_since = time.monotonic()

    def _receive(self, message: dict, awaited: str) -> bool:
        """Give a message to the cell that it belongs to; return whether the awaited one ends."""
        parent = message["parent_header"].get("msg_id")
        is_end = message["content"].get("execution_state") == "idle"
        if is_end and parent in self._asked:
            self._asked[parent] = True
        is_ours = parent == self._last_request and message["msg_type"] == "error"
        if parent in self._begun and not is_ours:
            with suppress(CellExecutionComplete):
                self.process_message(message, *self._begun[parent])
            if message["msg_type"].startswith("comm"):
                self._wake()
        return is_end and parent == awaited

    def _wake(self) -> None:
        """Let the side that waits for messages see what has come."""
        for channel in (self.kc.shell_channel, self.kc.iopub_channel):
            channel.socket.get(zmq.EVENTS)

    @override
    async def _async_poll_kernel_alive(self) -> None:
        """End the wait for a reply when the kernel is dead, or idle.

        A kernel works off its requests one by one. When it answers a later one, or has told that
        the cell has ended, the reply to the cell is lost.
        """
        asked_at = time.monotonic() + self.silence
        question = None
        while True:
            await asyncio.sleep(1)
            if not await self.km.is_alive():
                break
            self._wake()
            now = time.monotonic()
            if question is None and now > asked_at:
                question = self.kc.kernel_info()
                self._asked[question] = False
            has_ended = self._idle_since is not None and now > self._idle_since + self.silence
            if has_ended or self._asked.get(question):
                self.fell_idle = True
                break
        self.task_poll_for_reply.cancel()

    @override
    async def _check_raise_for_error(
        self, cell: dict, cell_index: int, exec_reply: dict | None
    ) -> None:
        """Count `quit()` as an error: the kernel ends a moment later, in whichever cell."""
        await super()._check_raise_for_error(cell, cell_index, exec_reply)
        asked = exec_reply["content"].get("payload", []) if exec_reply else []
        if any(one["source"] == "ask_exit" and not one.get("keepkernel") for one in asked):
            error = {"ename": "SystemExit", "evalue": "quit()", "traceback": []}
            cell.outputs.append(new_output("error", **error))
            raise CellExecutionError(**error)

    @override
    def papermill_execute_cells(self) -> None:
        super().papermill_execute_cells()
        if not any(cell.metadata.get("papermill", {}).get("exception") for cell in self.nb.cells):
            self._finish()

    def _finish(self) -> None:
        """Wait for what the notebook has begun, and receive what it shows."""
        # In a namespace of its own: what it waits for may yet look up any name of the notebook's.
        own = f"_dnnbook = {{}}; __import__('builtins').exec({FINISH!r}, _dnnbook)"
        request = self.kc.execute(
            f"{own}\n_dnnbook_said = await _dnnbook['finish']({self.patience})",
            silent=True,
            store_history=False,
            user_expressions={"said": "_dnnbook_said"},
        )
        self._last_request = request
        if self._begun:  # what a thread shows belongs to the latest request
            self._begun[request] = [*self._begun.values()][-1]
        reply = self.wait_for_reply(request)
        answer = reply["content"].get("user_expressions", {}).get("said", {})
        # The notebook may have changed how cells are run.
        with suppress(KeyError, ValueError, SyntaxError):
            self.farewell = json.loads(ast.literal_eval(answer["data"]["text/plain"]))
        self._drain(request)

    def _drain(self, request: str) -> None:
        from jupyter_core.utils import run_sync

        async def drain() -> None:
            with suppress(Empty):
                while not self._receive(
                    await self.kc.iopub_channel.get_msg(timeout=self.iopub_timeout), request
                ):
                    pass

        run_sync(drain)()
