"""``Client`` for programs on asyncio: the same methods, awaited.

Nothing but the waiting is written here: what to send is decided in ``enqueue``, what a broken call
means in ``tries``, for both clients. Belongs to one event loop at a time; a process that forks may
use it in the child's own loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from horus_supervisor.client import check_settings, default_address
from horus_supervisor.clock import SystemClock
from horus_supervisor.enqueue import Enqueue, prepare, prepare_many, prepare_raw
from horus_supervisor.errors import HorusError
from horus_supervisor.job.codec import MAX_PAYLOAD_BYTES
from horus_supervisor.job.definition import Job
from horus_supervisor.lifecycle import JobState
from horus_supervisor.store import operations
from horus_supervisor.store.async_connection import connect
from horus_supervisor.tries import Plan, Run, Told, Wait, ask, send

if TYPE_CHECKING:
    import redis.asyncio

    from horus_supervisor.address import Address

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class AsyncJobHandle:
    """A job that was enqueued."""

    id: str
    queue: str
    """Where it was to go; a job whose id was known stays on the queue that it has."""
    created: bool | None
    """Whether this call made the job, or found its id known; None: a lost reply leaves it open."""
    _client: AsyncClient = field(repr=False, compare=False)

    async def status(self) -> JobState:
        """Ask where the job is, as the client's ``status``; ``unknown`` minutes after its end."""
        return await self._client.status(self.id)


class AsyncClient:
    """Enqueues jobs. Connects at the first call; close it, or use ``async with``.

    Parameters: ``url_or_redis``, a Redis URL (``embedded:DIR`` relative to the working folder) or a
    client of redis-py's whose server is used (default: the environment's ``HORUS_URL``, else
    ``redis://localhost:6379/0``); ``namespace``, shared with the service; ``timeout``, seconds that
    a call takes at most, a broken one being repeated until then; ``max_payload_bytes``, of a job's
    arguments as JSON (256 KiB). Raises: ``HorusError`` for a URL that can't be used, ``TypeError``
    for another client, ``ValueError`` for such a namespace or timeout.
    """

    def __init__(
        self,
        url_or_redis: str | Address | redis.asyncio.Redis | None = None,
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

    async def enqueue(
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
    ) -> AsyncJobHandle:
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
        return (await self._send([order]))[0]

    async def enqueue_many(
        self, jobs: Iterable[Job], *, queue: str | None = None, ids: Sequence[str] | None = None
    ) -> list[AsyncJobHandle]:
        """Put jobs on their queues, up to 2,000 in a round trip; their handles in the same order.

        All are checked before the first is sent: one bad job sends none. Parameters: ``queue``
        instead of the classes'; ``ids``, one for each job. Every round trip has the client's
        ``timeout`` anew.

        Raises: as ``enqueue``. Once something was sent, the error's ``job_ids`` are the ids of all
        jobs and ``enqueued`` those that surely are on their queues; the same jobs with
        ``ids=error.job_ids`` are safe to repeat.
        """
        most = self.max_payload_bytes
        return await self._send(prepare_many(jobs, queue=queue, ids=ids, max_bytes=most))

    async def enqueue_raw(
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
    ) -> AsyncJobHandle:
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
        return (await self._send([order]))[0]

    async def status(self, id: str) -> JobState:
        """Ask where a job is: ``unknown`` where no such id is known (any more).

        Raises: ``RedisAway``, ``ReplyLost``, ``ServiceNotRunning``, ``RedisRefused``.
        """
        question = operations.state(self.namespace, id)
        return await self._carry_out(ask(question, self.timeout_s, self._clock))

    async def close(self) -> None:
        """Close the connections; a later call opens new ones."""
        await self.connection.close()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<AsyncClient of {self.connection.address.safe}, namespace {self.namespace}>"

    async def _send(self, orders: Sequence[Enqueue]) -> list[AsyncJobHandle]:
        created = await self._carry_out(send(orders, self.namespace, self.timeout_s, self._clock))
        return [
            AsyncJobHandle(order.job_id, order.queue, made, self)
            for order, made in zip(orders, created, strict=True)
        ]

    async def _carry_out(self, plan: Plan[T]) -> T:
        told: Told = None
        while True:
            try:
                step = plan.send(told)
            except StopIteration as done:
                result: T = done.value
                return result
            if isinstance(step, Wait):
                await asyncio.sleep(step.seconds)
                told = None
            else:
                told = await self._run(step)

    async def _run(self, step: Run) -> Told:
        try:
            return await self.connection.attempt(step.calls, within_s=step.within_s)
        except HorusError as error:
            return error
