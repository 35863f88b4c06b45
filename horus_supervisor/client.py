"""Putting jobs on queues, and asking what became of them.

What to send is decided in ``enqueue``, what a broken call means by ``Tries``, both without I/O;
``Client`` does the talking. Safe to share between threads, and to use in a process that forks.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from horus_supervisor.clock import Clock, SystemClock
from horus_supervisor.enqueue import Enqueue, prepare, prepare_raw
from horus_supervisor.errors import (
    EnqueueUnknown,
    HorusError,
    RedisAway,
    ReplyLost,
    ServiceNotRunning,
)
from horus_supervisor.ids import valid_job_name
from horus_supervisor.job.codec import MAX_PAYLOAD_BYTES
from horus_supervisor.job.definition import Job, valid_timeout
from horus_supervisor.lifecycle import JobState
from horus_supervisor.store import operations
from horus_supervisor.store.connection import connect

if TYPE_CHECKING:
    import redis

    from horus_supervisor.address import Address

T = TypeVar("T")

DEFAULT_URL = "redis://localhost:6379/0"

_FIRST_WAIT_S = 0.02
_LONGEST_WAIT_S = 0.5


class Tries:
    """Decides what a broken call means: worth another try until the deadline, or the end.

    One for each call of a client's method. ``lost``: a try may have happened though no reply came.
    """

    def __init__(self, job_ids: list[str], timeout_s: float, now: float) -> None:
        self.lost = False
        self._job_ids = job_ids
        self._deadline = now + timeout_s
        self._wait_s = _FIRST_WAIT_S

    def wait_after_s(self, error: HorusError, now: float) -> float:
        """Tell the seconds to wait before the same call again.

        Raises: ``error`` where nothing was sent or it is no matter of time; ``EnqueueUnknown``
        where jobs were sent and no reply came in time.
        """
        self.lost |= isinstance(error, ReplyLost)
        away = isinstance(error, RedisAway | ReplyLost)
        left_s = self._deadline - now
        if left_s > 0 and (away or (self.lost and isinstance(error, ServiceNotRunning))):
            wait_s = self._wait_s * random.uniform(0.5, 1.0)
            self._wait_s = min(2 * self._wait_s, _LONGEST_WAIT_S)
            return min(wait_s, left_s)
        if self.lost and self._job_ids:
            raise EnqueueUnknown(self._unknown(error), self._job_ids[0]) from error
        raise error

    def created(self, made: bool) -> bool | None:
        """Tell whether this call made the job: None where an earlier try may have."""
        return True if made else None if self.lost else False

    def _unknown(self, error: HorusError) -> str:
        if len(self._job_ids) == 1:
            return f"{error}; the job may be on its queue: repeat with id={self._job_ids[0]!r}"
        return f"{error}; some of these {len(self._job_ids)} jobs may be on their queues"


@dataclass(frozen=True, slots=True)
class JobHandle:
    """A job that was enqueued."""

    id: str
    queue: str
    created: bool | None
    """Whether this call made the job, or found its id known; None: a lost reply leaves it open."""
    _client: Client = field(repr=False, compare=False)

    def status(self) -> JobState:
        """Ask where the job is; ``unknown`` some minutes after its end. As ``Client.status``."""
        return self._client.status(self.id)


class Client:
    """Enqueues jobs. Connects at the first call; close it, or use ``with``.

    Parameters: ``url_or_redis``, a Redis URL or a ``redis.Redis`` whose server is used (default:
    the environment's ``HORUS_URL``, else ``redis://localhost:6379/0``); ``namespace``, shared with
    the service; ``timeout``, seconds for which a broken call is repeated; ``max_payload_bytes``.
    Raises: ``HorusError`` for a URL that can't be used.
    """

    def __init__(
        self,
        url_or_redis: str | Address | redis.Redis | None = None,
        *,
        namespace: str = "horus",
        timeout: float = 5,
        max_payload_bytes: int = MAX_PAYLOAD_BYTES,
    ) -> None:
        if not valid_timeout(timeout):
            raise ValueError(f"timeout={timeout!r}: seconds, more than 0")
        if not valid_job_name(namespace) or not namespace.isascii() or set(namespace) & set("{}"):
            raise ValueError(f"namespace={namespace!r}: printable ASCII, no white space, no braces")
        if url_or_redis is None:
            url_or_redis = os.environ.get("HORUS_URL") or DEFAULT_URL
        self.namespace = namespace
        self.timeout_s = float(timeout)
        # half, so that there is time to try again after an idle connection that a firewall dropped
        self.connection = connect(url_or_redis, timeout_s=self.timeout_s / 2)
        self.max_payload_bytes = max_payload_bytes
        self._clock: Clock = SystemClock()

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
    ) -> JobHandle:
        """Put a job on its queue, in one round trip.

        Parameters: ``queue``, ``max_attempts`` and ``timeout`` (seconds) instead of the class's;
        ``delay`` in seconds or ``at``, a datetime with a zone, to start later; ``id`` (default: a
        new UUIDv7). An id that is known changes nothing. A broken call is repeated for the client's
        ``timeout``; it is safe to repeat with the same ``id``.

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
            max_bytes=self.max_payload_bytes,
        )
        return self._send([order])[0]

    def enqueue_many(self, jobs: Iterable[Job], *, queue: str | None = None) -> list[JobHandle]:
        """Put jobs on their queues, pipelined; their handles in the same order.

        All are checked before the first is sent: one bad job sends none. Raises: as ``enqueue``,
        but that an error of Redis in the middle leaves the jobs before it enqueued.
        """
        return self._send(
            [prepare(job, queue=queue, max_bytes=self.max_payload_bytes) for job in jobs]
        )

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
            max_bytes=self.max_payload_bytes,
        )
        return self._send([order])[0]

    def status(self, id: str) -> JobState:
        """Ask where a job is: ``unknown`` where no such id is known (any more).

        Raises: ``RedisAway``, ``ReplyLost``, ``ServiceNotRunning``, ``RedisRefused``.
        """
        tries = Tries([], self.timeout_s, self._clock.monotonic())
        return self._insist(
            tries, lambda: self.connection.run(operations.state(self.namespace, id))
        )

    def close(self) -> None:
        """Close the connections; a later call opens new ones."""
        self.connection.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Client of {self.connection.address.safe}, namespace {self.namespace}>"

    def _send(self, orders: list[Enqueue]) -> list[JobHandle]:
        calls = [order.operation(self.namespace) for order in orders]
        ids = [order.job_id for order in orders]
        tries = Tries(ids, self.timeout_s, self._clock.monotonic())
        if len(calls) == 1:
            made = [self._insist(tries, lambda: self.connection.run(calls[0]))]
        else:
            made = self._insist(tries, lambda: self.connection.run_many(calls))
        return [
            JobHandle(order.job_id, order.queue, tries.created(new), self)
            for order, new in zip(orders, made, strict=True)
        ]

    def _insist(self, tries: Tries, call: Callable[[], T]) -> T:
        while True:
            try:
                return call()
            except HorusError as error:
                time.sleep(tries.wait_after_s(error, self._clock.monotonic()))
