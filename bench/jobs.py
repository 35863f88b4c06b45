"""The jobs that are measured. They tell what they see through a FIFO: a time and a pid, one line.

Times are the machine's monotonic nanoseconds, the same clock in every process.
"""

from __future__ import annotations

import os
import time

from horus_supervisor import Job, current_job


def tell(path: str, at_ns: int) -> None:
    """Write one line; whole, as it is short."""
    fd = os.open(path, os.O_WRONLY)
    os.write(fd, b"%d %d\n" % (at_ns, os.getpid()))
    os.close(fd)


class NoOp(Job):
    """Do nothing: what is left is Horus."""

    text: str = ""

    def execute(self) -> None:
        pass


class Mark(Job):
    """Tell when the first line of ``execute`` ran, and where."""

    told: str

    def execute(self) -> None:
        at_ns = time.monotonic_ns()
        tell(self.told, at_ns)


class Tick(Job):
    """Add a byte to a file, whatever else adds to it: as many as runs there were."""

    path: str

    def execute(self) -> None:
        fd = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(fd, b"x")
        os.close(fd)


class Gate(Job):
    """Hold a runner, once it has told that it is held, until the FIFO ``gate`` gives it a byte."""

    told: str
    gate: str

    def execute(self) -> None:
        tell(self.told, time.monotonic_ns())
        fd = os.open(self.gate, os.O_RDONLY)
        os.read(fd, 1)
        os.close(fd)


class HangOnce(Job):
    """Tell of each start; at the first one hang until killed."""

    told: str

    def execute(self) -> None:
        at_ns = time.monotonic_ns()
        tell(self.told, at_ns)
        if current_job().attempt == 1:
            time.sleep(60)
