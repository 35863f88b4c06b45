"""The books: what was enqueued, what is known of each job, and whether it adds up in the end."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from horus_supervisor import Client, Job
from horus_supervisor.errors import HorusError
from horus_supervisor.ids import new_job_id
from horus_supervisor.lifecycle import JobState
from horus_supervisor.store import operations
from horus_supervisor.store.overview import Overview
from tests.soak.apps import jobs

Kind = Callable[..., Job]
"""A class of ours: its first two fields are a folder and a number."""

TIMEOUT_S = 1.0
MOST = 1_000_000


@dataclass(slots=True)
class Entry:
    """A job that was enqueued; ``sure`` once a call for it returned."""

    number: int
    job: Job
    job_id: str
    queue: str
    sure: bool = False
    options: dict[str, Any] = field(default_factory=dict)


class Books:
    """Enqueues, and keeps account. A call that broke is repeated with its id at a later turn."""

    def __init__(self, url: str, namespace: str, folder: Path) -> None:
        self.folder = folder
        self.entries: list[Entry] = []
        self._client = Client(url, namespace=namespace, timeout=TIMEOUT_S)
        self._namespace = namespace
        self._unsure: list[Entry] = []
        self._notes: dict[int, list[tuple[int, int, str]]] = defaultdict(list)
        self._noted_to = 0
        self._worked_at = 0.0

    def close(self) -> None:
        """Let go of the connection."""
        self._client.close()

    def put(self, kind: Kind, queue: str, **options: Any) -> Entry:
        """Enqueue a job of a kind of ours; it has the next number."""
        own: dict[str, Any] = {
            name: options.pop(name) for name in ("max_attempts", "timeout") if name in options
        }
        number = len(self.entries)
        job = kind(str(self.folder), number, **options)
        entry = Entry(number, job, new_job_id(), queue, options=own)
        self.entries.append(entry)
        self._send(entry)
        return entry

    def _send(self, entry: Entry) -> None:
        options = {"queue": entry.queue, "id": entry.job_id, **entry.options}
        try:
            self._client.enqueue(entry.job, **options)
            entry.sure = True
        except (HorusError, OSError):  # Redis is away: its id makes it safe to repeat
            self._unsure.append(entry)

    def settle(self) -> bool:
        """Repeat the calls that broke; whether none is left."""
        again, self._unsure = self._unsure, []
        for at, entry in enumerate(again):
            self._send(entry)
            if not entry.sure:  # it is still away
                self._unsure += again[at + 1 :]
                break
        return not self._unsure

    def work(self, queue: str, most: int) -> None:
        """See, ten times a second, that so much work waits."""
        if time.monotonic() < self._worked_at + 0.1:
            return
        self._worked_at = time.monotonic()
        if self.settle() and (seen := self.overview()):
            ready = sum(row.ready for row in seen.queues if row.queue == queue)
            for at in range(most - ready):
                if self._unsure:
                    return
                self.put(jobs.Work, queue, seconds=0.05 * (at % 7 == 0))

    # --- looking -------------------------------------------------------------------------------

    def overview(self) -> Overview | None:
        """Queues and slots at one moment; None while Redis does not answer."""
        try:
            return self._client.connection.run(operations.overview(self._namespace))
        except (HorusError, OSError):
            return None

    def left(self) -> int:
        """How many jobs wait or run; as if all did, while Redis does not answer."""
        seen = self.overview()
        if seen is None:
            return len(self.entries)
        waiting = sum(row.ready + row.scheduled for row in seen.queues)
        return waiting + sum(holding is not None for holding in seen.slots.values())

    def records_ever(self) -> int:
        """How many crash records were ever written, those that were cut off too."""
        return int(self._client.connection.raw.xinfo_stream(self._crashes)["entries-added"])

    @property
    def _crashes(self) -> str:
        return f"{{{self._namespace}}}:crashes"

    def notes(self) -> dict[int, list[tuple[int, int, str]]]:
        """What each job noted so far: attempt, pid, word. Reads what is new."""
        path = self.folder / "notes"
        if path.exists():
            with path.open("rb") as file:
                file.seek(self._noted_to)
                whole, end, _ = file.read().rpartition(b"\n")
            self._noted_to += len(whole + end)
            for line in whole.decode().splitlines():
                number, attempt, pid, word = line.split(maxsplit=3)
                self._notes[int(number)].append((int(attempt), int(pid), word))
        return self._notes

    def dead(self) -> set[str]:
        """The ids of jobs that wait for a decision."""
        listing = operations.list_jobs(self._namespace, JobState.DEAD, None, MOST)
        return {row.job_id for row in self._client.connection.run(listing)}

    def records(self) -> list[dict[str, Any]]:
        """All crash records that are kept, newest first."""
        return self._client.connection.run(operations.crashes(self._namespace, MOST))[0]

    # --- adding up -----------------------------------------------------------------------------

    def faults(self, *, killed_anywhere: bool = False) -> list[str]:
        """Say what does not add up, once nothing waits or runs: nothing, where all is well.

        ``killed_anywhere``: runners may have died after ``execute`` and before Redis had heard of
        its end; then the job runs again, or is dead though it was done.
        """
        return [*self._sums(), *self._ends(killed_anywhere)]

    def _sums(self) -> list[str]:
        """For each queue: enqueued = ready + scheduled + running + succeeded + dead + discarded."""
        seen = self.overview()
        assert seen is not None
        found, ours = [], Counter(entry.queue for entry in self.entries)
        for row in seen.queues:
            ended = row.succeeded + row.dead + row.discarded
            if not row.enqueued == ended == ours[row.queue]:
                found.append(f"{ours[row.queue]} jobs were enqueued, and Redis has {row}")
        return found

    def _ends(self, killed_anywhere: bool) -> list[str]:
        """Each job returned once, or waits dead for a decision; none ran beside itself."""
        notes, dead, found = self.notes(), self.dead(), []
        for number, entry in enumerate(self.entries):
            words = [word for _, _, word in notes[number]]
            if "overlaps" in words:
                found.append(f"{entry} ran beside itself: {notes[number]}")
            times = words.count("ends") + (entry.job_id in dead)
            if times == 0 or (times > 1 and not killed_anywhere):
                found.append(f"{entry} ended {times} times, by being done or dead: {notes[number]}")
        return found
