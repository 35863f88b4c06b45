"""Everyone's lines, on their way to standard output: none broken, none waited for.

The supervisor's only writer. Standard output may stop being read at any moment: it is written
without blocking, and what can't be written waits in a bounded buffer, crash lines first. When that
is full, ``output`` lines are dropped and counted, and pipes are left unread: runners wait, the
parent never does.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import stat
from collections import deque
from collections.abc import Callable

from horus_supervisor.events import Event
from horus_supervisor.logs import Logger, console_line

BUFFER_BYTES = 4 * 1024 * 1024
CHUNK_BYTES = 64 * 1024
LINE_MAX_BYTES = 8 * 1024
TAIL_LINES = 20
PIPE_BYTES = 256 * 1024
_F_SETPIPE_SZ = 1031


class Outlet:
    """Standard output, without waiting. Owns its own descriptor for it where it can have one."""

    def __init__(self, fd: int, *, console: bool = False) -> None:
        self._console = console
        self._color = console and os.isatty(fd) and "NO_COLOR" not in os.environ
        self._urgent: deque[bytes] = deque()
        self._waiting: deque[bytes] = deque()
        self._size = 0
        self._fd, self._write = _unblocked(fd)
        self.dropped = 0
        self.closed = False

    def fileno(self) -> int:
        """The descriptor to wait for."""
        return self._fd

    @property
    def writing(self) -> bool:
        """Whether lines wait for room."""
        return bool(self._urgent or self._waiting) and not self.closed

    @property
    def full(self) -> bool:
        """Whether no more should be taken in: leave pipes unread, drop ``output``."""
        return self._size >= BUFFER_BYTES

    def put(self, lines: bytes) -> None:
        """Take whole lines."""
        self._take(self._waiting, lines)

    def put_first(self, lines: bytes) -> None:
        """Take lines that go before all others: a crash."""
        self._take(self._urgent, lines)

    def _take(self, queue: deque[bytes], lines: bytes) -> None:
        if self._console:
            lines = b"".join(console_line(line, color=self._color) for line in lines.splitlines())
        queue.append(lines)
        self._size += len(lines)

    def flush(self) -> None:
        """Write what there is room for. Half a line stays at the head of its queue."""
        while self.writing:
            queue = self._waiting if self._part or not self._urgent else self._urgent
            lines = queue[0]
            try:
                written = self._write(lines)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:  # nobody will ever read it: go on working without a log
                self.closed = True
                self._urgent.clear()
                self._waiting.clear()
                self._size = 0
                return
            self._size -= written
            self._part = (
                written < len(lines)
                and not lines[:written].endswith(b"\n")
                and queue is self._waiting
            )
            if written < len(lines):
                queue[0] = lines[written:]
            else:
                queue.popleft()

    _part = False


def _unblocked(fd: int) -> tuple[int, Callable[[bytes], int]]:
    """Open our own way to a descriptor: O_NONBLOCK on the one we got would be the shell's too."""
    mode = os.fstat(fd).st_mode
    if stat.S_ISSOCK(mode):
        sock = socket.socket(fileno=os.dup(fd))
        return sock.fileno(), lambda lines: sock.send(lines, socket.MSG_DONTWAIT)
    if stat.S_ISFIFO(mode) or stat.S_ISCHR(mode):
        with contextlib.suppress(OSError):
            own = os.open(f"/proc/self/fd/{fd}", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            return own, lambda lines: os.write(own, lines)
    return fd, lambda lines: os.write(fd, lines)


def make_pipe(size: int | None = None) -> tuple[int, int]:
    """Open a pipe that we read without waiting; a larger one where the kernel grants it."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    if size:
        with contextlib.suppress(OSError):
            fcntl.fcntl(writing, _F_SETPIPE_SZ, size)
    return reading, writing


class LinePipe:
    """A pipe of lines that are JSON already: passed on in whole chunks, cut at the last newline."""

    def __init__(self, fd: int, outlet: Outlet, stray: Callable[[bytes], None]) -> None:
        self.fd = fd
        self._outlet = outlet
        self._stray = stray
        self._rest = b""
        self.ended = False

    def drain(self, *, last: bool = False) -> None:
        """Pass on what has come; ``last``: its writer is dead, half a line is a stray."""
        while not self._outlet.full or last:
            try:
                chunk = os.read(self.fd, PIPE_BYTES)
            except BlockingIOError:
                break
            if not chunk:
                self.ended = True
                break
            whole, newline, rest = (self._rest + chunk).rpartition(b"\n")
            if newline:
                self._outlet.put(whole + newline)
            self._rest = rest
            if not last and len(chunk) < PIPE_BYTES:
                break
        if last and self._rest:
            self._stray(self._rest)
            self._rest = b""

    def close(self) -> None:
        """Close our end."""
        os.close(self.fd)


class OutputPipe:
    """What was written to descriptors 1 and 2: lines wrapped as ``output``, the last ones kept."""

    def __init__(
        self, fd: int, outlet: Outlet, log: Logger, about: Callable[[], dict[str, object]]
    ) -> None:
        self.fd = fd
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._outlet = outlet
        self._log = log
        self._about = about
        self._rest = b""
        self.ended = False

    def drain(self, *, last: bool = False) -> None:
        """Wrap what has come, at most 64 KiB a turn; ``last``: all, with an unfinished line."""
        rounds = 64 if last else 1
        for _ in range(rounds):
            try:
                chunk = os.read(self.fd, CHUNK_BYTES)
            except BlockingIOError:
                break
            if not chunk:
                self.ended = True
                break
            *lines, self._rest = (self._rest + chunk).split(b"\n")
            for line in lines:
                self.say(line)
            while len(self._rest) > LINE_MAX_BYTES:
                self.say(self._rest[:LINE_MAX_BYTES], cut=True)
                self._rest = self._rest[LINE_MAX_BYTES:]
        if last and self._rest:
            self.say(self._rest, cut=True)
            self._rest = b""

    def say(self, line: bytes, *, cut: bool = False) -> None:
        """Make an ``output`` line of it, or count it where there is no room."""
        text = line[:LINE_MAX_BYTES].decode("utf-8", "replace").rstrip("\r")
        self.tail.append(text)
        if self._outlet.full:
            self._outlet.dropped += 1
            return
        fields = {"text": text, **self._about()}
        if cut or len(line) > LINE_MAX_BYTES:
            fields["cut"] = True
        self._log.info(Event.OUTPUT, **fields)

    def close(self) -> None:
        """Close our end."""
        os.close(self.fd)
