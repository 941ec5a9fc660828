"""The recipes for clusters: what SLURM and Kubernetes are handed, and that it works as far as here.

In place of SLURM stands a command `sbatch` that starts a job at once; in place of Kubernetes, the
processes that its containers would run.
"""

import os
import re
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.kubernetes_types import complaints
from tests.processes import ROOT, SPAWN, Batch, processes_in
from tests.waiting import wait_for

PAGE = (ROOT / "book" / "running.md").read_text("utf-8")
RECIPE = (ROOT / "examples" / "cluster" / "kubernetes.yml").read_text("utf-8")
MANIFESTS = {f"{one['kind']} {one['metadata']['name']}": one for one in yaml.safe_load_all(RECIPE)}
WORKLOADS = {name: one for name, one in MANIFESTS.items() if "template" in one["spec"]}
SCHEDULER, WORKER, DRIVER = (
    WORKLOADS[name]
    for name in ("Deployment dnnbook-scheduler", "Deployment dnnbook-worker", "Job dnnbook-batch")
)
SBATCH = """\
#!/bin/sh
# Starts a job at once, and says what SLURM says.
cp "$1" "$JOBS/$$.sh"
bash "$JOBS/$$.sh" > "$JOBS/$$.log" 2>&1 &
echo "Submitted batch job $$"
"""
STAYS = "\nimport signal\nsignal.pause()\n"


@pytest.fixture
def processes(tmp_path):
    with processes_in(tmp_path / "processes") as processes:
        yield processes


@pytest.fixture
def batch(tmp_path):
    return Batch(tmp_path / "batch")


@pytest.fixture
def tls(tmp_path):
    """A folder with the certificates that the page makes, by its own commands."""
    folder = tmp_path / "tls"
    folder.mkdir()
    commands = re.findall(r"^\$ (openssl .*)$", PAGE, re.MULTILINE)
    assert len(commands) == 3
    for command in commands:
        subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    return folder


def address(scheduler):
    scheduler.says("Scheduler at:")
    return re.search(r"Scheduler at:\s+(\S+)", scheduler.stderr)[1]


# SLURM


@pytest.mark.slow
def test_the_recipe_for_slurm(batch, processes, tls):
    (recipe,) = re.findall(r"```python\n(from dask_jobqueue.*?)```", PAGE, re.DOTALL)
    assert "jobs=20" in recipe
    programs, jobs = tls.parent / "programs", tls.parent / "jobs"
    for folder in (programs, jobs):
        folder.mkdir()
    for name, text in {"sbatch": SBATCH, "scancel": "#!/bin/sh\n"}.items():
        (programs / name).write_text(text)
        (programs / name).chmod(stat.S_IRWXU)
    environment = {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "JOBS": str(jobs),
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
    }
    cluster = processes.start(
        sys.executable, "-c", recipe.replace("jobs=20", "jobs=2") + STAYS, cwd=tls, env=environment
    )
    cluster.says("tls://")
    wait_for(lambda: len(list(jobs.glob("*.sh"))) == 2)
    for job in jobs.glob("*.sh"):
        script = job.read_text()
        asked = ["-J dask-worker", "-n 1", "--cpus-per-task=4", "--mem=15G", "-t 04:00:00"]
        assert re.findall(r"^#SBATCH (.*)$", script, re.MULTILINE) == asked
        assert script.startswith("#!/usr/bin/env bash\n")
        assert "--nthreads 4" in script

    files = ["--tls-ca", tls / "ca.pem", "--tls-cert", tls / "dask.pem"]
    files += ["--tls-key", tls / "dask.key"]
    grid = batch.grid({1: "finish", 2: "finish"})
    scheduler = cluster.stdout.split()[-1]
    arguments = ["batch", grid, "-o", batch.output, "--scheduler", scheduler, *files, *SPAWN]
    driver = processes.dnnbook(*arguments)
    assert driver.wait() == 0, driver.stderr
    assert batch.statuses() == {1: "done", 2: "done"}


# Kubernetes


@pytest.mark.parametrize("name", MANIFESTS)
def test_a_manifest_has_the_fields_and_types_of_its_kind(name):
    assert complaints(MANIFESTS[name]) == []


def test_what_the_types_refuse():
    port = {"apiVersion": "v1", "kind": "Service", "spec": {"ports": [{"prot": 1}], "selector": []}}
    assert sorted(complaints(port)) == [
        "Service.spec.ports[0].port: is missing",
        "Service.spec.ports[0].prot: is unknown",
        "Service.spec.selector: must be dict",
    ]
    replicas = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "spec": {"replicas": "1"}}
    assert "ReplicaSet.spec.replicas: must be int" in complaints(replicas)
    assert complaints({**port, "spec": []}) == ["Service.spec: must be a mapping"]
    assert complaints({**port, "spec": {"ports": {}}}) == ["Service.spec.ports: must be a list"]


def pod(workload):
    return workload["spec"]["template"]


def test_the_manifests_fit_each_other():
    """The API would take them otherwise, too, and nothing would find anything."""
    for workload in (SCHEDULER, WORKER):
        chosen = workload["spec"]["selector"]["matchLabels"]
        assert chosen.items() <= pod(workload)["metadata"]["labels"].items()
    service = MANIFESTS["Service dnnbook-scheduler"]["spec"]
    assert service["selector"] == pod(SCHEDULER)["metadata"]["labels"]
    (container,) = pod(SCHEDULER)["spec"]["containers"]
    assert [port["port"] for port in service["ports"]] == [container["ports"][0]["containerPort"]]
    policy = MANIFESTS["NetworkPolicy dnnbook"]["spec"]["podSelector"]["matchLabels"]
    for workload in WORKLOADS.values():
        assert policy.items() <= pod(workload)["metadata"]["labels"].items()
        (container,) = pod(workload)["spec"]["containers"]
        mounted = {mount["name"] for mount in container["volumeMounts"]}
        assert mounted == {volume["name"] for volume in pod(workload)["spec"]["volumes"]}
    names = {volume["name"]: volume for volume in pod(DRIVER)["spec"]["volumes"]}
    for name in (names["tls"]["secret"]["secretName"], names["grid"]["configMap"]["name"]):
        assert re.search(rf"^\$ kubectl create (secret generic|configmap) {name} ", PAGE, re.M)


@pytest.mark.slow
def test_what_the_containers_run(batch, processes, tls):
    grid = batch.grid({1: "finish", 2: "finish"})
    places = {"/tls/": f"{tls}/", "/grid/grid.yml": str(grid), "s3://bucket/batch": batch.output}

    def start(workload, *more):
        (container,) = pod(workload)["spec"]["containers"]
        words = [str(word) for word in (*container["command"], *container["args"], *more)]
        for place, here in places.items():
            words = [word.replace(place, str(here)) for word in words]
        program = Path(sys.executable).with_name(words[0])
        return processes.start(program, *words[1:], env={"PYTHONPATH": str(ROOT)}, cwd=tls)

    scheduler = start(SCHEDULER, "--host", "127.0.0.1", "--port", 0)
    places["tls://dnnbook-scheduler:8786"] = address(scheduler)
    worker = start(WORKER)
    worker.says("Registered to:")
    driver = start(DRIVER)
    assert driver.wait() == 0, driver.stderr
    assert batch.statuses() == {1: "done", 2: "done"}
    scheduler.send(signal.SIGTERM)
