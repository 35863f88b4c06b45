"""Every process of the service: started here, signalled here, reaped here, and nowhere else.

No ``subprocess`` and no threads: one place reaps. The guard is started by exec, keepers and
templates by a fork (``fork.py``); runners are forked by the template and adopted.
"""

from __future__ import annotations

import math
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence

import msgspec

from horus_supervisor import fresh, linux

FIRST_FD = 100
"""Descriptors that a program gets are numbered from here, or from above what they are here."""

_PID_MAX = 1 << 22  # proc_sys_kernel(5)


class Reaped(msgspec.Struct, frozen=True):
    """A child's end, as ``wait4`` told it."""

    pid: int
    status: int
    rusage: resource.struct_rusage


def start_program(
    module: str, arguments: Sequence[object], fds: Sequence[int], output_fd: int
) -> int:
    """Start ``module.main(*fds, *arguments)`` in a fresh interpreter; tell its pid.

    It leads its own process group, reads nothing, and writes to ``output_fd``. Raises ``OSError``.
    """
    first = max(FIRST_FD, *(fd + 1 for fd in fds))  # no copy may hit one not copied yet
    numbers = [first + at for at in range(len(fds))]
    actions: list[tuple[object, ...]] = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_DUP2, output_fd, 1),
        (os.POSIX_SPAWN_DUP2, output_fd, 2),
        *((os.POSIX_SPAWN_DUP2, fd, number) for fd, number in zip(fds, numbers, strict=True)),
    ]
    return os.posix_spawn(
        sys.executable,
        fresh.command(module, *numbers, *arguments),
        os.environ,
        file_actions=actions,
        setpgroup=0,
        setsigdef=[signal.SIGPIPE, signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD],
    )


def ended(
    within_s: float = math.inf, clock: Callable[[], float] = time.thread_time
) -> Iterator[int]:
    """Give the pids of children that have ended, without reaping them; at least one, if any has.

    Each stays a zombie until ``reap``: its pid can't be used again while its process group is
    killed and its last words are read. After ``within_s`` the others are left for another time: CPU
    time, so that on a busy machine they don't pile up.
    """
    seen: set[int] = set()
    until = clock() + within_s
    while not seen or clock() < until:
        pid = _first_ended()
        if pid is None or pid in seen:
            return
        seen.add(pid)
        yield pid


def any_ended() -> bool:
    """Tell whether a child has ended that was not reaped yet."""
    return _first_ended() is not None


def _first_ended() -> int | None:
    try:
        found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return None
    return found and found.si_pid


def reap(pid: int) -> Reaped:
    """Take a child's exit status; its pid may be used again from now on."""
    pid, status, rusage = os.wait4(pid, 0)
    return Reaped(pid, status, rusage)


def is_ours(pid: int) -> bool:
    """Tell whether a process is a child of ours that was not reaped yet; it may have ended."""
    return 1 < pid < _PID_MAX and _look(pid)[0]


def has_ended(pid: int) -> bool:
    """Tell whether a child has ended, reaped or not."""
    there, end = _look(pid)
    return end is not None or not there


def killed(pid: int) -> bool:
    """Tell whether a child has ended by SIGKILL and was not reaped yet."""
    _, end = _look(pid)
    return end is not None and (end.si_code, end.si_status) == (os.CLD_KILLED, signal.SIGKILL)


def _look(pid: int) -> tuple[bool, os.waitid_result | None]:
    """Tell whether that is a child not reaped yet, and how it ended, if it has; reaps none."""
    try:
        return True, os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False, None


def send_signal(pid: int, number: int) -> bool:
    """Signal one child that was not reaped yet; False where it is gone.

    Or where it is another user's by now: a job may have become ``sudo``.
    """
    if pid <= 1:
        return False
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def kill_if_still(pid: int, still: Callable[[], bool]) -> bool:
    """Stop a runner, look again, and kill its group only if ``still`` says so; else let it go on.

    Without the stop, the next job would die for the last one.
    """
    send_signal(pid, signal.SIGSTOP)
    if not still():
        send_signal(pid, signal.SIGCONT)
        return False
    send_signal(pid, signal.SIGKILL)
    linux.kill_group(pid)
    return True
