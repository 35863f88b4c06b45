"""What waits, run by the runner that production has, in this process and without its supervisor.

No keeper is beside it: nothing becomes due meanwhile, so that a drain does the same each time. No
timeout is enforced from outside, and a job that kills its process kills the tests.
"""

from __future__ import annotations

import os
import secrets
import signal
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from horus_supervisor.client import Client
from horus_supervisor.errors import HorusError, PayloadError
from horus_supervisor.events import Event
from horus_supervisor.job import hooks
from horus_supervisor.job.codec import decode
from horus_supervisor.job.definition import Job, find
from horus_supervisor.lifecycle import Death, JobState
from horus_supervisor.messages import Identity
from horus_supervisor.runner.foreground import own_board, own_slot, spec, usual
from horus_supervisor.runner.main import Runner
from horus_supervisor.runner.voice import Voice
from horus_supervisor.scoreboard import Control, Scoreboard
from horus_supervisor.store import operations
from horus_supervisor.store.operation import Operation
from horus_supervisor.store.rows import Packed, Turned
from horus_supervisor.store.wire import Wire
from horus_supervisor.testing.inline import tell

T = TypeVar("T")

MOST = 10_000
"""After so many jobs a drain is taken for one that never ends."""

_LEASE_MS = 86_400_000


@dataclass(frozen=True, slots=True, repr=False)
class Ran:
    """One attempt of a job, and how it ended."""

    id: str
    job: Job | None
    """None where its class is not imported here, or its payload makes no job."""
    name: str
    queue: str
    attempt: int
    error_type: str | None = None
    error_message: str | None = None
    traceback: str | None = None
    retry_at: datetime | None = None

    def __repr__(self) -> str:
        ended = f": {self.error_type}: {self.error_message}" if self.error_type else ""
        return f"{self.job or self.name!r} on {self.queue}, attempt {self.attempt}{ended}"


@dataclass(frozen=True, slots=True)
class Drained:
    """What happened in a drain, each in the order in which it ended."""

    succeeded: list[Ran] = field(default_factory=list)
    failed: list[Ran] = field(default_factory=list)
    """Attempts that failed, of jobs that will be tried again, at ``retry_at``."""
    dead: list[Ran] = field(default_factory=list)
    """Jobs whose last attempt failed."""
    discarded: list[Ran] = field(default_factory=list)


def drain(client: Client, queue: str | None) -> Drained:
    """Run what is due, and what comes to wait meanwhile, until nothing is ready any more."""
    ear, wire = _Ear(), _Wire(client.connection.address)
    promote_all(client)
    waited = _waiting(client)
    with closing(wire):
        while queues := _ready(client, queue):
            if len(wire.jobs) > MOST:
                raise HorusError(
                    f"{len(wire.jobs)} jobs were run and more wait: does one enqueue itself?"
                )
            with _registered(client, wire) as supervisor, hooks.opened():
                _run(_identity(supervisor), client, queues, wire, ear)
    return _happened(ear.lines, waited | wire.jobs)


def promote_all(client: Client) -> None:
    """Make ready what is due."""
    while client.connection.run(operations.promote(client.namespace, 1000)) == 1000:
        pass


def _waiting(client: Client) -> dict[str, Packed]:
    """Note what is ready: of a job that has expired a claim brings no more than the name."""
    ready = operations.list_jobs(client.namespace, JobState.READY, None, MOST)
    return {row.job_id: row.job for row in client.connection.run(ready)}


def _ready(client: Client, queue: str | None) -> list[str]:
    rows = client.connection.run(operations.overview(client.namespace)).queues
    ready = [row.queue for row in rows if row.ready and not row.paused]
    return [name for name in ready if queue in (None, name)]


class _Ear(Voice):
    """Hears what a runner says."""

    def __init__(self) -> None:
        super().__init__(-1, _identity("test"), "test/1", "test")
        self.lines: list[dict[str, Any]] = []

    def write(self, text: bytes) -> None:
        for line in text.splitlines():
            self.lines.append(msgspec.json.decode(line, type=dict[str, Any]))
            tell(line)


class _Wire(Wire):
    """Notes the jobs that came."""

    def __init__(self, address: Any) -> None:
        super().__init__(address)
        self.jobs: dict[str, Packed] = {}

    def receive(self, operation: Operation[T]) -> T:
        turn = super().receive(operation)
        if isinstance(turn, Turned) and turn.claimed and turn.claimed.job:
            self.jobs[turn.claimed.job_id] = turn.claimed.job
        return turn


