"""redis-py's driver: for clients and ``horus``, usable from threads and after a fork.

Never retries by itself: whoever calls knows what a repeat means. A connection whose call ended in
any error is dropped, so no later call can read its reply. Imports redis late: 0.1 s and 19 MiB
that a process which doesn't use it need not pay.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from horus_supervisor.address import Address, parse_url
from horus_supervisor.embedded import SHORT, short_socket_path
from horus_supervisor.errors import HorusError, RedisRefused, ReplyLost
from horus_supervisor.store import words
from horus_supervisor.store.operation import Operation, Reply

if TYPE_CHECKING:
    import redis

T = TypeVar("T")

Link = Any
"""One of redis-py's connections, whose methods have no types."""

CONNECTIONS = 16
"""Most connections of one ``Connection``; a further thread waits for one, ``timeout_s`` at most."""

CHUNK = 500
"""Calls sent before their replies are read."""

_THEIRS = (
    *("retry", "socket_timeout", "socket_connect_timeout", "health_check", "max_connections"),
    *("decode_responses", "encoding", "protocol", "legacy_responses", "parser_class"),
    *("command_packer", "driver_info", "lib_", "cache", "event_dispatcher", "himport_"),
    *("maint", "orig_", "oss_"),
)
"""How options of a user's redis-py client begin that say how *it* talks, not to which server."""


@dataclass(slots=True)
class Progress:
    """How far a call got: ``sent`` decides what a broken connection means."""

    what: str
    sent: bool = False


@contextlib.contextmanager
def redis_errors_in_words(address: Address, what: str) -> Iterator[Progress]:
    """Turn redis-py's errors into Horus's; the caller sets ``sent`` just before it sends."""
    from redis.exceptions import RedisError

    progress = Progress(what)
    try:
        yield progress
    except (RedisError, OSError) as error:
        raise _in_words(address, progress, error) from None  # its text may echo what was sent


def connect(
    url_or_redis: str | Address | redis.Redis,
    *,
    timeout_s: float = 5.0,
    name: str | None = None,
    base: Path | None = None,
) -> Connection:
    """Make a driver; nothing is connected before the first call.

    Of a ``redis.Redis`` only the server and credentials are taken, the client itself is left alone.
    ``timeout_s`` limits each connect and each wait for an answer; ``name`` is shown by CLIENT LIST;
    ``base`` is what files in a URL are relative to. Raises: ``AddressError``, ``TypeError``.
    """
    if isinstance(url_or_redis, str):
        url_or_redis = parse_url(url_or_redis, base=base)
    if isinstance(url_or_redis, Address):
        cls, options, address = _of_address(url_or_redis)
    else:
        cls, options, address = _of_client(url_or_redis)
    return Connection(address, _pool(cls, options, timeout_s, name))


