"""One job, guarded: the only place that catches everything.

A signal handler may raise ``JobTimeout`` or ``JobInterrupted`` into ``execute``, at most once for
each time that the guard is armed, and never while it is not.
"""

from __future__ import annotations

import math
import os
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn, TypeGuard, TypeVar

from horus_supervisor.backoff import retry_in_s
from horus_supervisor.config.units import format_duration
from horus_supervisor.errors import JobInterrupted, JobTimeout, Retry
from horus_supervisor.job.codec import decode
from horus_supervisor.job.definition import Job, refuse_undone
from horus_supervisor.job.numbers import MAX_DELAY_S
from horus_supervisor.runner import printing
from horus_supervisor.scoreboard import Control, SlotWriter

_Error = TypeVar("_Error", bound=BaseException)

_TRACEBACK_MAX = 8192
_MESSAGE_MAX = 2000


class Guard:
    """Says whether the handler may raise, and what. ``armed`` is true within ``execute`` only."""

    def __init__(self, slot: SlotWriter) -> None:
        self.armed = False
        self.interrupted = False
        self.timeout_s = 0.0
        """Of the job that is about to run, for who reads that it was late."""
        self._slot = slot
        self._thread = threading.get_ident()

    def look(self) -> None:
        """Raise into the job what it has to hear. Called by the wake signal's handler."""
        if not self.armed:
            return
        if self._slot.wanted == Control.INTERRUPT:
            self.armed = False
            self.interrupted = True
            raise JobInterrupted("the service stops and can't wait any longer")
        deadline_ns = self._slot.deadline_ns
        if deadline_ns and time.monotonic_ns() >= deadline_ns:
            self.armed = False
            raise JobTimeout(f"the job is past its timeout of {format_duration(self.timeout_s)}")

    @contextmanager
    def held_off(self) -> Iterator[None]:
        """Keep the handler from raising in here, and look afterwards what it would have said.

        A log line must not be cut in two. Handlers run in the main thread: others need no shelter,
        and must neither hear what is meant for ``execute`` nor keep it from hearing.
        """
        if not self.armed or threading.get_ident() != self._thread:
            yield
            return
        self.armed = False
        try:
            yield
        finally:
            self.armed = True
        self.look()


class Run:
    """One run of one job: made from its payload, then executed, both under guard."""

    __slots__ = ("error", "job")

    def __init__(self) -> None:
        self.job: Job | None = None
        """None where the payload did not make one: ``error`` says why."""
        self.error: BaseException | None = None


def guarded(job_class: type[Job], payload: bytes, max_bytes: int, guard: Guard) -> Run:
    """Make the job (``__post_init__`` is job code too) and execute it; keeps what was raised."""
    run = Run()
    try:
        try:
            guard.armed = True
            guard.look()  # what was asked for before we were armed
            run.job = decode(job_class, payload, max_bytes)
            refuse_undone(run.job.execute())
            guard.armed = False
        except BaseException as error:
            guard.armed = False
            run.error = error
    except BaseException as error:  # the handler struck between two lines above
        guard.armed = False
        run.error = error
    return run


def wait_before_retry_s(job: Job | None, attempt: int, error: BaseException) -> float:
    """Ask the job when it wants to be tried again; a bad answer counts as none, and is printed."""
    try:
        if is_a(error, Retry) and error.after_s is not None:
            wait_s = max(float(error.after_s), 0.0)
        elif job is not None:
            wait_s = float(job.retry_in(attempt, error))
        else:
            return retry_in_s(attempt)
        if not 0 <= wait_s < math.inf:
            raise ValueError(f"{wait_s} is no number of seconds to wait")
    except BaseException as broken:
        why = describe(broken)["traceback"]
        printing.say(f"horus: this job can't say when to try it again, the default holds: {why}")
        return retry_in_s(attempt)
    return min(wait_s, MAX_DELAY_S)


def describe(error: BaseException) -> dict[str, str]:
    """Give ``error_type``, ``error_message``, ``traceback``; what is long loses its middle."""
    stack = _text(lambda: _stack_of(error), "no traceback: formatting it")
    if len(stack) > _TRACEBACK_MAX:
        stack = f"{stack[:1024]}\n  [...]\n{stack[-_TRACEBACK_MAX + 1024 :]}"
    message = _text(lambda: str(error), "no text: its __str__")
    if len(message) > _MESSAGE_MAX:
        message = f"{message[: _MESSAGE_MAX - 1000]} [...] {message[-990:]}"
    return {
        "error_type": _text(lambda: _name_of(type(error)), "no name: asking for it")[:500],
        "error_message": message,
        "traceback": stack,
    }


def _name_of(kind: type) -> str:
    module, name = kind.__module__, kind.__qualname__
    return name if module == "builtins" else f"{module}.{name}"


def _stack_of(error: BaseException) -> str:
    stack = error.__traceback__.tb_next if error.__traceback__ else None
    return "".join(traceback.format_exception(type(error), error, stack))


def _text(tell: Callable[[], str], what: str) -> str:
    """Take a text from job code: whatever it raises is told in its place, what isn't UTF-8 is ?."""
    try:
        return str.encode(tell(), "utf-8", "replace").decode()
    except BaseException as broken:
        return f"<{what} raised {type(broken).__name__}>"


def is_a(error: BaseException, kind: type[_Error]) -> TypeGuard[_Error]:
    """Tell an error by its type: ``isinstance`` asks its ``__class__`` too, which may raise."""
    return issubclass(type(error), kind)


def end_child(error: BaseException | None) -> NoReturn:
    """End a child that the job forked and that came back out of ``execute``, in Python's words."""
    if error is None:
        os._exit(0)
    if is_a(error, SystemExit) and isinstance(error.code, int | None):
        os._exit((error.code or 0) & 0xFF)  # of more than a C int nothing would be made
    printing.say(describe(error)["traceback"])
    os._exit(1)
