"""What a job finds when it starts, and the next one finds again.

Working folder, environment, umask, locale, signal handlers and mask, timers, descriptors 0 to 2,
``sys.stdin`` to ``sys.stderr``, the limit of recursion, the garbage collector and faulthandler are
looked at after every job (7 microseconds, while Redis works on the reply) and put back where a job
changed them. What can't be put back says so: the runner is recycled then. Limits are put back too
(``limits.py``). Not seen: what C code changes behind Python's back, ``os.putenv`` included (a list
of C's environment after each job would cost as much as all the rest).

Left alone, on purpose: what libraries and the interpreter keep for themselves (``sys.path``,
loggers, warning filters, the decimal context, the sockets' default timeout, a seed). Much of it is
set up once a process, at first use, by code that would not do so again.
"""

from __future__ import annotations

import contextlib
import faulthandler
import functools
import gc
import locale
import operator
import os
import signal
import sys
import time

# the C functions behind ``locale`` and ``signal``, whose own wrappers make an enum of every number
from _locale import setlocale as _setlocale
from _signal import getitimer as _getitimer  # type: ignore[import-not-found]
from _signal import getsignal as _getsignal
from _signal import pthread_sigmask as _sigmask
from collections.abc import Callable
from typing import IO, Any, TextIO

from horus_supervisor import linux
from horus_supervisor.runner import printing
from horus_supervisor.runner.execute import describe
from horus_supervisor.runner.limits import Limits

_SIGNALS = tuple(
    int(s)
    for s in sorted(signal.valid_signals())
    if s not in (signal.SIGKILL, signal.SIGSTOP)
    and (s < 32 or s in (linux.WAKE_SIGNAL, linux.DUMP_SIGNAL))
)
_SIG_BLOCK = int(signal.SIG_BLOCK)
_REAL, _VIRTUAL, _PROF = map(int, (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF))
_ALL = locale.LC_ALL
_get_blocking = os.get_blocking
_WANTED_FDS = 8
"""Descriptors that a job may need at once: a runner with fewer is of no use."""

_FORM = ("encoding", "errors", "line_buffering", "write_through")
_form_of = operator.attrgetter(*_FORM)


def watch_for_faults(stacks_fd: int) -> None:
    """Have a fatal signal's stack, and every thread's at ``DUMP_SIGNAL``, written to a file.

    Anew, whatever was registered, and whatever handlers were set over it.
    """
    faulthandler.disable()
    faulthandler.enable(stacks_fd)
    faulthandler.unregister(linux.DUMP_SIGNAL)
    faulthandler.register(linux.DUMP_SIGNAL, stacks_fd, all_threads=True, chain=False)


