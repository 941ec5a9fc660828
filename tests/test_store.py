"""Nothing is ever half-written, wherever it is kept, and one driver at a time works there."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from helpers.batch.errors import BatchError, UsageError
from helpers.batch.results import store as store_module
from helpers.batch.results.store import OWNER, Folder, ObjectStore, driver_note, open_store
from tests.waiting import wait_for

ROOT = Path(__file__).parents[1]
NAMES = ["a.json", "runs/x-1/notebook.ipynb", "a {b} #1 %2 ?3 é.txt"]


@pytest.fixture(scope="module")
def s3():
    """Return the address of an S3 server on loopback, with a bucket."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    settings = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    import s3fs

    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, value)
        s3fs.S3FileSystem.clear_instance_cache()
        s3fs.S3FileSystem().mkdir("bucket")
        yield "s3://bucket/a batch"
        s3fs.S3FileSystem.clear_instance_cache()
    server.stop()


@pytest.fixture(params=["folder", "memory", "s3"])
def store(request, tmp_path):
    """Return an empty store of each kind."""
    if request.param == "folder":
        return open_store(tmp_path / "a {b} #1 %2 ?3")
    if request.param == "memory":
        return open_store(f"memory://{tmp_path.name}")
    return open_store(f"{request.getfixturevalue('s3')}/{tmp_path.name}")


@pytest.mark.parametrize("name", NAMES)
def test_what_is_written_is_read(store, name):
    assert not store.exists(name)
    with pytest.raises(FileNotFoundError):
        store.read_text(name)
    for text in ("first, é\n", "second"):
        store.write_text(name, text)
        assert store.exists(name)
        assert store.read_text(name) == text


def test_what_is_cut_off_within_a_letter_can_be_read(store):
    store.write_bytes("x", "é".encode()[:1])
    assert store.read_text("x") == "\ufffd"


def test_one_driver_at_a_time(store):
    with store.lock():
        note = json.loads(store.read_text(OWNER))
        assert note["pid"] == os.getpid()
        with pytest.raises(UsageError) as refusal, open_store(store.address).lock():
            pytest.fail("two drivers at a time")
        said = f"another driver is at work here: process {os.getpid()} on {note['host']}, since "
        assert said in str(refusal.value)
        assert store.exists(OWNER)  # the refused one leaves it alone
    assert not store.exists(OWNER)
    with store.lock():
        pass


def test_a_driver_that_fails_lets_go(store):
    with pytest.raises(ZeroDivisionError), store.lock():
        raise ZeroDivisionError
    with store.lock():
        pass


@pytest.mark.parametrize(
    "address", ["nope://x", "gs+none://x", "s4://bucket", "ftp://no-host.invalid/x"]
)
def test_an_unknown_address_is_bad_usage(address):
    with pytest.raises(UsageError, match=r"must be a folder or an address of fsspec\. Received: "):
        open_store(address)


def test_an_address_is_a_folder_or_a_url(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert open_store("out").address == str(tmp_path / "out")
    assert open_store(Path("out")).path == tmp_path / "out"
    assert isinstance(open_store("memory://x"), ObjectStore)
    for protocol in ("file", "local"):
        store = open_store(f"{protocol}://{tmp_path}/new/out")
        assert (type(store), store.address) == (Folder, f"{tmp_path}/new/out")


# Folders


def test_a_folder_holds_what_was_written_and_nothing_else(tmp_path):
    store = Folder(tmp_path)
    store.write_text("runs/a.json", "x")
    with store.lock():
        pass
    found = {path.name for path in tmp_path.rglob("*")}
    assert found <= {"runs", "a.json", ".lock"}


def mode_of(path):
    return oct(path.stat().st_mode & 0o777)


@pytest.fixture
def umask():
    """Return the function that sets it; afterwards it is as it was."""
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)


