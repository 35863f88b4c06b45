"""The loop itself: what can not happen is told and outlived, as long as it stays rare."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from horus_supervisor import logs, messages
from horus_supervisor.supervisor.credit import Credit, Credits
from horus_supervisor.supervisor.outlet import Outlet
from horus_supervisor.supervisor.program import Ways
from horus_supervisor.supervisor.service import Supervisor
from horus_supervisor.supervisor.standing import Standing
from tests.support.outlets import fill, outlet, reader

if TYPE_CHECKING:
    from horus_supervisor.supervisor.programs import Template

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
        log, nothing = logs.bind(self.lines.append, {}), cast("Any", None)
        self._ways = Ways(nothing, nothing, log, log)

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


def test_a_fork_that_fails_is_charged_as_a_death_is() -> None:
    supervisor = Faulty()
    group, seat = SimpleNamespace(name="q", runners=1), SimpleNamespace(ready_at=0.0)
    seat.group = group
    supervisor._settings = SimpleNamespace(config=SimpleNamespace(groups=[group]))  # type: ignore[assignment]
    supervisor._crew = SimpleNamespace(template_answered=lambda *_: None)  # type: ignore[assignment]
    supervisor._generations = SimpleNamespace(not_forked=lambda *_: None)  # type: ignore[assignment]
    supervisor._births = SimpleNamespace(  # type: ignore[assignment]
        checked=lambda told: told, failed=lambda *_: seat
    )
    supervisor._credits = Credits()
    failed, waits = messages.SpawnFailed(slot=1, incarnation=1, error="no memory"), []
    for _ in range(5):
        supervisor._hear_template(cast("Template", None), failed)
        waits.append(round(seat.ready_at - supervisor.clock.now, 3))
        supervisor.clock.now = seat.ready_at
    assert waits == [0.1, 0.1, 0.5, 1.0, 2.0]
    assert [told["event"] for told in supervisor.told()] == ["supervisor.starved"] * 5


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


def test_a_redis_that_refuses_us_ends_a_start_and_no_service_that_has_served() -> None:
    stops: list[str] = []

    class Refused(Faulty):
        def stop(self, why: str, now: float) -> None:
            stops.append(why)

    supervisor = Refused()
    supervisor._failed = False
    for was_ready in (True, False):
        assert (supervisor._failed, stops) == (False, [])
        standing: Any = SimpleNamespace(was_ready=was_ready)
        supervisor._standing = standing
        supervisor._hear_keeper(messages.RedisRefusedUs(error="NOAUTH"))
    assert (supervisor._failed, stops) == (True, ["Redis refuses us"])
