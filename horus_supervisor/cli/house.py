"""The house at one moment: queues and supervisors, put together from what Redis and they say.

Pure. What a supervisor tells of its runners comes with its heartbeat and is some seconds old; what
a slot holds in Redis, and who is connected to it, is of this moment, and wins.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from horus_supervisor.cli.output import count, jobs_wait
from horus_supervisor.clock import rfc3339
from horus_supervisor.lifecycle import ON_CRASH
from horus_supervisor.store.overview import Overview, QueueRow, SupervisorRow
from horus_supervisor.store.rows import Holding


@dataclass(frozen=True, slots=True)
class Heard:
    """Who is connected to Redis: ``horus:SUPERVISOR:keeper``, ``horus:SUPERVISOR:SLOT.LIFE``.

    ``quiet_s``: name -> seconds since it last said something; None where Redis doesn't tell us.
    """

    quiet_s: Mapping[str, float] | None

    def silent(self, row: SupervisorRow) -> bool:
        """Tell whether a supervisor's row is the only sign of it.

        Its keeper speaks several times a second: it counts as gone where it is not connected, or
        has said nothing for half a lease. Where Redis doesn't tell, all count as heard.
        """
        if self.quiet_s is None:
            return False
        quiet_s = self.quiet_s.get(f"horus:{row.supervisor}:keeper")
        return quiet_s is None or quiet_s > row.lease_ms / 2000

    def runners(self) -> set[str]:
        """Tell the slots whose runners are connected."""
        names = (name.split(":") for name in self.quiet_s or ())
        return {
            f"{parts[1]}/{parts[2].partition('.')[0]}"
            for parts in names
            if len(parts) == 3 and parts[0] == "horus" and "." in parts[2]
        }


class ToldRunner(msgspec.Struct, frozen=True):
    """A runner as its supervisor tells of it."""

    runner: str = "?"
    slot: int = -1
    group: str | None = None
    queues: tuple[str, ...] = ()
    pid: int | None = None
    app_version: str | None = None
    state: str = "?"
    since: str | None = None


class Refused(msgspec.Struct, frozen=True):
    """New code that a service did not take."""

    at: str | None = None
    error: str = "?"
    runner: str | None = None
    """Whose death refuted it, if one did."""


class Told(msgspec.Struct, frozen=True):
    """What a supervisor tells with a heartbeat. Another version may tell less."""

    host: str = "?"
    pid: int | None = None
    version: str | None = None
    app_version: str | None = None
    started_at: str | None = None
    jobs: tuple[str, ...] | None = None
    groups: dict[str, int] = {}
    queues: tuple[str, ...] = ()
    runners: tuple[ToldRunner, ...] = ()
    not_ready: str | None = None
    imported: bool = True
    stopping: bool = False
    unread: bool = False
    refused: Refused | None = None


@dataclass(frozen=True, slots=True)
class Runner:
    """A runner now. ``pid`` None: it died, and its successor isn't there yet."""

    told: ToldRunner
    state: str
    job_id: str | None
    job: str | None
    queue: str | None
    since: str | None

    @property
    def alive(self) -> bool:
        return self.state != "backoff"

    def row(self) -> dict[str, Any]:
        """Write the interface's row."""
        return {
            "runner": self.told.runner,
            "group": self.told.group,
            "pid": self.told.pid,
            "app_version": self.told.app_version,
            "state": self.state,
            "job_id": self.job_id,
            "job": self.job,
            "queue": self.queue,
            "since": self.since,
        }


