"""``AsyncClient`` under ``Client``'s face, so that one suite tests both."""

from __future__ import annotations

import asyncio
import dataclasses
import inspect
from collections.abc import Callable
from typing import Any

from horus_supervisor import AsyncClient, AsyncJobHandle, Client, Job
from horus_supervisor.store import operations

KINDS = ("client", "async client")

Make = Callable[..., Any]
"""Takes ``Client``'s arguments."""


class EmailJob(Job, queue="emails", name="clients.EmailJob"):
    recipient: str
    size: int = 0

    def execute(self) -> None: ...


class ReportJob(Job, queue="reports", name="clients.ReportJob"):
    number: int

    def execute(self) -> None: ...


class Awaited:
    """An ``AsyncClient`` whose methods are driven by an event loop of its own, one at a time."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self._client = AsyncClient(*args, **options)
        self._loop = asyncio.Runner()

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._client, name)
        if not inspect.iscoroutinefunction(value):
            return value
        return lambda *args, **options: self._faced(self._loop.run(value(*args, **options)))

    def __enter__(self) -> Awaited:
        self._loop.run(self._client.__aenter__())
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.run(self._client.__aexit__())
        self._loop.close()

    def __repr__(self) -> str:
        return repr(self._client)

    def _faced(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._faced(one) for one in value]
        return Handle(value, self._loop) if isinstance(value, AsyncJobHandle) else value


@dataclasses.dataclass(frozen=True)
class Handle:
    """An ``AsyncJobHandle`` under ``JobHandle``'s face."""

    awaited: AsyncJobHandle
    loop: asyncio.Runner

    @property
    def id(self) -> str:
        return self.awaited.id

    @property
    def queue(self) -> str:
        return self.awaited.queue

    @property
    def created(self) -> bool | None:
        return self.awaited.created

    def status(self) -> str:
        return self.loop.run(self.awaited.status())


def maker(kind: str) -> Make:
    """Tell what makes a client of a kind."""
    return Client if kind == "client" else Awaited


class Waiting:
    """What waits in Redis, seen behind a client's back."""

    def __init__(self, raw: Any, namespace: str) -> None:
        self._raw = raw
        self._prefix = operations.prefix(namespace)

    def on(self, queue: str = "emails") -> list[str]:
        """List the ids that wait on a queue, in the order in which they were enqueued."""
        ids = self._raw.lrange(f"{self._prefix}ready:{queue}", 0, -1)
        return [one.decode() for one in reversed(ids)]

    def keys(self) -> list[bytes]:
        """List all keys of the namespace."""
        keys: list[bytes] = self._raw.keys(f"{self._prefix}*")
        return keys
