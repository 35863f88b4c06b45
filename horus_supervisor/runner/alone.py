"""One job alone, in a forked child at this terminal: nothing of it is told to Redis.

A child, so that a job that brings down its process leaves us to tell of it; forked, so that the
debugger that traces us traces it too. The terminal is the child's while it runs. No claim, no
timeout, no limits; ``attempt`` and ``fence`` are those of its last start, so that a system which
refuses old fences takes a later real start for newer.
"""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import socket
import sys
import time
import traceback
from dataclasses import dataclass
from typing import NoReturn

import msgspec

from horus_supervisor import linux
from horus_supervisor.errors import Discard, PayloadError
from horus_supervisor.job import current, hooks
from horus_supervisor.job.definition import Job
from horus_supervisor.messages import Identity
from horus_supervisor.runner import about
from horus_supervisor.runner.execute import Guard, describe, end_child, guarded, is_a
from horus_supervisor.runner.tell import Teller
from horus_supervisor.runner.voice import Voice
from horus_supervisor.scoreboard import Scoreboard, SlotWriter
from horus_supervisor.store.rows import Claimed, Found, Packed

NAME = "run/1"

_NO_ATTEMPTS = ("retried", "deferred")
"""Lines of a history that tell of no attempt: a claim passes over them too (``job_reply``)."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How it ended: ``succeeded``, ``discarded`` (by itself), ``failed``, ``crashed``.

    ``error``: ``error_type``, ``error_message``, ``traceback`` of what ``execute`` raised.
    """

    outcome: str
    duration_s: float
    error: dict[str, str]
    signal: str | None = None
    exit_code: int | None = None


def execute(found: Found, cls: type[Job], max_bytes: int, *, quiet: bool = False) -> Ended:
    """Execute a job that nobody holds, and wait for its end.

    ``quiet``: what it prints goes to standard error. Ctrl-C is the child's.
    """
    assert found.job is not None
    ours, theirs = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    began = time.monotonic()
    try:
        if (pid := os.fork()) == 0:
            os.close(ours)
            _child(found, found.job, cls, max_bytes, theirs, quiet)
        os.close(theirs)
        _, status = os.waitpid(pid, 0)
        return _ended(status, _read(ours), time.monotonic() - began)
    finally:
        signal.signal(signal.SIGINT, before)
        os.close(ours)


def _child(
    found: Found, job: Packed, cls: type[Job], max_bytes: int, report: int, quiet: bool
) -> NoReturn:
    import faulthandler

    pid = os.getpid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if quiet:
        os.dup2(2, 1)
    faulthandler.enable()
    slot = SlotWriter(Scoreboard(linux.memory_file("horus-scoreboard")), 0)
    guard = Guard(slot)  # no deadline stands in that slot
    _introduce(found, job, guard)
    try:
        with hooks.opened():
            run = guarded(cls, job.payload, max_bytes, guard)
            if os.getpid() != pid:
                end_child(run.error)
    except BaseException:  # a start hook's
        traceback.print_exc()
        os._exit(1)
    if run.error is None:
        told = {"outcome": "succeeded"}
    else:
        outcome = "discarded" if is_a(run.error, Discard) else "failed"
        told = {"outcome": outcome, **describe(run.error)}
        if run.job is None and is_a(run.error, PayloadError):
            told["traceback"] = f"PayloadError: {run.error}"  # no code of the job has run
    with contextlib.suppress(OSError, ValueError):  # it may have closed them
        sys.stdout.flush()
        sys.stderr.flush()
    os.write(report, msgspec.json.encode(told))
    os._exit(0)


def _introduce(found: Found, job: Packed, guard: Guard) -> None:
    """Have ``current_job()`` tell of it as at its last start."""
    attempts = (note for note in reversed(found.history) if note.what not in _NO_ATTEMPTS)
    last = next(attempts, None)
    line = b""
    if last:
        head = f"{last.at_ms} {last.what} {last.attempt} {last.fence} "
        line = head.encode() + msgspec.json.encode(last.facts)
    before = msgspec.structs.replace(
        job, attempts=max(job.attempts - 1, 0), fence=max(job.fence - 1, 0)
    )
    claimed = Claimed(found.job_id, job.queue, int(time.time() * 1000), before, line)
    identity = Identity(service="horus", host=socket.gethostname(), supervisor="-", level="debug")
    voice = Voice(2, identity, NAME, "run", console=os.isatty(2))
    teller = Teller(voice, guard.held_off)
    current.set_current(functools.partial(about.current_job, claimed, teller, lambda: False))


def _read(fd: int) -> bytes:
    """Read what is there now, not to the end: a child of the job may hold the pipe open."""
    os.set_blocking(fd, False)
    with contextlib.suppress(BlockingIOError):
        return os.read(fd, 1 << 16)
    return b""


def _ended(status: int, report: bytes, duration_s: float) -> Ended:
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        return Ended("crashed", duration_s, {}, signal=linux.signal_name(-code))
    if not report:  # it left without a word: os._exit in the job
        return Ended("crashed", duration_s, {}, exit_code=code)
    told = msgspec.json.decode(report, type=dict[str, str])
    return Ended(told.pop("outcome"), duration_s, told)
