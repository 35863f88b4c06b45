"""Is all well? What ``status`` says in its first line, and what to type next. Pure.

Judges by how long work waits, not by how much of it there is: a queue of a million may be on time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Sequence
from dataclasses import dataclass

from horus_supervisor.cli.crash_rows import Record, how
from horus_supervisor.cli.house import House, Queue, Supervisor
from horus_supervisor.cli.job_rows import short_name
from horus_supervisor.cli.output import count, jobs_wait
from horus_supervisor.cli.times import age, clock, milliseconds
from horus_supervisor.cli.typed import CHECK, SERVICE
from horus_supervisor.lifecycle import DEATH_OF_CAUSE, Death

LATE_S = 60.0
"""A queue whose oldest job waits so long is ``late``."""

STALLED_S = 300.0
"""... and so long: not well."""

OVERDUE_S = 60.0
"""A job that is still scheduled so long after it was due is not well: keepers move it at once."""

CRASHES_WITHIN_S = 600.0
MANY_CRASHES = 4
"""So many within that time are not well: one quarantined job makes three."""

CRASHES_READ = 200


@dataclass(frozen=True, slots=True)
class Verdict:
    """``reasons`` why it isn't well, else what there is; ``next``: what to type next."""

    well: bool
    reasons: tuple[str, ...]
    next: str


def judge(
    house: House, crashes: Sequence[Record], strangers: Sequence[tuple[str, str]] = ()
) -> Verdict:
    """Judge a house; ``crashes`` are those that blame somebody, newest first: ``blaming``.

    ``strangers``: queue and name of waiting jobs that nobody who serves it imports.
    """
    crashing = _crashing(crashes)
    unserved, empty = _unattended(house), _empty(house)
    if not unserved or any(next_ == CHECK for _, next_ in empty):
        unserved = [*empty, *unserved]  # without its code no runner is born
    late = [*_stalled(house), *_overdue(house)]
    held = _held(house)
    refused = [*_silent(house), *_refused(house)]
    found = [*_unread(house), *unserved, *held, *_strange(strangers), *crashing, *late, *refused]
    if found:
        return Verdict(False, tuple(reason for reason, _ in found), found[0][1])
    said, next_ = [_census(house)], "horus jobs"
    if paused := [queue.queue for queue in house.queues if queue.paused]:
        several = "queues are" if len(paused) > 1 else "queue is"
        said.append(f"{len(paused)} {several} paused ({', '.join(paused[:3])})")
        next_ = f"horus resume {paused[0]}"
    if dead := sum(queue.dead for queue in house.queues):
        said.append(f"{count(dead, 'dead job')} to look at")
        next_ = "horus dead"
    if not house.supervisors and not house.queues:
        return Verdict(True, ("no service runs, and nothing waits",), SERVICE)
    return Verdict(True, tuple(said), next_)


Found = list[tuple[str, str]]
"""Reasons, each with what to type next."""


def _unattended(house: House) -> Found:
    """Find work that no runner will take, but for what an operator paused."""
    if not house.alive:
        return [(house.nobody, SERVICE)] if house.nobody else []
    found: Found = []
    for queue in house.queues:
        if queue.paused:
            continue
        if not house.serves(queue.queue) and (queue.ready or queue.scheduled):
            text = f"{queue.queue}: {_waiting(queue)}, no runner serves it"
            found.append((text, f"horus work -q {queue.queue}"))
        elif queue.ready and not queue.runners:
            text = f"{queue.queue}: {queue.ready} ready, its runners are restarting"
            found.append((text, "horus crashes"))
    return found


def _waiting(queue: Queue) -> str:
    counts = {"ready": queue.ready, "scheduled": queue.scheduled}
    return " and ".join(f"{number} {state}" for state, number in counts.items() if number)


def _held(house: House) -> Found:
    """Find classes whose jobs are left alone, as they brought down runner after runner."""
    return [  # resumed unseen, it goes on killing
        (f"{name} is held back: {jobs_wait(jobs)}", "horus crashes")
        for name, jobs in sorted(house.held.items())
    ]


def _strange(strangers: Sequence[tuple[str, str]]) -> Found:
    """Say of each queue which classes wait there in vain."""
    names: dict[str, list[str]] = {}
    for queue, name in strangers:
        names.setdefault(queue, []).append(name)
    return [
        (f"{queue}: jobs wait that no runner imports: {_few(found)}", "horus doctor")
        for queue, found in names.items()
    ]


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _unread(house: House) -> Found:
    """Find services whose log is full: its reader stands still, and so do their jobs."""
    return [
        (f"{one.told.host}: {one.told.not_ready}", "horus doctor")
        for one in house.supervisors
        if one.told.unread and one.serving
    ]


