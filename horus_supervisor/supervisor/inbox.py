"""The one place where the supervisor waits: signals, pipes, sockets, room on standard output.

Signal handlers are empty; the wake-up descriptor tells that something came, ``signals`` what. After
the first log line it waits 10 ms more for what matters more, then all pipes are drained at once: a
wake-up for each line would halve the rate of the runners. So it is with what a template tells of
births: a turn for each of a hundred would take as long as all the rest.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from horus_supervisor.supervisor.output import LinePipe, OutputPipe

GATHER_S = 0.010

HEARD = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGCHLD)

_TERMINALS = (signal.SIGTTOU, signal.SIGTTIN)
"""Sent to who touches a terminal from its background: we would be stopped, and nobody reaped."""

Handler = Callable[[], object]


class Inbox:
    """Waits for descriptors and signals; owns the selectors, not what is registered."""

    def __init__(self) -> None:
        self._pressing = selectors.DefaultSelector()
        self._urgent = selectors.DefaultSelector()
        self._all = selectors.DefaultSelector()
        self._patient: set[int] = set()
        self._got: list[int] = []
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        os.set_blocking(writing, False)
        self._wakeup = reading
        for number in HEARD:
            signal.signal(number, self._note)
        for number in _TERMINALS:
            signal.signal(number, signal.SIG_IGN)
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        self.watch(reading, self._empty_wakeup)

    def _note(self, number: int, _frame: object) -> None:
        self._got.append(number)

    def _empty_wakeup(self) -> None:
        try:
            while len(os.read(self._wakeup, 4096)) == 4096:
                pass
        except BlockingIOError:
            return

    def watch(self, fd: int, handler: Handler, *, write: bool = False, soon: bool = True) -> None:
        """Call ``handler`` when ``fd`` is readable (or, with ``write``, has room).

        Not ``soon``: a moment later, with others; but for room in the log, as if it were.
        """
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if write else 0)
        if not soon:
            self._patient.add(fd)
        for selector in (*([self._pressing] if soon else ()), self._urgent, self._all):
            if fd in selector.get_map():
                selector.modify(fd, events, handler)
            else:
                selector.register(fd, events, handler)

    def watch_bulk(self, fd: int, handler: Handler) -> None:
        """Call ``handler`` when ``fd`` is readable, gathered with others."""
        self._patient.add(fd)
        self._all.register(fd, selectors.EVENT_READ, handler)

    def watch_pipe(self, pipe: LinePipe | OutputPipe) -> None:
        """Drain a pipe when it is readable, gathered with others, to its end."""

        def drain() -> None:
            pipe.drain()
            if pipe.ended and not pipe.closed:
                self.forget(pipe.fd)

        self.watch_bulk(pipe.fd, drain)

    def watch_room(self, fd: int, handler: Handler, wanted: bool) -> None:
        """Call ``handler`` when ``fd`` has room, as long as that is ``wanted``."""
        if not wanted:
            self.forget(fd)
        elif fd not in self._all.get_map():
            with contextlib.suppress(PermissionError):  # epoll(7): a regular file has always room
                for selector in (self._pressing, self._urgent, self._all):
                    selector.register(fd, selectors.EVENT_WRITE, handler)

    def forget(self, fd: int) -> None:
        """Stop watching a descriptor; before it is closed."""
        self._patient.discard(fd)
        for selector in (self._pressing, self._urgent, self._all):
            if fd in selector.get_map():
                selector.unregister(fd)

    def wait(self, wait_s: float, *, bulk: bool = True) -> list[Handler]:
        """Wait until something comes or ``wait_s`` is over; give the handlers to call.

        ``bulk=False`` leaves the gathered pipes alone: there is no room for what they hold.
        """
        selector = self._all if bulk else self._urgent
        ready = selector.select(max(0.0, wait_s))
        pressing = [key.data for key, _ in ready if key.fd not in self._patient]
        if ready and not pressing:
            pressing = [key.data for key, _ in self._pressing.select(GATHER_S)]
            ready = selector.select(0)
        return pressing + [key.data for key, _ in ready if key.fd in self._patient]

    def signals(self) -> Iterable[int]:
        """Take the signals that came since the last call."""
        got, self._got = self._got, []
        return got
