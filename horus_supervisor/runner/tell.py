"""What a runner says of its jobs: kept back until Redis has confirmed it.

Lines of a job that turns out to be stale are dropped; ``job.stale`` stands for them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from msgspec.json import encode

from horus_supervisor.clock import rfc3339
from horus_supervisor.events import Event
from horus_supervisor.job import codec
from horus_supervisor.job.definition import Job
from horus_supervisor.logs import Form, Logger
from horus_supervisor.runner.voice import Voice
from horus_supervisor.store.rows import Claimed, Expired, Packed

_SUCCEEDED = {"job_id": "%b", "attempt": "%d", "duration_s": "%.6f", "wait_s": "%.3f"}

UNKNOWN_JOB = "UnknownJob"
"""``error_type`` of a job whose class is not imported here."""

REFUSED = "PayloadError"
"""``error_type`` of a job that can't be made from its payload."""


class Teller:
    """A runner's job lines.

    ``around`` keeps what is raised into a job from the inside of a line that the job writes.
    """

    def __init__(self, voice: Voice, around: Callable[[], AbstractContextManager[None]]) -> None:
        self._voice = voice
        self._around = around
        self._args = voice.args
        self._facts: dict[str, str] = {}
        self._forms: dict[tuple[str, str], Form] = {}

    def fields(self, claimed: Claimed) -> dict[str, Any]:
        """Give what every line of a job has."""
        name = claimed.job.name if claimed.job else None
        fields: dict[str, Any] = {"job_id": claimed.job_id, "job": name, "queue": claimed.queue}
        fields["attempt"] = claimed.attempt
        if self._args and claimed.job:
            fields["args"] = claimed.job.payload.decode("utf-8", "replace")
        return fields

    def log_of(self, claimed: Claimed) -> Logger:
        """Make the logger that the job itself uses; its lines are written at once."""
        fields = self.fields(claimed)
        args = {"args": fields.pop("args")} if "args" in fields else {}
        return self._voice.jobs_own(fields, self._around).bind(**args)

    def started(self, claimed: Claimed, packed: Packed, job_class: type[Job]) -> None:
        """Say that ``execute`` begins, and which fields of newer code the class here lacks."""
        if self._voice.debug:
            self._voice.direct.debug(Event.JOB_STARTED, **self.fields(claimed))
        if names := codec.unknown_fields(job_class, packed.payload):
            told = {**self.fields(claimed), "fields": ", ".join(names)}
            self._voice.direct.warning(Event.JOB_UNKNOWN_FIELDS, **told)

    def succeeded(self, claimed: Claimed, packed: Packed, duration_s: float) -> None:
        """Say that ``execute`` returned: the one line that every job costs."""
        wait_s = max(claimed.started_ms - (packed.due_ms or packed.enqueued_ms), 0) / 1000
        if self._args:
            fields = {**self.fields(claimed), "duration_s": round(duration_s, 6), "wait_s": wait_s}
            self._voice.log.info(Event.JOB_SUCCEEDED, **fields)
            return
        form = self._forms.get((packed.name, claimed.queue))
        if form is None:
            constant = {"job": packed.name, "queue": claimed.queue}
            form = self._voice.form(Event.JOB_SUCCEEDED, constant, _SUCCEEDED)
            self._forms[packed.name, claimed.queue] = form
        job_id, attempt = encode(claimed.job_id), packed.attempts + 1
        self._voice.keep(form(duration_s, job_id, attempt, duration_s, wait_s))

    def discarded(self, claimed: Claimed, why: str) -> None:
        """Say that the job gave itself up."""
        self._voice.log.info(Event.JOB_DISCARDED, **self.fields(claimed), reason=why)

    def expired(self, jobs: Sequence[Expired]) -> None:
        """Say which jobs were discarded by a claim of ours, as they were past their expiry."""
        for job_id, queue, attempt, name in jobs:
            fields = {"job_id": job_id, "job": name, "queue": queue, "attempt": attempt}
            self._voice.log.info(Event.JOB_DISCARDED, **fields, reason="expired")
        self._voice.flush()

    def timed_out(self, claimed: Claimed, timeout_s: float | None) -> None:
        """Say that the job gave way to its timeout."""
        self._voice.log.error(Event.JOB_TIMED_OUT, **self.fields(claimed), timeout_s=timeout_s)

    def interrupted(self, claimed: Claimed, disposition: str) -> None:
        """Say that a stop interrupted the job, and where it is."""
        fields = self.fields(claimed)
        self._voice.log.info(Event.JOB_INTERRUPTED, **fields, disposition=disposition)
        if disposition == "dead":
            why = "interrupted, and max_attempts is 1"
            self._voice.log.error(Event.JOB_DEAD, **fields, reason=why)

    def stale(self, claimed: Claimed) -> None:
        """Say that what was handed in changed nothing, in place of what was kept back."""
        self._voice.forget()
        self._voice.log.warning(Event.JOB_STALE, **self.fields(claimed))

    def note_failure(self, facts: dict[str, str]) -> None:
        """Remember why the job failed, for ``fate``."""
        self._facts = facts

    def fate(self, claimed: Claimed, done: str) -> None:
        """Say where Redis put a job that did not succeed: ``scheduled:due_ms`` or ``dead``."""
        word, _, due_ms = done.partition(":")
        retry_at = rfc3339(int(due_ms) / 1000) if due_ms else None
        fields = {**self.fields(claimed), **self._facts}
        kind = self._facts.get("error_type")
        if kind == UNKNOWN_JOB and word == "scheduled":
            self._voice.log.warning(Event.JOB_DEFERRED, retry_at=retry_at, **fields)
            return
        self._voice.log.warning(Event.JOB_FAILED, retry_at=retry_at, **fields)
        if word == "dead":
            refused = kind == REFUSED and "traceback" not in self._facts
            reason = "undecodable" if refused else "exhausted"
            reason = "unknown_job" if kind == UNKNOWN_JOB else reason
            self._voice.log.error(Event.JOB_DEAD, **self.fields(claimed), reason=reason)
