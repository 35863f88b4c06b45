"""The supervisor's end of its keeper: started, told, listened to, and killed where it hangs."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from horus_supervisor import messages
from horus_supervisor.channel import Channel
from horus_supervisor.events import Event
from horus_supervisor.supervisor import children
from horus_supervisor.supervisor.credit import Credit
from horus_supervisor.supervisor.output import PIPE_BYTES, LinePipe, make_pipe
from horus_supervisor.supervisor.program import Program
from horus_supervisor.supervisor.silence import Silence, patience_s


@dataclass(slots=True, kw_only=True)
class Keeper(Program):
    """The keeper: a channel both ways, and a pipe of log lines."""

    name: str = "keeper"
    module: str = "horus_supervisor.keeper.main"
    credit: Credit = field(default_factory=lambda: Credit(2))
    lines: LinePipe | None = None
    channel: Channel[messages.FromKeeper] | None = None
    hears: Callable[[], None] | None = None
    silence: Silence = field(default_factory=Silence)
    patience_s: float = 0.0

    def begin(self, boot: messages.KeeperBoot, fds: list[int], hear: Callable[[Any], None]) -> None:
        """Start a keeper; ``fds``: scoreboard, lock, the guard's lifeline (or none).

        Raises ``OSError``.
        """
        ours, theirs = socket.socketpair()
        board_fd, *held = fds
        with theirs, contextlib.ExitStack() as undo:
            undo.enter_context(ours)
            log_r, log_w = make_pipe(PIPE_BYTES)
            undo.callback(os.close, log_r)
            try:
                output = self.fork([theirs.fileno(), board_fd, log_w, *held])
            finally:
                os.close(log_w)
            undo.pop_all()
        self.lines = LinePipe(log_r, self.ways.outlet, output.say)
        self.ways.inbox.watch_pipe(self.lines)
        channel: Channel[messages.FromKeeper] = Channel(ours, messages.from_keeper)
        self.channel = channel
        self.silence, self.patience_s = Silence(), patience_s(boot.lease_s)
        self.hears = lambda: self._hear(channel, hear)
        self.tell(boot)

    def _hear(self, channel: Channel[messages.FromKeeper], hear: Callable[[Any], None]) -> None:
        channel.flush()
        for message in channel.receive():
            hear(message)
        if channel.closed:
            self.ways.inbox.forget(channel.fileno())
        else:
            self._watch(channel)

    def _watch(self, channel: Channel[messages.FromKeeper]) -> None:
        """Listen to it, and for room as long as something waits to be sent."""
        assert self.hears is not None
        self.ways.inbox.watch(channel.fileno(), self.hears, write=channel.writing)

    def tell(self, message: messages.ToKeeper) -> None:
        """Send it a message, if there is one."""
        if self.channel and not self.channel.closed:
            self.channel.send(message)
            self._watch(self.channel)

    @property
    def lags(self) -> bool:
        """Whether it has yet to read what it was told before."""
        return self.channel is not None and self.channel.writing

    def look(self, ticks: int, now: float) -> None:
        """Kill it where it makes no sign of life; ``ticks``: how many there were so far.

        Else nobody renews the lease, and another host gives our jobs away. One that can't be told
        of deaths any more is as good as silent: no runner that died would have a successor.
        """
        if not self.pid:
            return
        deaf = self.channel is not None and self.channel.closed
        silent_s = self.silence.look(0 if deaf else ticks, now)
        if silent_s >= self.patience_s:
            self.silence = Silence()
            about = {"child": self.name, "pid": self.pid}
            self.ways.log.error(Event.CHILD_STUCK, silent_s=round(silent_s, 1), **about)
            children.send_signal(self.pid, signal.SIGKILL)

    def let_go(self) -> list[str]:
        """Hear what it said last, on every way; give the last lines that it wrote."""
        if self.lines:
            self.lines.drain(last=True)
            self.ways.inbox.forget(self.lines.fd)
            self.lines.close()
        tail = Program.let_go(self)  # ``super`` knows no class with slots
        self.lines = None
        if self.channel and self.hears:
            self.hears()
            self.ways.inbox.forget(self.channel.fileno())
            self.channel.close()
            self.channel = None
        return tail