@dataclass(frozen=True, slots=True)
class Supervisor:
    """A supervisor now. ``silent``: its row in Redis is the only sign of it."""

    supervisor: str
    told: Told
    started_ms: int
    lease_s: float
    silent: bool
    runners: tuple[Runner, ...]

    @property
    def serving(self) -> bool:
        """Whether it may take a job yet: it lives, and does not stop."""
        return not (self.silent or self.told.stopping)

    @property
    def lacking(self) -> str:
        """Say why none of its runners lives, where one should; else nothing."""
        if not self.wanted or self.alive or not self.serving:
            return ""
        return self.told.not_ready or f"none of its {count(self.wanted, 'runner')} lives"

    @property
    def wanted(self) -> int:
        """Tell how many runners it should have."""
        return sum(self.told.groups.values()) or len(self.runners)

    @property
    def alive(self) -> int:
        """Tell how many runners it has."""
        return 0 if self.silent else sum(runner.alive for runner in self.runners)

    def row(self) -> dict[str, Any]:
        """Write the interface's row."""
        return {
            "supervisor": self.supervisor,
            "host": self.told.host,
            "pid": self.told.pid,
            "started_at": self.told.started_at or rfc3339(self.started_ms / 1000),
            "runners": [runner.row() for runner in self.runners],
        }


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue now. ``runners`` live and serve it; ``places`` count those that are to come too."""

    queue: str
    ready: int
    oldest_ready_s: float | None
    running: int
    scheduled: int
    dead: int
    runners: int
    places: int
    paused: bool = False
    overdue_s: float = 0.0

    def row(self) -> dict[str, Any]:
        """Write the interface's row."""
        return {
            "queue": self.queue,
            "ready": self.ready,
            "oldest_ready_s": self.oldest_ready_s,
            "running": self.running,
            "scheduled": self.scheduled,
            "dead": self.dead,
            "paused": self.paused,
            "runners": self.runners,
        }


Vain = Literal["held", "paused", "absent", "unserved", "strange"]
"""Why nobody would take a job."""


@dataclass(frozen=True, slots=True)
class House:
    """Everything. ``now_ms`` is Redis's clock."""

    now_ms: int
    queues: tuple[Queue, ...]
    supervisors: tuple[Supervisor, ...]
    held: Mapping[str, int] = field(default_factory=dict)
    """Classes that are held back -> how many jobs wait for that to end."""

    @property
    def alive(self) -> list[Supervisor]:
        """Give the services that live, and do not stop."""
        return [one for one in self.supervisors if one.serving]

    @property
    def absent(self) -> str:
        """Say how it is that none lives, where none does."""
        stops = any(not one.silent for one in self.supervisors)
        return "the service stops" if stops else "no service runs"

    @property
    def nobody(self) -> str:
        """Say that no service runs though there is work; nothing where that isn't so."""
        left = sum(queue.ready + queue.scheduled for queue in self.queues)
        if all(one.silent for one in self.supervisors):  # else it may be finished yet
            left += sum(queue.running for queue in self.queues)
        if self.alive or not left:
            return ""
        return f"{self.absent}, and {jobs_wait(left)}"

    def serves(self, queue: str) -> bool:
        """Tell whether a service that lives has runners for a queue, or may yet tell of some."""
        return any(
            queue in (told for runner in one.runners for told in runner.told.queues)
            or (not one.runners and one.wanted > 0 and queue in one.told.queues)
            for one in self.alive
        )

    def in_vain(self, queue: str, name: str) -> tuple[Vain, str] | None:
        """Say why nobody would take a job that waits there: as one of these, and in words."""
        if name in self.held:
            return "held", f"{name} is held back, as it brings down runners"
        if any(one.paused for one in self.queues if one.queue == queue):
            return "paused", f"{queue} is paused"
        if not self.alive:
            return "absent", self.absent
        if not self.serves(queue):
            return "unserved", f"no runner serves {queue}"
        if self.strangers({queue: [name]}):
            return "strange", f"no runner of {queue} imports {name}"
        return None

    def strangers(self, waiting: Mapping[str, Iterable[str]]) -> list[tuple[str, str]]:
        """Find waiting jobs whose class nobody who serves their queue imports: queue and name.

        ``waiting``: queue -> names of jobs there. Who doesn't tell what he imports may import all.
        """
        found = []
        for queue, names in waiting.items():
            serving = [one.told.jobs for one in self.alive if queue in _served(one)]
            if serving and all(jobs is not None for jobs in serving):
                known = {ON_CRASH, *(name for jobs in serving for name in jobs or ())}
                found += [(queue, name) for name in sorted({*names} - known)]
        return found