@pytest.mark.parametrize(("mask", "mode"), [(0o077, "0o600"), (0o022, "0o644"), (0o002, "0o664")])
def test_a_new_file_may_be_read_by_those_whom_the_umask_lets(tmp_path, umask, mask, mode):
    umask(mask)
    Folder(tmp_path).write_text("a.json", "x")
    assert mode_of(tmp_path / "a.json") == mode


def test_a_file_that_is_replaced_keeps_its_mode(tmp_path, umask):
    (tmp_path / "a.json").touch()
    (tmp_path / "a.json").chmod(0o664)
    umask(0o077)
    Folder(tmp_path).write_text("a.json", "x")
    assert (mode_of(tmp_path / "a.json"), (tmp_path / "a.json").read_text()) == ("0o664", "x")


@pytest.mark.parametrize("is_there", [True, False])
def test_a_link_stays_one_and_what_it_leads_to_is_written(tmp_path, is_there):
    target, link = tmp_path / "far" / "a.json", tmp_path / "link.json"
    if is_there:
        target.parent.mkdir()
        target.write_text("the earlier one")
    link.symlink_to(target)
    Folder(tmp_path).write_text("link.json", "x")
    assert (link.is_symlink(), target.read_text()) == (True, "x")
    assert {path.name for path in tmp_path.rglob("*")} == {"far", "a.json", "link.json"}


