"""The crash record: which job, how its runner died, what it left behind; and its second line.

A death is logged twice: at once, by the supervisor, and when Redis has moved the job, by whoever
lives to tell: the supervisor, its keeper, or its successor's.
"""

from __future__ import annotations

from typing import Any

import msgspec

from horus_supervisor.events import Event
from horus_supervisor.ids import sha1_hex
from horus_supervisor.lifecycle import Cause, Death, Disposition, Fate
from horus_supervisor.logs import Logger


class CrashRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One death of a runner. Sizes in bytes, times RFC 3339 in UTC; null where it doesn't apply."""

    crash_id: str
    timestamp: str
    host: str
    supervisor: str
    runner: str
    group: str
    pid: int
    cause: Cause
    signal: str | None = None
    exit_code: int | None = None
    core_dumped: bool | None = None
    core_path: str | None = None
    job_id: str | None = None
    job: str | None = None
    queue: str | None = None
    attempt: int | None = None
    started_at: str | None = None
    ran_for_s: float | None = None
    disposition: Disposition | None = None
    traceback: str | None = None
    hung_in: str | None = None
    output_tail: list[str] = []
    uptime_s: float | None = None
    jobs_done: int | None = None
    max_rss_bytes: int | None = None
    user_cpu_s: float | None = None
    system_cpu_s: float | None = None
    app_version: str | None = None
    python_version: str | None = None
    note: str | None = None

    def fields(self) -> dict[str, Any]:
        """Give the record as a mapping, for a log line."""
        return msgspec.structs.asdict(self)


def crash_id(supervisor: str, slot: int, incarnation: int) -> str:
    """Derive the id of the one death that this life in this slot can have.

    The script that settles slots derives the same (``pieces/death.lua``).
    """
    return sha1_hex(f"{supervisor}/{slot}/{incarnation}".encode())[:20]


def how(record: CrashRecord) -> str:
    """Say a death in words: ``killed by SIGSEGV``."""
    if record.cause in (Cause.TIMEOUT, Cause.MEMORY, Cause.STUCK, Cause.OOM):
        return f"{record.cause} ({record.signal})" if record.signal else str(record.cause)
    if record.signal:
        return f"killed by {record.signal}"
    return f"exited with {record.exit_code}"


def tell_fate(log: Logger, death: Death, record: CrashRecord, fate: Fate) -> None:
    """Log what became of the job of a dead runner, if Redis has its death."""
    if fate.word not in ("ok", "again"):
        return
    disposition, job_id = fate.disposition, fate.job_id
    job: dict[str, object] = dict.fromkeys(("job_id", "job", "queue", "attempt"))
    if job_id:
        known = {"queue": fate.queue, "attempt": fate.attempt}
        job = {"job_id": job_id, "job": record.job, **known}
        job |= {"args": fate.args} if fate.args is not None else {}
    facts: dict[str, object] = {
        "runner": record.runner,
        "group": record.group,
        "pid": record.pid,
        "cause": record.cause,
    }
    if death != Death.INTERRUPTED:
        story: dict[str, object] = {
            "crash_id": record.crash_id,
            "how": how(record),
            "signal": record.signal,
            "exit_code": record.exit_code,
        }
        if not job_id:
            story["message"] = f"{record.runner} died; no job was in flight"
        log.error(Event.JOB_CRASHED, disposition=disposition, **job, **facts, **story)
    elif job_id:
        if not record.job:
            text = f"Redis has lost how this job ended on {record.runner}; it is {disposition}"
            facts["message"] = text
        log.info(Event.JOB_INTERRUPTED, disposition=disposition, **job, **facts)
    if disposition in (Disposition.QUARANTINED, Disposition.EXHAUSTED):
        log.error(Event.JOB_DEAD, reason=disposition, crash_id=record.crash_id, **job)
