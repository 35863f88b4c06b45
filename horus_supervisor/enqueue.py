"""What an enqueue sends: a job and what is asked for it, checked and in whole numbers.

Pure, so that clients with and without asyncio share it: all mistakes of a caller are found here, in
the caller's stack, before anything is sent.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

import msgspec
from msgspec.structs import replace

from horus_supervisor.clock import YEAR_10000_S
from horus_supervisor.errors import HorusError, JobDefinitionError, PayloadError
from horus_supervisor.ids import (
    QUEUE_NAMES,
    TAGS,
    new_job_id,
    new_job_ids,
    valid_job_id,
    valid_job_name,
    valid_queue_name,
    valid_tag,
)
from horus_supervisor.job.codec import MAX_PAYLOAD_BYTES, check_raw, encode
from horus_supervisor.job.definition import MAX_ATTEMPTS, Job
from horus_supervisor.job.numbers import (
    COUNTS,
    MAX_DELAY_S,
    TIMEOUTS,
    in_seconds,
    valid_count,
    valid_timeout,
)
from horus_supervisor.store import operations
from horus_supervisor.store.operation import Operation

MAX_TAGS = 16
"""Most tags of one job."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Enqueue(msgspec.Struct, frozen=True, gc=False):  # made for every job: faster than a dataclass
    """One job, ready to be sent as often as it takes. Times in whole milliseconds."""

    job_id: str
    queue: str
    name: str
    payload: bytes
    max_attempts: int
    max_crashes: int | None = None
    timeout_ms: int | None = None
    delay_ms: int | None = None
    due_ms: int | None = None
    expires_after_ms: int | None = None
    expires_ms: int | None = None
    tags: tuple[str, ...] = ()
    on_crash: bool = False

    def operation(self, namespace: str) -> Operation[bool]:
        """Make the call that puts it on its queue; it answers whether that made the job."""
        return operations.enqueue(
            namespace,
            job_id=self.job_id,
            queue=self.queue,
            name=self.name,
            payload=self.payload,
            max_attempts=self.max_attempts,
            max_crashes=self.max_crashes,
            timeout_ms=self.timeout_ms,
            delay_ms=self.delay_ms,
            due_ms=self.due_ms,
            expires_after_ms=self.expires_after_ms,
            expires_ms=self.expires_ms,
            tags=self.tags,
            on_crash=self.on_crash,
        )


def prepare(
    job: Job,
    *,
    queue: str | None = None,
    delay: float | None = None,
    at: datetime | None = None,
    id: str | None = None,
    max_attempts: int | None = None,
    timeout: float | None = None,
    expires: float | datetime | None = None,
    tags: Iterable[str] = (),
    max_bytes: int = MAX_PAYLOAD_BYTES,
) -> Enqueue:
    """Check a job and what is asked for it; no I/O. Parameters and errors: ``Client.enqueue``."""
    if not isinstance(job, Job):
        raise TypeError(f"a job is needed, an instance of a Job class, not {_instead_of_job(job)}")
    options = type(job).__horus__
    if not options.named and type(job).__module__ in ("__main__", "__mp_main__"):
        raise JobDefinitionError(
            f"{type(job).__qualname__} is defined in the program's main module, which runners know "
            f"by another name: give it one, as in `class {type(job).__name__}(Job, name=...)`, "
            "or define it in a module that they import"
        )
    return _checked(
        name=options.name,
        payload=encode(job, max_bytes),
        queue=options.queue if queue is None else queue,
        delay=delay,
        at=at,
        id=id,
        max_attempts=options.max_attempts if max_attempts is None else max_attempts,
        max_crashes=options.max_crashes,
        timeout=timeout,
        expires=expires,
        tags=tags,
        on_crash=options.on_crash,
    )


def prepare_many(
    jobs: Iterable[Job],
    *,
    queue: str | None = None,
    ids: Sequence[str] | None = None,
    max_bytes: int = MAX_PAYLOAD_BYTES,
) -> list[Enqueue]:
    """Check many jobs; no I/O. Parameters and errors: ``Client.enqueue_many``."""
    if isinstance(jobs, Job):
        raise TypeError("jobs: a list of them; one alone goes to enqueue")
    jobs = list(jobs)
    if ids is None:
        ids = new_job_ids(len(jobs))
    elif len(ids) != len(jobs):
        raise PayloadError(f"ids: {len(ids)} for {len(jobs)} jobs, one for each is needed")
    elif bad := [one for one in ids if not valid_job_id(one)]:
        raise PayloadError(_bad_id(bad[0]))
    likes: dict[type[Job], Enqueue] = {}  # what the jobs of a class have in common, checked once
    orders: list[Enqueue] = []
    try:
        for job, one in zip(jobs, ids, strict=True):
            like = likes.get(type(job))
            if like is None:
                order = likes[type(job)] = prepare(job, queue=queue, id=one, max_bytes=max_bytes)
            else:
                order = replace(like, job_id=one, payload=encode(job, max_bytes))
            orders.append(order)
    except (PayloadError, TypeError) as error:
        kind = type(error) if isinstance(error, HorusError) else TypeError
        raise kind(f"jobs[{len(orders)}]: {error}") from None
    return orders


