"""`dnnbook batch` on a cluster: a scheduler and workers as processes of their own."""

import contextlib
import json
import re
import shutil
import signal
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest
import trustme

from helpers.batch.drive.cluster import ClusterOptions, _check_address, _security
from helpers.batch.errors import UsageError
from helpers.batch.results.records import differences
from tests.processes import ROOT, SPAWN, Batch, Processes, Started, processes_in
from tests.proxy import bad_network
from tests.waiting import wait_for

DASK = Path(sys.executable).with_name("dask")


class Cluster:
    """A scheduler and its workers, each in a folder of its own, as users start them."""

    def __init__(self, processes: Processes, folder: Path, *options: object) -> None:
        self._processes, self._folder, self._options = processes, folder, options
        self.scheduler = processes.start(
            DASK, "scheduler", "--host", "127.0.0.1", "--port", 0, "--no-dashboard", *options,
            cwd=self._make("scheduler"), env={"PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        self.scheduler.says("Scheduler at:")
        self.address = re.search(r"Scheduler at:\s+(\S+)", self.scheduler.stderr)[1]
        self.workers: list[Started] = []

    def _make(self, name: str) -> Path:
        folder = self._folder / name
        folder.mkdir()
        return folder

    def add_worker(self, **options: object) -> Started:
        """Start a worker, and wait until the scheduler knows it."""
        worker = self.start_worker(**options)
        worker.says("Registered to:")
        return worker

    def start_worker(
        self, *, code: Path = ROOT, address: str | None = None, **environment: str
    ) -> Started:
        """Start a worker that looks for the scheduler at an address, if not at its own."""
        folder = self._make(f"worker-{len(self.workers)}")
        worker = self._processes.start(
            DASK, "worker", address or self.address, "--nthreads", 1, "--local-directory", folder,
            "--no-dashboard", *self._options,
            cwd=folder, env={"PYTHONPATH": str(code), **environment},
        )  # fmt: skip
        self.workers.append(worker)
        return worker


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    with processes_in(tmp_path_factory.mktemp("servers")) as servers:
        yield servers


@pytest.fixture(scope="module")
def cluster(servers, tmp_path_factory):
    """A cluster of two workers, of which only the first has the data set cifar10."""
    folder = tmp_path_factory.mktemp("cluster")
    write_cifar10(folder / "data")
    cluster = Cluster(servers, folder)
    cluster.add_worker(DNNBOOK_DATA=str(folder / "data"))
    cluster.add_worker(DNNBOOK_DATA=str(folder))
    return cluster


IMPATIENT = """\
from helpers.batch.drive import cluster
from helpers.batch.cli import main
cluster.PATIENCE = "2s"
main()
"""
IMPATIENT_ONCE_CONNECTED = """\
from helpers.batch.drive import cluster
from helpers.batch.cli import main
wait = cluster._wait_for_a_worker
def wait_for_a_worker(client, options):
    cluster.PATIENCE, client._timeout = "2s", 2
    wait(client, options)
cluster._wait_for_a_worker = wait_for_a_worker
main()
"""


def impatient(processes, *arguments, code=IMPATIENT, **options):
    """Start a driver that soon gives up a scheduler or workers that are not there."""
    return processes.start(sys.executable, "-c", code, *arguments, **options)


def write_cifar10(folder):
    folder.mkdir()
    images, labels = np.zeros((60, 32, 32, 3), np.uint8), np.arange(60) % 10
    train = {"x_train": images.repeat(100, axis=0), "y_train": labels.repeat(100)}
    np.savez_compressed(folder / "cifar10.npz", **train, x_test=images, y_test=labels)


@pytest.fixture
def processes(tmp_path):
    with processes_in(tmp_path) as processes:
        yield processes


@pytest.fixture
def network():
    """Give a function that puts a bad line before an address."""
    with bad_network() as network:
        yield network


@pytest.fixture
def batch(tmp_path):
    return Batch(tmp_path / "batch")


@pytest.mark.slow
def test_each_result_comes_once_though_a_worker_dies(cluster, batch, processes):
    acts = {1: "wait", 2: "wait"} | dict.fromkeys([3, 4, 5, 6], "finish")
    driver = processes.dnnbook(
        "batch", batch.grid(acts), "-o", batch.output, "--scheduler", cluster.address
    )
    wait_for(lambda: batch.begun() == [1, 2])
    batch.kernel(1).parent().parent().kill()
    wait_for(lambda: batch.begun() == [1, 1, 2])  # the nanny has started another worker
    batch.gate.touch()
    assert driver.wait() == 0
    assert batch.begun() == [1, 1, 2, 3, 4, 5, 6]
    assert batch.statuses() == dict.fromkeys(acts, "done")
    assert len(driver.stderr.splitlines()) == 6
    assert len({result["worker"] for result in batch.results().values()}) >= 2


@pytest.mark.slow
def test_on_a_bad_network_each_result_comes_once(servers, batch, processes, network, tmp_path):
    """Between scheduler and four workers everything is late; lines are cut, two workers killed."""
    acts = dict.fromkeys([1, 2, 3, 4], "wait") | dict.fromkeys([5, 6, 7, 8], "finish")
    local = Batch(tmp_path / "local")
    local.gate.touch()
    alone = processes.dnnbook("batch", local.grid(acts), "-o", local.output, *SPAWN)

    cluster = Cluster(servers, tmp_path)
    lines = [network(cluster.address) for _ in range(5)]
    workers = [(cluster.start_worker(address=line.address), line) for line in lines[1:]]
    for worker, _ in workers:
        worker.says("Registered to:")
    driver = processes.dnnbook(
        "batch", batch.grid(acts), "-o", batch.output, "--scheduler", lines[0].address, *SPAWN
    )
    wait_for(lambda: batch.begun() == [1, 2, 3, 4])
    lines[0].cut()  # the driver comes back, and what it waited for begins anew
    wait_for(lambda: batch.begun() == [1, 1, 2, 2, 3, 3, 4, 4])
    for worker, _ in workers[:2]:
        worker.send(signal.SIGKILL)
    workers[2][1].cut()  # a worker ends with its line
    assert workers[2][0].wait() == 0
    batch.gate.touch()
    assert driver.wait() == 0, driver.stderr
    assert batch.statuses() == dict.fromkeys(acts, "done")
    assert sorted(re.findall(r"^\[(\d)/8\] done", driver.stderr, re.MULTILINE)) == list("12345678")
    assert alone.wait() == 0
    assert records(batch) == records(local)
    assert all(line.late for line in lines)
    assert lines[0].accepted > 1


REDUCED = {  # a chapter of the book in a few seconds; what its claims say at this size is not asked
    "replicas": 2,
    "epochs": 1,
    "train_size": 400,
    "batch_size": 100,
    "depth": 4,
    "width": 10,
    "probe_size": 5,
    "trained_depth": 2,
    "trained_width": 10,
    "steps": 10,
    "seed": [1, 2, 3],
}
OTHERS = [{"ONEDNN_MAX_CPU_ISA": "SSE41"}, {"TF_ENABLE_ONEDNN_OPTS": "0"}]  # as if other machines


def results_in(folder):
    """Return the results in a batch's folder, by their ids."""
    found = [json.loads(file.read_text()) for file in sorted(folder.glob("runs/*/run.json"))]
    return {result["id"]: result for result in found}


def is_at_work(worker):
    """Return whether a kernel runs: below the nanny, the worker and the server of kernels."""
    found = psutil.Process(worker.pid).children(recursive=True)
    with contextlib.suppress(psutil.NoSuchProcess):  # one has just ended
        above = [[parent.pid for parent in process.parents()] for process in found]
        return any(pids.index(worker.pid) == 2 for pids in above if worker.pid in pids)
    return False


@pytest.mark.slow
def test_a_chapter_says_the_same_on_other_processors(servers, processes, network, tmp_path):
    """Two of four workers are as this machine is, and are killed as soon as one is at work."""
    grid = tmp_path / "grid.yml"
    grid.write_text(json.dumps({"chapters": ["gradients"], "parameters": REDUCED}))
    cluster = Cluster(servers, tmp_path)
    lines = [network(cluster.address) for _ in range(5)]
    places = zip(lines[1:], [{}, {}, *OTHERS], strict=True)
    workers = [cluster.start_worker(address=line.address, **more) for line, more in places]
    for worker in workers:
        worker.says("Registered to:")
    driver = processes.dnnbook(
        "batch", grid, "-o", tmp_path / "far", "--scheduler", lines[0].address
    )
    wait_for(lambda: any(map(is_at_work, workers[:2])))
    for worker in workers[:2]:
        worker.send(signal.SIGKILL)
    assert driver.wait() == 0, driver.stderr
    far = results_in(tmp_path / "far")
    switches = {f"{name}={value}" for more in OTHERS for name, value in more.items()}
    assert {result["processor"].split(", ")[-1] for result in far.values()} == switches

    assert processes.dnnbook("batch", grid, "-o", tmp_path / "near").wait() == 0
    near = results_in(tmp_path / "near")
    assert near.keys() == far.keys()
    assert len(near) == 3
    for name, result in near.items():
        pairs = list(zip(result["records"], far[name]["records"], strict=True))
        assert len(pairs) > 20
        assert [line for pair in pairs for line in differences(*pair)] == []


def records(batch):
    """Return the records of each run, by its number."""
    return {number: result["records"] for number, result in sorted(batch.results().items())}


@pytest.mark.slow
def test_a_killed_driver_leaves_no_kernel_and_the_workers_serve_the_next(cluster, batch, processes):
    grid = batch.grid({1: "be busy in C", 2: "sleep"})
    driver = processes.dnnbook("batch", grid, "-o", batch.output, "--scheduler", cluster.address)
    wait_for(lambda: batch.begun() == [1, 2])
    kernels = [batch.kernel(1), batch.kernel(2)]
    driver.send(signal.SIGKILL)
    wait_for(lambda: not any(kernel.is_running() for kernel in kernels))

    grid = batch.grid({3: "finish", 4: "finish"}, name="next")
    following = processes.dnnbook("batch", grid, "-o", batch.output, "--scheduler", cluster.address)
    assert following.wait() == 0
    assert batch.statuses() == {3: "done", 4: "done"}


@pytest.mark.slow
def test_data_that_a_worker_lacks_is_said_before_anything_runs(cluster, batch, processes, tmp_path):
    """The first worker has it, the driver need not."""
    driver = processes.dnnbook(
        "batch", batch.grid({1: "finish"}, dataset="cifar10"),
        "-o", batch.output, "--scheduler", cluster.address, env={"DNNBOOK_DATA": str(tmp_path)},
    )  # fmt: skip
    assert driver.wait() == 2
    (line,) = [line for line in driver.stderr.splitlines() if line]
    assert re.match(r"Error: worker tcp://127\.0\.0\.1:\d+: the data set cifar10 cannot be", line)
    assert batch.begun() == []
    assert batch.results() == {}


@pytest.mark.slow
def test_a_worker_with_other_code_is_refused(servers, batch, processes, tmp_path):
    shutil.copytree(ROOT / "helpers", tmp_path / "helpers")
    module = tmp_path / "helpers" / "models.py"
    module.write_bytes(module.read_bytes() + b"\n")
    folder = tmp_path / "cluster"
    folder.mkdir()
    cluster = Cluster(servers, folder)
    cluster.add_worker()
    other = cluster.add_worker(code=tmp_path)
    driver = processes.dnnbook(
        "batch", batch.grid({1: "finish"}), "-o", batch.output, "--scheduler", cluster.address
    )
    assert driver.wait() == 2
    address = re.search(r"Start worker at:\s+(\S+)", other.stderr)[1]
    digest = "[0-9a-f]{12}"
    assert re.fullmatch(
        f"Error: worker {address} cannot serve this driver: helpers {digest}, driver {digest}\n",
        driver.stderr,
    )
    assert batch.begun() == []


@pytest.mark.slow
def test_a_cluster_without_workers_is_refused(servers, batch, processes, tmp_path):
    cluster = Cluster(servers, tmp_path)
    driver = impatient(
        processes,
        "batch",
        batch.grid({1: "finish"}),
        "-o",
        batch.output,
        "--scheduler",
        cluster.address,
        code=IMPATIENT_ONCE_CONNECTED,
    )
    assert driver.wait() == 2
    assert "has no workers" in driver.stderr


@pytest.mark.slow
def test_a_lost_scheduler_ends_the_batch_with_a_message(servers, batch, processes, tmp_path):
    cluster = Cluster(servers, tmp_path)
    cluster.add_worker()
    grid = batch.grid({1: "finish", 2: "wait", 3: "finish"})
    arguments = ["batch", grid, "-o", batch.output, "--scheduler", cluster.address, *SPAWN]
    driver = impatient(processes, *arguments, code=IMPATIENT_ONCE_CONNECTED)
    wait_for(lambda: batch.begun() == [1, 2] and 1 in batch.results())
    cluster.scheduler.send(signal.SIGKILL)
    assert driver.wait() == 1
    assert "Traceback" not in driver.stderr
    assert "Error: the scheduler is gone" in driver.stderr
    assert batch.statuses() == {1: "done"}


SOON_GONE = """\
from helpers.batch.drive import dispatch as engine
from helpers.batch.cli import main
engine.GONE, engine.LOOKS = 0.5, 0.1
main()
"""


@pytest.mark.slow
def test_workers_that_are_gone_for_good_end_the_batch_with_what_to_do(
    servers, batch, processes, tmp_path
):
    cluster = Cluster(servers, tmp_path)
    worker = cluster.add_worker()
    grid = batch.grid({1: "finish", 2: "sleep", 3: "finish"})
    arguments = ["batch", grid, "-o", batch.output, "--scheduler", cluster.address, *SPAWN]
    driver = impatient(processes, *arguments, code=SOON_GONE)
    wait_for(lambda: batch.begun() == [1, 2] and 1 in batch.results())
    worker.send(signal.SIGTERM)
    assert driver.wait() == 1
    said = driver.stderr.splitlines()[-1]
    assert re.fullmatch(r"Error: all workers have been gone for .* type the same command .*", said)
    assert batch.statuses() == {1: "done"}


@pytest.mark.slow
def test_tls(servers, batch, processes, tmp_path):
    """All three parties show certificates; a driver that shows none is turned away."""
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1", "localhost")
    ca, cert, key = (tmp_path / name for name in ("ca.pem", "cert.pem", "key.pem"))
    authority.cert_pem.write_to_path(ca)
    certificate.private_key_pem.write_to_path(key)
    for number, part in enumerate(certificate.cert_chain_pems):
        part.write_to_path(cert, append=number > 0)
    options = ["--tls-ca-file", ca, "--tls-cert", cert, "--tls-key", key]
    folder = tmp_path / "cluster"
    folder.mkdir()
    cluster = Cluster(servers, folder, "--protocol", "tls", *options)
    cluster.add_worker()
    assert cluster.address.startswith("tls://")
    grid = batch.grid({1: "finish", 2: "finish"})
    arguments = ["batch", grid, "-o", batch.output, "--scheduler"]

    for address in (cluster.address, cluster.address.replace("tls://", "tcp://")):
        stranger = impatient(processes, *arguments, address)
        assert stranger.wait() == 2
        assert stranger.stderr.startswith("Error: ")
        assert "Traceback" not in stranger.stderr
    assert batch.begun() == []

    files = ["--tls-ca", ca, "--tls-cert", cert, "--tls-key", key]
    driver = processes.dnnbook(*arguments, cluster.address, *files, *SPAWN)
    assert driver.wait() == 0
    assert batch.statuses() == {1: "done", 2: "done"}


@pytest.mark.slow
def test_nobody_listens(batch, processes):
    driver = impatient(
        processes,
        "batch", batch.grid({1: "finish"}), "-o", batch.output,
        "--scheduler", "tcp://127.0.0.1:9",
    )  # fmt: skip
    assert driver.wait() == 2
    assert "must be the address of a running scheduler" in driver.stderr
    assert "tcp://127.0.0.1:9" in driver.stderr
    assert "Traceback" not in driver.stderr


@pytest.mark.parametrize(
    "address",
    ["tcp://127.0.0.1:8786", "tcp://[::1]:8786", "127.0.0.1:8786", "tls://192.0.2.1:8786"],
)
def test_addresses_that_are_safe(address):
    _check_address(ClusterOptions(address))


@pytest.mark.parametrize("address", ["tcp://192.0.2.1:8786", "192.0.2.1:8786", "ws://192.0.2.1:1"])
def test_another_host_needs_tls_or_leave(address):
    with pytest.raises(UsageError, match=r"must use TLS.*--allow-plain-tcp"):
        _check_address(ClusterOptions(address))
    _check_address(ClusterOptions(address, allow_plain_tcp=True))


@pytest.mark.parametrize("address", ["", "127.0.0.1", "tcp://127.0.0.1", "tcp://127.0.0.1:port"])
def test_what_is_no_address(address):
    with pytest.raises(UsageError, match="must look like tcp://host:8786"):
        _check_address(ClusterOptions(address))


def test_tls_needs_all_three_files(tmp_path):
    file = tmp_path / "ca.pem"
    file.touch()
    address = "tls://127.0.0.1:8786"
    with pytest.raises(UsageError, match=r"Missing: --tls-cert, --tls-key$"):
        _security(ClusterOptions(address, tls_ca=file))
    with pytest.raises(UsageError, match=r"Missing: --tls-key$"):
        _security(ClusterOptions(address, tls_ca=file, tls_cert=file))
    missing = tmp_path / "none"
    with pytest.raises(UsageError, match=r"--tls-key must be a file. Received: .*none$"):
        _security(ClusterOptions(address, tls_ca=file, tls_cert=file, tls_key=missing))


@pytest.mark.slow
def test_results_in_an_object_store(servers, batch, processes, tmp_path):
    server = servers.start(sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", 0)
    server.says("Running on http")
    endpoint = re.search(r"Running on (http\S+)", server.stderr)[1]
    environment = {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }
    make = "import s3fs; s3fs.S3FileSystem().mkdir('bucket')"
    assert processes.start(sys.executable, "-c", make, env=environment).wait() == 0
    grid = batch.grid({1: "finish", 2: "raise"})
    arguments = ["batch", grid, "-o", "s3://bucket/x", *SPAWN]
    first = processes.dnnbook(*arguments, env=environment)
    assert first.wait() == 1
    assert batch.begun() == [1, 2]

    again = batch.grid({1: "finish"}, name="again")
    second = processes.dnnbook("batch", again, "-o", "s3://bucket/x", env=environment)
    assert second.wait() == 0
    assert "1 of 1 runs are there already" in second.stderr
    assert batch.begun() == [1, 2]

    find = "import s3fs; print(*s3fs.S3FileSystem().find('bucket'), sep='\\n')"
    finder = processes.start(sys.executable, "-c", find, env=environment)
    assert finder.wait() == 0
    names = [re.sub(r"[0-9a-f]{12}", "ID", name) for name in finder.stdout.split()]
    run = ["bucket/x/runs/acts-ID/notebook.ipynb", "bucket/x/runs/acts-ID/run.json"]
    assert sorted(names) == ["bucket/x/batch.json", *sorted(2 * run)]
