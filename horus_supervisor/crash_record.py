"""The crash record: which job, how its runner died, what it left behind."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from horus_supervisor.lifecycle import Cause, Disposition


class CrashRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=False):
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
    job_id: str | None = None
    job: str | None = None
    queue: str | None = None
    attempt: int | None = None
    started_at: str | None = None
    ran_for_s: float | None = None
    disposition: Disposition | None = None
    traceback: str | None = None
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
    return hashlib.sha1(
        f"{supervisor}/{slot}/{incarnation}".encode(), usedforsecurity=False
    ).hexdigest()[:20]
