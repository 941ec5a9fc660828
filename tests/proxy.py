"""For tests: a bad network, through which processes reach a server."""

import asyncio
import contextlib
import random
import threading
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit


class Proxy:
    """Hands on what comes, late, until its lines are cut; new ones are then taken again.

    Args:
        target: address of the server, as ``tcp://127.0.0.1:8786``.
        loop: runs in a thread of its own.
        latest: seconds by which a chunk is late at most.
    """

    def __init__(self, target: str, loop: asyncio.AbstractEventLoop, latest: float = 0.04) -> None:
        self._target, self._loop, self._latest = urlsplit(target), loop, latest
        self._random = random.Random(0)
        self._ends: set[asyncio.StreamWriter] = set()
        self.accepted = 0  # connections so far
        self.late = 0  # chunks that were held back
        self._server = self._call(asyncio.start_server(self._serve, "127.0.0.1", 0))
        host, port = self._server.sockets[0].getsockname()
        self.address = f"{self._target.scheme}://{host}:{port}"

    def _call(self, task: object) -> object:
        return asyncio.run_coroutine_threadsafe(task, self._loop).result()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        own = {writer}
        with contextlib.suppress(OSError, asyncio.CancelledError):
            near = await asyncio.open_connection(self._target.hostname, self._target.port)
            own.add(near[1])
            self._ends |= own
            await asyncio.gather(self._hand_on(reader, near[1]), self._hand_on(near[0], writer))
        self._ends -= own
        for end in own:
            end.transport.abort()

    async def _hand_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(65536):
                await asyncio.sleep(self._random.uniform(0, self._latest))
                self.late += 1
                writer.write(chunk)
                await writer.drain()
        writer.close()

    def cut(self) -> None:
        """Drop all connections at once, with what is under way in them."""
        self._call(self._cut())

    async def _cut(self) -> None:
        for end in list(self._ends):
            end.transport.abort()

    async def close(self) -> None:
        """Take no more connections, and drop those there are."""
        self._server.close()
        await self._cut()


@contextlib.contextmanager
def bad_network() -> Iterator[Callable[[str], Proxy]]:
    """Give a function that puts a proxy before an address; all proxies end with it."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    proxies: list[Proxy] = []

    def put_before(address: str) -> Proxy:
        proxies.append(Proxy(address, loop))
        return proxies[-1]

    try:
        yield put_before
    finally:
        asyncio.run_coroutine_threadsafe(_end(proxies), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _end(proxies: list[Proxy]) -> None:
    for proxy in proxies:
        await proxy.close()
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
