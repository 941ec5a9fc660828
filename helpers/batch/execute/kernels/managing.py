"""Kernels for papermill: forked from a warm server, or started in the ordinary way.

Both talk through sockets in a folder of their own that only this user may enter (IPC, not TCP),
and both end when the process that asked for them does, however it ends.
"""

import atexit
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning import LocalProvisioner
from traitlets import Type

from helpers.batch.errors import InfrastructureError
from helpers.batch.execute.kernels.forkserver import DIED, MESSAGE_SIZE, kill_group
from helpers.batch.execute.kernels.talking import KernelClient

PATIENCE = 600.0  # seconds that a server or a kernel may take to start, on a busy machine
SERVER = "helpers.batch.execute.kernels.forkserver"


def socket_place() -> str | None:
    """Return where folders for sockets go, whose paths must be shorter than 100 characters."""
    long = len(tempfile.gettempdir()) > 60 and os.path.isdir("/tmp")
    return "/tmp" if long else None


class ForkedKernel:
    """A kernel of the fork server, with the part of `subprocess.Popen` that provisioners use."""

    stdin = stdout = stderr = None

    def __init__(self, channel: socket.socket, log: Path) -> None:
        self._channel = channel
        self._log = log
        self._lock = threading.Lock()
        self.returncode: int | None = None
        self.pid = self._receive(timeout=PATIENCE).get("pid")
        if self.pid is None:
            raise InfrastructureError("the server of warm kernels does not answer")

    def _receive(self, timeout: float) -> dict:
        self._channel.settimeout(timeout)
        try:
            message = self._channel.recv(MESSAGE_SIZE)
        except (TimeoutError, BlockingIOError):
            return {}
        except OSError:
            message = b""
        if not message:
            raise InfrastructureError("the server of warm kernels died")
        return json.loads(message)

    def poll(self) -> int | None:
        """Return the exit code, or None while the kernel lives."""
        with self._lock:  # the watchdog polls, too; the code comes once
            if self.returncode is None:
                try:
                    self.returncode = self._receive(timeout=0).get("code")
                except InfrastructureError:
                    self.returncode = DIED
                if self.returncode is not None:
                    self._channel.close()
        return self.returncode

    def wait(self) -> int:
        """Wait for the end and return the exit code."""
        while self.poll() is None:
            time.sleep(0.01)
        return self.returncode

    def send_signal(self, kind: int) -> None:
        """Send a signal to the kernel alone."""
        if self.poll() is None:
            os.kill(self.pid, kind)

    def kill(self) -> None:
        """Kill the kernel and all that it started."""
        if self.poll() is None:
            kill_group(self.pid)

    def terminate(self) -> None:
        """Ask the kernel to end."""
        self.send_signal(signal.SIGTERM)


class WarmServer:
    """The client's side of the fork server, which it starts. Safe to use from several threads."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="dnnbook-", dir=socket_place()))
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._lock = threading.Lock()
        self._ready = False
        self._words: str | None = None  # its last, if it has not started
        # Its own session, for Ctrl-C in a terminal reaches a whole process group.
        with (self.folder / "server.log").open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", SERVER, str(theirs.fileno()), str(self.folder)],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
                cwd=Path(__file__).parents[4],  # else a `helpers` in the current folder comes first
                start_new_session=True,
            )
        theirs.close()

    def wait_until_ready(self, timeout: float = PATIENCE) -> None:
        """Wait until the server can fork kernels.

        Raises:
            InfrastructureError: It died or takes too long; the message holds its last words.
        """
        with self._lock:
            if not self._ready and self._words is None:
                with suppress(OSError):
                    self._control.settimeout(timeout)
                    self._ready = self._control.recv(16) == b"ready"
            if not self._ready and self._words is None:
                words = (self.folder / "server.log").read_text(errors="replace")
                self._words = words.strip()[-2000:]
                self.stop()
        if not self._ready:
            raise InfrastructureError(f"the server of warm kernels did not start: {self._words}")

    @property
    def alive(self) -> bool:
        """Whether the server's process is there."""
        return self._process.poll() is None

    def start_kernel(
        self,
        connection_file: str,
        *,
        folder: str,
        environment: dict[str, str],
        imports: Sequence[str] = (),
        arguments: Sequence[str] = (),
    ) -> ForkedKernel:
        """Fork a kernel.

        Args:
            connection_file: written by the kernel's manager.
            folder: the kernel's working folder.
            environment: the kernel's environment, as a whole.
            imports: packages that the notebook imports; the server imports those that it knows.
            arguments: further ones of its command line.

        Raises:
            InfrastructureError: The server is gone.
        """
        channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        log = Path(connection_file).with_suffix(".log")
        request = {
            "arguments": ["-f", connection_file, *arguments],
            "folder": folder,
            "environment": environment,
            "imports": list(imports),
            "log": str(log),
        }
        try:
            with self._lock, theirs:
                socket.send_fds(self._control, [json.dumps(request).encode()], [theirs.fileno()])
        except OSError as error:
            raise InfrastructureError(f"the server of warm kernels died: {error}") from error
        return ForkedKernel(channel, log)

    def stop(self) -> None:
        """End the server and all its kernels, and remove their sockets."""
        self._control.close()
        try:
            self._process.wait(5 if self._ready else 0)
        except subprocess.TimeoutExpired:  # still importing
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


