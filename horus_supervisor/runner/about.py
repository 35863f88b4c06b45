"""What a job may ask about itself, made when it asks: most never do."""

from __future__ import annotations

import functools
from collections.abc import Callable
from datetime import UTC, datetime

from horus_supervisor.job.current import CurrentJob, LastAttempt
from horus_supervisor.runner.tell import Teller
from horus_supervisor.store.rows import Claimed, read_note


def current_job(claimed: Claimed, tell: Teller, stopping: Callable[[], bool]) -> CurrentJob:
    """Describe the job that a runner executes."""
    return CurrentJob(
        claimed.job_id,
        claimed.queue,
        claimed.attempt,
        claimed.fence,
        functools.partial(tell.log_of, claimed),
        stopping,
        functools.partial(_last_attempt, claimed.last),
    )


def _last_attempt(line: bytes) -> LastAttempt | None:
    """Read the history's line of a job's last attempt; None where this is its first."""
    if not line:
        return None
    note = read_note(line)
    facts = {name: note.facts.get(name) for name in ("cause", "error_type", "error_message")}
    at = datetime.fromtimestamp(note.at_ms / 1000, UTC)
    return LastAttempt(note.attempt, note.what, at, **facts)
