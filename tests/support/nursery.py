"""Services forked from a process that has imported what they import: half the work of a start.

What is forked goes on as what ``python -m horus_supervisor.supervisor.main`` starts does: in a
session and a folder of its own, with three descriptors, the given environment, and nothing else of
whoever forked it. Where the start itself is the matter, a test starts a fresh interpreter.
"""

from __future__ import annotations

import atexit
import functools
import gc
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
REQUEST_BYTES = 256 * 1024
"""At most: more than a socket's buffer has room for."""


class Forked:
    """What tests use of ``subprocess.Popen``, for a process that the nursery forked and reaps."""

    def __init__(self, nursery: Nursery, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._nursery = nursery
        self._fd = os.pidfd_open(pid)

    def poll(self) -> int | None:
        """Tell the exit status; None while it runs."""
        return self._ended(0)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the exit status. Raises ``subprocess.TimeoutExpired``."""
        status = self._ended(None if timeout is None else int(timeout * 1000))
        if status is None:
            raise subprocess.TimeoutExpired(f"pid {self.pid}", timeout or 0.0)
        return status

    def send_signal(self, number: int) -> None:
        """Signal it; where it has ended, nobody."""
        if self.poll() is None:
            signal.pidfd_send_signal(self._fd, number)

    def _ended(self, within_ms: int | None) -> int | None:
        if self.returncode is None:
            ends = select.poll()
            ends.register(self._fd, select.POLLIN)
            if ends.poll(within_ms):
                self.returncode = int(self._nursery.ask({"reap": self.pid}))
                os.close(self._fd)
        return self.returncode


class Nursery:
    """The process that forks, and the way to it."""

    def __init__(self) -> None:
        self._way, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            command = [sys.executable, "-m", __name__]
            self._process = subprocess.Popen(
                command, stdin=theirs.fileno(), cwd=ROOT, start_new_session=True
            )
        atexit.register(self._close)

    def fork(
        self, arguments: Sequence[str], folder: Path, out: IO[bytes], err: IO[bytes]
    ) -> Forked:
        """Fork a service with the environment of this process."""
        order = {"argv": [*arguments], "folder": str(folder), "environ": dict(os.environ)}
        return Forked(self, int(self.ask(order, [out.fileno(), err.fileno()])))

    def ask(self, request: dict[str, Any], fds: Sequence[int] = ()) -> str:
        """Have a request carried out; gives the answer."""
        socket.send_fds(self._way, [json.dumps(request).encode()], fds)
        answer = self._way.recv(100).decode()
        assert answer, "the nursery has ended"
        return answer

    def _close(self) -> None:
        self._way.close()
        self._process.wait()


@functools.cache
def nursery() -> Nursery:
    """Tell the one of this process; it ends with it."""
    return Nursery()


# --- in the process that forks -------------------------------------------------------------------


_IMPORTED = (  # by a service's processes, before job code
    "config.content",
    "config.load",
    "keeper.main",
    "supervisor.command_line",
    "supervisor.lock",
    "supervisor.service",
    "template",
)


class _Born(NamedTuple):
    order: dict[str, Any]
    fds: list[int]


def _serve(way: socket.socket) -> _Born | None:
    """Fork and reap as asked. Returns in each child, with what it is to be; and at the end."""
    while True:
        text, fds, _, _ = socket.recv_fds(way, REQUEST_BYTES, 2)
        if not text:
            return None
        request = json.loads(text)
        if "reap" in request:
            _, status = os.waitpid(request["reap"], 0)
            answer = os.waitstatus_to_exitcode(status)
        elif (answer := os.fork()) == 0:
            return _Born(request, fds)
        for fd in fds:
            os.close(fd)
        way.send(str(answer).encode())


def _become(born: _Born) -> None:
    """Be what a fresh interpreter would be."""
    os.setsid()
    for number, fd in enumerate([os.open(os.devnull, os.O_RDONLY), *born.fds]):
        os.dup2(fd, number)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    os.chdir(born.order["folder"])
    os.environ.clear()
    os.environ.update(born.order["environ"])
    sys.path[0] = born.order["folder"]
    gc.unfreeze()


def main() -> int:
    """Serve until the tests end; in a child, be the service."""
    from horus_supervisor.supervisor.main import main as supervisor

    for name in _IMPORTED:
        importlib.import_module(f"horus_supervisor.{name}")

    gc.collect()
    gc.freeze()  # a collection must not copy what all share
    way = socket.socket(fileno=os.dup(0))
    born = _serve(way)
    if born is None:
        return 0
    way.detach()
    _become(born)
    return supervisor(born.order["argv"])


if __name__ == "__main__":
    sys.exit(main())