class WarmProvisioner(LocalProvisioner):
    """Lets the fork server launch the kernel; all else is as with an ordinary one."""

    async def launch_kernel(self, cmd: list[str], **kwargs: object) -> dict:
        """Fork the kernel; `cmd` is what an ordinary one would be started with."""
        self.process = self.parent.server.start_kernel(
            self.parent.connection_file,
            folder=kwargs["cwd"],
            environment=kwargs["env"],
            imports=self.parent.imports,
            arguments=cmd[4:],  # as that its history be kept in no file
        )
        self.pid = self.pgid = self.process.pid
        return self.connection_info


class KernelManager(AsyncKernelManager):
    """Manages one kernel of this environment's Python, whatever kernel the notebook names."""

    server: WarmServer | None = None
    imports: Sequence[str] = ()
    transport = "ipc"
    client_factory = Type(klass=KernelClient)

    @property
    def kernel_spec(self) -> KernelSpec:
        """The ordinary kernel, started by a file's path: no folder's `helpers` can shadow it."""
        script = str(Path(__file__).with_name("ordinary.py"))
        return KernelSpec(
            argv=[sys.executable, script, "-f", "{connection_file}"],
            display_name="Python 3",
            language="python",
        )

    _process: subprocess.Popen | ForkedKernel | None = None

    def kernel_environment(self) -> dict[str, str]:
        """Return the environment that the kernel is to have."""
        return dict(os.environ)

    async def _async_pre_start_kernel(self, **kwargs: object) -> tuple:
        kwargs.setdefault("env", self.kernel_environment())
        if self.server is not None and self.provisioner is None:
            self.provisioner = WarmProvisioner(
                kernel_id=self.kernel_id or "", kernel_spec=self.kernel_spec, parent=self
            )
        return await super()._async_pre_start_kernel(**kwargs)

    async def _async_post_start_kernel(self, **kwargs: object) -> None:
        self._process = self.provisioner.process  # the provisioner forgets it after the end
        await super()._async_post_start_kernel(**kwargs)

    async def _async_wait(self, pollinterval: float = 0.01) -> None:
        """Look more often than Jupyter does whether a killed kernel is gone: it waits 0.1 s."""
        await super()._async_wait(pollinterval)

    @property
    def exit_code(self) -> int | None:
        """The kernel's exit code; negative if a signal ended it."""
        return self._process.poll() if self._process is not None else None

    def kill(self) -> None:
        """Kill the kernel and all that it started, from any thread."""
        if self._process is not None and self._process.poll() is None:
            kill_group(self._process.pid)


_server: WarmServer | None = None
_server_lock = threading.Lock()


def warm_server() -> WarmServer:
    """Return this process's server of warm kernels, ready; start another if it has died.

    Raises:
        InfrastructureError: It does not start.
    """
    global _server
    with _server_lock:
        if _server is None or not _server.alive:
            if _server is not None:
                _server.stop()
            _server = WarmServer()
            atexit.register(_server.stop)
    _server.wait_until_ready()
    return _server
