"""A stop that goes on: how long it waits for keepers, and for how many."""

from __future__ import annotations

from horus_supervisor.supervisor.stop import KEEPER_GOODBYE_S, LAST_KEEPER_GOODBYE_S, Stop


def test_a_goodbye_begins_once() -> None:
    stop = Stop(interrupt_at=0.0)
    assert stop.begin_goodbye(10.0)
    assert not stop.begin_goodbye(12.0)
    assert (stop.goodbye_at, stop.keeper_by) == (10.0, 10.0 + KEEPER_GOODBYE_S)


def test_two_keepers_follow_one_that_died_and_a_last_one_follows_one_that_hung() -> None:
    stop = Stop(interrupt_at=0.0)
    stop.begin_goodbye(10.0)
    stop.another_keeper(11.0)
    assert (stop.keepers, stop.keeper_by) == (1, 10.0 + KEEPER_GOODBYE_S)
    stop.another_keeper(20.0)
    assert (stop.keepers, stop.keeper_by) == (0, 20.0 + LAST_KEEPER_GOODBYE_S)
    other = Stop(interrupt_at=0.0, keeper_by=10.0)
    other.another_keeper(11.0)
    assert other.keepers == 0
