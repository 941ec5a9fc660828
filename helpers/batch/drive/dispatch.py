"""Many executions on a Dask cluster, each result handed over as it comes.

A notebook's failure is data. Only what was lost with the infrastructure is tried again.
"""

import threading
import time
import uuid
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

from helpers.batch.ask.run import Run
from helpers.batch.drive.cluster import slots
from helpers.batch.drive.worker import packages, perform
from helpers.batch.errors import BatchError, InfrastructureError
from helpers.batch.execute.execution import Outcome
from helpers.batch.results.result import Result, result_of

GONE = 45.0  # seconds without any worker after which none is expected to come back
LOOKS = 5.0  # seconds from one look at the workers to the next


def run_all(
    client: "Client",  # noqa: F821
    runs: Iterable[Run],
    *,
    retries: int,
    limit: int | None = None,
    **how: object,
) -> Iterator[tuple[Result, str, int]]:
    """Execute runs and yield what becomes of each, in the order in which they end.

    Args:
        client: of the cluster.
        runs: what is to be executed.
        retries: how often a run is tried again that was lost with the infrastructure.
        limit: how many runs one host may do at a time; as many as it has threads if not given.
        how: what `perform` takes besides.

    Yields:
        For each run its result, of one that was lost a failure; the executed notebook, which a
        result does not hold, for thousands of results stay in memory; how many others are under
        way. Whoever stops early cancels those that are left.
    """
    wanted = {run.id: run for run in runs}
    flight = _Flight(client, wanted, limit, how)
    waiting = deque(wanted)
    try:
        _fill(flight, waiting)
        while flight.keys:
            key, made, error = flight.land()
            again = error is not None and flight.attempts[key] <= retries and _may_pass(error)
            if again:
                flight.launch(key)
            _fill(flight, waiting)  # before the result is kept, which takes its time
            if not again:
                result, executed = made or (_lost(wanted[key], error), "")
                result = replace(result, attempts=flight.attempts[key])
                yield result, executed, min(flight.size, len(flight.keys))
    finally:
        flight.cancel()


def _fill(flight: "_Flight", waiting: deque[str]) -> None:
    """Send as many runs as are done at a time.

    Dask would give more to a worker at once: it would blame those that only wait there when the
    worker dies, and the longest queue would be the last to end.
    """
    while waiting and len(flight.keys) < max(1, flight.size):
        flight.launch(waiting.popleft())


class _Flight:
    """The runs that are at the cluster."""

    def __init__(
        self,
        client: "Client",  # noqa: F821
        runs: Mapping[str, Run],
        limit: int | None,
        how: Mapping,
    ) -> None:
        from distributed import as_completed

        self.keys: dict[str, str] = {}  # the run's id by the future's key
        self.attempts: dict[str, int] = {}
        self._client, self._runs, self._limit, self._how = client, runs, limit, how
        self._slots = slots(client, limit)
        self._driver = packages()
        self._futures: dict[str, object] = {}
        self._completed = as_completed([], loop=client.loop)
        self._over, self._deserted = threading.Event(), False
        self._watch = threading.Thread(target=self._watch_workers, daemon=True)
        self._watch.start()

    def _watch_workers(self) -> None:
        """Take everything back when there has been no worker for long: it would wait for ever."""
        since = None
        while not self._over.wait(LOOKS):
            with suppress(Exception):  # no answer, of whatever kind: the scheduler may come back
                missing = not self._client.scheduler_info(n_workers=-1)["workers"]
                since = (since or time.monotonic()) if missing else None
                if since is not None and time.monotonic() - since > GONE:
                    self._deserted = True
                    self._client.cancel(list(self._futures.values()), force=True)
                    return

    @property
    def size(self) -> int:
        """How many runs the cluster does at a time."""
        return sum(self._slots.values())

    def launch(self, key: str) -> None:
        """Send a run to the cluster."""
        self.attempts[key] = self.attempts.get(key, 0) + 1
        future = self._client.submit(
            perform,
            self._runs[key],
            driver=self._driver,
            slots=self._slots,
            **self._how,
            key=f"{key}-{uuid.uuid4().hex[:8]}",
            pure=False,
        )
        self.keys[future.key] = key
        self._futures[future.key] = future
        self._completed.add(future)

    def land(self) -> tuple[str, tuple[Result, str] | None, BaseException | None]:
        """Wait for the next that ends, and let go of it at the cluster: else it could run again.

        Raises:
            BatchError: The scheduler is gone, or all workers are, for good.
        """
        future = next(self._completed)
        self._wait_for_scheduler()
        if self._deserted and future.status == "cancelled":
            raise BatchError(
                f"all workers have been gone for {GONE:.0f} s; what has ended is kept. Start "
                "workers, and type the same command again: it does the rest"
            )
        key = self.keys.pop(future.key)
        del self._futures[future.key]
        with suppress(OSError):  # no answer: the next time will do
            self._slots = slots(self._client, self._limit)  # workers come and go
        try:
            if future.status == "finished":
                return key, future.result(), None
            error = future.exception() if future.status == "error" else None
            return key, None, error or InfrastructureError(f"the run was {future.status}")
        finally:
            future.release()

    def _wait_for_scheduler(self) -> None:
        """Wait while the client tries to reach the scheduler again, for as long as it does."""
        while self._client.status == "connecting":
            time.sleep(0.1)
        if self._client.status != "running":
            raise BatchError(
                "the scheduler is gone; what has ended is kept, and the same command does the rest"
            )

    def cancel(self) -> None:
        """Take back what has not ended; workers then kill the kernels."""
        self._over.set()
        if self._futures and self._client.status == "running":
            self._client.cancel(list(self._futures.values()), force=True)
        self._futures.clear()


def _may_pass(error: BaseException) -> bool:
    """Say whether another try may help: Dask itself has already tried a `KilledWorker` again."""
    return isinstance(error, InfrastructureError)


def _lost(run: Run, error: BaseException) -> Result:
    kind = type(error).__name__
    message = str(error) if isinstance(error, InfrastructureError) else f"{kind}: {error}"
    if kind == "KilledWorker":
        message = "its worker died, each time that it was tried"
    outcome = Outcome("failed", "", 0.0, error=f"lost: {message}")
    return result_of(run, outcome, started=datetime.now(UTC))
