"""The client's side of a kernel that has just been started."""

import time
from queue import Empty

import zmq
import zmq.asyncio
from jupyter_client.asynchronous import AsyncKernelClient
from traitlets import default

RECONNECT = 10  # milliseconds until a socket looks again for a kernel that has not opened its own
ASK_AGAIN = 1.0  # seconds without a reply after which a kernel that starts is asked again


class KernelClient(AsyncKernelClient):
    """A client that knows without waiting when the kernel hears it and it hears the kernel.

    Jupyter's waits until the kernel has been silent for 0.2 s, and takes it for connected when any
    message came. Here the kernel answers a question, and tells on the other channel that it has
    done so: from then on nothing that it shows is lost.
    """

    @default("context")
    def _impatient_context(self) -> zmq.asyncio.Context:
        self._created_context = True  # then the client ends it
        context = zmq.asyncio.Context()
        context.setsockopt(zmq.RECONNECT_IVL, RECONNECT)
        return context

    async def wait_for_ready(self, timeout: float | None = None) -> None:
        """Wait until both channels work.

        Raises:
            RuntimeError: The kernel died, or took longer than `timeout` seconds.
        """
        end = time.monotonic() + (float("inf") if timeout is None else timeout)
        while True:
            question = self.kernel_info()
            reply = await self._answer(self.shell_channel, question, "kernel_info_reply")
            if reply is not None and await self._answer(self.iopub_channel, question, "status"):
                self._handle_kernel_info_reply(reply)
                return
            if not await self._async_is_alive():
                raise RuntimeError("Kernel died before replying to kernel_info")
            if time.monotonic() > end:
                raise RuntimeError(f"Kernel didn't respond in {timeout:g} seconds")

    async def _answer(self, channel: object, question: str, kind: str) -> dict | None:
        """Return the message of a kind that ends a question's work, or None if none comes soon."""
        end = time.monotonic() + ASK_AGAIN
        while (left := end - time.monotonic()) > 0:
            try:
                message = await channel.get_msg(timeout=left)
            except Empty:
                return None
            is_own = message["parent_header"].get("msg_id") == question
            is_last = message["content"].get("execution_state", "idle") == "idle"
            if is_own and message["msg_type"] == kind and is_last:
                return message
        return None
