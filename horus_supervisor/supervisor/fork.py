"""The start of keeper and template: a fork that goes on in another module, and shares our memory.

Nothing of the supervisor runs in the child: its frames are never returned to, its handlers are
gone, its descriptors closed. What an import can ask the interpreter (``__main__``, ``sys.argv``,
``sys.path``) it finds as in a fresh one. The supervisor has one thread and never imports job code:
there is no lock to be left held, and no old code to be found.
"""

from __future__ import annotations

import gc
import importlib
import io
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from types import ModuleType
from typing import NoReturn, TextIO

from horus_supervisor import fresh
from horus_supervisor.supervisor.children import FIRST_FD

_OURS: list[ModuleType] = []
"""Kept, as its functions are on the stack below us."""


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
        _look_fresh(module)
        numbers = _take_descriptors(fds, output_fd)
        importlib.import_module(module).main(*numbers)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _look_fresh(module: str) -> None:
    """Show what ``python -P -c`` would: job code must not find our program in place of its own."""
    sys.argv = [module]
    _OURS.append(sys.modules["__main__"])
    sys.modules["__main__"] = ModuleType("__main__")
    if not sys.flags.safe_path:
        del sys.path[:1]  # the folder of our program, or the working folder
    sys.path.append(fresh.HOME)


def _forget_signals() -> None:
    """Let every signal do again what it does in a fresh interpreter, or end the process."""
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals():
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _take_descriptors(fds: Sequence[int], output_fd: int) -> list[int]:
    """Keep copies of ``fds``, in order, and close all else; tell their numbers."""
    os.dup2(output_fd, 1)  # first, so that what goes wrong below is heard
    os.dup2(output_fd, 2)
    null = os.open(os.devnull, os.O_RDONLY)
    first = max(FIRST_FD, *(fd + 1 for fd in (*fds, null)))  # no copy may hit one not copied yet
    numbers = [os.dup2(fd, first + at, inheritable=False) for at, fd in enumerate(fds)]
    os.dup2(null, 0)
    os.closerange(3, first)
    os.closerange(first + len(fds), os.sysconf("SC_OPEN_MAX"))
    sys.stdin, sys.stdout, sys.stderr = _stream(0, "r"), _stream(1, "w"), _stream(2, "w")
    return numbers


def _stream(fd: int, mode: str) -> TextIO:
    """Open a standard stream; what is written goes out at once, as with ``python -u``."""
    raw = io.FileIO(fd, mode, closefd=False)
    return io.TextIOWrapper(raw, errors="backslashreplace", write_through=True)
