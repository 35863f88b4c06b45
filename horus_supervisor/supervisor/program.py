"""One program beside the runners: how it starts, what it says, how it is let go of."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass

from horus_supervisor.logs import Logger
from horus_supervisor.supervisor import children, fork
from horus_supervisor.supervisor.credit import Credit
from horus_supervisor.supervisor.inbox import Inbox
from horus_supervisor.supervisor.outlet import Outlet
from horus_supervisor.supervisor.output import OutputPipe, make_pipe

PROGRAM_TAIL_LINES = 100
"""So many of the last lines are kept: a hanging import's stack, with all that lies below it."""


@dataclass(slots=True)
class Ways:
    """Where words come from, and go. ``first`` speaks before all lines that wait.

    Both logs change with the supervisor's id; a pipe keeps the one that it was opened under.
    """

    inbox: Inbox
    outlet: Outlet
    log: Logger
    first: Logger


@dataclass(slots=True)
class Program:
    """One program: what starts it, and the process that runs now, if any."""

    name: str
    module: str
    credit: Credit
    ways: Ways
    pid: int | None = None
    ready_at: float = 0.0
    dismissed: bool = False  # it ends because we want another
    output: OutputPipe | None = None

    @property
    def running(self) -> bool:
        """Whether its process lives (or was not reaped yet)."""
        return self.pid is not None

    def fork(self, fds: list[int]) -> OutputPipe:
        """Start it by a fork: it is some MB smaller so, and there at once. Raises ``OSError``."""
        return self.start(lambda out: fork.fork_program(self.module, fds, out))

    def start(self, start: Callable[[int], int]) -> OutputPipe:
        """Start it, given the descriptor of what it writes. Raises ``OSError``."""
        out_r, out_w = make_pipe()
        try:
            self.pid = start(out_w)
        except OSError:
            os.close(out_r)
            raise
        finally:
            os.close(out_w)
        about, ways = {"child": self.name, "pid": self.pid}, self.ways
        self.output = output = OutputPipe(
            out_r, ways.outlet, ways.log, lambda: about, PROGRAM_TAIL_LINES
        )
        ways.inbox.watch_pipe(output)
        return output

    def dismiss(self) -> None:
        """End it, as we want another or none: it holds nothing."""
        self.dismissed = True
        if self.pid:
            children.send_signal(self.pid, signal.SIGKILL)

    def let_go(self) -> list[str]:
        """Hear what it said last, its process being gone; give the last lines that it wrote."""
        self.pid = None
        output, self.output = self.output, None
        if output is None:
            return []
        output.drain(last=True)
        self.ways.inbox.forget(output.fd)
        output.close()
        return list(output.tail)
