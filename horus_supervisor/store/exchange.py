"""What is said on one of redis-py's connections, whether it is awaited or not; no I/O.

A ``Talk`` yields commands to send, one or more, and is sent as many replies, an error that
Redis answered among them as redis-py's exception. Drivers carry talks out; what a broken one means
is decided here too.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from typing import Any, NamedTuple, TypeVar

from horus_supervisor.address import Address
from horus_supervisor.errors import HorusError, RedisAway, RedisRefused
from horus_supervisor.store import words
from horus_supervisor.store.encoding import Encoder, pack, with_source
from horus_supervisor.store.links import CONNECTIONS
from horus_supervisor.store.operation import Operation, Reply

T = TypeVar("T")


class Said(NamedTuple):
    """What to send, encoded piece by piece so that Redis works meanwhile, and replies to read."""

    pieces: Iterable[bytes]
    replies: int


Talk = Generator[Said, list[Reply], T]

PIECE = 100
"""Commands sent at once."""


class Progress:
    """How far a call got, and a block in which redis-py's errors become Horus's.

    The caller ends ``waiting`` once it has a connection, and sets ``sent`` just before it sends:
    that decides what a broken connection means.
    """

    __slots__ = ("_address", "_what", "sent", "waiting")

    def __init__(self, address: Address, what: str) -> None:
        self.waiting = True
        self.sent = False
        self._address = address
        self._what = what

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _stack: object) -> None:
        if error is None or isinstance(error, HorusError):  # of which some are an OSError
            return
        from redis.exceptions import RedisError  # here: an import costs each call 10 µs

        if isinstance(error, RedisError | OSError):
            raise self._in_words(error) from None  # its text may echo what was sent

    def _in_words(self, error: Exception) -> HorusError:
        from redis.exceptions import ConnectionError as Broken
        from redis.exceptions import InvalidResponse, ResponseError
        from redis.exceptions import TimeoutError as Late

        if getattr(error, "status_code", None) or isinstance(error, ResponseError):
            return _refused(self._address, self._what, error)
        if isinstance(error, (Broken, Late, InvalidResponse, OSError)):
            if self.waiting:
                return words.unreachable(
                    self._address, None, f"all {CONNECTIONS} connections are in use"
                )
            cause = _system_error(error)
            if self.sent:
                return words.lost(self._address, cause)
            return words.unreachable(self._address, cause)
        return RedisRefused(
            words.without_password(self._address, f"redis-py refused {self._what}: {error}")
        )


def call(
    operations: Sequence[Operation[T]], encoder: Encoder, address: Address
) -> Talk[list[T | HorusError]]:
    """Carry out operations: each one's result, or the error that Redis answered instead.

    In their order, but for those of a script that Redis didn't know: these come after the others.
    """
    replies = yield _said(encoder.call, operations)
    if strange := [i for i, reply in enumerate(replies) if _is_strange(reply)]:
        again = yield _said(with_source, [operations[i] for i in strange])
        for i, reply in zip(strange, again, strict=True):
            replies[i] = reply
    return [
        _refused(address, operation.script.name, reply)
        if isinstance(reply, Exception)
        else operation.read(reply)
        for operation, reply in zip(operations, replies, strict=True)
    ]


def _is_strange(reply: Reply) -> bool:
    if not isinstance(reply, Exception):
        return False
    from redis.exceptions import NoScriptError

    return isinstance(reply, NoScriptError)


def _said(encode: Callable[[Operation[Any]], bytes], operations: Sequence[Operation[Any]]) -> Said:
    starts = range(0, len(operations), PIECE)
    pieces = (b"".join(map(encode, operations[start : start + PIECE])) for start in starts)
    return Said(pieces, len(operations))


def check_version(address: Address) -> Talk[None]:
    """Refuse a server that is too old; who may not ask is believed. Raises: ``RedisRefused``."""
    from redis.exceptions import NoPermissionError

    [told] = yield Said([pack(("INFO", "server"))], 1)
    if isinstance(told, NoPermissionError):
        return
    if isinstance(told, Exception):
        raise _refused(address, "INFO server", told)
    words.check_version(address, told)


def another_server_may_help(outcomes: Sequence[object]) -> bool:
    """Tell whether this server doesn't serve now: the next call should look for it anew."""
    return any(isinstance(outcome, RedisAway) for outcome in outcomes)


def _refused(address: Address, what: str, error: Exception) -> HorusError:
    code = getattr(error, "status_code", None)
    return words.refusal(address, what, f"{code} {error}" if code else str(error))


def _system_error(error: BaseException | None) -> OSError | None:
    """Find the system's error below redis-py's."""
    seen = 0
    while error is not None and seen < 10:
        if isinstance(error, OSError):
            return error
        error, seen = error.__cause__ or error.__context__, seen + 1
    return None
