"""The keeper's way to the log. Never waits long: who waits for a log renews no lease.

A line goes into the pipe whole or not at all. What finds no room is dropped, and counted before the
next line that does; what finds no reader, as the supervisor is gone, waits in the spool.
"""

from __future__ import annotations

import os
import select
from collections.abc import Callable

from horus_supervisor import logs
from horus_supervisor.events import Event
from horus_supervisor.messages import Identity

ROOM_WITHIN_S = 0.1
"""Longest wait for room, once: who found none does not wait for it again until there is some."""


class Voice:
    """Writes lines to a descriptor that it does not own, and does not change: it may be a shell's.

    ``unheard`` takes a line that nobody reads any more. ``console``: people read it.
    """

    def __init__(
        self,
        fd: int,
        identity: Identity,
        unheard: Callable[[bytes], None],
        *,
        console: bool = False,
    ) -> None:
        base = identity.signature()
        self.log = logs.bind(self.say, base, identity.level)
        self._renderer = logs.Renderer(base)
        self._fd = fd
        self._console = console
        self._unheard = unheard
        self._poll = select.poll()
        self._poll.register(fd, select.POLLOUT)
        self._stuck = False
        self._dropped = 0
        self._line = b""  # the one that went in halfway
        self._written = 0

    def say(self, line: bytes) -> None:
        """Write a line, or drop it."""
        if self._line:
            self._write_on()
        told = self._told()
        if self._line or not self._room():
            self._dropped += 1
            return
        self._dropped = 0
        self._line, self._written = told + line, 0
        if self._console:
            self._line = logs.console_lines(self._line, color=logs.in_colour(self._fd))
        self._write_on()

    def finish(self) -> None:
        """Write what is left of the last line, and how many were dropped, if there is room."""
        self.say(b"")

    def _told(self) -> bytes:
        if not self._dropped:
            return b""
        fields = {"event": Event.LOG_DROPPED.value, "count": self._dropped}
        return self._renderer(None, "error", fields)

    def _write_on(self) -> None:
        try:
            while self._line and self._room():
                piece = self._line[self._written :][: select.PIPE_BUF]  # so much has room at once
                self._written += os.write(self._fd, piece)
                if self._written == len(self._line):
                    self._line = b""
        except BrokenPipeError:
            line, self._line = self._line, b""
            self._unheard(line)

    def _room(self) -> bool:
        self._stuck = not self._poll.poll(0 if self._stuck else ROOM_WITHIN_S * 1000)
        return not self._stuck
