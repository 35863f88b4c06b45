"""Services that only Redis tells of, without a process, and what ``horus`` makes of them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from horus_supervisor.address import parse_url
from horus_supervisor.store.wire import Wire
from tests.support.horus import Horus, Scene


@contextlib.contextmanager
def connected(url: str, name: str) -> Iterator[None]:
    """Be connected to Redis under a name."""
    wire = Wire(parse_url(url), name=name)
    wire.connect()
    with contextlib.closing(wire):
        yield


def runner(slot: int, **facts: Any) -> dict[str, Any]:
    """A runner as its supervisor tells of it."""
    told = {"runner": f"emails/{slot + 1}", "slot": slot, "group": "emails", "pid": 900 + slot}
    since = "2026-08-24T02:14:07.000000Z"
    return {**told, "queues": ["emails"], "state": "idle", "since": since, **facts}


def service(
    scene: Scene, name: str, *runners: dict[str, Any], queues: tuple[str, ...] = ()
) -> None:
    scene.beat(name, groups={"emails": len(runners)}, runners=list(runners), queues=queues)


def reasons(horus: Horus) -> list[str]:
    """The reasons why it isn't well; the exit status must say so too."""
    told = horus.json("status", "--check", code=3)
    assert told["healthy"] is False
    assert horus("status").stdout.startswith("NOT WELL  ")
    found: list[str] = told["reasons"]
    return found


def well(horus: Horus) -> str:
    """All that people are told where it is well."""
    text = horus("status", "--check").stdout
    assert text.startswith("OK  ")
    assert horus.json("status")["healthy"] is True
    lines = [line for line in text.splitlines() if not line.startswith("Next: ")]
    assert [line for line in lines if len(line) > 80] == []
    return text
