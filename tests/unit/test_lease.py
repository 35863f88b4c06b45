"""The lease: when another supervisor counts as gone, and when our own may be renewed."""

from __future__ import annotations

from horus_supervisor.keeper.lease import Observer, Turning
from horus_supervisor.store.overview import SupervisorRow


def row(name: str, beat: int, lease_s: float = 30) -> SupervisorRow:
    return SupervisorRow(name, beat, int(lease_s * 1000), 0, {})


def names(rows: list[SupervisorRow]) -> list[str]:
    return [found.supervisor for found in rows]


def test_a_heart_that_stands_still_for_a_full_lease_is_late() -> None:
    observer = Observer()
    assert observer.look([row("a", 5)], 100) == []
    assert observer.look([row("a", 5)], 129.9) == []
    assert names(observer.look([row("a", 5)], 130)) == ["a"]


def test_a_heart_that_moves_is_never_late() -> None:
    observer = Observer()
    for beat in range(100):
        assert observer.look([row("a", beat)], beat * 29.0) == []


def test_any_change_of_the_counter_counts_backwards_too() -> None:
    observer = Observer()
    observer.look([row("a", 5)], 0)
    observer.look([row("a", 1)], 29)
    assert observer.look([row("a", 1)], 58) == []


def test_each_is_measured_by_its_own_lease() -> None:
    observer = Observer()
    rows = [row("short", 1, lease_s=2), row("long", 1, lease_s=60)]
    observer.look(rows, 0)
    assert names(observer.look(rows, 3)) == ["short"]


def test_a_late_one_is_told_again_until_it_is_gone() -> None:
    observer = Observer()
    observer.look([row("a", 1)], 0)
    assert names(observer.look([row("a", 1)], 31)) == ["a"]
    assert names(observer.look([row("a", 1)], 33)) == ["a"]
    assert observer.look([], 35) == []


def test_one_that_was_gone_and_is_back_is_observed_afresh() -> None:
    observer = Observer()
    observer.look([row("a", 1)], 0)
    observer.look([], 20)
    assert observer.look([row("a", 1)], 31) == []


def test_an_outage_starts_the_observation_over() -> None:
    observer = Observer()
    observer.look([row("a", 1)], 0)
    observer.forget()
    assert observer.look([row("a", 1)], 31) == []
    assert names(observer.look([row("a", 1)], 61)) == ["a"]


def test_a_loop_that_turns_is_alive() -> None:
    turning = Turning(15)
    assert all(turning.alive(ticks, ticks * 14.0) for ticks in range(20))


def test_a_loop_that_stands_still_is_not_alive_until_it_turns_again() -> None:
    turning = Turning(15)
    assert turning.alive(7, 100)
    assert turning.alive(7, 114)
    assert not turning.alive(7, 115)
    assert turning.alive(8, 200)


def test_a_loop_that_never_turned_is_given_its_time_once() -> None:
    turning = Turning(15)
    assert turning.alive(0, 1000)
    assert not turning.alive(0, 1015)
