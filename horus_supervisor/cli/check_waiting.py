"""A sample of the jobs that wait on a file's queues, for ``--check`` to try the new code on.

Asks Redis a few bounded questions; where Redis is away, that is all that is told.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field

from horus_supervisor.config.schema import Config
from horus_supervisor.errors import HorusError
from horus_supervisor.lifecycle import JobState
from horus_supervisor.store import operations
from horus_supervisor.store.overview import QueueRow
from horus_supervisor.store.rows import Listed
from horus_supervisor.store.wire import Wire

MOST_JOBS = 1000
"""Jobs of one queue that are looked at, half of them scheduled where there are so many."""

MOST_BYTES = 32 << 20
"""Payloads that are fetched, for all queues together."""

FEW = 10
"""Jobs that are fetched first, to see how large they are."""

TIMEOUT_S = 3.0


@dataclass(slots=True)
class Waiting:
    """What waits on one queue, and the jobs of it that were looked at."""

    queue: str
    ready: int
    scheduled: int
    jobs: list[Listed] = field(default_factory=list)


def look(config: Config) -> tuple[list[Waiting], str | None]:
    """Fetch samples from the queues that the file serves; and why that was not possible."""
    queues = {queue for group in config.groups if group.runners for queue in group.queues}
    wire = Wire(config.redis.address, timeout_s=TIMEOUT_S)
    with contextlib.closing(wire):
        try:
            overview = wire.run(operations.overview(config.redis.namespace))
            rows = [row for row in overview.queues if row.queue in queues]
            return _Samples(wire, config.redis.namespace).of(rows), None
        except HorusError as error:
            return [], error.what  # the remedy would be to start this very file


class _Samples:
    """Fetches jobs while there is room for them."""

    def __init__(self, wire: Wire, namespace: str) -> None:
        self._wire = wire
        self._namespace = namespace
        self._room = MOST_BYTES

    def of(self, rows: list[QueueRow]) -> list[Waiting]:
        """Fetch some jobs of each queue where any wait."""
        found = []
        for row in rows:
            if row.ready or row.scheduled:
                scheduled = min(row.scheduled, max(MOST_JOBS // 2, MOST_JOBS - row.ready))
                jobs = self._some(JobState.READY, row.queue, MOST_JOBS - scheduled)
                jobs += self._some(JobState.SCHEDULED, row.queue, scheduled)
                found.append(Waiting(row.queue, row.ready, row.scheduled, jobs))
        return found

    def _some(self, state: JobState, queue: str, most: int) -> list[Listed]:
        """Fetch up to ``most`` jobs of a state; fewer where they are large."""
        jobs = self._list(state, queue, min(FEW, most))
        if len(jobs) == FEW < most:
            mean = 1 + sum(len(listed.job.payload) for listed in jobs) // FEW
            jobs = self._list(state, queue, max(FEW, min(most, self._room // mean)))
        self._room = max(0, self._room - sum(len(listed.job.payload) for listed in jobs))
        return jobs

    def _list(self, state: JobState, queue: str, most: int) -> list[Listed]:
        if not most:
            return []
        return self._wire.run(operations.list_jobs(self._namespace, state, queue, most))
