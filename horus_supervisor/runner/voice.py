"""A runner's own log lines: whole lines into its pipe, kept back until Redis has confirmed them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import cached_property
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
        self._colour = console and logs.in_colour(fd)
        self._lines: list[bytes] = []
        self._base = {**identity.signature(), "runner": runner, "group": group}
        self._level = identity.level
        self._tells_info = identity.level in ("debug", "info")
        self.debug = identity.level == "debug"
        self.args = identity.args  # whether job arguments may be told

    @cached_property
    def log(self) -> logs.Logger:
        """Collects lines. Made when the first line needs it, as ``direct``: 0.25 MB a runner."""
        return logs.bind(self._lines.append, self._base, self._level)

    @cached_property
    def direct(self) -> logs.Logger:
        """Writes each line at once."""
        return logs.bind(self.write, self._base, self._level)

    def jobs_own(
        self, job: Mapping[str, Any], around: Callable[[], AbstractContextManager[None]]
    ) -> logs.Logger:
        """Make the logger of a job: it writes at once, each whole line within ``around()``."""

        def write(text: bytes) -> None:
            with around():
                self.write(text)

        return logs.bind(write, {**self._base, **job}, self._level, firm=True)

    def form(self, event: str, constant: dict[str, str], holes: dict[str, str]) -> logs.Form:
        """Prepare an ``info`` line, past structlog's proxies; ``keep`` takes what it gives."""
        return logs.Renderer(self._base).form(event, "info", constant, holes)

    def keep(self, line: bytes) -> None:
        """Collect a rendered ``info`` line."""
        if self._tells_info:
            self._lines.append(line)

    def forget(self) -> None:
        """Drop the lines that did not come true."""
        self._lines.clear()

    def flush(self) -> None:
        """Write what was collected."""
        if lines := self._lines:
            text = b"".join(lines)
            lines.clear()
            self.write(text)

    def let_go(self) -> None:
        """In a child that job code forked: its lines go where its output goes."""
        os.close(self.fd)
        self.fd = 2

    def write(self, text: bytes) -> None:
        """Write whole lines; waits while the supervisor has no room."""
        if self._console:
            text = logs.console_lines(text, color=self._colour)
        while (written := os.write(self.fd, text)) < len(text):
            text = text[written:]
