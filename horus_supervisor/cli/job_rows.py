"""Jobs as rows: what ``jobs``, ``dead`` and ``show`` print as JSON, and which ones they list."""

from __future__ import annotations

import difflib
import json
import re
from typing import TYPE_CHECKING, Any

from horus_supervisor.cli.crash_rows import how
from horus_supervisor.clock import rfc3339
from horus_supervisor.lifecycle import NEVER_MS, JobState
from horus_supervisor.store import operations
from horus_supervisor.store.overview import Overview
from horus_supervisor.store.rows import Found, Listed, Note

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from horus_supervisor.cli.house import Queue
    from horus_supervisor.cli.wiring import Store

LISTED = (JobState.RUNNING, JobState.READY, JobState.SCHEDULED, JobState.DEAD)
"""The states whose jobs can be listed; of those that ended only the ids are known."""

PIECE = 1000
"""Most jobs that one call lists: 6 ms, in which Redis serves nobody else."""


def job_row(item: Listed | Found) -> dict[str, Any]:
    """Write a job as the interface's row; null where only its end is known."""
    job, state = item.job, item.state
    due_ms = (item.since_ms if state is JobState.SCHEDULED else job.due_ms if job else 0) or 0
    waits = state in (JobState.READY, JobState.SCHEDULED) and not parked(item)
    return {
        "job_id": item.job_id,
        "job": job.name if job else None,
        "queue": job.queue if job else None,
        "state": str(state),
        "attempt": item.holding.attempt if item.holding else job.attempts if job else None,
        "crashes": job.crashes if job else None,
        "enqueued_at": rfc3339(job.enqueued_ms / 1000) if job else None,
        "due_at": rfc3339(due_ms / 1000) if waits and due_ms else None,
        "expires_at": rfc3339(job.expires_ms / 1000) if job and job.expires_ms else None,
        "tags": list(job.tags) if job else [],
    }


def parked(item: Listed | Found) -> bool:
    """Tell whether a job waits for its class, which is held back, and for no time."""
    return item.state is JobState.SCHEDULED and item.since_ms == NEVER_MS


def whole_row(found: Found) -> dict[str, Any]:
    """Write a job with its arguments, its last error and its history."""
    last = last_trouble(found.history)
    facts = last.facts if last else {}
    return {
        **job_row(found),
        "args": arguments(found.job.payload) if found.job else None,
        "error_type": facts.get("error_type"),
        "error_message": why(last)
        if last and not facts.get("error_type")
        else facts.get("error_message"),
        "traceback": facts.get("traceback"),
        "history": [_history_row(line) for line in found.history],
    }


def _history_row(line: Note) -> dict[str, Any]:
    known = {"at": rfc3339(line.at_ms / 1000), "what": line.what, "attempt": line.attempt}
    return {**known, "fence": line.fence, **{k: v for k, v in line.facts.items() if k not in known}}


def arguments(payload: bytes) -> Any:
    """Read a payload's JSON; None where it is none."""
    try:
        return json.loads(payload)
    except (ValueError, RecursionError):
        return None


def last_trouble(history: tuple[Note, ...]) -> Note | None:
    """Give the last line of a history that tells of something that went wrong."""
    return next((line for line in reversed(history) if line.what != "retried"), None)


def why(line: Note) -> str:
    """Say in a few words what went wrong: an error, or how a runner died."""
    facts = line.facts
    if facts.get("error_type"):
        return f"{short_name(facts['error_type'])}: {facts.get('error_message') or ''}".rstrip(": ")
    return how(facts) if facts.get("cause") else line.what


def short_name(job: str) -> str:
    """Give the last part of a job's name, which is what tables have room for."""
    return job.rpartition(".")[2] or job


def is_named(name: str, wanted: str) -> bool:
    """Tell whether a job's name is the one that was typed, or ends so: ``RenderPdf``."""
    return name == wanted or name.endswith(f".{wanted}")


def short_kind(name: str) -> str:
    """Name an error without the module, where that is ours or Python's own."""
    return re.sub(r"^(horus_supervisor|builtins)\.([\w.]*\.)?", "", name)