def see(overview: Overview, names: Mapping[str, str], heard: Heard) -> House:
    """Put the house together; ``names``: job id -> name of what runs."""
    connected = heard.runners()
    supervisors = [
        _supervisor(row, overview, names, heard.silent(row), connected)
        for row in overview.supervisors
    ]
    supervisors.sort(key=lambda one: (one.told.host, one.started_ms))
    known = {row.queue: row for row in overview.queues}
    served = {queue for one in supervisors for queue in _served(one)}
    queues = [
        _queue(name, known.get(name), overview, supervisors) for name in sorted({*known, *served})
    ]
    return House(overview.now_ms, tuple(queues), tuple(supervisors), overview.held)


def runner_of(overview: Overview, slot: str) -> str:
    """Name the runner in a slot, ``oven/2 on w1, pid 7``, where its service tells of itself."""
    supervisor, _, number = slot.rpartition("/")
    for row in overview.supervisors:
        told = _told(row)
        if row.supervisor == supervisor:
            named = (one for one in told.runners if str(one.slot) == number)
            runner = next(named, None) or (_untold(slot, told) if told.groups else None)
            pid = f", pid {runner.pid}" if runner and runner.pid else ""
            return f"{runner.runner} on {told.host}{pid}" if runner else ""
    return ""


def _supervisor(
    row: SupervisorRow,
    overview: Overview,
    names: Mapping[str, str],
    silent: bool,
    connected: set[str],
) -> Supervisor:
    told = _told(row)
    seats = {f"{row.supervisor}/{runner.slot}": runner for runner in told.runners}
    for slot in sorted(connected | overview.slots.keys()):  # born since, or in the foreground
        lives = slot in connected or overview.slots[slot] is not None
        if lives and slot.startswith(f"{row.supervisor}/") and slot not in seats:
            seats[slot] = _untold(slot, told)
    runners = tuple(
        _runner(seat, overview.slots.get(slot), names, slot in connected)
        for slot, seat in seats.items()
    )
    return Supervisor(row.supervisor, told, row.started_ms, row.lease_ms / 1000, silent, runners)


def _told(row: SupervisorRow) -> Told:
    try:
        return msgspec.convert(row.facts, Told)
    except msgspec.ValidationError:
        return Told(host=str(row.facts.get("host", "?")))


def _untold(slot: str, told: Told) -> ToldRunner:
    """Name a runner that only Redis tells of; where there is one group, it is of that."""
    number = int(slot.rpartition("/")[2])
    group = next(iter(told.groups)) if len(told.groups) == 1 else None
    name = f"{group or 'slot'}/{number + 1}"
    return ToldRunner(
        runner=name,
        slot=number,
        group=group,
        queues=told.queues,
        pid=told.pid if not told.runners else None,
        state="idle",
    )


def _runner(
    told: ToldRunner, held: Holding | None, names: Mapping[str, str], connected: bool
) -> Runner:
    state = _state(told.state, held is not None, connected)
    if held is None:
        return Runner(told, state, None, None, None, told.since)
    since = rfc3339(held.started_ms / 1000)
    return Runner(told, state, held.job_id, names.get(held.job_id), held.queue, since)


def _state(told: str, holds: bool, connected: bool) -> str:
    """Correct what was told some seconds ago by what is seen now."""
    if told == "stopping" or (told == "backoff" and not connected):
        return told
    if holds:
        return "finishing" if told == "finishing" else "executing"
    return "idle" if told != "starting" or connected else told


def _served(supervisor: Supervisor) -> set[str]:
    told = supervisor.told
    return {*told.queues, *(queue for runner in told.runners for queue in runner.queues)}


def _queue(
    name: str, row: QueueRow | None, overview: Overview, supervisors: list[Supervisor]
) -> Queue:
    oldest_ms = row.oldest_ready_ms if row else None
    due_ms = row.next_due_ms if row else None
    serving = [
        runner
        for one in supervisors
        if one.serving
        for runner in one.runners
        if name in runner.told.queues
    ]
    return Queue(
        queue=name,
        ready=row.ready if row else 0,
        oldest_ready_s=max(0.0, (overview.now_ms - oldest_ms) / 1000) if oldest_ms else None,
        running=sum(held.queue == name for held in overview.slots.values() if held),
        scheduled=row.scheduled if row else 0,
        dead=row.dead if row else 0,
        runners=sum(runner.alive for runner in serving),
        places=len(serving),
        paused=row.paused if row else False,
        overdue_s=max(0.0, (overview.now_ms - due_ms) / 1000) if due_ms else 0.0,
    )
