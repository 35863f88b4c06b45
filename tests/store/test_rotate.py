"""rotate: how long an ended job's id is known."""

from __future__ import annotations

import pytest

from horus_supervisor.lifecycle import JobState
from horus_supervisor.store import operations
from horus_supervisor.store.rows import Slot
from tests.support.store import Store


@pytest.fixture
def slot(store: Store) -> Slot:
    """A runner, after ``a`` succeeded."""
    slot = store.member()
    store.add("a")
    store.run(store.claim(slot))
    store.run(store.finish(slot))
    return slot


def test_the_first_rotation_keeps_what_ended_before(store: Store, slot: Slot) -> None:
    assert store.run(operations.rotate(store.namespace)) == "ok"
    assert store.state("a") == JobState.SUCCEEDED


def test_a_second_keeper_does_not_rotate_again(store: Store, slot: Slot) -> None:
    call = operations.rotate(store.namespace)
    assert store.repeated_once(call) == ("ok", "early")
    assert store.state("a") == JobState.SUCCEEDED


def test_an_id_is_known_for_keep_finished_at_least(store: Store, slot: Slot) -> None:
    store.rotate()
    store.age(59_000)
    assert store.without_effect(operations.rotate(store.namespace)) == "early"
    store.age(1000)
    assert store.run(operations.rotate(store.namespace)) == "ok"
    assert store.state("a") == JobState.UNKNOWN


def test_what_ended_between_rotations_is_kept_by_the_next(store: Store, slot: Slot) -> None:
    store.rotate()
    store.add("b")
    store.run(store.claim(slot, 3))
    store.run(store.finish(slot, 4, "discarded"))
    store.age(60_000)
    store.rotate()
    assert (store.state("a"), store.state("b")) == (JobState.UNKNOWN, JobState.DISCARDED)


def test_a_clock_that_was_set_back_does_not_stop_rotation(store: Store, slot: Slot) -> None:
    store.rotate()
    store.age(-86_400_000)
    assert store.run(operations.rotate(store.namespace)) == "ok"


def test_a_rotation_with_nothing_ended_forgets_what_is_old(store: Store, slot: Slot) -> None:
    for _ in range(3):
        store.rotate()
        store.age(60_000)
    assert [key for key in store.contents() if key.startswith("finished")] == []
