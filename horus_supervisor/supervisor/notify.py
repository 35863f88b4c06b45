"""Words to systemd: ready, reloading, stopping, status, and that the loop turns. sd_notify(3).

Nothing is waited for: what finds no room is said again in the next turn, in its order. The
variables that ask for it are taken out of the environment: no child speaks for the service.
"""

from __future__ import annotations

import os
import socket
import time
from collections import deque

_OWING_MAX = 100


class Notifier:
    """Talks to whoever started the service, where it wants to be talked to; owns its socket."""

    def __init__(self) -> None:
        self._address = os.environ.pop("NOTIFY_SOCKET", "")
        every_us = os.environ.pop("WATCHDOG_USEC", "")
        pid = os.environ.pop("WATCHDOG_PID", "")
        asked = bool(self._address) and every_us.isdigit() and pid in ("", str(os.getpid()))
        self._every_s = int(every_us) / 1e6 / 3 if asked else None
        self._fed_at = 0.0
        self._owing: deque[str] = deque(maxlen=_OWING_MAX)
        if self._address.startswith("@"):  # unix(7): an abstract one
            self._address = "\0" + self._address[1:]
        if self._address:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._socket.setblocking(False)

    def say(self, *words: str) -> None:
        """Say assignments (``READY=1``) in one message."""
        if self._address:
            self._owing.append("\n".join(words))
            self._send()

    def reloading(self) -> None:
        """Say that a reload begins; ``READY=1`` says that it is over."""
        self.say("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def turned(self, now: float) -> None:
        """Note a turn of the loop that did its work: it feeds the watchdog."""
        if self._every_s is not None and now - self._fed_at >= self._every_s:
            self._fed_at = now
            self.say("WATCHDOG=1")
        elif self._owing:
            self._send()

    def _send(self) -> None:
        while self._owing:
            try:
                self._socket.sendto(self._owing[0].encode(), self._address)
            except OSError:  # nobody listens, or not fast enough
                return
            self._owing.popleft()
