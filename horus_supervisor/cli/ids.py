"""Ids as people type and read them, shortened while unique; and what they stand for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from horus_supervisor.cli import crash_rows
from horus_supervisor.cli.errors import Exit, Failure, usage
from horus_supervisor.cli.output import note
from horus_supervisor.lifecycle import JobState
from horus_supervisor.store import operations

if TYPE_CHECKING:
    from horus_supervisor.cli.crash_rows import Record
    from horus_supervisor.cli.wiring import Store
    from horus_supervisor.store.rows import Found

LEAST = 13
"""Characters of a job's id that are always shown: of a UUIDv7 its millisecond."""

LEAST_OF_CRASH = 8

MANY = 10
"""So many ids that begin alike are enough to say so; ``resolve`` tells no more either."""


def short(ids: Iterable[str], least: int = LEAST) -> dict[str, str]:
    """Tell for each id as much of its beginning as no other of them has, at least ``least``."""
    ordered = sorted(set(ids))
    shown = {}
    for at, one in enumerate(ordered):
        neighbours = ordered[max(at - 1, 0) : at] + ordered[at + 1 : at + 2]
        shared = max((_shared(one, other) for other in neighbours), default=0)
        shown[one] = one[: max(least, shared + 1)]
    return shown


def _shared(one: str, other: str) -> int:
    for at, (a, b) in enumerate(zip(one, other, strict=False)):
        if a != b:
            return at
    return min(len(one), len(other))


def find_job(store: Store, typed: str, *, quiet: bool = True) -> Found:
    """Find a job by its id, or by that of a crash of its, which is told unless ``quiet``.

    Both may be shortened. Fails where there is none, or several.
    """
    try:
        return _only_job(store, typed)
    except Failure as failure:
        if failure.code is not Exit.NOT_FOUND or len(_crash_ids(store, typed)) != 1:
            raise
    record, _ = find_crash(store, typed)
    job_id, hint = record.get("job_id"), f"{store.place.again} crash {typed}"
    if not job_id:
        raise Failure(f"{typed} is a crash, and no job was in flight", Exit.NOT_FOUND, hint)
    found = store.run(operations.find(store.namespace, job_id))
    if found.state is JobState.UNKNOWN:
        why = f"{typed} is a crash, and its job {job_id} is not known any more"
        raise Failure(why, Exit.NOT_FOUND, hint)
    if not quiet:
        note(f"{typed} is a crash of this job: {hint}")
    return found


def find_crash(store: Store, typed: str) -> tuple[Record, list[Record]]:
    """Find a crash by its id, or the last one of a job by the job's; the newest ones with it.

    Fails where there is none, or several are meant.
    """
    name, crashes = "job_id", _crash_ids(store, typed)
    if crashes:
        name, typed = "crash_id", _only(store, typed, crashes, "crash")
    records: list[Record] = []
    for page in crash_rows.pages(store):
        records += page
        found = [one for one in page if str(one.get(name) or "").startswith(typed)]
        if found:
            _only(store, typed, list({one[name] for one in found}), "crash")
            return found[0], records
    raise _no_crash(store, typed)


def _no_crash(store: Store, typed: str) -> Failure:
    """Make the failure of an id of no crash; it may be that of a job which brought nothing down."""
    try:
        job_id = _only_job(store, typed).job_id
    except Failure:
        return _unknown(store, typed, "crash")
    hint = f"{store.place.again} show {job_id}"
    return Failure(f"{job_id} is a job, and no crash of it is known", Exit.NOT_FOUND, hint)


def _only_job(store: Store, beginning: str) -> Found:
    """Find the job with this id, or the one whose id begins so.

    A whole id is found wherever the job is; a beginning among jobs that are dead, scheduled or
    running, else among all that are not over, else among those that are, whose ids are kept for a
    minute or two.
    """
    _refuse_nothing(beginning)
    found = store.run(operations.find(store.namespace, beginning))
    if found.state is not JobState.UNKNOWN:
        return found
    jobs, _ = store.run(operations.resolve(store.namespace, beginning))
    jobs = jobs or _seek(store, beginning, "jobs")
    jobs = jobs or _seek(store, beginning, "finished", "finished:old")
    return store.run(operations.find(store.namespace, _only(store, beginning, jobs, "job")))


def _refuse_nothing(beginning: str) -> None:
    """Refuse an empty id, which all begin with: a script's variable that isn't set."""
    if not beginning:
        raise usage("an id is empty: give it, or its beginning")


def _seek(store: Store, beginning: str, *places: str) -> list[str]:
    """Look through all ids of these places, piece by piece; gives up at ``MANY``."""
    found: set[str] = set()
    for place in places:
        at, more = store.run(operations.seek(store.namespace, beginning, place, "0"))
        found.update(more)
        while at != "0" and len(found) < MANY and beginning not in found:
            at, more = store.run(operations.seek(store.namespace, beginning, place, at))
            found.update(more)
    return sorted(found)


def _crash_ids(store: Store, beginning: str) -> list[str]:
    """Tell the crash ids that begin so."""
    _refuse_nothing(beginning)
    return _seek(store, beginning, "crashes")


def _unknown(store: Store, beginning: str, what: str) -> Failure:
    """Make the failure of an id that leads nowhere."""
    hint = f"{store.place.again} {'jobs' if what == 'job' else 'crashes'}"
    return Failure(f"no {what} {beginning!r} is known (any more)", Exit.NOT_FOUND, hint)


def _only(store: Store, beginning: str, ids: Sequence[str], what: str) -> str:
    """Tell the one id that was meant. Fails where there is none, or several."""
    if beginning in ids:
        return beginning
    if not ids:
        raise _unknown(store, beginning, what)
    if len(ids) > 1:
        several = f"{MANY} or more" if len(ids) >= MANY else str(len(ids))
        raise usage(
            f"{beginning!r}: {several} {what} ids begin so: {', '.join(ids[:3])}"
            + (", ..." if len(ids) > 3 else ""),
            "the same with more of the id",
        )
    return ids[0]
