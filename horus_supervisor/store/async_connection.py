"""redis-py's driver on asyncio: ``Connection``, awaited; all that isn't I/O they share.

Belongs to one event loop at a time. Its connections have no timeouts: one deadline around each call
ends whatever it waits for.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from horus_supervisor.errors import HorusError
from horus_supervisor.store import exchange, links
from horus_supervisor.store.encoding import Encoder
from horus_supervisor.store.exchange import Progress, Talk
from horus_supervisor.store.links import CONNECTIONS, Link
from horus_supervisor.store.operation import Operation, Reply

if TYPE_CHECKING:
    import redis.asyncio

    from horus_supervisor.address import Address

T = TypeVar("T")


def connect(
    url_or_redis: str | Address | redis.asyncio.Redis,
    *,
    timeout_s: float = 5.0,
    name: str | None = None,
) -> AsyncConnection:
    """Make a driver; nothing is connected before the first call.

    Of a ``redis.asyncio.Redis`` only the server and credentials are taken. Parameters and errors:
    as ``horus_supervisor.store.connection.connect``.
    """
    return AsyncConnection(*links.for_asyncio(url_or_redis, name), timeout_s)


@dataclass(slots=True, eq=False)
class _Idle:
    """The connections of one event loop that nobody uses; ``free`` counts who may have one."""

    loop: asyncio.AbstractEventLoop
    pid: int = field(default_factory=os.getpid)
    free: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(CONNECTIONS))
    links: list[Link] = field(default_factory=list)


_inherited: list[_Idle] = []
"""What a forked child has of its parent's. Not even closed: that would end the parent's waits,
whose ``epoll`` the child shares."""


class AsyncConnection:
    """Runs operations over connections of redis-py's, which it owns and ``close`` closes."""

    def __init__(
        self, address: Address, make_link: functools.partial[Link], timeout_s: float
    ) -> None:
        self.address = address
        self._make_link = make_link
        self._timeout_s = timeout_s
        self._encoder = Encoder()
        self._idle: _Idle | None = None
        self._version_known = False

    async def run(self, operation: Operation[T]) -> T:
        """Carry out one operation in one round trip.

        Raises: ``RedisAway`` or ``ServiceNotRunning`` where it did not happen, ``ReplyLost`` where
        it may have, ``QueueFull``, ``RedisRefused``.
        """
        [outcome] = await self.attempt([operation])
        if isinstance(outcome, HorusError):
            raise outcome
        return outcome

    async def attempt(
        self, operations: Sequence[Operation[T]], *, within_s: float | None = None
    ) -> list[T | HorusError]:
        """Carry out operations in one round trip, ``within_s`` (default: ``timeout_s``).

        Gives results, an error where Redis refused one. Raises: ``RedisAway`` or
        ``ServiceNotRunning`` where none happened, ``ReplyLost`` where some or all may have.
        """
        talk = exchange.call(operations, self._encoder, self.address)
        async with self._lend(operations[0].script.name, within_s) as link:
            outcomes = await _carry_out(talk, link)
            if exchange.another_server_may_help(outcomes):
                await link.disconnect(nowait=True)
        return outcomes

    async def close(self) -> None:
        """Close every connection, one in use after its call; a later call opens new ones.

        Then another event loop may use it.
        """
        idle, self._idle = self._of_this_loop(), None
        while idle.links:
            await idle.links.pop().disconnect()

    @contextlib.asynccontextmanager
    async def _lend(self, what: str, within_s: float | None) -> AsyncIterator[Link]:
        """Lend a connection that is connected and in step; dropped unless the block ends well."""
        limit_s = self._timeout_s if within_s is None else within_s
        with Progress(self.address, what) as progress:
            async with asyncio.timeout(limit_s), self._borrowed() as link:
                progress.waiting = False
                await _be_connected(link)
                if not self._version_known:
                    await _carry_out(exchange.check_version(self.address), link)
                    self._version_known = True
                progress.sent = True
                yield link

    @contextlib.asynccontextmanager
    async def _borrowed(self) -> AsyncIterator[Link]:
        idle = self._of_this_loop()
        async with idle.free:
            link = idle.links.pop() if idle.links else self._make_link()
            settled = False
            try:
                yield link
                settled = True
            finally:
                if not settled or idle is not self._idle:
                    await link.disconnect(nowait=True)
                idle.links.append(link)

    def _of_this_loop(self) -> _Idle:
        loop = asyncio.get_running_loop()
        idle = self._idle
        if idle is not None and idle.pid != os.getpid():
            _inherited.append(idle)
            idle = None
        if idle is None or idle.loop.is_closed():
            idle = self._idle = _Idle(loop)
        if idle.loop is not loop:
            raise RuntimeError(
                "this client is used by another event loop: close it there first, "
                "or make one for each loop"
            )
        return idle


async def _be_connected(link: Link) -> None:
    """Connect, anew where the server closed the connection or it holds a stray reply."""
    if link.is_connected:
        if not await link.can_read():
            return
        await link.disconnect(nowait=True)
    await link.connect()


async def _carry_out(talk: Talk[T], link: Link) -> T:
    said = next(talk)
    while True:
        await link.send_packed_command(said.pieces)
        replies: list[Reply] = []
        for _ in range(said.replies):
            replies.append(await _read(link))
        try:
            said = talk.send(replies)
        except StopIteration as done:
            result: T = done.value
            return result


async def _read(link: Link) -> Reply:
    """Read a reply; an error is one too, so that the next ones do not stay unread."""
    try:
        return await link.read_response()
    except Exception as error:
        from redis.exceptions import ResponseError

        if not isinstance(error, ResponseError):
            raise
        return error
