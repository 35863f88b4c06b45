"""release: a runner leaves, and hands back what it holds."""

from __future__ import annotations

import pytest

from horus_supervisor.lifecycle import JobState
from horus_supervisor.store.rows import Slot
from tests.support.store import Store, claimed


@pytest.fixture
def slot(store: Store) -> Slot:
    """A runner that holds ``a``, with ``b`` waiting."""
    slot = store.member()
    store.add("a", "b")
    store.run(store.claim(slot))
    return slot


@pytest.mark.parametrize("started", [False, True])
def test_a_held_job_goes_back_to_the_head_uncounted(
    store: Store, slot: Slot, started: bool
) -> None:
    assert store.repeated(store.release(slot, started=started)) == "requeued"
    assert store.ready() == ["a", "b"]
    found = store.found("a")
    assert found.job is not None
    assert (found.job.attempts, found.job.crashes, found.job.fence) == (0, 0, 1)
    assert [note.what for note in found.history] == (["interrupted"] if started else [])
    assert store.records() == []


def test_its_next_start_is_the_same_attempt_with_a_higher_fence(store: Store, slot: Slot) -> None:
    store.run(store.release(slot, started=True))
    job = claimed(store.run(store.claim(store.member(1))))
    assert (job.job_id, job.attempt, job.fence) == ("a", 1, 2)


def test_a_job_that_may_start_once_is_dead_once_it_was_started(store: Store) -> None:
    slot = store.member()
    store.add("a", max_attempts=1)
    store.run(store.claim(slot))
    assert store.repeated(store.release(slot, started=True)) == "dead"
    found = store.found("a")
    assert found.state == JobState.DEAD
    assert found.job is not None
    assert found.job.attempts == 1


def test_a_job_that_may_start_once_and_was_not_started_waits_on(store: Store) -> None:
    slot = store.member()
    store.add("a", max_attempts=1)
    store.run(store.claim(slot))
    assert store.repeated(store.release(slot, started=False)) == "requeued"
    assert claimed(store.run(store.claim(store.member(1)))).attempt == 1


def test_who_holds_nothing_leaves_with_nothing(store: Store) -> None:
    slot = store.member()
    assert store.repeated(store.release(slot, 1)) == "none"


def test_a_leaving_runner_passes_on_the_token_that_it_may_have_taken(
    store: Store, slot: Slot
) -> None:
    store.add("c", queue="other")
    assert store.take_token()
    assert store.take_token("other")
    idle = store.member(1)
    assert store.run(store.release(idle, 1, queues=["emails", "other"])) == "none"
    assert (store.tokens(), store.tokens("other")) == (1, 1)


def test_a_released_job_leaves_a_token(store: Store) -> None:
    slot = store.member()
    store.add("a")
    store.run(store.claim(slot))
    assert store.take_token()
    store.run(store.release(slot, queues=[]))
    assert store.tokens() == 1


def test_a_late_release_takes_nothing_from_who_holds_the_job_now(store: Store, slot: Slot) -> None:
    store.run(store.release(slot))
    other = store.member(1)
    store.run(store.claim(other))
    assert store.without_effect(store.release(slot)) == "requeued"
    store.member(incarnation=2)
    assert store.without_effect(store.release(slot)) == "stale"


def test_a_release_out_of_turn_or_by_a_stranger_changes_nothing(store: Store, slot: Slot) -> None:
    assert store.without_effect(store.release(slot, 1)) == "stale"
    assert store.without_effect(store.release(slot, 3)) == "stale"
    assert store.without_effect(store.release(Slot("sup", 0, 2), 2)) == "stale"
    assert store.without_effect(store.release(Slot("who", 0, 1), 2)) == "no member"


def test_a_release_after_the_crash_was_recorded_is_stale(store: Store, slot: Slot) -> None:
    store.run(store.crash(slot))
    assert store.without_effect(store.release(slot)) == "stale"


def test_a_release_after_leaving_is_stale(store: Store, slot: Slot) -> None:
    store.run(store.release(slot))
    assert store.without_effect(store.release(slot, 3)) == "stale"
