"""redis-py's driver: for clients and ``horus``, usable from threads and after a fork.

Never retries by itself: whoever calls knows what a repeat means. A connection whose call broke is
dropped, so no later call can read its reply. ``AsyncConnection`` is the same, awaited; all that
isn't I/O they share.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from horus_supervisor.errors import HorusError, ReplyLost
from horus_supervisor.store import exchange, links
from horus_supervisor.store.encoding import Encoder
from horus_supervisor.store.exchange import Progress, Talk
from horus_supervisor.store.links import CONNECTIONS, Link
from horus_supervisor.store.operation import Operation, Reply

if TYPE_CHECKING:
    import redis

    from horus_supervisor.address import Address

T = TypeVar("T")

CHUNK = 500
"""Calls of ``run_many`` sent before their replies are read."""


def connect(
    url_or_redis: str | Address | redis.Redis,
    *,
    timeout_s: float = 5.0,
    name: str | None = None,
) -> Connection:
    """Make a driver; nothing is connected before the first call.

    Of a ``redis.Redis`` only the server and credentials are taken, the client itself is left alone.
    ``timeout_s`` limits each call in sum, connecting included; ``name`` is shown by CLIENT LIST.
    Raises: ``AddressError``, ``TypeError``.
    """
    return Connection(*links.for_threads(url_or_redis, name), timeout_s)


@dataclass(slots=True, eq=False)
class _Idle:
    """The connections of one process that nobody uses; ``free`` counts who may have one."""

    pid: int = field(default_factory=os.getpid)
    free: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(CONNECTIONS))
    links: list[Link] = field(default_factory=list)


class Connection:
    """Runs operations over connections of redis-py's, which it owns and ``close`` closes."""

    def __init__(
        self, address: Address, make_link: functools.partial[Link], timeout_s: float
    ) -> None:
        self.address = address
        self._make_link = make_link
        self._timeout_s = timeout_s
        self._encoder = Encoder()
        self._idle = _Idle()
        self._version_known = False

    def run(self, operation: Operation[T]) -> T:
        """Carry out one operation in one round trip.

        Raises: ``RedisAway`` or ``ServiceNotRunning`` where it did not happen, ``ReplyLost`` where
        it may have, ``QueueFull``, ``RedisRefused``.
        """
        [outcome] = self.attempt([operation])
        if isinstance(outcome, HorusError):
            raise outcome
        return outcome

    def attempt(
        self, operations: Sequence[Operation[T]], *, within_s: float | None = None
    ) -> list[T | HorusError]:
        """Carry out operations in one round trip, ``within_s`` (default: ``timeout_s``).

        Gives results, an error where Redis refused one. Raises: ``RedisAway`` or
        ``ServiceNotRunning`` where none happened, ``ReplyLost`` where some or all may have.
        """
        talk = exchange.call(operations, self._encoder, self.address)
        with self._lend(operations[0].script.name, within_s) as link:
            outcomes = _carry_out(talk, link)
            if exchange.another_server_may_help(outcomes):
                link.disconnect()
        return outcomes

    def run_many(self, operations: Iterable[Operation[T]]) -> list[T]:
        """Carry out operations, pipelined; all results, or the first error.

        Where one fails after another happened, ``ReplyLost`` stands for ``RedisAway``: not nothing
        happened. Raises: as ``run``.
        """
        results: list[T] = []
        rest = iter(operations)
        while chunk := list(itertools.islice(rest, CHUNK)):
            try:
                for outcome in self.attempt(chunk):
                    if isinstance(outcome, HorusError):
                        raise outcome
                    results.append(outcome)
            except ConnectionError as error:
                if results and not isinstance(error, ReplyLost):
                    raise ReplyLost(f"{error} ({len(results)} calls happened before)") from None
                raise
        return results

    def close(self) -> None:
        """Close every connection, one in use after its call; a later call opens new ones."""
        idle, self._idle = self._idle, _Idle()
        while idle.links:
            idle.links.pop().disconnect()
        if raw := self.__dict__.get("raw"):  # its pool is ours
            raw.connection_pool.disconnect()

    @functools.cached_property
    def raw(self) -> redis.Redis:
        """redis-py's client of the same server, for what no operation does; its own errors."""
        import redis

        [_, cls, *_] = type(self._make_link()).__mro__  # the one without a deadline
        pool: Any = redis.ConnectionPool
        return redis.Redis(connection_pool=pool(cls, **self._make_link.keywords))

    @contextlib.contextmanager
    def _lend(self, what: str, within_s: float | None) -> Iterator[Link]:
        """Lend a connection that is connected and in step; dropped unless the block ends well."""
        deadline = time.monotonic() + (self._timeout_s if within_s is None else within_s)
        with (
            Progress(self.address, what) as progress,
            self._borrowed(deadline) as link,
        ):
            progress.waiting = False
            _be_connected(link)
            if not self._version_known:
                _carry_out(exchange.check_version(self.address), link)
                self._version_known = True
            progress.sent = True
            yield link

    @contextlib.contextmanager
    def _borrowed(self, deadline: float) -> Iterator[Link]:
        if self._idle.pid != os.getpid():
            self._idle = _Idle()  # the parent's stay the parent's
        idle = self._idle
        if not idle.free.acquire(timeout=max(deadline - time.monotonic(), 0)):
            raise TimeoutError
        settled = False
        try:
            link = idle.links.pop() if idle.links else self._make_link()
            link.deadline = deadline
            try:
                yield link
                settled = True
            finally:
                if not settled or idle is not self._idle:
                    link.disconnect()
                idle.links.append(link)
        finally:
            idle.free.release()


def _be_connected(link: Link) -> None:
    """Connect, anew where the server closed the connection or it holds a stray reply."""
    if link.is_connected:
        link.update_current_socket_timeout(link.socket_timeout)
        if not _stale(link):
            return
        link.disconnect()
    link.connect()


def _stale(link: Link) -> bool:
    try:
        return bool(link.can_read(0))
    except Exception as error:
        from redis.exceptions import ConnectionError as Broken

        if not isinstance(error, Broken):
            raise
        return True


def _carry_out(talk: Talk[T], link: Link) -> T:
    said = next(talk)
    while True:
        link.send_packed_command(said.pieces)
        replies: list[Reply] = []
        for _ in range(said.replies):
            replies.append(_read(link))
        try:
            said = talk.send(replies)
        except StopIteration as done:
            result: T = done.value
            return result


def _read(link: Link) -> Reply:
    """Read a reply; an error is one too, so that the next ones do not stay unread."""
    try:
        return link.read_response(timeout=link.socket_timeout)
    except Exception as error:
        from redis.exceptions import ResponseError

        if not isinstance(error, ResponseError):
            raise
        return error
