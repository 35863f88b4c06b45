"""What can be said to Redis: an ``Operation`` for each arrow of a job's life.

Pure: builds calls and reads replies, does no I/O. Any driver runs them; every one of them may be
repeated after a lost reply with the same result. Times in ``_ms`` are Redis's own clock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from horus_supervisor.lifecycle import KEEP_FINISHED_S, Death, Disposition, Fate, JobState
from horus_supervisor.store.operation import Operation, Reply, load_script
from horus_supervisor.store.overview import Overview, SupervisorRow, read_overview, read_supervisors
from horus_supervisor.store.rows import (
    Found,
    Joined,
    Listed,
    Settled,
    Slot,
    Turn,
    read_crashes,
    read_found,
    read_joined,
    read_listed,
    read_turn,
    text,
)

Args = tuple[str | bytes | int, ...]

OF_RUNNERS = ("join", "claim", "finish", "fail", "release")
"""The scripts that runners call."""

SEARCHED = 10_000
"""Jobs of each queue and state that are looked through for a tag."""

SEQ = 2
"""Where a runner's calls have the number that rises from call to call."""


def prefix(namespace: str) -> str:
    """Tell how every key of a namespace begins: one hash tag, so one shard of a cluster."""
    return "{" + namespace + "}:"


def wake_key(namespace: str, queue: str) -> str:
    """Name the list on which idle runners of a queue wait for a token."""
    return f"{prefix(namespace)}wake:{queue}"


def _call(name: str, namespace: str, args: Args, parse: Callable[[Reply], Any]) -> Operation[Any]:
    return Operation(load_script(name), prefix(namespace), args, parse)


def _word(reply: Reply) -> str:
    return text(reply[0])


# --- clients ---------------------------------------------------------------------------------


def enqueue(
    namespace: str,
    *,
    job_id: str,
    queue: str,
    name: str,
    payload: bytes,
    max_attempts: int,
    max_crashes: int | None = None,
    timeout_ms: int | None = None,
    delay_ms: int | None = None,
    due_ms: int | None = None,
    expires_after_ms: int | None = None,
    expires_ms: int | None = None,
    tags: Sequence[str] = (),
    on_crash: bool = False,
) -> Operation[bool]:
    """Put a job on a queue. True: created; False: the id is known already, nothing changed.

    ``expires_after_ms`` counts from when the job is due; ``expires_ms`` is a time. With
    ``on_crash`` each crash record of the job makes a job that tells its class.
    """
    when = ("" if delay_ms is None else delay_ms, "" if due_ms is None else due_ms)
    limits = (max_attempts, max_crashes or "", timeout_ms or "")
    extra = (expires_after_ms or "", expires_ms or "", "!" * on_crash + ",".join(tags))
    args = (job_id, queue, *when, *limits, name, payload, *(extra if any(extra) else ()))
    return _call("enqueue", namespace, args, lambda reply: bool(reply[0] == b"created"))


def state(namespace: str, job_id: str) -> Operation[JobState]:
    """Tell where a job is."""
    return _call("find", namespace, (job_id,), lambda reply: JobState(_word(reply)))


# --- runners ---------------------------------------------------------------------------------


def join(namespace: str, slot: Slot) -> Operation[Joined]:
    """Become a member: ``ok``, ``wait`` (for the predecessor's end), ``stale``, ``no member``."""
    return _call("join", namespace, (slot.key, slot.incarnation, slot.supervisor), read_joined)


def calm(namespace: str, name: str) -> Operation[str]:
    """Count a class's crashes anew, as a job of it succeeded: ``ok``, or ``held``."""
    return _call("calm", namespace, (name,), _word)


def claim(
    namespace: str,
    slot: Slot,
    seq: int,
    queues: Sequence[str],
    *,
    max_crashes: int,
    crash_delay_ms: int,
    woken: bool,
) -> Operation[Turn]:
    """Take the next job, from the first of ``queues`` that has one."""
    args: Args = (slot.key, slot.incarnation, seq, max_crashes, crash_delay_ms, int(woken), *queues)
    return _call("claim", namespace, args, read_turn)


def finish(
    namespace: str,
    slot: Slot,
    seq: int,
    outcome: str,
    queues: Sequence[str],
    *,
    max_crashes: int,
    crash_delay_ms: int,
) -> Operation[Turn]:
    """End the held job as ``succeeded`` or ``discarded`` and claim the next (not from no queue)."""
    args: Args = (slot.key, slot.incarnation, seq, max_crashes, crash_delay_ms, outcome, *queues)
    return _call("finish", namespace, args, read_turn)


