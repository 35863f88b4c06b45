"""join: who may claim."""

from __future__ import annotations

import pytest

from horus_supervisor.store import operations
from horus_supervisor.store.operation import Operation
from horus_supervisor.store.rows import Joined, Slot
from tests.support.store import NO_MEMBER, STALE, Store, claimed, empty


def join(store: Store, incarnation: int, number: int = 0) -> Operation[Joined]:
    return operations.join(store.namespace, Slot("sup", number, incarnation))


def test_a_runner_of_a_registered_supervisor_becomes_a_member(store: Store) -> None:
    slot = store.member()
    assert store.repeated(join(store, 1)).word == "ok"
    assert empty(store.run(store.claim(slot)))


def test_a_runner_of_an_unknown_supervisor_does_not(store: Store) -> None:
    assert store.without_effect(join(store, 1)).word == "no member"


def test_who_has_not_joined_claims_nothing(store: Store) -> None:
    store.add("a")
    assert store.without_effect(store.claim(Slot("sup", 0, 1))) == NO_MEMBER


@pytest.mark.parametrize("holding", [False, True])
def test_a_successor_waits_until_its_predecessors_death_is_recorded(
    store: Store, holding: bool
) -> None:
    slot = store.member()
    if holding:
        store.add("a")
    store.run(store.claim(slot))
    assert store.without_effect(join(store, 2)).word == "wait"
    store.run(store.crash(slot, executing=1))
    assert store.repeated(join(store, 2)).word == "ok"


def test_a_successor_follows_at_once_where_its_predecessor_left(store: Store) -> None:
    slot = store.member()
    store.run(store.release(slot, 1))
    assert store.run(join(store, 2)).word == "ok"


def test_a_late_join_of_a_dead_runner_is_stale(store: Store) -> None:
    slot = store.member()
    store.run(store.crash(slot, executing=0))
    assert store.without_effect(join(store, 1)).word == "stale"
    store.run(join(store, 2))
    assert store.without_effect(join(store, 1)).word == "stale"


def test_a_late_join_of_a_runner_that_left_is_stale(store: Store) -> None:
    slot = store.member()
    store.run(store.release(slot, 1))
    assert store.without_effect(join(store, 1)).word == "stale"


def test_a_late_join_after_retire_makes_no_member(store: Store) -> None:
    slot = store.member()
    store.run(store.retire())
    assert store.without_effect(join(store, 1)).word == "no member"
    assert store.without_effect(store.claim(slot)) == NO_MEMBER


def test_a_late_join_while_working_takes_nothing_away(store: Store) -> None:
    slot = store.member()
    store.add("a")
    store.run(store.claim(slot))
    assert store.without_effect(join(store, 1)).word == "ok"


def test_slots_of_a_supervisor_are_apart(store: Store) -> None:
    first, second = store.member(0), store.member(1)
    store.add("a", "b")
    assert claimed(store.run(store.claim(first))).job_id == "a"
    assert claimed(store.run(store.claim(second))).job_id == "b"


def test_a_call_of_an_earlier_incarnation_is_stale(store: Store) -> None:
    store.add("a")
    old = store.member()
    store.run(store.crash(old, executing=0))
    store.member(incarnation=2)
    assert store.without_effect(store.claim(old)) == STALE
