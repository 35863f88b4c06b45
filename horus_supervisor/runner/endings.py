"""How a held job ends, as a call that waits for two things: its seq, and where to claim next."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from horus_supervisor import errors
from horus_supervisor.job.definition import Job
from horus_supervisor.messages import Spawn
from horus_supervisor.runner.execute import Run, describe, is_a, wait_before_retry_s
from horus_supervisor.runner.tell import REFUSED, UNKNOWN_JOB, Teller
from horus_supervisor.store import operations
from horus_supervisor.store.operation import Operation, Series
from horus_supervisor.store.rows import Claimed, Slot, Turn

Ending = Callable[[int, Sequence[str]], Operation[Any]]
"""Makes the call, given its seq and the queues to claim from; from no queue, nothing is claimed."""


class Endings:
    """The endings of one runner's jobs. ``limits``: what a claim says of crashes."""

    def __init__(
        self, namespace: str, me: Slot, spec: Spawn, limits: Mapping[str, int], tell: Teller
    ) -> None:
        self._namespace = namespace
        self._me = me
        self._spec = spec
        self._limits = limits
        self._tell = tell
        self._finishes: dict[tuple[str, Sequence[str]], Series[Turn]] = {}
        self.succeeded: Ending = functools.partial(self._finish, "succeeded")
        self.discarded: Ending = functools.partial(self._finish, "discarded")

    def raised(self, claimed: Claimed, run: Run, timeout_s: float | None) -> Ending:
        """Tell how a job ends that raised. Asks the job's code when to try again, if it is."""
        assert run.error is not None
        facts = describe(run.error)
        if run.job is None and is_a(run.error, errors.PayloadError):
            return self.refused(facts["error_message"])
        if is_a(run.error, errors.Discard):
            self._tell.discarded(claimed, facts["error_message"])
            return self.discarded
        if is_a(run.error, errors.JobTimeout):
            self._tell.timed_out(claimed, timeout_s)
        return self._fail("failed", _wait_s(claimed, run.job, run.error), facts)

    def deferred(self, name: str) -> Ending:
        """Have a job wait for a runner that knows its class."""
        why = f"no job class named {name} is imported here"
        facts = {"error_type": UNKNOWN_JOB, "error_message": why}
        return self._fail("deferred", self._spec.group.unknown_job_after_s, facts)

    def refused(self, why: str) -> Ending:
        """End a job that can't be made."""
        return self._fail("refused", 0, {"error_type": REFUSED, "error_message": why})

    def held(self) -> Ending:
        """Park a job whose class is held back."""
        return self._fail("held", 0, {})

    def released(self, *, started: bool) -> Ending:
        """Give a job back, if there is one, and leave; ``started``: a stop interrupted it."""
        note = self._note({}) if started else b"{}"
        return lambda seq, queues: operations.release(
            self._namespace, self._me, seq, queues, started=started, note=note
        )

    def _finish(self, outcome: str, seq: int, queues: Sequence[str]) -> Operation[Turn]:
        key = (outcome, queues)
        series = self._finishes.get(key)
        if series is None:
            example = operations.finish(
                self._namespace, self._me, seq, outcome, queues, **self._limits
            )
            series = self._finishes[key] = Series(example, operations.SEQ)
        return series.call(seq)

    def _fail(self, what: str, wait_s: float, facts: dict[str, str]) -> Ending:
        self._tell.note_failure(facts)
        wait_ms = int(wait_s * 1000)
        note = self._note(facts)
        return lambda seq, queues: operations.fail(
            self._namespace, self._me, seq, what, wait_ms, note, queues, **self._limits
        )

    def _note(self, facts: dict[str, str]) -> bytes:
        """Write what the job's history tells of this attempt, with where it was."""
        where = {"runner": self._spec.runner, "host": self._spec.identity.host}
        return msgspec.json.encode({**facts, **where})


def _wait_s(claimed: Claimed, job: Job | None, error: BaseException) -> float:
    """Tell when to try again. After the last attempt nobody asks: a list of waits ends with it."""
    if claimed.job and claimed.attempt >= claimed.job.max_attempts:
        return 0.0
    return wait_before_retry_s(job, claimed.attempt, error)