def fail(
    namespace: str,
    slot: Slot,
    seq: int,
    what: str,
    wait_ms: int,
    note: bytes,
    queues: Sequence[str],
    *,
    max_crashes: int,
    crash_delay_ms: int,
) -> Operation[Turn]:
    """End an attempt and claim the next job.

    ``what``: ``failed`` (again after ``wait_ms``), ``deferred`` (no runner here knows the class:
    again and again for ``wait_ms``), ``refused`` (it can't be read: dead), ``held`` (its class is
    held back, as far as we know).
    """
    head = (slot.key, slot.incarnation, seq, max_crashes, crash_delay_ms)
    return _call("fail", namespace, (*head, what, wait_ms, note, *queues), read_turn)


def release(
    namespace: str,
    slot: Slot,
    seq: int,
    queues: Sequence[str],
    *,
    started: bool,
    note: bytes = b"{}",
) -> Operation[str]:
    """Leave, the held job going back: ``none`` ``requeued`` ``dead`` ``stale`` ``no member``.

    ``note``: a JSON object for the history of one that was ``started``.
    """
    args: Args = (slot.key, slot.incarnation, seq, int(started), note, *queues)
    return _call("release", namespace, args, _word)


# --- keepers ---------------------------------------------------------------------------------


def register(namespace: str, supervisor: str, lease_ms: int, facts: bytes) -> Operation[str]:
    """Open a supervisor's id: ``ok``, or ``retired`` where it was closed."""
    return _call("register", namespace, (supervisor, lease_ms, facts), _word)


def beat(namespace: str, supervisor: str, facts: bytes) -> Operation[str]:
    """Count one heartbeat: ``ok``, or ``no member`` where the id is not registered (any more)."""
    return _call("beat", namespace, (supervisor, facts), _word)


def crash(
    namespace: str,
    slot: Slot,
    executing: int,
    death: Death,
    record: bytes,
    *,
    hold_after: int = 0,
    code: str = "",
) -> Operation[Fate]:
    """Record a runner's death and move its job.

    ``executing`` is the seq of the claim whose job was in ``execute``, 0 for none, -1 where nobody
    can know. A class whose jobs crash ``hold_after`` times without a success (0: never) is held
    back; ``code`` says what code it ran.
    """
    args = (slot.key, slot.incarnation, slot.supervisor, executing, death, record, hold_after, code)
    return _call("crash", namespace, args, _read_crash)


def _read_crash(reply: Reply) -> Fate:
    word = _word(reply)
    if word not in ("ok", "again"):
        return Fate(word, earlier=int(reply[1]) if word == "wait" else 0)
    disposition, job_id, queue, attempt = (text(value) for value in reply[1:5])
    return Fate(word, Disposition(disposition), job_id or None, queue or None, int(attempt))


def retire(
    namespace: str,
    supervisor: str,
    *,
    beat: int | None,
    death: Death,
    record: bytes,
    readable: bool,
    known: Iterable[tuple[str, int, Death, bytes]] = (),
) -> Operation[tuple[str, list[Settled]]]:
    """Close a supervisor and settle its slots: ``ok`` with what was in flight, ``alive``, ``gone``.

    ``beat``: the heartbeat at which it stood still, None where its death is proven. ``known``: what
    the scoreboard shows, (slot key, executing seq, death, record) each; the others were idle if the
    scoreboard was ``readable``, else whatever they hold counts as started.
    """
    rows = [value for row in known for value in row]
    args = (supervisor, "" if beat is None else beat, death, record, 0 if readable else "?", *rows)

    def read(reply: Reply) -> tuple[str, list[Settled]]:
        values = [text(value) for value in reply[1:]]
        rows = [values[i : i + 6] for i in range(0, len(values), 6)]
        return _word(reply), [
            Settled(s, Disposition(d), j, q, int(a), n) for s, d, j, q, a, n in rows
        ]

    return _call("retire", namespace, args, read)


def supervisors(namespace: str) -> Operation[list[SupervisorRow]]:
    """List the registered supervisors."""
    return _call("supervisors", namespace, (), read_supervisors)


def promote(namespace: str, most: int) -> Operation[int]:
    """Move what is due to its queue; tells how many, ``most``: there may be more, call again."""
    return _call("promote", namespace, (most,), lambda reply: int(reply[0]))


def kick(namespace: str) -> Operation[Joined]:
    """Leave a wake token wherever a queue has work and none lies there; tell what ``join`` does."""
    return _call("kick", namespace, (), read_joined)


