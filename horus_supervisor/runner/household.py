"""What a job finds when it starts, and the next one finds again.

Working folder, environment, umask, locale, signal handlers and mask, timers and descriptors 0 to 2
are looked at after every job (5 microseconds, while Redis works on the reply) and put back where a
job changed them. What can't be put back says so: the runner is recycled then.
"""

from __future__ import annotations

import contextlib
import locale
import os
import signal
import sys

# the C functions behind ``locale`` and ``signal``, whose own wrappers make an enum of every number
from _locale import setlocale as _setlocale
from _signal import getitimer as _getitimer  # type: ignore[import-not-found]
from _signal import getsignal as _getsignal
from _signal import pthread_sigmask as _sigmask

_SIGNALS = tuple(
    int(s)
    for s in sorted(signal.valid_signals())
    if s not in (signal.SIGKILL, signal.SIGSTOP) and s < 32
)
_SIG_BLOCK = int(signal.SIG_BLOCK)
_REAL = int(signal.ITIMER_REAL)
_ALL = locale.LC_ALL

BEREFT = "a job closed our descriptors"
"""Why a runner leaves that must not use any of them."""


class Household:
    """The state of this process at its first job."""

    def __init__(self) -> None:
        self._folder = os.open(".", os.O_RDONLY | os.O_CLOEXEC)
        self._environ: dict[bytes, bytes] = dict(os.environ._data)  # type: ignore[attr-defined]
        self._umask = os.umask(0o077)
        os.umask(self._umask)
        self._locale = _setlocale(_ALL, None)
        self._handlers = list(map(_getsignal, _SIGNALS))
        self._mask = _sigmask(_SIG_BLOCK, ())
        self._stdin, self._stdout, self._stderr = map(os.dup, range(3))
        self._streams = (sys.stdin, sys.stdout, sys.stderr)

    def check(self) -> None:
        """Raise ``OSError`` where a job closed our descriptors: our folder's is none then.

        Any number of ours may be another file by now, the wire's too: none must be used.
        """
        os.fchdir(self._folder)

    def close(self) -> None:
        """Give the descriptors back."""
        for fd in (self._folder, self._stdin, self._stdout, self._stderr):
            os.close(fd)

    def restore(self) -> str | None:
        """Put back what a job changed; tells what could not be put back, or None."""
        try:
            self._restore_process()
            self._restore_descriptors()
        except OSError as error:
            return f"the job left this process in a state that can't be put back: {error}"
        return None

    def _restore_process(self) -> None:
        if os.environ._data != self._environ:  # type: ignore[attr-defined]
            self._restore_environment()
        os.fchdir(self._folder)
        os.umask(self._umask)
        if _setlocale(_ALL, None) != self._locale:
            locale.setlocale(locale.LC_ALL, self._locale)
        if list(map(_getsignal, _SIGNALS)) != self._handlers:
            self._restore_handlers()
        if _sigmask(_SIG_BLOCK, ()) != self._mask:
            signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)
        if _getitimer(_REAL)[0]:
            signal.setitimer(signal.ITIMER_REAL, 0)

    def _restore_environment(self) -> None:
        for name in os.environ._data.keys() - self._environ.keys():  # type: ignore[attr-defined]
            del os.environ[os.fsdecode(name)]
        for key, value in self._environ.items():
            os.environ[os.fsdecode(key)] = os.fsdecode(value)

    def _restore_handlers(self) -> None:
        for number, handler in zip(_SIGNALS, self._handlers, strict=True):
            if _getsignal(number) is not handler and handler is not None:
                signal.signal(number, handler)

    def _restore_descriptors(self) -> None:
        dup2 = os.dup2  # as cheap as asking whether that is needed
        dup2(self._stdin, 0)
        dup2(self._stdout, 1)
        dup2(self._stderr, 2)
        if (sys.stdin, sys.stdout, sys.stderr) != self._streams or sys.stdout.closed:
            self._restore_streams()
        sys.stdout.flush()

    def _restore_streams(self) -> None:
        def stream(fd: int, mode: str, old: object) -> object:
            closed = getattr(old, "closed", True)
            return (
                open(fd, mode, closefd=False, buffering=1, errors="backslashreplace")
                if closed
                else old
            )

        sys.stdin = stream(0, "r", self._streams[0])
        sys.stdout = stream(1, "w", self._streams[1])
        sys.stderr = stream(2, "w", self._streams[2])
        self._streams = (sys.stdin, sys.stdout, sys.stderr)


def tell_bereft(error: OSError) -> None:
    """Say that a job closed our descriptors, where the job itself would say something."""
    text = f"horus: the job closed descriptors of its runner ({error}), which leaves therefore\n"
    with contextlib.suppress(OSError):
        os.write(2, text.encode())
