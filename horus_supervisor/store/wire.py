"""Our own client, for runners and keepers: one socket, one call at a time, nothing in the way.

A round trip through redis-py costs 25 µs more and its import 17 MB a process. This does less:
no pool, no threads, no retries. Sending and receiving are apart, so that a runner can work while
Redis does. A connection that broke, or whose reply was never read, is dropped; the next call opens
a new one, so a reply can't be taken for another call's.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import struct
import time
from typing import Any, TypeVar

import hiredis

from horus_supervisor.address import Address
from horus_supervisor.embedded import SHORT, short_socket_path
from horus_supervisor.errors import HorusError
from horus_supervisor.store import words
from horus_supervisor.store.encoding import Encoder, encode, encode_head, pack, with_source
from horus_supervisor.store.operation import Operation, Reply, Series

T = TypeVar("T")

BUFFER = 16 * 1024
"""Bytes read at once; a longer reply takes more reads."""

KEEPALIVE = (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3))
"""A server that vanished is noticed in 45 s by a runner that waits in a blocking pop."""

VERSION = ("INFO", "server")

LOOK_S = 0.25
"""Longest wait for the rest of a reply before the deadline is looked at again: it may be nearer."""

LEAST_S = 0.05
"""Shortest wait of who is in a hurry: none at all is for ever to the kernel, and too short for any
connection."""

_INCOMPLETE = object()

_alone = Encoder().call


class _ErrorReply(Exception):
    """An error that Redis answered."""


class Wire:
    """One connection to Redis, owned by one thread of one process; opened by the first call.

    ``timeout_s`` limits a connect and each wait for a whole reply; ``name`` is shown by
    CLIENT LIST; ``check_version``: refuse a server that is too old, at each connect. Raises, where
    it talks: ``RedisAway`` or ``ServiceNotRunning`` where nothing was sent, ``ReplyLost`` where the
    call may have happened, ``RedisRefused``, ``QueueFull``.
    """

    def __init__(
        self,
        address: Address,
        *,
        timeout_s: float = 5.0,
        name: str | None = None,
        check_version: bool = False,
    ) -> None:
        self.address = address
        self._timeout_s = timeout_s
        self._name = name
        self._check_version = check_version
        self._socket: socket.socket | None = None
        self._reader: hiredis.Reader
        self._buffer = bytearray(BUFFER)
        self._owes = ""  # what was sent and not answered yet
        self._then = ""  # what was sent behind that
        self._follows = False  # the reply that is owed follows another, and may have come with it
        self._until = 0.0  # when the wait for that ends, monotonic; 0: it has not begun
        self._series: dict[Series[Any], tuple[bytes, bytes]] = {}

    def run(self, operation: Operation[T]) -> T:
        """Carry out one operation in one round trip."""
        self.send(operation)
        return self.receive(operation)

    def send(self, operation: Operation[Any]) -> None:
        """Send an operation; ``receive`` must be called next."""
        self._transmit(self._encode(operation), operation.script.name)

    def receive(self, operation: Operation[T]) -> T:
        """Wait for the reply of the operation that was sent last."""
        reply = self._receive()
        if isinstance(reply, _ErrorReply) and str(reply).startswith("NOSCRIPT"):
            reply = self._evaluate(operation)
        if isinstance(reply, _ErrorReply):
            raise self._refused(operation.script.name, reply)
        try:
            return operation.read(reply)
        except OSError as error:
            raise self._lost(error) from None

    def send_raw(self, *command: str | bytes | int, then: Operation[Any] | None = None) -> None:
        """Send any command, for one that blocks; ``receive_reply`` once ``fileno`` is readable.

        ``then``: what Redis is to do as soon as that is answered; ``receive`` comes after.
        """
        if then is None:
            self._transmit(pack(command), str(command[0]))
            return
        self._transmit(pack(command) + self._encode(then), str(command[0]))
        self._then = then.script.name

    def receive_reply(self) -> Reply:
        """Wait for the reply of ``send_raw``."""
        what = self._owes
        reply = self._receive()
        if isinstance(reply, _ErrorReply):
            raise self._refused(what, reply)
        return reply

    def hurry(self, most_s: float) -> None:
        """Wait no longer than ``most_s`` (or ``LEAST_S``) from now on, in a wait that goes on too.

        For a signal's handler: after it, Python begins the interrupted wait anew, with the kernel's
        whole timeout.
        """
        most_s = max(most_s, LEAST_S)
        self._timeout_s = min(self._timeout_s, most_s)
        left_s = self._timeout_s
        if self._owes and self._until:
            now = time.monotonic()
            self._until = min(self._until, now + most_s)
            left_s = max(self._until - now, 0.001)  # zero would be for ever
        if self._socket is not None:
            with contextlib.suppress(OSError):  # just closed
                _limit(self._socket, left_s)

    def fileno(self) -> int:
        """Tell the socket's descriptor, -1 while there is none; for ``select``."""
        return -1 if self._socket is None else self._socket.fileno()

    def connect(self) -> None:
        """Open a new connection now, in place of an old one."""
        self.close()
        try:
            self._socket = _open(self.address, self._timeout_s)
            self._reader = _reader()
            self._owes = "the introduction"  # a signal handler may raise in the middle of it
            self._introduce()
            self._rest(self._socket)
            self._owes = ""
        except HorusError:  # some are an OSError
            self.close()
            raise
        except OSError as error:
            self.close()
            raise words.unreachable(self.address, error) from None

    def close(self) -> None:
        """Close the connection; the next call opens another one. Safe to repeat."""
        if self._socket is not None:
            self._socket.close()
        self._socket = None
        self._owes = self._then = ""
        self._follows = False

    def _encode(self, operation: Operation[Any]) -> bytes:
        return self._in_series(operation) if operation.series else _alone(operation)

    def _in_series(self, operation: Operation[Any]) -> bytes:
        series = operation.series
        assert series is not None
        ends = self._series.get(series)
        if ends is None:
            head = encode_head(operation.script.sha, operation.prefix, len(operation.args))
            before = head + b"".join(map(encode, series.before))
            after = b"".join(map(encode, series.after)) + b"\r\n"
            ends = self._series[series] = before, after
        digits = b"%d" % int(operation.args[len(series.before)])
        return b"%b\r\n$%d\r\n%b%b" % (ends[0], len(digits), digits, ends[1])

    def _transmit(self, data: bytes, what: str) -> None:
        if self._socket is None or self._owes:
            self.connect()
        self._owes, self._until = what, 0.0
        try:
            self._socket.sendall(data)  # type: ignore[union-attr]  # connect opened it
        except OSError as error:
            raise self._lost(error) from None

    def _receive(self) -> Reply:
        """Read the one reply that is owed: mostly a single system call."""
        if not self._owes:
            raise RuntimeError("no call waits for a reply on this wire")
        self._until = time.monotonic() + self._timeout_s
        try:
            if not (self.address.tls or self._follows):
                self._feed()
            reply = self._reader.gets()
            if reply is _INCOMPLETE:
                reply = self._read_on()
        except OSError as error:
            raise self._lost(error) from None
        self._owes, self._then = self._then, ""
        self._follows = self._owes != ""
        return reply

    def _feed(self) -> None:
        size = self._socket.recv_into(self._buffer)  # type: ignore[union-attr]
        if not size:
            raise ConnectionResetError(errno.ECONNRESET, "closed the connection")
        self._reader.feed(self._buffer, 0, size)  # type: ignore[arg-type]  # any buffer will do

    def _read_on(self) -> Reply:
        """Read until a reply is whole, though it come byte by byte, but never past ``_until``."""
        connection = self._socket
        assert connection is not None
        while (reply := self._reader.gets()) is _INCOMPLETE:
            left_s = self._until - time.monotonic()
            if left_s <= 0:
                raise TimeoutError
            connection.settimeout(min(left_s, LOOK_S))
            try:
                self._feed()
            except TimeoutError:
                continue
        self._rest(connection)
        return reply

    def _rest(self, connection: socket.socket) -> None:
        """Let waits end by ``timeout_s``: by the kernel's clock where it can, that saves a poll."""
        if self.address.tls:
            connection.settimeout(self._timeout_s)
        else:
            connection.settimeout(None)

    def _introduce(self) -> None:
        """Log in, choose the database, give a name: together one round trip, mostly none."""
        address = self.address
        commands: list[tuple[str | int, ...]] = []
        if address.username or address.password:
            user = (address.username,) if address.username else ()
            commands.append(("AUTH", *user, address.password or ""))
        if address.db:
            commands.append(("SELECT", address.db))
        if self._name:
            commands.append(("CLIENT", "SETNAME", self._name))
        if self._check_version:
            commands.append(VERSION)
        if address.tls and not commands:
            commands.append(("PING",))  # takes the session tickets in, which would wake a select
        if not commands:
            return
        assert self._socket is not None
        self._socket.sendall(b"".join(map(pack, commands)))
        self._until = time.monotonic() + self._timeout_s
        for command in commands:
            reply = self._read_on()
            if not isinstance(reply, _ErrorReply):
                if command is VERSION:
                    words.check_version(address, reply)
            elif command is not VERSION or not str(reply).startswith("NOPERM"):
                raise words.refusal(address, str(command[0]), str(reply))

    def _evaluate(self, operation: Operation[Any]) -> Reply:
        """Send the script itself, to a server that doesn't know it (yet, or any more)."""
        self._transmit(with_source(operation), operation.script.name)
        return self._receive()

    def _lost(self, error: OSError) -> HorusError:
        self.close()
        return words.lost(self.address, error)

    def _refused(self, what: str, reply: _ErrorReply) -> HorusError:
        # the next call may find another server here; and where a job wrote into a number that it
        # had closed, this answers its words: each reply after it would be taken for the next call's
        self.close()
        return words.refusal(self.address, what, str(reply))


