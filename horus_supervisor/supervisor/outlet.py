"""Standard output without waiting: no line broken, none waited for.

The supervisor's only writer. Standard output may stop being read at any moment: it is written
without blocking, and what can't be written waits in a bounded buffer, crash lines first. When that
is full, pipes are left unread: runners wait, the parent never does. Lines that can't wait there are
dropped and counted, but for deaths: there are no more than runners, and none is born meanwhile. All
are, while a named pipe has no reader, or a file takes none though its disk has room.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import stat
from collections import deque
from collections.abc import Callable

from horus_supervisor.logs import console_lines, in_colour

BUFFER_BYTES = 4 * 1024 * 1024

_FOR_NOW = (errno.EAGAIN, errno.EINTR, errno.ENOSPC, errno.EDQUOT, errno.ENOBUFS, errno.ENOMEM)
"""Errors of a write that end by themselves, a full disk's too; of others, no pipe or terminal that
nobody can open again recovers."""

Write = Callable[[bytes], int]


class Outlet:
    """Standard output, without waiting. Owns its own descriptor for it where it can have one."""

    def __init__(self, fd: int, *, console: bool = False) -> None:
        self._console = console
        self._color = console and in_colour(fd)
        self._urgent: deque[bytes] = deque()
        self._waiting: deque[bytes] = deque()
        self._half: deque[bytes] | None = None  # which queue begins in mid-line
        self._rest = b""  # of a line that a named pipe has the beginning of, for its next reader
        self._size = 0
        self._fd, self._write, self._let_go = _unblocked(fd)
        self._named = _has_a_name(fd)
        self._unheard = False  # the last write failed: nobody had the pipe open, or a disk failed
        self.dropped = 0
        self.closed = False

    def fileno(self) -> int:
        """The descriptor to wait for."""
        return self._fd

    @property
    def writing(self) -> bool:
        """Whether lines wait for room."""
        return bool(self._urgent or self._waiting)

    @property
    def full(self) -> bool:
        """Whether no more is taken in: leave pipes unread, let no runner be born."""
        return self._size >= BUFFER_BYTES

    def put(self, lines: bytes, *, last: bool = False) -> None:
        """Take whole lines; drop them where there is no room. ``last``: for the dead's, twice that.

        They are no more than pipes hold, and nobody will write them again.
        """
        if self._size >= BUFFER_BYTES * (2 if last else 1):
            self.dropped += lines.count(b"\n")
        else:
            self._take(self._waiting, lines)

    def put_first(self, lines: bytes) -> None:
        """Take a line that goes before all others, and is not dropped for want of room: a death."""
        self._take(self._urgent, lines)

    def _take(self, queue: deque[bytes], lines: bytes) -> None:
        if self.closed or not lines:
            return
        if self._console:
            lines = console_lines(lines, color=self._color)
        queue.append(lines)
        self._size += len(lines)

    def flush(self) -> None:
        """Write what there is room for. Half a line stays at the head of its queue."""
        if self._rest and self.writing:
            self._take_up()
        while self.writing:
            queue = self._half or self._urgent or self._waiting
            overtaken = self._half is self._waiting and self._urgent  # once this line is whole
            lines = queue.popleft()
            try:
                written = self._write(lines[: lines.index(b"\n") + 1] if overtaken else lines)
            except OSError as error:
                queue.appendleft(lines)
                if error.errno in _FOR_NOW:
                    return
                if self._named:
                    self._drop()
                else:
                    self._give_up()
                return
            self._unheard = False
            self._size -= written
            if written < len(lines):
                queue.appendleft(lines[written:])
            if written:
                self._half = None if lines[written - 1 : written] == b"\n" else queue

    def take_dropped(self) -> int:
        """Take how many lines were dropped, once there is room, or a reader, to tell it."""
        if self.full or self._unheard:
            return 0
        count, self.dropped = self.dropped, 0
        return count

    def close(self) -> None:
        """Let go of our own descriptor; what was given to us stays open."""
        self._give_up()
        self._let_go()

    def _give_up(self) -> None:
        """Nobody will ever read it: the service goes on without a log."""
        self.closed = True
        self._clear()

    def _drop(self) -> None:
        """Nobody gets it now: drop what waits, and count it for who opens the pipe next.

        He finds there what the last one left, so a line that was written in part is kept. A file
        that takes no lines (a broken disk, a limit of its size) may be mended likewise.
        """
        if self._half:
            end, newline, others = self._half.popleft().partition(b"\n")
            self._rest = end + newline
            self._half.appendleft(others)
        self.dropped += sum(lines.count(b"\n") for lines in (*self._urgent, *self._waiting))
        self._unheard = True
        self._clear()

    def _take_up(self) -> None:
        self._waiting.appendleft(self._rest)
        self._half = self._waiting
        self._size += len(self._rest)
        self._rest = b""

    def _clear(self) -> None:
        self._urgent.clear()
        self._waiting.clear()
        self._half = None
        self._size = 0


def _unblocked(fd: int) -> tuple[int, Write, Callable[[], None]]:
    """Open our own way to a descriptor: O_NONBLOCK on the one we got would be the shell's too.

    A regular file never makes us wait.
    """
    mode = os.fstat(fd).st_mode
    if stat.S_ISSOCK(mode):
        sock = socket.socket(fileno=os.dup(fd))
        return sock.fileno(), lambda lines: sock.send(lines, socket.MSG_DONTWAIT), sock.close
    if stat.S_ISFIFO(mode) or stat.S_ISCHR(mode):
        with contextlib.suppress(OSError):
            own = os.open(f"/proc/self/fd/{fd}", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            return own, lambda lines: os.write(own, lines), lambda: os.close(own)
        return fd, _asking_first(fd), _keep  # a pipe of another user, or no /proc
    return fd, lambda lines: os.write(fd, lines), _keep


def _has_a_name(fd: int) -> bool:
    """Tell what may take lines again, a file or a named pipe, from what nobody can open again."""
    with contextlib.suppress(OSError):
        mode = os.fstat(fd).st_mode
        if stat.S_ISFIFO(mode):
            return not os.readlink(f"/proc/self/fd/{fd}").startswith("pipe:")
        return stat.S_ISREG(mode)
    return False


def _keep() -> None:
    """Close nothing: the descriptor is not ours."""


def _asking_first(fd: int) -> Write:
    """Write to a descriptor that blocks, without blocking: no more than it has room for."""
    poll = select.poll()
    poll.register(fd, select.POLLOUT)

    def write(lines: bytes) -> int:
        if not poll.poll(0):
            raise BlockingIOError(errno.EAGAIN, "no room")
        return os.write(fd, lines[: select.PIPE_BUF])  # so much goes in at once where any does

    return write
