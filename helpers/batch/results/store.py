"""Where a batch keeps its files: a folder, or an object store that fsspec knows.

Nothing is ever half-written: a file in a folder is written beside its place and renamed, and an
object store, as `memory://` too, puts an object as a whole or not at all. What else fsspec knows,
such as `sftp://`, writes in place: a driver that is killed there may leave half a file.
"""

import json
import os
import secrets
import socket
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from typing_extensions import override

from helpers.batch.errors import BatchError, UsageError

LEASE = 60.0  # seconds after which a driver that has not been heard of counts as gone
OWNER = ".driver.json"  # says who is at work


class Store:
    """Files by name below one address.

    Attributes:
        address: a folder's path or a URL.
    """

    address: str

    def exists(self, name: str) -> bool:
        """Return whether a file of this name is there."""
        raise NotImplementedError

    def read_text(self, name: str) -> str:
        """Return a file's text.

        Raises:
            FileNotFoundError: There is no such file.
        """
        raise NotImplementedError

    def write_text(self, name: str, text: str) -> None:
        """Write a file as a whole, as `write_bytes` does."""
        self.write_bytes(name, text.encode("utf-8"))

    def write_bytes(self, name: str, data: bytes) -> None:
        """Write a file as a whole.

        Raises:
            BatchError: It could not be written; what was there before still is.
        """
        try:
            self._write(name, data)
        except OSError as error:
            place = f"{self.address}/{name}"
            raise BatchError(f"{place} could not be written: {error.strerror or error}") from error

    def _write(self, name: str, data: bytes) -> None:
        raise NotImplementedError

    def lock(self) -> Iterator[None]:
        """Keep other drivers away for the time of a `with` block.

        Raises:
            UsageError: Another driver is at work here; the message names it.
        """
        raise NotImplementedError

    def _refuse(self, owner: str) -> None:
        try:
            who = json.loads(owner)
            named = f"process {who['pid']} on {who['host']}, since {who['since']}"
        except (ValueError, KeyError, TypeError):
            named = "unknown"
        raise UsageError(f"{self.address}: another driver is at work here: {named}")


class Folder(Store):
    """A folder on this machine. The operating system holds its lock and frees a dead driver's."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.address = str(self.path)

    def place(self, name: str) -> Path:
        """Return where a file lies."""
        return self.path / name

    @override
    def exists(self, name: str) -> bool:
        return self.place(name).exists()

    @override
    def read_text(self, name: str) -> str:
        return self.place(name).read_text("utf-8", errors="replace")

    @override
    def _write(self, name: str, data: bytes) -> None:
        path = Path(os.path.realpath(self.place(name)))  # a link stays one
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
        try:
            with draft.open("xb") as file:  # whom the umask lets read, may read
                file.write(data)
                file.flush()
                os.fsync(file.fileno())  # else a crash may leave a name without its content
            with suppress(FileNotFoundError):
                draft.chmod(stat.S_IMODE(path.stat().st_mode))
            draft.replace(path)
        except BaseException:
            with suppress(OSError):
                draft.unlink()
            raise

    def make(self) -> None:
        """Make the folder, if it is not there.

        Raises:
            UsageError: It cannot be made, or nothing can be written to it.
        """
        with suppress(OSError):
            self.path.mkdir(parents=True, exist_ok=True)
        if not self.path.is_dir() or not os.access(self.path, os.W_OK):
            raise UsageError(f"the output folder must be writable. Received: {self.path}")

    @override
    @contextmanager
    def lock(self) -> Iterator[None]:
        from filelock import FileLock, Timeout

        self.make()
        lock = FileLock(self.path / ".lock")
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            with suppress(OSError):
                self._refuse(self.read_text(OWNER))
            raise UsageError(f"{self.address}: another driver is at work here") from error
        try:
            self.write_bytes(OWNER, driver_note(now()))
            yield
        finally:
            (self.path / OWNER).unlink(missing_ok=True)
            lock.release()


class ObjectStore(Store):
    """An address that fsspec knows. A note that its driver renews is the lock.

    Two drivers that start within the same moment may both get it: an object store has no better
    means that all of them share. Where then one's notebook lies beside the other's marker, the run
    counts as absent and is run again.
    """

    def __init__(self, url: str) -> None:
        import fsspec

        try:
            self._files, self._base = fsspec.core.url_to_fs(url)
        except (ValueError, ImportError, OSError) as error:
            raise UsageError(
                f"OUTPUT must be a folder or an address of fsspec. Received: {url}. {error}"
            ) from error
        self.address = url.rstrip("/")

    def _path(self, name: str) -> str:
        return f"{self._base.rstrip('/')}/{name}"

    @contextmanager
    def _reached(self, name: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise
        except Exception as error:  # each service has errors of its own, many no OSError
            place = f"{self.address}/{name}"
            raise BatchError(f"{place} could not be reached: {error}") from error

    @override
    def exists(self, name: str) -> bool:
        with self._reached(name):
            return self._files.exists(self._path(name))

    @override
    def read_text(self, name: str) -> str:
        with self._reached(name):
            return self._files.cat_file(self._path(name)).decode("utf-8", "replace")

    @override
    def _write(self, name: str, data: bytes) -> None:
        with self._reached(name):
            self._files.pipe_file(self._path(name), data)

    @override
    @contextmanager
    def lock(self) -> Iterator[None]:
        with suppress(FileNotFoundError, ValueError, KeyError, TypeError):
            note = self.read_text(OWNER)
            if time.time() - json.loads(note)["seen"] < LEASE:
                self._refuse(note)
        over, since, token = threading.Event(), now(), secrets.token_hex(8)

        def renew() -> None:
            while not over.wait(LEASE / 3):
                with suppress(BatchError):  # the next renewal may well succeed
                    if self._holder() in (token, None):
                        self.write_bytes(OWNER, driver_note(since, token))

        self.write_bytes(OWNER, driver_note(since, token))
        thread = threading.Thread(target=renew, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            with suppress(OSError, BatchError), self._reached(OWNER):
                if self._holder() == token:
                    self._files.rm_file(self._path(OWNER))

    def _holder(self) -> str | None:
        """Return the token in the driver's note: another's, if this driver slept too long."""
        try:
            return json.loads(self.read_text(OWNER))["token"]
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError):
            return ""


def open_store(address: str | os.PathLike) -> Store:
    """Return the store at an address.

    >>> open_store("memory://batch").address
    'memory://batch'

    Raises:
        UsageError: fsspec does not know such an address, or a package for it is missing.
    """
    text = os.fspath(address)
    protocol, found, path = text.partition("://")
    if found and protocol not in ("file", "local"):
        return ObjectStore(text)
    return Folder(Path(path if found else text))


def now() -> str:
    """Return the time to the second, in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def driver_note(since: str, token: str = "") -> bytes:
    """Return what a driver that has begun at that time says of itself while it is at work."""
    who = {"pid": os.getpid(), "host": socket.gethostname(), "since": since, "seen": time.time()}
    return json.dumps({**who, "token": token}).encode()
