"""What is well and what not: the bounds of it, without a Redis."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from horus_supervisor.cli.house import (
    Heard,
    House,
    Queue,
    Refused,
    Runner,
    Supervisor,
    Told,
    ToldRunner,
)
from horus_supervisor.cli.verdict import blaming, judge, state_of
from horus_supervisor.lifecycle import ON_CRASH
from horus_supervisor.store.overview import SupervisorRow


def queue(**counts: Any) -> Queue:
    return dataclasses.replace(Queue("q", 1, 0.0, 0, 0, 0, 1, 1), **counts)


def house(told: dict[str, Any] | None = None, **counts: Any) -> House:
    """One queue and one service that serves it, which tells more of itself, or none (None)."""
    runner = Runner(ToldRunner(queues=("q",)), "idle", None, None, None, None)
    facts = {"host": "w1", "queues": ("q",), "groups": {"q": 1}, **(told or {})}
    service = Supervisor("s", Told(**facts), 0, 30.0, False, (runner,))
    return House(0, (queue(**counts),), () if told is None else (service,))


@pytest.mark.parametrize(
    ("seconds", "state", "well"),
    [(59.9, "ok", True), (60, "late", True), (299.9, "late", True), (300, "late", False)],
)
def test_a_queue_is_late_after_a_minute_and_not_well_after_five(
    seconds: float, state: str, well: bool
) -> None:
    seen = house({}, oldest_ready_s=seconds)
    assert (state_of(seen, seen.queues[0], []), judge(seen, []).well) == (state, well)


def test_a_job_is_overdue_after_a_minute_where_a_service_lives() -> None:
    assert judge(house({}, overdue_s=59.9), []).well
    assert "no keeper moves it" in judge(house({}, overdue_s=60), []).reasons[0]
    assert judge(house(None, overdue_s=60), []).reasons == ("no service runs, and 1 job waits",)


@pytest.mark.parametrize(
    "told",
    [{"unread": True, "not_ready": "its log is full"}, {"refused": Refused(error="SyntaxError")}],
)
def test_what_a_service_lacks_is_no_matter_once_it_stops(told: dict[str, Any]) -> None:
    assert not judge(house(told, ready=0), []).well
    assert judge(house({**told, "stopping": True}, ready=0), []).well


@pytest.mark.parametrize(("quiet_s", "silent"), [(0, False), (15, False), (15.1, True)])
def test_a_keeper_is_silent_after_half_a_lease(quiet_s: float, silent: bool) -> None:
    row = SupervisorRow("s", 0, 30_000, 0, {})
    assert Heard({"horus:s:keeper": quiet_s}).silent(row) is silent
    assert Heard({"horus:other:keeper": quiet_s}).silent(row)
    assert not Heard(None).silent(row)


def test_of_a_silent_service_no_runner_counts_as_alive() -> None:
    [service] = house({}).supervisors
    assert (service.alive, dataclasses.replace(service, silent=True).alive) == (1, 0)


def test_what_tells_a_class_of_its_crash_is_imported_by_every_service() -> None:
    seen = house({"jobs": ("a.A",)})
    assert seen.strangers({"q": ["a.A", "b.B", ON_CRASH]}) == [("q", "b.B")]


@pytest.mark.parametrize(
    ("cause", "blames"),
    [("signal", False), ("oom", False), ("timeout", True), ("memory", True), ("host_lost", False)],
)
def test_a_class_with_a_success_since_is_to_blame_for_what_is_not_counted_so(
    cause: str, blames: bool
) -> None:
    record = {"cause": cause, "job": "a.A"}
    assert blaming([record], {"b.B"}) == [record] * blames
    assert blaming([record], {"a.A"}) == [record] * (cause != "host_lost")
