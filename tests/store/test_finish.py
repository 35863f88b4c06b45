"""finish: the held job ends, and the next one is claimed, in one step."""

from __future__ import annotations

import pytest

from horus_supervisor.lifecycle import JobState
from horus_supervisor.store.rows import Slot
from tests.support.store import NO_MEMBER, STALE, Store, claimed, empty


@pytest.fixture
def slot(store: Store) -> Slot:
    """A runner that holds ``a``, with ``b`` waiting."""
    slot = store.member()
    store.add("a", "b")
    store.run(store.claim(slot))
    return slot


@pytest.mark.parametrize("outcome", ["succeeded", "discarded"])
def test_the_job_ends_so_and_the_next_is_claimed(store: Store, slot: Slot, outcome: str) -> None:
    turn = store.repeated(store.finish(slot, outcome=outcome))
    assert claimed(turn).job_id == "b"
    assert store.state("a") == outcome
    assert store.state("b") == JobState.RUNNING
    assert store.counts()[outcome] == 1


def test_the_last_job_ends_and_nothing_is_claimed_by_a_repeat(store: Store, slot: Slot) -> None:
    store.run(store.finish(slot))
    assert empty(store.run(store.finish(slot, 3)), "done")
    store.add("c")
    assert empty(store.without_effect(store.finish(slot, 3)), "done")
    assert store.state("c") == JobState.READY


def test_a_runner_that_is_to_stop_finishes_without_claiming(store: Store, slot: Slot) -> None:
    assert empty(store.repeated(store.finish(slot, queues=[])), "done")
    assert store.state("b") == JobState.READY


def test_the_repeat_of_a_stopping_runner_tells_of_the_job_it_claimed_before(
    store: Store, slot: Slot
) -> None:
    store.run(store.finish(slot))
    assert claimed(store.without_effect(store.finish(slot, queues=[]))).job_id == "b"


def test_a_finish_without_a_job_is_stale(store: Store) -> None:
    slot = store.member()
    assert store.without_effect(store.finish(slot, 1)) == STALE


def test_a_late_finish_does_not_end_the_next_job(store: Store, slot: Slot) -> None:
    store.run(store.finish(slot, 2))
    store.run(store.finish(slot, 3))
    assert store.without_effect(store.finish(slot, 2)) == STALE


def test_a_finish_ahead_of_its_turn_is_stale(store: Store, slot: Slot) -> None:
    assert store.without_effect(store.finish(slot, 3)) == STALE


def test_a_finish_of_who_does_not_hold_the_job_is_stale(store: Store, slot: Slot) -> None:
    other = store.member(1)
    assert store.without_effect(store.finish(other, 1)) == STALE
    assert store.without_effect(store.finish(Slot("sup", 0, 2), 2)) == STALE
    assert store.without_effect(store.finish(Slot("who", 0, 1), 2)) == NO_MEMBER


def test_a_finish_after_the_crash_was_recorded_is_stale(store: Store, slot: Slot) -> None:
    store.run(store.crash(slot))
    assert store.without_effect(store.finish(slot)) == STALE


def test_a_finish_after_retire_is_no_members(store: Store, slot: Slot) -> None:
    store.run(store.retire())
    assert store.without_effect(store.finish(slot)) == NO_MEMBER


def test_nothing_is_left_of_a_job_that_failed_first_and_then_succeeded(store: Store) -> None:
    slot = store.member()
    store.add("a")
    store.run(store.claim(slot))
    store.run(store.fail(slot, 2, queues=[]))
    store.make_due("a")
    store.promote()
    store.run(store.claim(slot, 3))
    assert len(store.found("a").history) == 1
    store.run(store.finish(slot, 4, queues=[]))
    assert [key for key in store.contents() if key.startswith(("jobs", "history"))] == []


def test_a_finish_takes_no_token_and_leaves_none(store: Store, slot: Slot) -> None:
    assert store.take_token()
    store.add("c")
    assert store.tokens() == 1
    store.run(store.finish(slot))
    assert store.tokens() == 1


def test_a_job_that_ended_is_unknown_after_two_rotations(store: Store, slot: Slot) -> None:
    store.run(store.finish(slot, queues=[]))
    store.rotate()
    assert store.state("a") == JobState.SUCCEEDED
    store.age(60_000)
    store.rotate()
    assert store.state("a") == JobState.UNKNOWN
