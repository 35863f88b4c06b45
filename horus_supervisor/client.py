"""Putting jobs on queues, and asking what became of them.

What to send is decided in ``enqueue``, what a broken call means in ``tries``, both without I/O;
``Client`` does the talking. Safe to share between threads, and to use in a process that forks.
``AsyncClient`` is the same, awaited.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

from horus_supervisor.address import Address, AddressError, parse_url
from horus_supervisor.clock import SystemClock
from horus_supervisor.enqueue import Enqueue, prepare, prepare_many, prepare_raw
from horus_supervisor.errors import HorusError
from horus_supervisor.ids import NAMESPACES, valid_namespace
from horus_supervisor.job.codec import MAX_PAYLOAD_BYTES
from horus_supervisor.job.definition import Job
from horus_supervisor.job.numbers import TIMEOUTS, in_seconds, valid_timeout
from horus_supervisor.lifecycle import JobState
from horus_supervisor.store import operations
from horus_supervisor.store.connection import connect
from horus_supervisor.tries import Run, Told, ask, carry_out, send

if TYPE_CHECKING:
    import redis

DEFAULT_URL = "redis://localhost:6379/0"


def check_settings(namespace: str, timeout: float) -> None:
    """Refuse what no client can work with. Raises: ``ValueError``."""
    if not valid_timeout(timeout):
        raise ValueError(f"timeout={timeout!r}: {TIMEOUTS}{in_seconds(timeout)}")
    if not valid_namespace(namespace):
        raise ValueError(f"namespace={namespace!r}: {NAMESPACES}")


def default_address() -> Address:
    """Tell where Redis is when nobody says. Raises: ``AddressError``."""
    if not (url := os.environ.get("HORUS_URL")):
        return replace(parse_url(DEFAULT_URL), assumed=True)
    try:
        return parse_url(url)
    except AddressError as error:
        raise AddressError(f"HORUS_URL: {error}") from None


@dataclass(frozen=True, slots=True)
class JobHandle:
    """A job that was enqueued."""

    id: str
    queue: str
    """Where it was to go; a job whose id was known stays on the queue that it has."""
    created: bool | None
    """Whether this call made the job, or found its id known; None: a lost reply leaves it open."""
    _client: Client = field(repr=False, compare=False)

    def status(self) -> JobState:
        """Ask where the job is, as the client's ``status``; ``unknown`` minutes after its end."""
        return self._client.status(self.id)


class Client:
    """Enqueues jobs. Connects at the first call; close it, or use ``with``.

    Parameters: ``url_or_redis``, a Redis URL (``embedded:DIR`` relative to the working folder) or a
    client of redis-py's whose server is used (default: the environment's ``HORUS_URL``, else
    ``redis://localhost:6379/0``); ``namespace``, shared with the service; ``timeout``, seconds that
    a call takes at most, a broken one being repeated until then; ``max_payload_bytes``, of a job's
    arguments as JSON (256 KiB). Raises: ``HorusError`` for a URL that can't be used, ``TypeError``
    for another client, ``ValueError`` for such a namespace or timeout.
    """

    def __init__(
        self,
        url_or_redis: str | Address | redis.Redis | None = None,
        *,
        namespace: str = "horus",
        timeout: float = 5,
        max_payload_bytes: int = MAX_PAYLOAD_BYTES,
    ) -> None:
        check_settings(namespace, timeout)
        if url_or_redis is None:
            url_or_redis = default_address()
        self.namespace = namespace
        self.timeout_s = float(timeout)
        self.connection = connect(url_or_redis, timeout_s=self.timeout_s)
        self.max_payload_bytes = max_payload_bytes
        self._clock = SystemClock()

    def enqueue(
        self,
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
    ) -> JobHandle:
        """Put a job on its queue, in one round trip.

        Parameters: ``queue``, ``max_attempts`` and ``timeout`` (seconds) instead of the class's;
        ``delay`` in seconds or ``at``, a datetime with a zone, to start later; ``id`` (default: a
        new UUIDv7); ``expires``, seconds from when it is due or a datetime with a zone, after which
        it is discarded instead of started; ``tags``, at most 16, to find it by. An id that is known
        changes nothing. A broken call is repeated for the client's ``timeout``; it is safe to
        repeat with the same ``id``.

        Raises: ``PayloadError``, ``JobDefinitionError`` before anything is sent; ``RedisAway``,
        ``ServiceNotRunning``, ``RedisRefused``, ``QueueFull`` where the job was not enqueued;
        ``EnqueueUnknown``, with the id, where it may have been.
        """
        order = prepare(
            job,
            queue=queue,
            delay=delay,
            at=at,
            id=id,
            max_attempts=max_attempts,
            timeout=timeout,
            expires=expires,
            tags=tags,
            max_bytes=self.max_payload_bytes,
        )
        return self._send([order])[0]

    def enqueue_many(
        self, jobs: Iterable[Job], *, queue: str | None = None, ids: Sequence[str] | None = None
    ) -> list[JobHandle]:
        """Put jobs on their queues, up to 2,000 in a round trip; their handles in the same order.

        All are checked before the first is sent: one bad job sends none. Parameters: ``queue``
        instead of the classes'; ``ids``, one for each job. Every round trip has the client's
        ``timeout`` anew.

        Raises: as ``enqueue``. Once something was sent, the error's ``job_ids`` are the ids of all
        jobs and ``enqueued`` those that surely are on their queues; the same jobs with
        ``ids=error.job_ids`` are safe to repeat.
        """
        most = self.max_payload_bytes
        return self._send(prepare_many(jobs, queue=queue, ids=ids, max_bytes=most))

    def enqueue_raw(
        self,
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
    ) -> JobHandle:
        """Put a job on a queue whose class can't be imported here.

        Parameters: ``name`` on the wire, ``payload`` the arguments as a JSON object (only its form
        and size are checked), ``max_attempts`` (default 12), the others and errors as ``enqueue``.
        """
        order = prepare_raw(
            name,
            payload,
            queue,
            delay=delay,
            at=at,
            id=id,
            max_attempts=max_attempts,
            timeout=timeout,
            expires=expires,
            tags=tags,
            max_bytes=self.max_payload_bytes,
        )
        return self._send([order])[0]

    def status(self, id: str) -> JobState:
        """Ask where a job is: ``unknown`` where no such id is known (any more).

        Raises: ``RedisAway``, ``ReplyLost``, ``ServiceNotRunning``, ``RedisRefused``.
        """
        question = operations.state(self.namespace, id)
        return carry_out(ask(question, self.timeout_s, self._clock), self._run)

    def close(self) -> None:
        """Close the connections; a later call opens new ones."""
        self.connection.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Client of {self.connection.address.safe}, namespace {self.namespace}>"

    def _send(self, orders: Sequence[Enqueue]) -> list[JobHandle]:
        plan = send(orders, self.namespace, self.timeout_s, self._clock)
        created = carry_out(plan, self._run)
        return [
            JobHandle(order.job_id, order.queue, made, self)
            for order, made in zip(orders, created, strict=True)
        ]

    def _run(self, step: Run) -> Told:
        try:
            return self.connection.attempt(step.calls, within_s=step.within_s)
        except HorusError as error:
            return error