FILLS = """\
import resource, sys
from pathlib import Path
from helpers.batch.errors import BatchError
from helpers.batch.results.store import Folder
store = Folder(Path(sys.argv[1]))
store.write_text("a.json", "the earlier one")
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
for name in ("a.json", "b.json"):
    try:
        store.write_text(name, "x" * 5000)
    except BatchError as error:
        print(error)
with store.lock():
    store.write_text("c.json", "small")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
def test_a_full_disk_is_said_and_harms_nothing_that_is_there(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", FILLS, tmp_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [
        f"{tmp_path}/{name} could not be written: File too large" for name in ("a.json", "b.json")
    ]
    assert done.stdout.splitlines() == lines
    assert (tmp_path / "a.json").read_text() == "the earlier one"
    assert {path.name for path in tmp_path.iterdir()} <= {"a.json", "c.json", ".lock"}


def write_for_ever(folder):
    store = Folder(folder)
    while True:
        for letter in "ab":
            store.write_text("x", letter * 100_000)


def test_a_reader_sees_a_whole_file_even_if_the_writer_is_killed(tmp_path):
    writer = multiprocessing.get_context("spawn").Process(target=write_for_ever, args=[tmp_path])
    writer.start()
    store = Folder(tmp_path)
    wait_for(lambda: store.exists("x"))
    texts = {store.read_text("x") for _ in range(200)}
    writer.kill()
    writer.join()
    texts.add(store.read_text("x"))
    assert texts <= {"a" * 100_000, "b" * 100_000}


HOLDS = """\
import sys, time
from helpers.batch.results.store import open_store
with open_store(sys.argv[1]).lock():
    print("locked", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def driver(tmp_path):
    """Return another process that holds the folder's lock."""
    command = [sys.executable, "-c", HOLDS, tmp_path]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "locked\n"
        yield process
        process.kill()


def test_a_second_driver_is_refused_and_told_of_the_first(tmp_path, driver):
    with pytest.raises(UsageError, match=f"process {driver.pid} on "), Folder(tmp_path).lock():
        pass
    assert driver.poll() is None


def test_the_lock_of_a_driver_that_was_killed_is_free(tmp_path, driver):
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    assert (tmp_path / OWNER).exists()  # it had no time to tidy up
    with Folder(tmp_path).lock():
        assert json.loads((tmp_path / OWNER).read_text())["pid"] == os.getpid()


@pytest.mark.parametrize("note", ["", "{", "[]", "{}"])
def test_a_driver_without_a_readable_note_is_refused_too(tmp_path, note):
    store = Folder(tmp_path)
    with store.lock():
        store.write_text(OWNER, note)
        with pytest.raises(UsageError, match="another driver is at work here"), store.lock():
            pass


def test_a_folder_that_cannot_be_is_bad_usage(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"must be writable\. Received: "):
        Folder(tmp_path / "file").make()


# Object stores


@pytest.mark.parametrize("address", ["memory", "s3"])
def test_the_lease_of_a_driver_that_is_gone_runs_out(address, request, tmp_path, monkeypatch):
    monkeypatch.setattr(store_module, "LEASE", 3600)
    base = request.getfixturevalue("s3") if address == "s3" else "memory://lease"
    store = open_store(f"{base}/{tmp_path.name}")
    note = json.loads(driver_note("then"))
    store.write_text(OWNER, json.dumps(note | {"seen": time.time() - store_module.LEASE / 2}))
    with pytest.raises(UsageError, match="since then"), store.lock():
        pass
    store.write_text(OWNER, json.dumps(note | {"seen": time.time() - store_module.LEASE - 1}))
    with store.lock():
        assert json.loads(store.read_text(OWNER))["since"] != "then"


def test_a_driver_at_work_renews_its_lease(monkeypatch):
    monkeypatch.setattr(store_module, "LEASE", 0.6)
    store = open_store("memory://renewed")

    def note():
        return json.loads(store.read_text(OWNER))

    with store.lock():
        first = note()
        wait_for(lambda: note()["seen"] > first["seen"])
        assert note()["since"] == first["since"]
        monkeypatch.setattr(store_module, "LEASE", 3600)  # which this thread may take until here
        with pytest.raises(UsageError), open_store("memory://renewed").lock():
            pass
    assert not store.exists(OWNER)


def test_a_driver_that_slept_too_long_leaves_the_next_one_its_note():
    store = open_store("memory://slept")
    with store.lock():
        store.write_bytes(OWNER, driver_note("later", "another's"))
    assert json.loads(store.read_text(OWNER))["since"] == "later"


def test_it_does_not_renew_the_note_of_the_next_one(monkeypatch):
    monkeypatch.setattr(store_module, "LEASE", 0.1)
    store, looks = open_store("memory://slept-long"), []
    read = store.read_text

    def read_text(name):
        if threading.current_thread() is not threading.main_thread():  # it renews
            store.write_bytes(OWNER, driver_note("later", "another's"))
            looks.append(name)
        return read(name)

    monkeypatch.setattr(store, "read_text", read_text)
    with store.lock():
        wait_for(lambda: len(looks) >= 2)
    assert json.loads(store.read_text(OWNER))["since"] == "later"


def test_a_note_that_is_gone_is_written_again(monkeypatch):
    monkeypatch.setattr(store_module, "LEASE", 0.1)
    store = open_store("memory://gone")
    with store.lock():
        store._files.rm_file(store._path(OWNER))
        wait_for(lambda: store.exists(OWNER))
    assert not store.exists(OWNER)


@pytest.mark.parametrize("note", ["", "{", "[]", "{}", '{"seen": "soon"}'])
def test_a_note_that_cannot_be_read_locks_nothing(note):
    store = open_store("memory://unreadable")
    store.write_text(OWNER, note)
    with store.lock():
        pass


def test_a_bucket_that_is_not_there_is_a_clear_error(s3):
    store = open_store("s3://no-such-bucket/x")
    with pytest.raises(BatchError, match="specified bucket does not exist"), store.lock():
        pass
    with pytest.raises(BatchError, match=r"^s3://no-such-bucket/x/a could not be written: "):
        store.write_text("a", "x")


def test_without_credentials_there_is_a_clear_error(s3, monkeypatch, tmp_path):
    import s3fs

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    s3fs.S3FileSystem.clear_instance_cache()
    store = open_store(s3)
    for reach in (store.read_text, store.exists, lambda name: store.write_text(name, "")):
        with pytest.raises(BatchError, match=r"a could not be reached: Unable to locate cred"):
            reach("a")
    s3fs.S3FileSystem.clear_instance_cache()