def _identity(supervisor: str) -> Identity:
    host = socket.gethostname()
    return Identity(service="horus", host=host, supervisor=supervisor, level="info")


@contextmanager
def _registered(client: Client, wire: Wire) -> Iterator[str]:
    """Be a supervisor of one runner; what it holds in the end goes back."""
    supervisor = secrets.token_hex(6)
    wire.run(operations.register(client.namespace, supervisor, _LEASE_MS, b"{}"))
    try:
        yield supervisor
    finally:
        wire.run(
            operations.retire(
                client.namespace,
                supervisor,
                beat=None,
                death=Death.INTERRUPTED,
                record=b"{}",
                readable=True,
            )
        )


def _run(identity: Identity, client: Client, queues: Sequence[str], wire: Wire, ear: Voice) -> None:
    with own_board() as board, _signals_kept() as left_s:
        plain = spec(identity, queues, usual().defaults)
        group = replace(plain.group, max_jobs=MOST // 10, job_timeout_s=left_s or None)
        runner = Runner(
            msgspec.structs.replace(plain, group=group),
            client.namespace,
            wire,
            own_slot(board),
            ear,
            spool=Path(os.devnull),
            max_payload_bytes=client.max_payload_bytes,
            until_empty=True,
            own_timer=_in_main_thread(),
        )
        _run_to_the_end(runner, board)


def _run_to_the_end(runner: Runner, board: Scoreboard) -> None:
    """Run; Ctrl-C interrupts the job, the drain and, in the end, the tests."""

    def interrupt(*_: object) -> None:
        asked.append(True)
        runner.ask_to_leave()
        board.control(0, Control.INTERRUPT)
        runner.guard.look()

    asked: list[bool] = []
    if _in_main_thread():
        signal.signal(signal.SIGINT, interrupt)
        signal.signal(signal.SIGALRM, lambda *_: runner.guard.look())
    try:
        runner.run()
    finally:
        runner.close()
    if asked:
        raise KeyboardInterrupt


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


@contextmanager
def _signals_kept() -> Iterator[float]:
    """Give back what a runner takes: handlers, wakeup descriptor, and the alarm of pytest-timeout.

    Lends the seconds until that alarm, 0 for none.
    """
    began, (left_s, every_s) = time.monotonic(), signal.getitimer(signal.ITIMER_REAL)
    taken = (signal.SIGINT, signal.SIGALRM) if _in_main_thread() else ()
    handlers = [(number, signal.getsignal(number)) for number in taken]
    wakeup = signal.set_wakeup_fd(-1) if taken else -1
    try:
        yield left_s
    finally:
        for number, handler in handlers:
            signal.signal(number, handler)
        if taken:
            signal.set_wakeup_fd(wakeup)
        if left_s:
            left_s = max(left_s - (time.monotonic() - began), 0.001)
            signal.setitimer(signal.ITIMER_REAL, left_s, every_s)


def _happened(lines: list[dict[str, Any]], jobs: dict[str, Packed]) -> Drained:
    happened = Drained()
    failures: dict[str, Ran] = {}
    for line in lines:
        match line["event"]:
            case Event.JOB_SUCCEEDED:
                happened.succeeded.append(_ran(line, jobs))
            case Event.JOB_DISCARDED:
                happened.discarded.append(_ran(line, jobs))
            case Event.JOB_FAILED | Event.JOB_DEFERRED:
                ran = failures[line["job_id"]] = _ran(line, jobs)
                if ran.retry_at:
                    happened.failed.append(ran)
            case Event.JOB_DEAD:
                happened.dead.append(failures[line["job_id"]])
    return happened


def _ran(line: dict[str, Any], jobs: dict[str, Packed]) -> Ran:
    packed = jobs.get(line["job_id"])
    retry_at = line.get("retry_at")
    return Ran(
        id=line["job_id"],
        job=_typed(packed) if packed else None,
        name=line["job"] or "?",  # its record could not be read
        queue=line["queue"],
        attempt=line.get("attempt", 0),
        error_type=line.get("error_type"),
        error_message=line.get("error_message", line.get("reason")),
        traceback=line.get("traceback"),
        retry_at=datetime.fromisoformat(retry_at) if retry_at else None,
    )


def _typed(packed: Packed) -> Job | None:
    job_class = find(packed.name)
    try:
        return decode(job_class, packed.payload, len(packed.payload)) if job_class else None
    except PayloadError:
        return None
