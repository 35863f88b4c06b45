"""Words to systemd, as far as one socket goes."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from horus_supervisor import logs
from horus_supervisor.clock import SystemClock
from horus_supervisor.supervisor.notify import Notifier
from horus_supervisor.supervisor.standing import Standing
from tests.unit.test_probe import WELL


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """One that does not listen until it is bound to what ``NOTIFY_SOCKET`` names."""
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.setblocking(False)
        yield manager


def heard(manager: socket.socket) -> list[str]:
    """All that came, but for statuses: the first word of each message."""
    words = []
    try:
        while True:
            words.append(manager.recv(1000).decode().splitlines()[0])
    except BlockingIOError:
        return [word for word in words if not word.startswith("STATUS=")]


def test_what_finds_nobody_is_said_again_in_its_order(
    manager: socket.socket, tmp_path: Path
) -> None:
    notifier = Notifier()
    notifier.say("RELOADING=1")
    notifier.say("READY=1")
    manager.bind(str(tmp_path / "notify"))
    notifier.turned(1.0)
    assert heard(manager) == ["RELOADING=1", "READY=1"]
    notifier._socket.close()


def test_the_watchdog_is_fed_three_times_in_its_time(
    manager: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "3000000")
    manager.bind(str(tmp_path / "notify"))
    notifier = Notifier()
    for half in range(2, 9):
        notifier.turned(half / 2)
    assert heard(manager) == ["WATCHDOG=1"] * 4
    notifier._socket.close()


def test_a_reload_is_over_once_all_that_came_of_it_is(
    manager: socket.socket, tmp_path: Path
) -> None:
    manager.bind(str(tmp_path / "notify"))
    standing, log = Standing(tmp_path, SystemClock()), logs.bind(lambda _: None, {})
    standing.look(WELL, "s", log, 1.0)
    standing.reload_begins()
    standing.look(replace(WELL, reloading=True), "s", log, 2.0)
    assert heard(manager) == ["READY=1", "RELOADING=1"]
    standing.look(WELL, "s", log, 3.0)
    assert heard(manager) == ["READY=1"]
    standing._notifier._socket.close()


def test_ready_is_said_by_a_service_that_is_and_by_none_that_stops(
    manager: socket.socket, tmp_path: Path
) -> None:
    manager.bind(str(tmp_path / "notify"))
    standing, log = Standing(tmp_path, SystemClock()), logs.bind(lambda _: None, {})
    standing.reload_begins()
    standing.look(replace(WELL, registered=False), "s", log, 1.0)
    assert heard(manager) == []
    standing.look(WELL, "s", log, 2.0)
    standing.reload_begins()
    standing.stop_begins()
    standing.look(replace(WELL, stopping=True), "s", log, 3.0)
    assert heard(manager) == ["READY=1", "RELOADING=1", "STOPPING=1"]
    standing._notifier._socket.close()