def prepare_raw(
    name: str,
    payload: bytes,
    queue: str,
    *,
    delay: float | None = None,
    at: datetime | None = None,
    id: str | None = None,
    max_attempts: int | None = None,
    timeout: float | None = None,
    expires: float | datetime | None = None,
    tags: Iterable[str] = (),
    max_bytes: int = MAX_PAYLOAD_BYTES,
) -> Enqueue:
    """Check a job whose class is not at hand; no I/O. Parameters and errors: ``enqueue_raw``."""
    if not valid_job_name(name):
        raise PayloadError(f"{name!r} is no job's name: printable, without white space")
    _check_bytes(payload)
    check_raw(name, payload, max_bytes)
    return _checked(
        name=name,
        payload=payload,
        queue=queue,
        delay=delay,
        at=at,
        id=id,
        max_attempts=MAX_ATTEMPTS if max_attempts is None else max_attempts,
        max_crashes=None,
        timeout=timeout,
        expires=expires,
        tags=tags,
    )


def _checked(
    *,
    name: str,
    payload: bytes,
    queue: str,
    delay: float | None,
    at: datetime | None,
    id: str | None,
    max_attempts: int,
    max_crashes: int | None,
    timeout: float | None,
    expires: float | datetime | None,
    tags: Iterable[str],
    on_crash: bool = False,
) -> Enqueue:
    if not valid_queue_name(queue):
        raise PayloadError(f"queue={queue!r}: a queue's name is {QUEUE_NAMES}")
    if id is not None and not valid_job_id(id):
        raise PayloadError(_bad_id(id))
    if not valid_count(max_attempts):
        raise PayloadError(f"max_attempts={max_attempts!r}: {COUNTS}")
    if timeout is not None and not valid_timeout(timeout):
        raise PayloadError(f"timeout={timeout!r}: {TIMEOUTS}{in_seconds(timeout)}")
    if delay is not None and at is not None:
        raise PayloadError("delay and at: give one of them")
    return Enqueue(
        job_id=new_job_id() if id is None else id,
        queue=queue,
        name=name,
        payload=payload,
        max_attempts=max_attempts,
        max_crashes=max_crashes,
        timeout_ms=None if timeout is None else _whole_ms(timeout),
        delay_ms=None if delay is None else _delay_ms(delay),
        due_ms=None if at is None else _due_ms("at", at),
        **_expiry(expires),
        tags=_tags(tags),
        on_crash=on_crash,
    )


def _instead_of_job(given: object) -> str:
    return f"the class: {given.__name__}(...)" if isinstance(given, type) else repr(given)


def _check_bytes(payload: object) -> None:
    if not isinstance(payload, bytes):
        how = "bytes of JSON, as json.dumps(...).encode() gives"
        raise PayloadError(f"payload: {how}, not a {_kind(payload)}")


def _bad_id(id: object) -> str:
    what = "" if isinstance(id, str) else f": str() of this {_kind(id)}"
    return f"id={id!r}: an id is a str of 1 to 128 printable ASCII characters, no spaces{what}"


def _kind(value: object) -> str:
    return type(value).__name__


def _delay_ms(delay: object) -> int | None:
    if not isinstance(delay, int | float) or isinstance(delay, bool):
        what = "; a moment is at=" if isinstance(delay, datetime) else in_seconds(delay)
        raise PayloadError(f"delay={delay!r}: a number of seconds{what}")
    if not 0 <= delay <= MAX_DELAY_S:
        raise PayloadError(f"delay={delay!r}: seconds, from 0 to a hundred years")
    return _whole_ms(delay) or None


def _expiry(expires: float | datetime | None) -> dict[str, int]:
    if expires is None:
        return {}
    if isinstance(expires, datetime):
        return {"expires_ms": _due_ms("expires", expires)}
    if not valid_timeout(expires):
        raise PayloadError(f"expires={expires!r}: {TIMEOUTS}, or a datetime{in_seconds(expires)}")
    return {"expires_after_ms": _whole_ms(expires)}


def _tags(tags: Iterable[str]) -> tuple[str, ...]:
    if tags == ():  # most jobs: to ask an ABC takes longest of all checks
        return ()
    if isinstance(tags, str) or not isinstance(tags, Iterable):
        raise PayloadError(f"tags={tags!r}: a list of tags, not a {_kind(tags)}")
    found = tuple(dict.fromkeys(tags))
    if len(found) > MAX_TAGS:
        raise PayloadError(f"tags: {len(found)} of them, at most {MAX_TAGS}")
    for tag in found:
        if not valid_tag(tag):
            raise PayloadError(f"tags: {tag!r}: a tag is {TAGS}")
    return found


def _due_ms(name: str, at: object) -> int:
    if not isinstance(at, datetime) or at.utcoffset() is None:
        raise PayloadError(f"{name}={at!r}: a datetime with a zone{_zone(at)}")
    ms = -((_EPOCH - at) // timedelta(milliseconds=1))
    if ms >= YEAR_10000_S * 1000:  # by UTC, which is what a record's time is told in
        raise PayloadError(f"{name}={at!r}: a time before the year 10000 of UTC")
    return max(1, ms)  # 0 would mean none, and all the past is due


def _zone(at: object) -> str:
    """Say how what should be a datetime with a zone becomes one."""
    match at:
        case datetime():
            return ", as datetime.now(UTC) gives; .astimezone() takes this one for local time"
        case timedelta() | int() | float():
            return ", as datetime.now(UTC) gives; so much later is delay="
    return ", as datetime.now(UTC) gives"


def _whole_ms(seconds: float) -> int:
    """Round up, but for what only floats add: 1.1 seconds are 1100 milliseconds.

    Never to 0, which would mean none.
    """
    return max(math.ceil(round(seconds * 1000, 6)), int(seconds > 0))
