"""Runners that die on their way to the first claim: each at another call that it makes.

``HORUS_TEST_DYING``: a folder with two files, which get a byte for each fork: of processes between
template and runner (``MIDDLES``), and of runners (``RUNNERS``). The first of either die, one at its
first call, the next at its second (of runners: its ``STEP``-th), and so on. Then nobody dies any
more.
"""

from __future__ import annotations

import os
import signal
import sys
from itertools import count

from horus_supervisor import Job

MIDDLES, RUNNERS, STEP = 8, 32, 16


class Nothing(Job, queue="q"):
    """Show that somebody serves."""

    def execute(self) -> None:
        pass


_forks = 0
_number = 0


def _choose() -> None:
    """Choose at which call who is forked now dies."""
    global _number
    path = f"{os.environ['HORUS_TEST_DYING']}/{('middles', 'runners')[_forks]}"
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    _number = os.lseek(fd, 0, os.SEEK_END)
    os.write(fd, b".")
    os.close(fd)


def _begin_to_count() -> None:
    global _forks
    _forks += 1
    most, step = ((MIDDLES, 1), (RUNNERS, STEP))[_forks - 1]
    if _number < most:
        calls = count(0)

        def die_at_last(*_: object) -> None:
            if next(calls) >= _number * step:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.setprofile(die_at_last)


if "HORUS_TEST_DYING" in os.environ:
    os.register_at_fork(before=_choose, after_in_child=_begin_to_count)