class Connection:
    """Runs operations over a pool of redis-py's connections, which it owns and ``close`` closes."""

    def __init__(self, address: Address, pool: Any) -> None:
        import redis

        self.address = address
        self.raw: redis.Redis = redis.Redis(connection_pool=pool)
        """redis-py's client on the same pool, for what no operation does; raises its own errors."""
        self._pool = pool
        self._version_known = False

    def run(self, operation: Operation[T]) -> T:
        """Carry out one operation in one round trip.

        Raises: ``RedisAway`` or ``ServiceNotRunning`` where it did not happen, ``ReplyLost`` where
        it may have, ``QueueFull``, ``RedisRefused``.
        """
        from redis.exceptions import NoScriptError

        with self._exchange(operation.script.name) as (link, progress):
            progress.sent = True
            try:
                reply = _ask(link, *_evalsha(operation))
            except NoScriptError:
                reply = _ask(link, *_eval(operation))
        return operation.parse(reply)

    def run_many(self, operations: Iterable[Operation[T]]) -> list[T]:
        """Carry out operations in order, pipelined; all replies, or the first error.

        Where one fails after another happened, ``ReplyLost`` stands for ``RedisAway``: not nothing
        happened. Raises: as ``run``.
        """
        results: list[T] = []
        rest = iter(operations)
        while chunk := list(itertools.islice(rest, CHUNK)):
            try:
                self._run_chunk(chunk, results)
            except ConnectionError as error:
                if results and not isinstance(error, ReplyLost):
                    raise ReplyLost(f"{error} ({len(results)} calls happened before)") from None
                raise
        return results

    def close(self) -> None:
        """Close every connection; a later call opens new ones."""
        self._pool.disconnect()

    def _run_chunk(self, chunk: Sequence[Operation[T]], results: list[T]) -> None:
        with self._exchange(chunk[0].script.name) as (link, progress):
            progress.sent = True
            link.send_packed_command(link.pack_commands(_pipelined(chunk)))
            replies = [_reply_or_error(link) for _ in chunk]
            for operation, reply in zip(chunk, replies, strict=True):
                progress.what = operation.script.name
                results.append(operation.parse(self._settle(link, operation, reply)))

    def _settle(self, link: Link, operation: Operation[Any], reply: Reply) -> Reply:
        """Tell a pipelined reply, raise it, or ask again where the script was flushed meanwhile."""
        from redis.exceptions import NoScriptError

        if isinstance(reply, NoScriptError):
            return _ask(link, *_eval(operation))
        if isinstance(reply, Exception):
            raise reply
        return reply

    @contextlib.contextmanager
    def _exchange(self, what: str) -> Iterator[tuple[Link, Progress]]:
        """Lend a connection that is connected and in step; dropped unless the block ends well."""
        with redis_errors_in_words(self.address, what) as progress:
            link = self._pool.get_connection()
            settled = False
            try:
                self._check_version(link)
                yield link, progress
                settled = True
            finally:
                if not settled:
                    link.disconnect()
                self._pool.release(link)

    def _check_version(self, link: Link) -> None:
        """Refuse a server that is too old, once; who may not ask is believed."""
        if self._version_known:
            return
        from redis.exceptions import NoPermissionError

        try:
            told: bytes = _ask(link, "INFO", "server")
        except NoPermissionError:
            told = b""
        words.check_version(self.address, told)
        self._version_known = True


def _ask(link: Link, *command: str | bytes | int) -> Reply:
    link.send_command(*command)
    return link.read_response()


def _reply_or_error(link: Link) -> Reply:
    """Read one reply of a pipeline; an error of its own must not leave the others unread."""
    from redis.exceptions import ResponseError

    try:
        return link.read_response()
    except ResponseError as error:
        return error


def _evalsha(operation: Operation[Any]) -> tuple[str | bytes | int, ...]:
    return ("EVALSHA", operation.script.sha, 1, operation.prefix, *operation.args)


def _eval(operation: Operation[Any]) -> tuple[str | bytes | int, ...]:
    return ("EVAL", operation.script.source, 1, operation.prefix, *operation.args)


def _pipelined(chunk: Sequence[Operation[Any]]) -> Iterator[tuple[str | bytes | int, ...]]:
    """Tell the commands of a chunk: a script's first call brings its source, so none is unknown."""
    loaded: set[str] = set()
    for operation in chunk:
        yield _evalsha(operation) if operation.script.sha in loaded else _eval(operation)
        loaded.add(operation.script.sha)


def _in_words(address: Address, progress: Progress, error: Exception) -> HorusError:
    code = getattr(error, "status_code", None)
    text = f"{code} {error}" if code else str(error)
    cause = _system_error(error)
    from redis.exceptions import ConnectionError as Broken
    from redis.exceptions import InvalidResponse, ResponseError
    from redis.exceptions import TimeoutError as Late

    if code or isinstance(error, ResponseError):
        return words.refusal(address, progress.what, text)
    if isinstance(error, (Broken, Late, InvalidResponse, OSError)):
        why = None if cause or progress.sent else _inner(text)
        if progress.sent:
            return words.lost(address, progress.what, cause, why)
        return words.unreachable(address, cause, why)
    return RedisRefused(
        words.without_password(address, f"redis-py refused {progress.what}: {text}")
    )


