"""A Dask cluster to run on: of this machine's processors, or any that has an address."""

import ipaddress
import logging
import re
import signal
import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import resource_tracker
from pathlib import Path

from helpers.batch.drive.worker import differences, fingerprint
from helpers.batch.errors import UsageError
from helpers.batch.execute.surroundings import processors

THREADS = 4  # runs that one local worker process serves; each has a kernel of its own
PATIENCE = "30s"  # until a scheduler answers, on a busy machine


@dataclass(frozen=True)
class ClusterOptions:
    """Which cluster.

    Attributes:
        scheduler: its address; this machine's processors if not given.
        workers: runs at a time on this machine; one for each processor if not given.
        retries: how often a run is tried again that was lost with its worker or its kernels'
            server; a given scheduler counts dead workers by its own `allowed-failures`.
        tls_ca: certificate of the authority that signed all others, for TLS.
        tls_cert: the driver's own certificate.
        tls_key: its key.
        allow_plain_tcp: whether a scheduler on another host may be reached without TLS.
    """

    scheduler: str | None = None
    workers: int | None = None
    retries: int = 2
    tls_ca: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    allow_plain_tcp: bool = False


@contextmanager
def open_cluster(options: ClusterOptions) -> Iterator["Client"]:  # noqa: F821
    """Give a client of the cluster, and take down what was started for it.

    Raises:
        UsageError: No scheduler answers, it is not reached in a safe way, it has no workers, or a
            worker's versions are not the driver's.
    """
    import distributed  # noqa: F401, its import sets the levels of its loggers

    for name in ("distributed", "distributed.client"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    if options.scheduler is None:
        with _local_cluster(options) as client:
            yield client
    else:
        with _remote_cluster(options) as client:
            _wait_for_a_worker(client, options)
            check_versions(client)
            yield client


@contextmanager
def _local_cluster(options: ClusterOptions) -> Iterator["Client"]:  # noqa: F821
    import dask
    from distributed import Client, LocalCluster
    from distributed.security import Security

    total = options.workers or processors()
    count = -(-total // THREADS)
    settings = {
        "distributed.scheduler.allowed-failures": options.retries,
        "distributed.scheduler.work-stealing": False,  # runs are long; moving them gains nothing
        "distributed.worker.daemon": True,
        "distributed.admin.log-length": 0,
        # One thread of linear algebra for each worker would be another answer than `run` gives.
        "distributed.nanny.pre-spawn-environ": {"MALLOC_TRIM_THRESHOLD_": 65536},
        "distributed.scheduler.http.routes": [],  # it would tell every user of the machine
    }
    with (
        tempfile.TemporaryDirectory(prefix="dnnbook-", ignore_cleanup_errors=True) as folder,
        dask.config.set(settings),
        ExitStack() as stack,
    ):
        with _interrupts_held_back():
            local = LocalCluster(
                n_workers=count,
                threads_per_worker=-(-total // count),
                processes=True,
                host="127.0.0.1",
                dashboard_address="127.0.0.1:0",  # if None, port 8787 and a warning if taken
                worker_dashboard_address=None,
                memory_limit=None,  # it would see the worker and not its kernels
                local_directory=folder,
                silence_logs=logging.CRITICAL,
                # Loopback is open to every user of the machine; a new certificate is not.
                security=Security.temporary(),
            )
            stack.enter_context(local)
        yield stack.enter_context(Client(local, set_as_default=False))


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Hold Ctrl-C back from this thread for a while, and for good from what it starts meanwhile.

    A terminal sends it to the workers as well, which would print a traceback each and end; they,
    and those that Dask starts in their place, are the driver's to end.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # else `multiprocessing` starts it, and lets Ctrl-C in
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _remote_cluster(options: ClusterOptions) -> Iterator["Client"]:  # noqa: F821
    from distributed import Client

    security = _security(options)
    _check_address(options)
    try:
        client = Client(
            options.scheduler, security=security, timeout=PATIENCE, set_as_default=False
        )
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        raise UsageError(
            "--scheduler must be the address of a running scheduler, such as "
            f"tcp://127.0.0.1:8786. Received: {options.scheduler}. {error}"
        ) from error
    with client:
        yield client


def _security(options: ClusterOptions) -> object:
    import dask
    from distributed.security import Security

    files = {"ca": options.tls_ca, "cert": options.tls_cert, "key": options.tls_key}
    given = [name for name, file in files.items() if file is not None]
    if not given and not options.scheduler.startswith("tls"):
        return None
    if not given and dask.config.get("distributed.comm.tls.ca-file", None):
        return Security()  # the files are named in Dask's own configuration
    if len(given) < 3:
        missing = ", ".join(f"--tls-{name}" for name in files if name not in given)
        raise UsageError(f"TLS needs three files. Missing: {missing}")
    for name, file in files.items():
        if not file.is_file():
            raise UsageError(f"--tls-{name} must be a file. Received: {file}")
    return Security(
        tls_ca_file=str(options.tls_ca),
        tls_client_cert=str(options.tls_cert),
        tls_client_key=str(options.tls_key),
        require_encryption=True,
    )


def _check_address(options: ClusterOptions) -> None:
    """Refuse to send code through a network that anybody may read and write."""
    address = options.scheduler
    found = re.fullmatch(r"(?:(\w+)://)?\[?([^\]/]*?)\]?:\d+/?", address)
    if not found:
        raise UsageError(f"--scheduler must look like tcp://host:8786. Received: {address}")
    protocol, host = found.groups()
    if protocol in ("tls", "wss") or options.allow_plain_tcp or _is_loopback(host):
        return
    raise UsageError(
        "a scheduler on another host takes code from whoever reaches it, so it must use TLS: "
        "tls://host:port with --tls-ca, --tls-cert and --tls-key. If the network is trusted, add "
        f"--allow-plain-tcp. Received: {address}"
    )


def _is_loopback(host: str) -> bool:
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    with suppress(OSError):
        return ipaddress.ip_address(socket.gethostbyname(host)).is_loopback
    return False


def _wait_for_a_worker(client: "Client", options: ClusterOptions) -> None:  # noqa: F821
    try:
        client.wait_for_workers(1, timeout=PATIENCE)
    except TimeoutError as error:
        raise UsageError(
            f"the scheduler at {options.scheduler} has no workers. "
            f"Start one: dask worker {options.scheduler} --nthreads 1"
        ) from error


def check_versions(client: "Client") -> None:  # noqa: F821
    """Compare each worker's versions with the driver's.

    Raises:
        UsageError: A worker has others, or has not this package.
    """
    own = fingerprint()
    complaints = []
    for worker, found in client.run(fingerprint, on_error="return").items():
        if isinstance(found, dict):
            other = differences(own, found)
        else:
            other = f"the package dnnbook of the driver's version must be installed: {found}"
        if other:
            complaints.append(f"worker {worker} cannot serve this driver: {other}")
    if complaints:
        raise UsageError("\n".join(complaints))


def slots(client: "Client", limit: int | None = None) -> dict[str, int]:  # noqa: F821
    """Return how many runs each host does at a time, by its address.

    Args:
        client: of the cluster.
        limit: how many one host may do, which has more threads if they cannot be shared out evenly.
    """
    found: dict[str, int] = {}
    for worker in client.scheduler_info(n_workers=-1)["workers"].values():
        host = worker["host"]
        found[host] = found.get(host, 0) + worker["nthreads"]
    return {host: min(threads, limit or threads) for host, threads in found.items()}
