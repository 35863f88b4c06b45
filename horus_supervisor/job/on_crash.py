"""The job that lets a class hear of its crashes: ``on_crash``, in a healthy runner.

Redis makes it in the step that records the crash (``scripts/pieces/death.lua``), with the crash's
id: so there is one for each record. From there on it is a job as any: retried, quarantined, seen.
"""

from __future__ import annotations

from typing import Any

import msgspec

from horus_supervisor.job import definition
from horus_supervisor.job.codec import decode
from horus_supervisor.job.definition import Job, refuse_undone
from horus_supervisor.lifecycle import ON_CRASH


class OnCrash(Job, name=ON_CRASH):
    """Call ``on_crash`` of the job that brought a runner down."""

    job: str
    payload: str
    record: str
    crash_id: str
    disposition: str
    job_id: str
    queue: str
    attempt: int

    def execute(self) -> None:
        job_class = definition.find(self.job)
        if job_class is None:
            raise LookupError(f"no job class named {self.job} is imported here")
        crash: dict[str, Any] = msgspec.json.decode(self.record)
        known = ("crash_id", "disposition", "job_id", "job", "queue", "attempt")
        crash |= {name: getattr(self, name) for name in known}
        payload = self.payload.encode()
        job = decode(job_class, payload, len(payload))  # it was small enough to run
        refuse_undone(job.on_crash(crash))  # type: ignore[func-returns-value]  # so it says