def unhold(
    namespace: str, name: str, unless_code: str = "", most: int = 1000
) -> Operation[tuple[str, int, bool]]:
    """Let a class that is held back run again: ``ok``, ``free`` (it was not), ``held``.

    With ``unless_code`` only where it is held for other code than that. Tells how many of its jobs
    were put on their queues, at most ``most``, and whether there are more: call again.
    """

    def read(reply: Reply) -> tuple[str, int, bool]:
        counts = [int(value) for value in reply[1:]] or [0, 0]
        return _word(reply), counts[0], bool(counts[1])

    return _call("unhold", namespace, (name, unless_code, most), read)


def rotate(namespace: str) -> Operation[str]:
    """Forget ids that finished long ago: ``ok``, or ``early`` where that was just done."""
    return _call("rotate", namespace, (KEEP_FINISHED_S * 1000,), _word)


# --- operators -------------------------------------------------------------------------------


def find(namespace: str, job_id: str) -> Operation[Found]:
    """Tell all that is known of one job."""
    return _call("find", namespace, (job_id,), lambda reply: read_found(job_id, reply))


def list_jobs(
    namespace: str,
    state: JobState,
    queue: str | None,
    limit: int,
    tag: str = "",
    *,
    heads: bool = False,
    past: int = 0,
) -> Operation[list[Listed]]:
    """List jobs that are ready, scheduled, running or dead; the newest dead first.

    With a ``tag`` the first ``SEARCHED`` of each queue are looked through; with ``heads`` all
    payloads are empty: who only looks fetches no megabytes. ``past`` so many the list begins, but
    for what runs: a long one is for several calls, as Redis serves nobody during one.
    """
    args = (state, queue or "", limit, tag, int(heads), past, SEARCHED)
    return _call("list", namespace, args, lambda reply: read_listed(state, queue, reply))


def overview(namespace: str) -> Operation[Overview]:
    """Tell queues, supervisors and slots at one moment."""
    return _call("overview", namespace, (), read_overview)


def crashes(
    namespace: str, limit: int, since_ms: int | None = None, after: str = ""
) -> Operation[tuple[list[dict[str, Any]], str]]:
    """List crash records as the interface's fields, newest first, and name the last one's entry.

    ``after``: those that come after that entry; "" from the newest on.
    """
    args = (limit, "" if since_ms is None else since_ms, after)
    return _call("crashes", namespace, args, read_crashes)


def resolve(namespace: str, beginning: str) -> Operation[tuple[list[str], list[str]]]:
    """Tell the job ids, and of the newest crashes the ids, that begin so: at most ten of each."""
    return _call(
        "resolve", namespace, (beginning,), lambda two: ([*map(text, two[0])], [*map(text, two[1])])
    )


def seek(namespace: str, beginning: str, where: str, at: str) -> Operation[tuple[str, list[str]]]:
    """Look for ids in the next piece of ``jobs``, ``finished``, ``finished:old`` or ``crashes``.

    Tells where the piece after it begins, "0" after the last; an id may come twice.
    """
    args = (beginning, where, at)
    return _call("seek", namespace, args, lambda reply: (text(reply[0]), [*map(text, reply[1])]))


def retry(namespace: str, job_id: str, fence: int | None = None) -> Operation[str]:
    """Run a dead job again, or a scheduled one now: ``ok``, ``expired``, or the state it is in.

    With the ``fence`` that ``find`` or ``list_jobs`` showed, a late copy of this call is ``stale``
    where the job has run since; without one it would revive the job once more.
    """
    return _call("retry", namespace, (job_id, "" if fence is None else fence), _word)


def discard(namespace: str, job_id: str, fence: int | None = None) -> Operation[str]:
    """Give a job up: ``ok``, else the state it is in; ``fence`` as for ``retry``."""
    return _call("discard", namespace, (job_id, "" if fence is None else fence), _word)


def pause(namespace: str, queue: str) -> Operation[str]:
    """Let no job of a queue start: ``ok``, or ``paused`` where it was."""
    return _call("pause", namespace, (queue,), _word)


def resume(namespace: str, queue: str) -> Operation[str]:
    """Let a queue's jobs start again: ``ok``, or ``running`` where it was not paused."""
    return _call("resume", namespace, (queue,), _word)


def purge(
    namespace: str, queue: str, enqueued_until_ms: int, most: int = 1000
) -> Operation[tuple[int, bool]]:
    """Discard what waits and was enqueued before the operator looked, ``most`` at a time.

    Tells how many were discarded, and whether there may be more: call again.
    """
    args = (queue, enqueued_until_ms, most)
    return _call("purge", namespace, args, lambda reply: (int(reply[0]), bool(reply[1])))