def _empty(house: House) -> Found:
    """Find services without a living runner: job code is imported for long, or can't be."""
    return [
        (f"{one.told.host}: {one.lacking}", next_if_empty(one))
        for one in house.supervisors
        if one.lacking and not one.told.unread
    ]


def _refused(house: House) -> Found:
    """Find services that were asked to take new code, and did not."""
    return [
        (f"{one.told.host}: {refusal(one, house.now_ms)}", next_if_refused(one))
        for one in house.supervisors
        if one.told.refused and one.serving
    ]


def next_if_empty(one: Supervisor) -> str:
    """Tell what to type where none of a service's runners lives."""
    return "horus crashes" if one.told.imported else CHECK


def next_if_refused(one: Supervisor) -> str:
    """Tell what to type where new code was refused; of a death no check tells."""
    return "horus crashes" if one.told.refused and one.told.refused.runner else CHECK


def refusal(one: Supervisor, now_ms: float) -> str:
    """Say when and why a service did not take new code."""
    refused = one.told.refused
    assert refused
    at_ms = milliseconds(refused.at)
    when = f" at {clock(at_ms, now_ms)}" if at_ms else ""
    return f"new code refused{when}: {refused.error}"


def _stalled(house: House) -> Found:
    return [
        (
            f"{queue.queue}: oldest waits {age(queue.oldest_ready_s)}",
            f"horus jobs --queue {queue.queue}",
        )
        for queue in house.queues
        if queue.oldest_ready_s is not None and queue.oldest_ready_s >= STALLED_S
        if not queue.paused
    ]


def _overdue(house: House) -> Found:
    """Find jobs that no service moves to their queue, though some say that they live."""
    return [
        (
            f"{queue.queue}: a job was due {age(queue.overdue_s)} ago, and no keeper moves it",
            "horus doctor",
        )
        for queue in house.queues
        if queue.overdue_s >= OVERDUE_S and house.alive
    ]


def blaming(crashes: Sequence[Record], crashing: Container[str]) -> list[Record]:
    """Give the crashes that blame job code; ``crashing``: classes without a success since theirs.

    A host that was lost blames none, and what has succeeded since is to blame no longer. Of what
    the service killed for its time or its memory Redis counts no successes.
    """
    return [
        record
        for record, death in ((one, DEATH_OF_CAUSE.get(one.get("cause", ""))) for one in crashes)
        if death is not Death.LOST
        if death is not Death.CRASHED or not record.get("job") or record["job"] in crashing
    ]


def _crashing(crashes: Sequence[Record]) -> Found:
    if len(crashes) < MANY_CRASHES:
        return []
    kinds = Counter(
        " ".join((short_name(r.get("job") or "no job"), how(r), str(r.get("host"))))
        for r in crashes
    )
    more = "+" if len(crashes) >= CRASHES_READ else ""
    minutes = round(CRASHES_WITHIN_S / 60)
    rest = f", {len(kinds) - 2} more" if len(kinds) > 2 else ""
    most = ", ".join(kind for kind, _ in kinds.most_common(2))
    text = f"{len(crashes)}{more} crashes/{minutes}m ({most}{rest})"
    return [(text, f"horus crashes --since {minutes}m")]


def _silent(house: House) -> Found:
    return [
        (
            f"{one.told.host}: silent; another service takes its jobs over within "
            f"{age(one.lease_s + 5)}",
            "horus jobs --state running",
        )
        for one in house.supervisors
        if one.silent
    ]


def _census(house: House) -> str:
    alive = sum(one.alive for one in house.supervisors)
    hosts = len({one.told.host for one in house.supervisors})
    ready = sum(queue.ready for queue in house.queues)
    running = sum(queue.running for queue in house.queues)
    where = f"{count(alive, 'runner')} on {count(hosts, 'host')}" if hosts else "no service runs"
    return f"{where}, {running} running, {ready} ready"


def state_of(house: House, queue: Queue, crashes: Sequence[Record]) -> str:
    """Say in a word how a queue does."""
    died = sum(record.get("queue") == queue.queue for record in crashes)
    late = queue.oldest_ready_s is not None and queue.oldest_ready_s >= LATE_S
    match queue:
        case Queue(paused=True):
            return "paused"
        case _ if died >= MANY_CRASHES:
            return "crashing"
        case _ if (queue.ready or queue.scheduled) and not house.serves(queue.queue):
            return "unserved"
        case _ if queue.runners < max(queue.places, queue.ready > 0):
            return "restarting"
        case _ if late:
            return "late"
        case Queue(ready=0, running=0):
            return "idle"
    return "ok"