class Household:
    """The state of this process at its first job. Owns the descriptors that it is kept in.

    Taken at the start, so that a runner without them takes no job.
    """

    def __init__(self, stacks_fd: int | None = None) -> None:
        self._stacks_fd = stacks_fd  # without one, faulthandler is not ours
        self._folder = os.open(".", os.O_RDONLY | os.O_CLOEXEC)
        self._stdin, self._stdout, self._stderr = map(os.dup, range(3))

    def note(self) -> None:
        """Note the rest, before the first job: a runner that idles is 0.1 MB smaller without."""
        self._environ = os.environ
        self._data: dict[bytes, bytes] = os.environ._data  # type: ignore[attr-defined]
        self._variables = dict(self._data)
        self._limits = Limits()
        self._deepest, self._collects = sys.getrecursionlimit(), gc.isenabled()
        self._umask = os.umask(0o077)
        os.umask(self._umask)
        self._locale = _setlocale(_ALL, None)
        # no list: ``list`` takes none that was given back, and eighty such lie on as many pages
        self._handlers = tuple(map(_getsignal, _SIGNALS))
        self._mask = _sigmask(_SIG_BLOCK, ())
        self._blocking = _get_blocking(1)
        printing.note_pipe()
        self._streams = (sys.stdin, sys.stdout, sys.stderr)
        self._forms = (None, _form(sys.stdout), _form(sys.stderr))

    def check(self) -> None:
        """Go back to our folder; raise ``OSError`` where a job closed our descriptors.

        It is no folder then. Any number of ours may be another file by now, the wire's too: none
        must be used.
        """
        os.fchdir(self._folder)

    def unbind(self) -> str | None:
        """Put back what holds up a new connection, or a file that is read by others.

        For a job's end that could not be handed in, before ``restore``. Tells as that does.
        """
        return _tried(self._restore_umask, self._limits.restore)

    def close(self) -> None:
        """Let go of what the state is kept in."""
        for fd in (self._folder, self._stdin, self._stdout, self._stderr):
            with contextlib.suppress(OSError):  # a job may have closed it
                os.close(fd)

    def spent(self) -> str | None:
        """Tell that hardly a descriptor is left; after a job that failed, as those after it would.

        Jobs that fail at once come one after another, so such a runner would take more than others.
        """
        free: list[int] = []
        with contextlib.suppress(OSError):
            while len(free) < _WANTED_FDS:
                free.append(os.dup(self._folder))
        for fd in free:
            os.close(fd)
        full = len(free) < _WANTED_FDS
        return f"jobs left all but {len(free)} of its descriptors open" if full else None

    def restore(self) -> str | None:
        """Put back what a job changed; tells what could not be put back first, or None.

        All is tried: a runner that leaves says its last words to these descriptors.
        """
        return _tried(self._restore_process, self._restore_descriptors, self._limits.restore)

    def _restore_process(self) -> None:
        # timers before handlers: a signal that nobody handles any more would kill us
        if _getitimer(_REAL)[0] or _getitimer(_PROF)[0] or _getitimer(_VIRTUAL)[0]:
            for timer in (_REAL, _VIRTUAL, _PROF):
                signal.setitimer(timer, 0)
        if os.environ is not self._environ or self._data != self._variables:
            self._restore_environment()
        self._restore_umask()  # the folder was put back by check
        if sys.getrecursionlimit() != self._deepest:
            sys.setrecursionlimit(self._deepest)
        if gc.isenabled() != self._collects:
            (gc.enable if self._collects else gc.disable)()
        if _setlocale(_ALL, None) != self._locale:
            locale.setlocale(locale.LC_ALL, self._locale)
        if tuple(map(_getsignal, _SIGNALS)) != self._handlers:
            self._restore_handlers()
        if _sigmask(_SIG_BLOCK, ()) != self._mask:
            signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)
        if self._stacks_fd is not None:
            faulthandler.enable(self._stacks_fd)  # as cheap as asking whether it is
            faulthandler.cancel_dump_traceback_later()  # a job's alarm would end the next one

    def _restore_umask(self) -> None:
        os.umask(self._umask)

    def _restore_environment(self) -> None:
        os.environ = self._environ  # noqa: B003  # the very object, which clears it below
        zone = self._data.get(b"TZ")
        for name in self._data.keys() - self._variables.keys():
            del os.environ[os.fsdecode(name)]
        for key, value in self._variables.items():
            os.environ[os.fsdecode(key)] = os.fsdecode(value)
        if zone != self._variables.get(b"TZ"):
            time.tzset()

    def _restore_handlers(self) -> None:
        for number, handler in zip(_SIGNALS, self._handlers, strict=True):
            if _getsignal(number) is not handler and handler is not None:
                signal.signal(number, handler)
        if self._stacks_fd is not None:
            watch_for_faults(self._stacks_fd)

    def _restore_descriptors(self) -> None:
        dup2 = os.dup2  # as cheap as asking whether that is needed
        dup2(self._stdin, 0)
        dup2(self._stdout, 1)
        dup2(self._stderr, 2)
        if _get_blocking(1) != self._blocking:  # asyncio leaves its pipes so; 2 is the same pipe
            os.set_blocking(1, self._blocking)
        printing.end()
        stdin, stdout, stderr = self._streams
        try:
            stdout.flush()  # what a job left unwritten; raises where it is closed or detached
            stderr.flush()
            ours = sys.stdout is stdout and sys.stderr is stderr and sys.stdin is stdin
            formed = (None, _form_of(stdout), _form_of(stderr)) == self._forms
            if ours and formed and not stdin.closed:
                return
        except (ValueError, AttributeError):  # AttributeError: deleted from sys, or never there
            pass
        self._restore_streams()

    def _restore_streams(self) -> None:
        # what stood there goes now, and may take with it a buffer that it shares with ours
        sys.stdin, sys.stdout, sys.stderr = self._streams
        ours = self._stacks_fd is not None
        streams = map(functools.partial(_usable, marked=ours), self._streams, range(3), "rww")
        sys.stdin, sys.stdout, sys.stderr = self._streams = tuple(streams)  # type: ignore[assignment]
        self._restore_forms()

    def _restore_forms(self) -> None:
        for stream, form in zip(self._streams, self._forms, strict=True):
            if form and _form(stream) != form:
                stream.reconfigure(**dict(zip(_FORM, form, strict=True)))  # type: ignore[union-attr]


def _tried(*ways: Callable[[], None]) -> str | None:
    """Put back in each of these ways; tells what could not be put back first, or None."""
    why = None
    for put_back in ways:
        try:
            put_back()
        except BaseException as error:  # what stands in the place of ours may raise anything
            told = describe(error)
            why = why or f"{told['error_type']}: {told['error_message']}"
    return why and f"the job left this process in a state that can't be put back: {why}"


def tell_bereft(error: OSError) -> None:
    """Say that a job closed our descriptors, as if the job itself had printed it."""
    text = f"horus: the job closed descriptors of its runner ({error}), which leaves therefore\n"
    printing.say(text)


def _usable(stream: TextIO, fd: int, mode: str, *, marked: bool) -> IO[str]:
    """Give a stream back if it is open, else another one on its descriptor."""
    with contextlib.suppress(ValueError, AttributeError):  # detached, or none
        if not stream.closed:
            return stream
    if marked and fd:
        return printing.marked(fd)
    return open(fd, mode, closefd=False, buffering=1, errors="backslashreplace")


def _form(stream: TextIO) -> Any:
    try:
        return _form_of(stream)
    except (ValueError, AttributeError):  # detached, or a stream of another kind
        return None
