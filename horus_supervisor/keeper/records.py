"""Crash records of those of whom nobody tells: supervisor or host is gone, or Redis has lost it."""

from __future__ import annotations

import time

import msgspec

from horus_supervisor import messages
from horus_supervisor.clock import rfc3339
from horus_supervisor.crash_record import CrashRecord, crash_id
from horus_supervisor.lifecycle import Cause, Death
from horus_supervisor.messages import Born, Died
from horus_supervisor.scoreboard import NOBODY_KNOWS, Row


def lost_record(
    cause: Cause, host: str, supervisor: str, born: Born | None = None, row: Row | None = None
) -> bytes:
    """Write a record of what is known; Redis adds the job where it knows better."""
    record = CrashRecord(
        crash_id=crash_id(supervisor, born.slot, born.incarnation) if born else "",
        timestamp=rfc3339(time.time()),
        host=host,
        supervisor=supervisor,
        runner=born.runner if born else "",
        group=born.group if born else "",
        pid=born.pid if born else 0,
        cause=cause,
        job_id=row.job_id if row else None,
        job=row.job if row else None,
        queue=row.queue if row else None,
        attempt=row.attempt if row else None,
        ran_for_s=round((time.monotonic_ns() - row.since_ns) / 1e9, 3)
        if row and row.executing_seq
        else None,
        jobs_done=row.jobs_done if row else None,
    )
    return messages.encode(record)


def forgotten(later: Died, incarnation: int) -> Died:
    """Write the end of an earlier life in a slot once more: Redis has lost what it knew of it."""
    told = msgspec.json.decode(later.record, type=CrashRecord)
    record = CrashRecord(
        crash_id=crash_id(later.supervisor, later.slot, incarnation),
        timestamp=rfc3339(time.time()),
        host=told.host,
        supervisor=later.supervisor,
        runner=told.runner,
        group=told.group,
        pid=0,
        cause=Cause.EXIT,
    )
    return Died(
        slot=later.slot,
        incarnation=incarnation,
        supervisor=later.supervisor,
        executing=NOBODY_KNOWS,
        death=Death.INTERRUPTED,
        record=msgspec.Raw(messages.encode(record)),
    )
