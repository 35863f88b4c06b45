"""How large runners have grown since their fork: ``hard_memory``, looked at from outside.

The exact size costs the kernel a walk over all pages (0.5 ms at 50 MB, 10 ms at 800), so it is
asked for only when faults and resident size say that the limit could be passed by now, and of so
many runners a turn as the loop can bear.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from horus_supervisor import linux, proc
from horus_supervisor.config.units import format_size, whole_mebibytes

LOOK_EVERY_S = 0.2

LOOK_ANYWAY_S = 10.0
"""Pages that a job's child shared with a runner become its own at the child's end: no fault."""

TURN_S = 0.010
"""What exact looks may take of one turn; the first is always taken, the longest ago come first."""


class Growth:
    """One runner's private memory since its fork. ``past`` says how it is over the limit."""

    def __init__(self, pid: int, most: int) -> None:
        self.past: str | None = None
        self.looked_at = 0.0  # exactly
        self._pid = pid
        self._most = most
        _, self._born_with = proc.memory_use(pid) or (0, 0)
        self._peak = self._resident = self._born_with
        self._room = most
        self._bound = self._bound_then = 0
        self._due_at = 0.0

    def may_be_past(self, now: float) -> bool:
        """Look cheaply, if that is due; tell whether an exact look is."""
        if now < self._due_at or self.past:
            return False
        self._due_at = now + LOOK_EVERY_S
        if (use := proc.memory_use(self._pid)) is None:
            return False
        faulted, self._resident = use
        self._peak = max(self._peak, self._resident)
        self._bound = faulted + self._peak - self._born_with
        if self._bound <= self._most:
            return False
        return self._bound - self._bound_then >= self._room or now - self.looked_at > LOOK_ANYWAY_S

    def measure(self, now: float) -> None:
        """Look exactly.

        What it shared with a process that has ended is its own now and no growth: it came without
        a fault. Where the kernel tells no exact size (prctl(2), PR_SET_DUMPABLE: job code may have
        forbidden it), it is at least what the resident size has grown by.
        """
        private = linux.private_memory_bytes(self._pid) or self._resident - self._born_with
        grown = min(private, self._bound)
        self.looked_at, self._bound_then = now, self._bound
        self._room = self._most - grown
        if grown > self._most:
            most = format_size(self._most)
            self.past = f"{whole_mebibytes(grown)} of its own since the fork; hard_memory is {most}"


def look(
    runners: Iterable[Growth], now: float, clock: Callable[[], float] = time.monotonic
) -> None:
    """Look at all that have a limit, for as long as a turn can bear."""
    due = [growth for growth in runners if growth.may_be_past(now)]
    began = clock()
    for growth in sorted(due, key=lambda growth: growth.looked_at):
        growth.measure(now)
        if clock() - began > TURN_S:
            return
