"""redis-py's connections, with and without asyncio: which class, and how it is made.

Opens nothing. Imports redis late: it costs 0.1 s and 17 MB.
"""

from __future__ import annotations

import functools
import time
from typing import TYPE_CHECKING, Any

from horus_supervisor.address import Address, parse_url
from horus_supervisor.embedded import SHORT, short_socket_path

if TYPE_CHECKING:
    import redis
    import redis.asyncio

Link = Any
"""One of redis-py's connections, whose methods have no types."""

Class = Any
"""A class of these."""

CONNECTIONS = 16
"""Most connections of one driver; who comes then waits for one."""

_LEAST_S = 0.001
"""A timeout for a wait whose deadline is past: 0 would mean something else to a socket."""

_THEIRS = (
    *("retry", "socket_timeout", "socket_connect_timeout", "health_check", "max_connections"),
    *("decode_responses", "encoding", "protocol", "legacy_responses", "parser_class"),
    *("command_packer", "driver_info", "lib_", "cache", "event_dispatcher", "himport_"),
    *("maint", "orig_", "oss_"),
)
"""How options of a user's redis-py client begin that say how *it* talks, not to which server."""


def for_threads(
    server: str | Address | redis.Redis, name: str | None
) -> tuple[Address, functools.partial[Link]]:
    """Tell where a server is, and how to make a connection to it, which keeps a ``deadline``.

    ``server``: a URL, its address, or a client whose server and credentials are taken; ``name`` is
    shown by CLIENT LIST. Raises: ``AddressError``, ``TypeError``.
    """
    import redis
    from redis import connection
    from redis.retry import Retry

    address, cls, options = _server(server, redis.Redis, connection)
    options |= _manners(issubclass(cls, connection.SSLConnection), Retry, name)
    if address.path is not None and len(address.path.encode()) > SHORT:
        cls = _any_length(cls)
    return address, functools.partial(_bounded(cls), **options)


def for_asyncio(
    server: str | Address | redis.asyncio.Redis, name: str | None
) -> tuple[Address, functools.partial[Link]]:
    """Tell the same for connections of redis-py's that are awaited; these have no timeouts.

    Parameters and errors: ``for_threads``.
    """
    import redis.asyncio
    from redis.asyncio import connection
    from redis.asyncio.retry import Retry

    address, cls, options = _server(server, redis.asyncio.Redis, connection)
    if cls is connection.UnixDomainSocketConnection:
        cls = _awaited_any_length()
    options |= _manners(issubclass(cls, connection.SSLConnection), Retry, name)
    options |= {"socket_timeout": None, "socket_connect_timeout": None}
    return address, functools.partial(cls, **options)


def _server(
    server: Any, client: type[Any], connection: Any
) -> tuple[Address, Class, dict[str, Any]]:
    if isinstance(server, str):
        server = parse_url(server)
    if isinstance(server, Address):
        return server, *_of_address(server, connection)
    if isinstance(server, client):
        return _of_client(server, connection)
    kind = f"{type(server).__module__}.{type(server).__name__}".removeprefix("builtins.")
    wanted = "redis.asyncio.Redis" if "asyncio" in client.__module__ else "redis.Redis"
    raise TypeError(f"a Redis URL or a {wanted} is needed, not a {kind}")


def _of_address(address: Address, connection: Any) -> tuple[Class, dict[str, Any]]:
    options: dict[str, Any] = {
        "db": address.db,
        "username": address.username,
        "password": address.password,
    }
    if address.path is not None:
        return connection.UnixDomainSocketConnection, {**options, "path": address.path}
    options |= {"host": address.host, "port": address.port}
    if not address.tls:
        return connection.Connection, options
    names = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_check_hostname")
    return connection.SSLConnection, options | {name: getattr(address, name) for name in names}


def _of_client(client: Any, connection: Any) -> tuple[Address, Class, dict[str, Any]]:
    """Take server and credentials of a user's client."""
    pool = client.connection_pool
    given = pool.connection_kwargs
    if "connection_pool" in given:
        raise TypeError("a client that finds its server through Sentinel is not supported yet")
    options = {name: value for name, value in given.items() if not name.startswith(_THEIRS)}
    tls = issubclass(pool.connection_class, connection.SSLConnection)
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
    return address, pool.connection_class, options


def _manners(tls: bool, retry: Any, name: str | None) -> dict[str, Any]:
    """Tell the options by which a connection repeats nothing and brings plain bytes."""
    from redis.backoff import NoBackoff

    manners: dict[str, Any] = {
        "client_name": name,
        "retry": retry(NoBackoff(), 0),
        "retry_on_timeout": False,
        "decode_responses": False,
        "protocol": 2,
        "health_check_interval": 0,
    }
    if not tls:
        # saves two round trips. TLS needs one: the session tickets that come with the first reply
        # would make a new connection look as if it held a stray one
        manners["driver_info"] = None
    return manners


@functools.cache
def _bounded(cls: Class) -> Class:
    """Make a class whose every wait, also for the next of a host's addresses, ends by a deadline.

    ``deadline`` is monotonic; whoever takes the connection sets it.
    """

    class BoundedConnection(cls):  # type: ignore[misc]
        deadline = 0.0

        @property
        def socket_timeout(self) -> float:
            return max(self.deadline - time.monotonic(), _LEAST_S)

        @socket_timeout.setter
        def socket_timeout(self, _: float) -> None: ...

        socket_connect_timeout = socket_timeout

    return BoundedConnection


@functools.cache
def _any_length(cls: Class) -> Class:
    """Make redis-py's unix connection, but for paths that are longer than a socket address."""

    class AnyLengthConnection(cls):  # type: ignore[misc]
        def __init__(self, path: str, **options: Any) -> None:
            super().__init__(path, **options)
            self._whole_path = path

        def connect(self) -> None:
            if self.is_connected:
                return
            try:
                with short_socket_path(self._whole_path) as self.path:
                    super().connect()
            finally:
                self.path = self._whole_path

    return AnyLengthConnection


@functools.cache
def _awaited_any_length() -> Class:
    """Make redis-py's awaited unix connection, but for any path, and introduced only once."""
    import asyncio

    from redis.asyncio.connection import UnixDomainSocketConnection

    class AnyLengthConnection(UnixDomainSocketConnection):
        async def _connect(self) -> None:
            with short_socket_path(self.path) as path:
                self._reader, self._writer = await asyncio.open_unix_connection(path)

    return AnyLengthConnection
