"""fail: an attempt ends without success, and the next job is claimed, in one step."""

from __future__ import annotations

import pytest

from horus_supervisor.lifecycle import JobState
from horus_supervisor.store.rows import Slot, Turned
from tests.support.store import HOUR_MS, NO_MEMBER, STALE, Store, claimed, empty

DEFER_MS = 5000


@pytest.fixture
def slot(store: Store) -> Slot:
    """A runner that holds ``a`` of three attempts, with ``b`` waiting."""
    slot = store.member()
    store.add("a", "b")
    store.run(store.claim(slot))
    return slot


def test_a_failed_job_is_scheduled_for_its_retry_and_the_next_claimed(
    store: Store, slot: Slot
) -> None:
    turn = store.repeated(store.fail(slot, wait_ms=HOUR_MS))
    found = store.found("a")
    assert claimed(turn).job_id == "b"
    assert found.state == JobState.SCHEDULED
    assert isinstance(turn, Turned)
    assert turn.done == f"scheduled:{found.since_ms}"
    assert found.job is not None
    assert (found.job.attempts, found.job.fence, found.job.due_ms) == (1, 1, found.since_ms)
    [note] = found.history
    assert (note.what, note.attempt, note.fence) == ("failed", 1, 1)
    assert note.facts == {"error_type": "E"}


def test_a_failed_job_is_dead_at_max_attempts(store: Store) -> None:
    slot = store.member()
    store.add("a", max_attempts=2)
    store.run(store.claim(slot))
    store.run(store.fail(slot, 2, queues=[]))
    store.make_due("a")
    store.promote()
    job = claimed(store.run(store.claim(slot, 3)))
    assert (job.attempt, job.fence) == (2, 2)
    assert empty(store.repeated(store.fail(slot, 4)), "dead")
    found = store.found("a")
    assert found.state == JobState.DEAD
    assert [note.attempt for note in found.history] == [1, 2]


def test_a_refused_job_is_dead_at_once_and_no_attempt_counts(store: Store, slot: Slot) -> None:
    store.repeated(store.fail(slot, what="refused", queues=[]))
    found = store.found("a")
    assert found.state == JobState.DEAD
    assert found.job is not None
    assert found.job.attempts == 0
    assert [note.what for note in found.history] == ["refused"]


def test_a_deferred_job_waits_a_second_uncounted(store: Store, slot: Slot) -> None:
    turn = store.repeated(store.fail(slot, what="deferred", wait_ms=DEFER_MS, queues=[]))
    found = store.found("a")
    assert isinstance(turn, Turned)
    assert found.state == JobState.SCHEDULED
    assert found.job is not None
    assert found.since_ms is not None
    assert found.job.attempts == 0
    assert 0 < found.since_ms - found.history[0].at_ms <= 1000


def deferred_since(store: Store, milliseconds: int) -> None:
    """Let a job have been deferred for the first time so long ago."""
    key = store.prefix + "history:a"
    at, rest = store.raw.lindex(key, 0).split(b" ", 1)
    store.raw.lset(key, 0, b"%d %s" % (int(at) - milliseconds, rest))


@pytest.mark.parametrize(("so_far", "wait"), [(2000, 2000), (16_000, 16_000), (500_000, 60_000)])
def test_a_deferred_job_waits_longer_each_time_up_to_a_minute(
    store: Store, slot: Slot, so_far: int, wait: int
) -> None:
    store.run(store.fail(slot, 2, "deferred", HOUR_MS, queues=[]))
    deferred_since(store, so_far)
    store.make_due("a")
    store.promote()
    store.run(store.claim(slot, 3))  # b
    store.run(store.finish(slot, 4))  # and a again
    store.run(store.fail(slot, 5, "deferred", HOUR_MS, queues=[]))
    found = store.found("a")
    assert found.since_ms is not None
    seconds, microseconds = store.raw.time()
    left = found.since_ms - (seconds * 1000 + microseconds // 1000)
    assert wait - 5000 < left < wait + 5000
    assert [note.what for note in found.history] == ["deferred"]


def test_a_job_that_was_deferred_too_long_is_dead(store: Store, slot: Slot) -> None:
    store.run(store.fail(slot, 2, "deferred", DEFER_MS, queues=[]))
    deferred_since(store, DEFER_MS)
    store.make_due("a")
    store.promote()
    store.run(store.claim(slot, 3))
    store.run(store.finish(slot, 4))
    assert empty(store.repeated(store.fail(slot, 5, "deferred", DEFER_MS, queues=[])), "dead")
    assert store.state("a") == JobState.DEAD


def test_a_repeat_after_the_same_job_was_claimed_again_gives_that_claim(store: Store) -> None:
    slot = store.member()
    store.add("a")
    store.run(store.claim(slot))
    store.run(store.fail(slot, 2, wait_ms=0, queues=[]))
    store.promote()
    assert claimed(store.repeated(store.claim(slot, 3))).fence == 2


def test_a_late_fail_does_not_fail_the_next_job(store: Store, slot: Slot) -> None:
    store.run(store.fail(slot, 2))
    store.run(store.finish(slot, 3, queues=[]))
    assert store.without_effect(store.fail(slot, 2)) == STALE


def test_a_fail_of_who_holds_nothing_is_stale(store: Store, slot: Slot) -> None:
    assert store.without_effect(store.fail(store.member(1), 1)) == STALE
    assert store.without_effect(store.fail(slot, 3)) == STALE
    assert store.without_effect(store.fail(Slot("who", 0, 1), 2)) == NO_MEMBER
    store.run(store.crash(slot))
    assert store.without_effect(store.fail(slot, 2)) == STALE


def test_a_fail_of_a_job_that_redis_has_lost_is_stale(store: Store, slot: Slot) -> None:
    store.raw.hdel(f"{store.prefix}jobs", "a")
    assert store.without_effect(store.fail(slot)) == STALE


def test_a_history_keeps_its_last_fifty_lines(store: Store) -> None:
    slot = store.member()
    store.add("a", max_attempts=100)
    store.run(store.claim(slot, 1))
    for seq in range(2, 120, 2):
        store.run(store.fail(slot, seq, wait_ms=0, queues=[]))
        store.make_due("a")
        store.promote()
        store.run(store.claim(slot, seq + 1))
    assert [note.attempt for note in store.found("a").history] == list(range(10, 60))
