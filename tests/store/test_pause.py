"""Pausing, resuming and purging a queue."""

from __future__ import annotations

import pytest

from horus_supervisor.lifecycle import JobState
from horus_supervisor.store import operations
from tests.support.store import QUEUE, Store, claimed, empty
from tests.support.waiting import wait_until

FAR_MS = 10**13


def pause(store: Store) -> None:
    assert store.run(operations.pause(store.namespace, QUEUE)) == "ok"


def resume(store: Store) -> None:
    assert store.run(operations.resume(store.namespace, QUEUE)) == "ok"


def test_no_job_of_a_paused_queue_starts_and_they_go_on_in_their_order(store: Store) -> None:
    slot = store.member()
    store.add("a", "b")
    pause(store)
    store.add("c")
    assert empty(store.repeated(store.claim(slot)))
    assert store.state("a") == store.state("c") == JobState.READY
    resume(store)
    seen = [claimed(store.run(store.claim(slot, 2))).job_id]
    seen += [claimed(store.run(store.finish(slot, seq))).job_id for seq in (3, 4)]
    assert seen == ["a", "b", "c"]


def test_a_word_that_was_said_before_changes_nothing(store: Store) -> None:
    store.add("a")
    assert store.without_effect(operations.resume(store.namespace, QUEUE)) == "running"
    pause(store)
    assert store.without_effect(operations.pause(store.namespace, QUEUE)) == "paused"


def test_nobody_is_woken_for_a_paused_queue_and_somebody_at_its_resume(store: Store) -> None:
    store.add("a")
    pause(store)
    store.add("b")
    store.run(operations.kick(store.namespace))
    assert store.tokens() == 0
    resume(store)
    assert store.tokens() == 1


def test_what_comes_back_to_a_paused_queue_waits(store: Store) -> None:
    slot = store.member()
    store.add("late", delay_ms=1000)
    store.add("run")
    assert claimed(store.run(store.claim(slot))).job_id == "run"
    pause(store)
    store.make_due("late")
    assert store.promote() == 1
    assert store.run(store.crash(slot, executing=1)).disposition == "requeued"
    assert store.counts()["ready"] == 2
    assert empty(store.run(store.claim(store.member(1))))
    resume(store)
    assert store.ready() == ["run", "late"]


def test_a_job_that_waits_in_a_paused_queue_can_be_looked_at_and_discarded(store: Store) -> None:
    store.add("a", "b")
    pause(store)
    rows = store.run(operations.list_jobs(store.namespace, JobState.READY, QUEUE, 10))
    assert [row.job_id for row in rows] == ["a", "b"]
    [row] = store.run(operations.overview(store.namespace)).queues
    assert (row.paused, row.ready) == (True, 2)
    assert row.oldest_ready_ms
    assert store.repeated_once(operations.discard(store.namespace, "a")) == ("ok", "discarded")
    assert store.counts()["ready"] == 1


@pytest.mark.parametrize("paused", [False, True])
def test_purge_discards_what_waits_and_counts_it(store: Store, paused: bool) -> None:
    slot = store.member()
    store.add("runs")
    store.run(store.claim(slot))
    store.add("a", "b")
    store.add("later", delay_ms=1000)
    if paused:
        pause(store)
    assert store.repeated_once(operations.purge(store.namespace, QUEUE, FAR_MS)) == (
        (3, False),
        (0, False),
    )
    assert store.counts() == {
        "enqueued": 4,
        "succeeded": 0,
        "discarded": 3,
        "ready": 0,
        "scheduled": 0,
        "dead": 0,
        "running": 1,
    }
    assert {store.state(i) for i in ("a", "b", "later")} == {JobState.DISCARDED}
    assert store.run(store.enqueue("a")) is False


def test_purge_leaves_what_was_enqueued_after_the_operator_looked(store: Store) -> None:
    store.add("a")
    job = store.found("a").job
    assert job is not None
    wait_until(lambda: now_ms(store) > job.enqueued_ms, "the next millisecond")
    store.add("b", "c", "d")
    purge = operations.purge(store.namespace, QUEUE, job.enqueued_ms + 1)
    assert store.repeated_once(purge) == ((1, False), (0, False))
    assert store.ready() == ["b", "c", "d"]


def test_purge_takes_so_many_at_a_time(store: Store) -> None:
    store.add("a", "b", "c")
    store.add("later", delay_ms=1000)
    purge = operations.purge(store.namespace, QUEUE, FAR_MS, 2)
    assert [store.run(purge) for _ in range(3)] == [(2, True), (2, True), (0, False)]


def test_a_queue_that_is_paused_before_its_first_job_is_seen(store: Store) -> None:
    pause(store)
    [row] = store.run(operations.overview(store.namespace)).queues
    assert (row.queue, row.paused, row.enqueued) == (QUEUE, True, 0)


def now_ms(store: Store) -> int:
    return store.run(operations.overview(store.namespace)).now_ms


def test_purge_finds_what_is_scheduled_behind_a_head_of_newer_jobs(store: Store) -> None:
    store.add("old", delay_ms=1000)
    job = store.found("old").job
    assert job is not None
    wait_until(lambda: now_ms(store) > job.enqueued_ms, "the next millisecond")
    looked_ms = now_ms(store)
    wait_until(lambda: now_ms(store) > looked_ms, "the next millisecond")
    store.add("new1", "new2")
    purge = operations.purge(store.namespace, QUEUE, looked_ms, 2)
    assert store.run(purge)[0] == 1
    assert (store.state("old"), store.ready()) == (JobState.DISCARDED, ["new1", "new2"])