def _inner(text: str) -> str | None:
    """Tell redis-py's own reason where no system call failed."""
    if "No connection available" in text:
        return f"all {CONNECTIONS} connections are in use"
    return None


def _system_error(error: BaseException | None) -> OSError | None:
    """Find the system's error below redis-py's."""
    seen = 0
    while error is not None and seen < 10:
        if isinstance(error, OSError):
            return error
        error, seen = error.__cause__ or error.__context__, seen + 1
    return None


def _pool(cls: type[Link], options: dict[str, Any], timeout_s: float, name: str | None) -> Any:
    from redis.backoff import NoBackoff
    from redis.connection import BlockingConnectionPool, SSLConnection
    from redis.retry import Retry

    if name is not None:
        options["client_name"] = name
    if not issubclass(cls, SSLConnection):
        # saves two round trips. TLS needs one: the session tickets that come with the first reply
        # would make a new connection look as if it held a stray one
        options["driver_info"] = None
    pool: Any = BlockingConnectionPool
    return pool(
        max_connections=CONNECTIONS,
        timeout=timeout_s,
        connection_class=cls,
        **options,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        retry=Retry(NoBackoff(), 0),
        retry_on_timeout=False,
        decode_responses=False,
        protocol=2,
        health_check_interval=0,
    )


def _of_address(address: Address) -> tuple[type[Link], dict[str, Any], Address]:
    from redis.connection import Connection, SSLConnection, UnixDomainSocketConnection

    options: dict[str, Any] = {
        "db": address.db,
        "username": address.username,
        "password": address.password,
    }
    if address.path is not None:
        long = len(address.path.encode()) > SHORT
        cls = _any_length() if long else UnixDomainSocketConnection
        return cls, {**options, "path": address.path}, address
    options |= {"host": address.host, "port": address.port}
    if not address.tls:
        return Connection, options, address
    names = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_check_hostname")
    return SSLConnection, options | {name: getattr(address, name) for name in names}, address


@functools.cache
def _any_length() -> Any:
    """Make redis-py's unix connection, but for paths that are longer than a socket address."""
    from redis.connection import UnixDomainSocketConnection

    class AnyLengthConnection(UnixDomainSocketConnection):
        def __init__(self, path: str, **options: Any) -> None:
            super().__init__(path, **options)  # type: ignore[no-untyped-call]
            self._whole_path = path

        def connect(self) -> None:
            if self.is_connected:
                return
            try:
                with short_socket_path(self._whole_path) as self.path:
                    super().connect()  # type: ignore[no-untyped-call]
            finally:
                self.path = self._whole_path

    return AnyLengthConnection


def _of_client(client: redis.Redis) -> tuple[type[Link], dict[str, Any], Address]:
    """Take server and credentials of a user's client."""
    import redis

    if not isinstance(client, redis.Redis):
        raise TypeError(f"a Redis URL or a redis.Redis is needed, not a {type(client).__name__}")
    pool = client.connection_pool
    given = pool.connection_kwargs
    if "connection_pool" in given:
        raise TypeError("a client that finds its server through Sentinel is not supported yet")
    options = {name: value for name, value in given.items() if not name.startswith(_THEIRS)}
    tls = issubclass(pool.connection_class, redis.SSLConnection)
    path = given.get("path")
    address = Address(
        "unix" if path else "rediss" if tls else "redis",
        host=given.get("host", "localhost"),
        port=int(given.get("port", 6379)),
        path=path,
        db=int(given.get("db") or 0),
        username=given.get("username"),
        password=given.get("password"),
    )
    return pool.connection_class, options, address
