"""The keeper's start: a fork that goes on in another module, and shares this process's memory.

For code of our own only: what a job's module does at its import belongs into a fresh interpreter
(``children.start_program``). Nothing of the supervisor runs in the child: its frames are never
returned to, its handlers are gone, its descriptors closed.
"""

from __future__ import annotations

import gc
import importlib
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn, TextIO

from horus_supervisor.supervisor.children import FIRST_FD


def fork_program(module: str, fds: Sequence[int], output_fd: int) -> int:
    """Run ``module.main(*fds)`` in a fork of this process; tell its pid.

    It leads its own process group, reads nothing, and writes to ``output_fd``. Raises ``OSError``.
    """
    gc.freeze()  # a collection, here or there, must not touch and so copy what both share
    # a signal in the child must not run a handler of ours
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        pid = os.fork()
        if pid == 0:
            _become(module, fds, output_fd)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return pid


def _become(module: str, fds: Sequence[int], output_fd: int) -> NoReturn:
    code = 1
    try:
        os.setpgid(0, 0)
        _forget_signals()
        numbers = _take_descriptors(fds, output_fd)
        importlib.import_module(module).main(*numbers)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _forget_signals() -> None:
    """Let every signal do again what it does in a fresh interpreter, or end the process."""
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals():
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _take_descriptors(fds: Sequence[int], output_fd: int) -> list[int]:
    """Keep copies of ``fds``, in order, and close all else; tell their numbers."""
    null = os.open(os.devnull, os.O_RDONLY)
    first = max(FIRST_FD, *(fd + 1 for fd in (*fds, null)))  # no copy may hit one not copied yet
    numbers = [os.dup2(fd, first + at, inheritable=False) for at, fd in enumerate(fds)]
    for fd, number in ((null, 0), (output_fd, 1), (output_fd, 2)):
        os.dup2(fd, number)
    os.closerange(3, first)
    os.closerange(first + len(fds), os.sysconf("SC_OPEN_MAX"))
    sys.stdin, sys.stdout, sys.stderr = _stream(0, "r"), _stream(1, "w"), _stream(2, "w")
    return numbers


def _stream(fd: int, mode: str) -> TextIO:
    return open(fd, mode, buffering=1, errors="backslashreplace", closefd=False)  # type: ignore[return-value]
