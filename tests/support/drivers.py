"""All drivers under one face, and calls to try them with."""

from __future__ import annotations

import asyncio
import contextlib
import traceback
from typing import Any, Protocol, TypeVar

from horus_supervisor.address import parse_url
from horus_supervisor.errors import RedisAway, ReplyLost
from horus_supervisor.store import async_connection
from horus_supervisor.store.async_connection import AsyncConnection
from horus_supervisor.store.connection import connect
from horus_supervisor.store.operation import Operation, Script
from horus_supervisor.store.wire import Wire
from tests.support.waiting import wait_until

T = TypeVar("T")

KINDS = ("connection", "wire")
"""Those that Horus's own processes use."""

ALL_KINDS = (*KINDS, "async")

ECHO = "return {KEYS[1], unpack(ARGV)}"
COUNT = "return {redis.call('INCR', KEYS[1] .. 'count')}"
READ = "return {tonumber(redis.call('GET', KEYS[1] .. 'count') or 0)}"
PASSWORD = "hunter" + "2"  # in two pieces, so that a traceback's source lines don't have it
GUEST = "pass" + "guest"
SPIN = "while redis.call('EXISTS', KEYS[1] .. 'never') == 0 do end"


class Driver(Protocol):
    def run(self, operation: Operation[T]) -> T: ...
    def close(self) -> None: ...


class Open(Protocol):
    def __call__(self, url: str, *, timeout_s: float = 5.0, name: str | None = None) -> Driver: ...


def operation(source: str, namespace: str, *args: str | bytes | int) -> Operation[Any]:
    """Make a call of a source text; its one value is the result, or all where there are more."""
    script = Script.of("probe", source)
    return Operation(script, f"{{{namespace}}}:", args, lambda r: r[0] if len(r) == 1 else r)


class Awaited:
    """The driver on asyncio, driven from outside by an event loop of its own."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._loop = asyncio.Runner()
        self._closed = False

    def run(self, operation: Operation[T]) -> T:
        return self._loop.run(self._connection.run(operation))

    def close(self) -> None:
        if not self._closed:
            self._loop.run(self._connection.close())
            self._loop.close()
        self._closed = True


def open_driver(kind: str, url: str, timeout_s: float, name: str | None) -> Driver:
    if kind == "wire":
        return Wire(parse_url(url), timeout_s=timeout_s, name=name, check_version=True)
    if kind == "async":
        return Awaited(async_connection.connect(url, timeout_s=timeout_s, name=name))
    return connect(url, timeout_s=timeout_s, name=name)


def warm(driver: Driver) -> Driver:
    """Make the first call, so that the next thing sent is the call that a test is about."""
    answer(driver, operation("return {1}", "warm"))
    return driver


def answer(driver: Driver, call: Operation[T]) -> T:
    """Make a call that may be repeated: on a busy machine a short timeout may be too short."""
    got: list[T] = []

    def answered() -> bool:
        with contextlib.suppress(ReplyLost, RedisAway):  # too short for a connect, too
            got.append(driver.run(call))
        return bool(got)

    wait_until(answered, "an answer in time")
    return got[0]


def told(error: BaseException) -> str:
    """All that a log would show of an error."""
    return "".join(traceback.format_exception(error)) + repr(error)
