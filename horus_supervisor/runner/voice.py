"""A runner's own log lines: whole lines into its pipe, kept back until Redis has confirmed them."""

from __future__ import annotations

import os
from typing import Any

from horus_supervisor import logs
from horus_supervisor.messages import Identity


class Voice:
    """Collects lines and writes them in one go. Owns the descriptor."""

    def __init__(
        self, fd: int, identity: Identity, runner: str, group: str, *, console: bool = False
    ) -> None:
        self.fd = fd
        self._console = console
        self._lines: list[bytes] = []
        base: dict[str, Any] = {
            "service": identity.service,
            "host": identity.host,
            "supervisor": identity.supervisor,
            "pid": os.getpid(),
            "runner": runner,
            "group": group,
        }
        self.log = logs.bind(self._lines.append, base, identity.level)
        self.direct = logs.bind(self.write, base, identity.level)
        self._renderer = logs.Renderer(base)
        self._tells_info = identity.level in ("debug", "info")
        self.debug = identity.level == "debug"

    def keep(self, fields: dict[str, Any]) -> None:
        """Collect an ``info`` line, past structlog's proxies: the one line that every job costs."""
        if self._tells_info:
            self._lines.append(self._renderer(None, "info", fields))

    def forget(self) -> None:
        """Drop the lines that did not come true."""
        self._lines.clear()

    def flush(self) -> None:
        """Write what was collected."""
        if self._lines:
            text = b"".join(self._lines)
            self._lines.clear()
            self.write(text)

    def write(self, text: bytes) -> None:
        """Write whole lines; waits while the supervisor has no room."""
        if self._console:
            text = b"".join(logs.console_line(line, color=True) for line in text.splitlines())
        view = memoryview(text)
        while view:
            view = view[os.write(self.fd, view) :]
