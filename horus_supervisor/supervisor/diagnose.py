"""From an exit and a slot to a crash record. Pure."""

from __future__ import annotations

import os
import platform
import resource
import signal

import msgspec

from horus_supervisor import linux
from horus_supervisor.clock import rfc3339
from horus_supervisor.config.units import format_duration
from horus_supervisor.crash_record import CrashRecord, crash_id
from horus_supervisor.lifecycle import DEATH_OF_CAUSE, Cause, Death
from horus_supervisor.messages import LEFT_STALE, LEFT_UNHEARD, Identity
from horus_supervisor.scoreboard import Phase, Row

_DEAF = (
    "the signal that wakes runners killed it: the job had made its process another program (exec), "
    "or taken the handler away"
)
_TORN = "the slot was torn: its writer died while it wrote"


class Ended(msgspec.Struct, frozen=True):
    """A runner's end: what ``wait4`` told, and what it left."""

    runner: str
    group: str
    slot: int
    incarnation: int
    pid: int
    status: int
    rusage: resource.struct_rusage
    at_wall: float
    at_ns: int  # monotonic
    born_ns: int
    killed_for: Cause | None  # we did it
    interrupted: bool  # we did it, because a stop could not wait
    oom_kills: int  # how many the cgroup counted since the last death
    others: int  # runners that died of SIGKILL in the same moment
    stacks: str
    output_tail: tuple[str, ...]
    app_version: str | None
    hung_in: str | None = None
    core_path: str | None = None
    why: str | None = None  # what else is known of it


def in_reading_order(stacks: str) -> str:
    """Put the stack of the thread that died, or ran, before those of the others.

    What is cut of a long text is its middle, and faulthandler writes the newest thread first.
    """
    parts = stacks.split("\n\n")
    at = next((at for at, part in enumerate(parts) if part.startswith("Current thread")), 0)
    first = next((at for at, part in enumerate(parts) if part.startswith("Thread ")), at)
    if first < at:
        parts.insert(first, parts.pop(at))
    return "\n\n".join(parts)


def left_with(status: int, row: Row, incarnation: int) -> int | None:
    """Tell the exit status of a runner that went of its own accord; None of one that died.

    0: everything handed in. ``LEFT_UNHEARD``, ``LEFT_STALE``: that has to be told yet.
    """
    left = row.phase == Phase.LEFT and row.incarnation == incarnation and os.WIFEXITED(status)
    code = os.WEXITSTATUS(status)
    return code if left and code in (0, LEFT_UNHEARD, LEFT_STALE) else None


def death(ended: Ended, cause: Cause) -> Death:
    """Tell what the death means for the job."""
    return Death.INTERRUPTED if ended.interrupted else DEATH_OF_CAUSE[cause]


def cause_of(ended: Ended, row: Row) -> tuple[Cause, str | None]:
    """Tell why it died, and what is unsure or odd about that."""
    if ended.killed_for:
        return ended.killed_for, None
    if os.WIFSIGNALED(ended.status):
        if os.WTERMSIG(ended.status) == linux.WAKE_SIGNAL:
            late = 0 < row.deadline_ns <= ended.at_ns
            return Cause.TIMEOUT if late else Cause.SIGNAL, _DEAF
        if (
            os.WTERMSIG(ended.status) == signal.SIGKILL
            and ended.oom_kills
            and not ended.interrupted
        ):
            unsure = "unsure: several died at once" if ended.others else None
            return Cause.OOM, unsure
        return Cause.SIGNAL, None
    return Cause.EXIT, None


def diagnose(ended: Ended, row: Row, identity: Identity) -> CrashRecord:
    """Write the record of a death that nobody asked for, or that we brought about."""
    cause, note = cause_of(ended, row)
    signaled = os.WIFSIGNALED(ended.status)
    flying = row.executing_seq != 0 and row.incarnation == ended.incarnation
    late = _late(row) if flying and cause is Cause.TIMEOUT else None
    return CrashRecord(
        crash_id=crash_id(identity.supervisor, ended.slot, ended.incarnation),
        timestamp=rfc3339(ended.at_wall),
        host=identity.host,
        supervisor=identity.supervisor,
        runner=ended.runner,
        group=ended.group,
        pid=ended.pid,
        cause=cause,
        signal=linux.signal_name(os.WTERMSIG(ended.status)) if signaled else None,
        exit_code=None if signaled else os.WEXITSTATUS(ended.status),
        core_dumped=os.WCOREDUMP(ended.status) if signaled else False,
        job_id=row.job_id if flying else None,
        job=row.job if flying else None,
        queue=row.queue if flying else None,
        attempt=row.attempt if flying else None,
        started_at=rfc3339(row.started_ms / 1000) if flying else None,
        ran_for_s=round(max(ended.at_ns - row.since_ns, 0) / 1e9, 3) if flying else None,
        traceback=ended.stacks or None,
        hung_in=ended.hung_in,
        core_path=ended.core_path,
        output_tail=list(ended.output_tail),
        uptime_s=round((ended.at_ns - ended.born_ns) / 1e9, 3),
        jobs_done=row.jobs_done if row.incarnation == ended.incarnation else None,
        max_rss_bytes=ended.rusage.ru_maxrss * 1024,
        user_cpu_s=round(ended.rusage.ru_utime, 3),
        system_cpu_s=round(ended.rusage.ru_stime, 3),
        app_version=ended.app_version,
        python_version=platform.python_version(),
        note="; ".join(filter(None, (note, late, ended.why, _TORN if row.torn else None))) or None,
    )


def _late(row: Row) -> str:
    """Tell which timeout: its class may have said it, its group, or who enqueued it."""
    timeout_s = max(row.deadline_ns - row.since_ns, 0) / 1e9
    return f"did not give way to its timeout of {format_duration(timeout_s)}"
