"""retry, discard: an operator's word about one job."""

from __future__ import annotations

import pytest

from horus_supervisor.lifecycle import JobState
from horus_supervisor.store import operations
from horus_supervisor.store.rows import Slot
from tests.support.store import HOUR_MS, QUEUE, Store, claimed


@pytest.fixture
def slot(store: Store) -> Slot:
    return store.member()


def bring(store: Store, slot: Slot, state: str) -> None:
    """Make a job ``a`` that is in this state."""
    store.add("a", max_attempts=1, delay_ms=HOUR_MS if state == "scheduled" else None)
    if state in ("running", "dead", "succeeded", "discarded"):
        store.run(store.claim(slot))
    if state == "dead":
        store.run(store.crash(slot))
    if state in ("succeeded", "discarded"):
        store.run(store.finish(slot, outcome=state))


def test_a_dead_job_gets_a_new_life_whose_history_and_fence_go_on(store: Store, slot: Slot) -> None:
    bring(store, slot, "dead")
    assert store.repeated_once(operations.retry(store.namespace, "a")) == ("ok", "ready")
    found = store.found("a")
    assert found.job is not None
    assert (found.job.attempts, found.job.crashes, found.job.fence) == (0, 0, 1)
    assert [note.what for note in found.history] == ["crashed", "retried"]
    assert store.tokens() == 1
    job = claimed(store.run(store.claim(store.member(1))))
    assert (job.attempt, job.fence) == (1, 2)


def test_a_retried_job_runs_behind_what_waits(store: Store, slot: Slot) -> None:
    bring(store, slot, "dead")
    store.add("b")
    store.run(operations.retry(store.namespace, "a"))
    assert store.ready() == ["b", "a"]


def test_a_scheduled_job_is_retried_now_and_keeps_its_counts(store: Store, slot: Slot) -> None:
    store.add("a")
    store.run(store.claim(slot))
    store.run(store.fail(slot))
    assert store.repeated_once(operations.retry(store.namespace, "a")) == ("ok", "ready")
    found = store.found("a")
    assert found.job is not None
    assert (found.job.attempts, found.job.fence) == (1, 1)


@pytest.mark.parametrize("state", ["ready", "running", "succeeded", "discarded"])
def test_a_job_in_another_state_is_not_retried(store: Store, slot: Slot, state: str) -> None:
    bring(store, slot, state)
    assert store.without_effect(operations.retry(store.namespace, "a")) == state


def test_a_late_copy_of_a_retry_does_not_revive_the_job_once_more(store: Store, slot: Slot) -> None:
    bring(store, slot, "dead")
    found = store.found("a")
    assert found.job is not None
    call = operations.retry(store.namespace, "a", found.job.fence)
    assert store.run(call) == "ok"
    successor = store.member(incarnation=2)
    store.run(store.claim(successor))
    assert store.without_effect(call) == "running"
    store.run(store.crash(successor))
    assert store.state("a") == JobState.DEAD
    assert store.without_effect(call) == "stale"


def test_a_late_copy_of_a_discard_does_not_hit_a_later_end(store: Store, slot: Slot) -> None:
    store.add("a", max_attempts=1)
    call = operations.discard(store.namespace, "a", 0)
    store.run(store.claim(slot))
    assert store.without_effect(call) == "running"
    store.run(store.crash(slot))
    assert store.state("a") == JobState.DEAD
    assert store.without_effect(call) == "stale"


def test_an_unknown_job_is_neither_retried_nor_discarded(store: Store) -> None:
    assert store.without_effect(operations.retry(store.namespace, "a")) == "unknown"
    assert store.without_effect(operations.discard(store.namespace, "a")) == "unknown"


@pytest.mark.parametrize("state", ["ready", "scheduled", "dead"])
def test_a_job_that_does_not_run_is_discarded_and_counted(
    store: Store, slot: Slot, state: str
) -> None:
    bring(store, slot, state)
    call = operations.discard(store.namespace, "a")
    assert store.repeated_once(call) == ("ok", "discarded")
    assert store.state("a") == JobState.DISCARDED
    assert store.counts() == {
        "enqueued": 1,
        "discarded": 1,
        "ready": 0,
        "scheduled": 0,
        "running": 0,
        "succeeded": 0,
        "dead": 0,
    }
    assert store.found("a").history == ()
    assert store.without_effect(store.enqueue("a")) is False


@pytest.mark.parametrize("state", ["running", "succeeded", "discarded"])
def test_a_job_that_runs_or_ended_is_not_discarded(store: Store, slot: Slot, state: str) -> None:
    bring(store, slot, state)
    assert store.without_effect(operations.discard(store.namespace, "a")) == state


def test_discarding_one_of_many_leaves_the_others(store: Store) -> None:
    store.add("a", "b", "c")
    store.run(operations.discard(store.namespace, "b"))
    assert store.ready(QUEUE) == ["a", "c"]
