"""A program for ``fork_program``: prints which descriptors and signals it has."""

from __future__ import annotations

import contextlib
import os
import signal


def main(*_fds: int) -> None:
    """Tell what is open, where signals are told, what is handled in Python, what is blocked."""
    print("files", *_open())
    print("wakeup", signal.set_wakeup_fd(-1))
    print("handled", [n for n in signal.valid_signals() if callable(signal.getsignal(n))])
    print("blocked", sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())))


def _open() -> list[int]:
    found = []
    for fd in map(int, os.listdir("/proc/self/fd")):
        with contextlib.suppress(OSError):  # the listing's own
            os.fstat(fd)
            found.append(fd)
    return sorted(found)
