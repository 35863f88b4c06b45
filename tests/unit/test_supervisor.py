"""The loop itself: what can not happen is told and outlived, as long as it stays rare."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from horus_supervisor import logs, messages
from horus_supervisor.supervisor.credit import Credit
from horus_supervisor.supervisor.output import Outlet
from horus_supervisor.supervisor.service import Supervisor
from horus_supervisor.supervisor.standing import Standing
from tests.support.outlets import fill, outlet, reader

__all__ = ["outlet", "reader"]  # fixtures


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return self.now


class Faulty(Supervisor):
    """A supervisor that has nothing but a turn in which something can't happen."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.clock = Clock()
        self._clock = self.clock
        self._faults = Credit(3)
        self._log_first = logs.bind(self.lines.append, {})

    def turn(self, arrived: list[Callable[[], object]]) -> None:
        raise KeyError("seat")

    def told(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines]


def test_what_can_not_happen_is_told_with_its_place_and_outlived() -> None:
    supervisor = Faulty()
    supervisor._try_turn([])
    [told] = supervisor.told()
    assert told["event"] == "supervisor.fault"
    assert "KeyError: 'seat'" in told["traceback"]


def test_what_happens_again_and_again_ends_the_supervisor_instead_of_spinning() -> None:
    supervisor = Faulty()
    for _ in range(3):
        supervisor._try_turn([])
    with pytest.raises(KeyError):
        supervisor._try_turn([])


def test_no_runner_is_born_while_there_is_no_room_for_its_death(outlet: Outlet) -> None:
    supervisor = Faulty()
    supervisor._stop = None
    supervisor._settings = SimpleNamespace(
        seats={}, config=SimpleNamespace(supervisor=SimpleNamespace(import_timeout_s=1.0))
    )  # type: ignore[assignment]
    supervisor._generations = SimpleNamespace(  # type: ignore[assignment]
        wanted=1, proven=True, ready=[1]
    )
    supervisor._registered = True
    supervisor._outlet = outlet
    assert supervisor._wanted().may_spawn
    fill(outlet)
    assert not supervisor._wanted().may_spawn


def test_faults_that_come_now_and_then_are_outlived_for_ever() -> None:
    supervisor = Faulty()
    for _ in range(50):
        supervisor._try_turn([])
        supervisor.clock.now += 1.0


def test_what_the_keeper_of_an_id_that_we_had_before_says_late_registers_nobody(
    tmp_path: Path,
) -> None:
    supervisor = Faulty()
    supervisor.identity = messages.Identity(service="s", host="h", supervisor="new", level="info")
    supervisor._registered, supervisor._leftovers = False, ["older"]
    supervisor._standing = Standing(tmp_path, supervisor.clock)
    supervisor._hear_keeper(messages.Registered(supervisor="old"))
    assert (supervisor._registered, supervisor._leftovers) == (False, ["older"])
    supervisor._hear_keeper(messages.Registered(supervisor="new"))
    assert (supervisor._registered, supervisor._leftovers) == (True, [])
