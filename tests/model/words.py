"""Replies in the model's words."""

from __future__ import annotations

from typing import Any

from horus_supervisor.lifecycle import Fate
from horus_supervisor.store.rows import Claimed, Joined, Stale, Turned

Reply = Any


def plain(reply: Any) -> Reply:
    """Reduce a real reply to words, without its times."""
    match reply:
        case Stale(word):
            return word
        case Joined("ok", crashing, held):
            return "ok", sorted(crashing), sorted(held)
        case Joined(word):
            return word
        case Turned(done, None):
            return (done.partition(":")[0],)
        case Turned(done, Claimed() as job):
            return done.partition(":")[0], job.job_id, job.queue, job.attempt, job.fence
        case Fate(word, disposition, job_id, queue, attempt, _):
            return word, str(disposition), job_id, queue, attempt
        case (word, list(lost)):
            return word, sorted((c.slot, str(c.disposition), c.job_id, c.attempt) for c in lost)
        case other:
            return other
