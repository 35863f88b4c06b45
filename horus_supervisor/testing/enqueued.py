"""The jobs that wait, as the objects that they were, shown so that a failed test says why."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from horus_supervisor.client import Client
from horus_supervisor.errors import HorusError
from horus_supervisor.job.codec import decode
from horus_supervisor.job.definition import Job, find
from horus_supervisor.lifecycle import JobState
from horus_supervisor.store import operations
from horus_supervisor.store.rows import Listed

J = TypeVar("J", bound=Job)

_MOST = 1_000_000


@dataclass(frozen=True, slots=True, repr=False)
class Enqueued(Generic[J]):
    """A job that waits."""

    job: J
    id: str
    queue: str
    due: datetime | None
    """When it is due, a datetime with a zone; None: at once."""
    delay: float
    """The seconds that it was told to wait, whatever ``advance`` did since."""
    attempts: int
    """How many attempts it has behind it."""
    tags: tuple[str, ...]

    def __repr__(self) -> str:
        due = f", due {self.due:%Y-%m-%d %H:%M:%S} UTC" if self.due else ""
        tried = f", {self.attempts} failed" if self.attempts else ""
        return f"{self.job!r} on {self.queue}{due}{tried}"


class EnqueuedList(list[Enqueued[J]]):
    """Jobs that wait, in the order in which they were enqueued."""

    def __init__(self, rows: Iterable[Enqueued[J]], wanted: str, others: str) -> None:
        super().__init__(rows)
        self._wanted = wanted
        self._others = others

    @property
    def jobs(self) -> list[J]:
        """The jobs alone, to be compared with those that should be there."""
        return [row.job for row in self]

    def one(self) -> Enqueued[J]:
        """Give the only one. Raises ``AssertionError``, saying what waits, where it isn't."""
        if len(self) != 1:
            found = repr(self) if self else self._others
            raise AssertionError(f"{len(self)} of {self._wanted} wait, not 1; these do: {found}")
        return self[0]

    def __repr__(self) -> str:
        return "[" + ",\n ".join(map(repr, self)) + "]"


def enqueued(client: Client, job_class: type[J], queue: str | None) -> EnqueuedList[J]:
    """List what waits, ready or scheduled."""
    rows = _waiting(client)
    for row in rows:
        if job_class is Job and not find(row.job.name):
            raise HorusError(
                f"a job named {row.job.name} waits on {row.job.queue}, and no class so named is "
                "imported here: import its module in the test, or ask for one class"
            )
    known = [_typed(row, found) for row in rows if (found := find(row.job.name))]
    wanted: Any = [row for row in known if isinstance(row.job, job_class)]
    wanted = [row for row in wanted if queue in (None, row.queue)]
    where = f" on {queue}" if queue else ""
    return EnqueuedList(wanted, f"{job_class.__qualname__}{where}", f"{known or 'none'}")


def _waiting(client: Client) -> list[Listed]:
    """List what waits; in one millisecond a queue's own order counts, between queues the ids."""
    lists: dict[tuple[str, str], list[Listed]] = {}
    for state in (JobState.READY, JobState.SCHEDULED):
        operation = operations.list_jobs(client.namespace, state, None, _MOST)
        for row in client.connection.run(operation):
            lists.setdefault((state, row.job.queue), []).append(row)
    ordered = [sorted(rows, key=lambda row: row.job.enqueued_ms) for rows in lists.values()]
    return list(heapq.merge(*ordered, key=lambda row: (row.job.enqueued_ms, row.job_id)))


def _typed(row: Listed, job_class: type[Job]) -> Enqueued[Job]:
    packed = row.job
    due_ms = row.since_ms or packed.due_ms
    return Enqueued(
        job=decode(job_class, packed.payload, len(packed.payload)),
        id=row.job_id,
        queue=packed.queue,
        due=datetime.fromtimestamp(due_ms / 1000, UTC) if due_ms else None,
        delay=max(packed.due_ms - packed.enqueued_ms, 0) / 1000 if packed.due_ms else 0.0,
        attempts=packed.attempts,
        tags=packed.tags,
    )
