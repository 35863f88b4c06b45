"""Runners that die on their way to the first claim: each at another call that it makes.

``HORUS_TEST_DYING``: a file that gets a byte for each fork by the template. The first of them bring
down the process between template and runner, at its first call, its second, and so on; others the
runner, at every ``STEP``-th call. Once there are ``POINTS`` bytes, nobody dies any more.
"""

from __future__ import annotations

import os
import signal
import sys
from itertools import count

from horus_supervisor import Job

MIDDLE, POINTS, STEP = 8, 40, 16


class Nothing(Job, queue="q"):
    """Show that somebody serves."""

    def execute(self) -> None:
        pass


_forks = 0
_number = POINTS


def _choose() -> None:
    """Choose, before the first of two forks, at which call who dies."""
    global _forks, _number
    if _forks == 0:
        fd = os.open(os.environ["HORUS_TEST_DYING"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        _number = os.lseek(fd, 0, os.SEEK_END)
        os.write(fd, b".")
        os.close(fd)


def _begin_to_count() -> None:
    global _forks
    _forks += 1
    at = _number + 1 if _number < MIDDLE else (_number - MIDDLE) * STEP + 1
    if _number < POINTS and _forks == (1 if _number < MIDDLE else 2):
        calls = count(1)

        def die_at_last(*_: object) -> None:
            if next(calls) >= at:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.setprofile(die_at_last)


if "HORUS_TEST_DYING" in os.environ:
    os.register_at_fork(before=_choose, after_in_child=_begin_to_count)