def list_jobs(
    store: Store, states: tuple[JobState, ...], queue: str | None, limit: int, tag: str = ""
) -> tuple[list[Listed], int]:
    """List jobs of all queues or one, ``limit`` at most, and tell how many there are.

    Ready ones: the next to run of each queue first; running: the longest; dead: the newest. With a
    ``tag`` so many of each queue are looked through (``SEARCHED``), and it tells how many were
    found before it had enough.
    """
    overview = store.run(operations.overview(store.namespace))
    calls, replies, total = [], [], 0
    for state in states:
        for name, count in count_by_queue(overview, state).items():
            if queue in (None, name) and count:
                total += count
                most = limit + 1 if tag else min(limit, count)
                if most > PIECE and not tag:
                    replies.append(list(in_pieces(store, state, name, most)))
                    continue
                ask = operations.list_jobs(store.namespace, state, name, most, tag, heads=True)
                calls.append(ask)
    replies += store.run_many(calls)
    ranked = [(rank, item) for reply in replies for rank, item in enumerate(reply)]
    ranked.sort(key=lambda pair: (states.index(pair[1].state), _order(*pair)))
    return [item for _, item in ranked[:limit]], len(ranked) if tag else total


def in_pieces(store: Store, state: JobState, queue: str, most: int) -> Iterator[Listed]:
    """List jobs of a queue piece by piece: no call holds Redis up for long.

    Each comes once; one that moves meanwhile may not come.
    """
    if state is JobState.RUNNING:  # there are as many as runners, and no pieces
        yield from store.run(operations.list_jobs(store.namespace, state, queue, most, heads=True))
        return
    seen: set[str] = set()
    for past in range(0, most, PIECE):
        piece = min(PIECE, most - past)
        ask = operations.list_jobs(store.namespace, state, queue, piece, heads=True, past=past)
        for item in store.run(ask):
            if item.job_id not in seen:
                seen.add(item.job_id)
                yield item


def names_waiting(store: Store, queues: Iterable[Queue], most: int) -> dict[str, set[str]]:
    """Tell the names of the jobs that are next, by queue: ``most`` of each state are looked at."""
    calls = [
        (queue.queue, operations.list_jobs(store.namespace, state, queue.queue, most, heads=True))
        for queue in queues
        for state, number in ((JobState.READY, queue.ready), (JobState.SCHEDULED, queue.scheduled))
        if number
    ]
    found: dict[str, set[str]] = {}
    replies = store.run_many(call for _, call in calls)
    for (queue, _), reply in zip(calls, replies, strict=True):
        found.setdefault(queue, set()).update(item.job.name for item in reply)
    return found


def known_queues(store: Store) -> tuple[set[str], Overview]:
    """Tell the queues that Redis, the file or any service knows; with what Redis told."""
    overview = store.run(operations.overview(store.namespace))
    groups = store.place.config.groups if store.place.config else ()
    known = {row.queue for row in overview.queues}
    known.update(queue for group in groups for queue in group.queues)
    known.update(*(one.facts.get("queues") or () for one in overview.supervisors))
    return known, overview


def unknown_queue(store: Store, queue: str | None) -> str:
    """Say of a queue that nobody knows that this is so, where one was typed."""
    if queue is None or queue in (known := known_queues(store)[0]):
        return ""
    near = difflib.get_close_matches(queue, known, 1)
    return f": there is no queue {queue!r}" + (f"; did you mean {near[0]}?" if near else "")


def count_by_queue(overview: Overview, state: JobState) -> dict[str, int]:
    """Count the jobs of a state by queue."""
    if state is not JobState.RUNNING:
        return {row.queue: getattr(row, state.value) for row in overview.queues}
    counts: dict[str, int] = {}
    for held in overview.slots.values():
        if held:
            counts[held.queue] = counts.get(held.queue, 0) + 1
    return counts


def _order(rank: int, item: Listed) -> float:
    match item.state:
        case JobState.RUNNING if item.holding:
            return item.holding.started_ms
        case JobState.DEAD:
            return -(item.since_ms or 0)
        case JobState.SCHEDULED:
            return item.since_ms or 0
    return rank