def _reader() -> hiredis.Reader:
    return hiredis.Reader(protocolError=OSError, replyError=_ErrorReply, notEnoughData=_INCOMPLETE)


def _open(address: Address, timeout_s: float) -> socket.socket:
    """Connect a socket whose waits are limited; verify the server where the address says TLS."""
    if address.path is not None:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    else:
        # bytes where they will do: text makes getaddrinfo import the tables of idna
        host: Any = address.host.encode() if address.host.isascii() else address.host
        connection = socket.create_connection((host, address.port), timeout_s)
    try:
        connection.settimeout(timeout_s)
        _limit(connection, timeout_s)
        if address.path is not None:
            _connect(connection, address.path)
            return connection
        _keep_alive(connection)
        return _encrypt(connection, address) if address.tls else connection
    except OSError:
        connection.close()
        raise


def _connect(connection: socket.socket, path: str) -> None:
    if len(path.encode()) <= SHORT:
        connection.connect(path)
    else:
        with short_socket_path(path) as short:
            connection.connect(short)


def _limit(connection: socket.socket, timeout_s: float) -> None:
    """Set the kernel's timeout, for when Python's is lifted."""
    interval = struct.pack("ll", int(timeout_s), int(timeout_s % 1 * 1_000_000))
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, interval)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, interval)


def _keep_alive(connection: socket.socket) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEPALIVE:
        if (option := getattr(socket, name, None)) is not None:
            connection.setsockopt(socket.IPPROTO_TCP, option, value)


def _encrypt(connection: socket.socket, address: Address) -> socket.socket:
    import ssl

    context = ssl.create_default_context(cafile=address.ssl_ca_certs)
    context.check_hostname = address.ssl_check_hostname
    if address.ssl_certfile:
        context.load_cert_chain(address.ssl_certfile, address.ssl_keyfile)
    return context.wrap_socket(connection, server_hostname=address.host)
