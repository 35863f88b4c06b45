"""The life of a job: its states, the arrows between them, and what a death does to it.

The one place that lists them. The Lua scripts carry the arrows out, the model test and the
diagram in ``docs/design.md`` are checked against this table.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec


class JobState(StrEnum):
    """Where a job is, as a text: ``handle.status() == "dead"``. ``unknown``: nowhere (any more)."""

    READY = "ready"
    SCHEDULED = "scheduled"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    DEAD = "dead"
    DISCARDED = "discarded"
    UNKNOWN = "unknown"


class Cause(StrEnum):
    """How a runner died."""

    SIGNAL = "signal"
    EXIT = "exit"
    TIMEOUT = "timeout"
    MEMORY = "memory"
    OOM = "oom"
    STUCK = "stuck"
    SUPERVISOR_LOST = "supervisor_lost"
    HOST_LOST = "host_lost"


class Death(StrEnum):
    """What a death means for the job in flight; a crash script's argument."""

    CRASHED = "crashed"  # it brought its runner down: an attempt and a crash
    KILLED = "killed"  # the service killed its runner: an attempt
    LOST = "lost"  # host or supervisor gone: an attempt
    INTERRUPTED = "interrupted"  # a stop that could not wait: nothing counted, no record


class Disposition(StrEnum):
    """Where a crashed job went."""

    REQUEUED = "requeued"
    SCHEDULED = "scheduled"
    QUARANTINED = "quarantined"
    EXHAUSTED = "exhausted"
    NONE = "none"


class Fate(msgspec.Struct, frozen=True):
    """What became of a dead runner's job, as ``crash`` answers; none, but for ``ok`` and ``again``.

    ``earlier``: for ``wait``, the life that has the slot. ``args``: the job's, where the log may
    have them, which ``crash`` does not answer.
    """

    word: str
    disposition: Disposition = Disposition.NONE
    job_id: str | None = None
    queue: str | None = None
    attempt: int = 0
    earlier: int = 0
    args: str | None = None


DEATH_OF_CAUSE: dict[Cause, Death] = {
    Cause.SIGNAL: Death.CRASHED,
    Cause.EXIT: Death.CRASHED,
    Cause.OOM: Death.CRASHED,
    Cause.TIMEOUT: Death.KILLED,
    Cause.MEMORY: Death.KILLED,
    Cause.STUCK: Death.KILLED,
    Cause.SUPERVISOR_LOST: Death.LOST,
    Cause.HOST_LOST: Death.LOST,
}

ARROWS: dict[str, tuple[tuple[JobState, JobState], ...]] = {
    "enqueue": ((JobState.UNKNOWN, JobState.READY), (JobState.UNKNOWN, JobState.SCHEDULED)),
    "claim": ((JobState.READY, JobState.RUNNING), (JobState.READY, JobState.DISCARDED)),
    "finish": ((JobState.RUNNING, JobState.SUCCEEDED), (JobState.RUNNING, JobState.DISCARDED)),
    "fail": (
        (JobState.RUNNING, JobState.SCHEDULED),
        (JobState.RUNNING, JobState.DEAD),
        (JobState.RUNNING, JobState.READY),
    ),
    "release": ((JobState.RUNNING, JobState.READY), (JobState.RUNNING, JobState.DEAD)),
    "crash": (
        (JobState.RUNNING, JobState.READY),
        (JobState.RUNNING, JobState.SCHEDULED),
        (JobState.RUNNING, JobState.DEAD),
    ),
    "retire": (
        (JobState.RUNNING, JobState.READY),
        (JobState.RUNNING, JobState.SCHEDULED),
        (JobState.RUNNING, JobState.DEAD),
    ),
    "promote": ((JobState.SCHEDULED, JobState.READY),),
    "unhold": ((JobState.SCHEDULED, JobState.READY),),
    "retry": ((JobState.DEAD, JobState.READY), (JobState.SCHEDULED, JobState.READY)),
    "discard": (
        (JobState.READY, JobState.DISCARDED),
        (JobState.SCHEDULED, JobState.DISCARDED),
        (JobState.DEAD, JobState.DISCARDED),
    ),
    "purge": (
        (JobState.READY, JobState.DISCARDED),
        (JobState.SCHEDULED, JobState.DISCARDED),
    ),
}
"""Script -> the arrows that it may draw. A script that draws another one is a defect."""

ON_CRASH = "horus.on_crash"
"""The name of the job that lets a class hear of a crash; every service knows it."""

KEEP_FINISHED_S = 60
"""Seconds for which a finished or discarded job's id is known, at least; at most twice that."""

NEVER_MS = 2**53 - 1
"""When a job of a class that is held back is due (``pieces/hold.lua``): it waits for a word."""

LEASE_S = 30.0
"""Default seconds without a heartbeat after which a supervisor counts as gone."""
