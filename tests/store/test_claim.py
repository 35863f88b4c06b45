"""claim: a job is held by one slot, from the moment it leaves its queue."""

from __future__ import annotations

import pytest

from horus_supervisor.lifecycle import JobState
from horus_supervisor.store.rows import Slot
from tests.support.store import NO_MEMBER, STALE, Store, claimed, empty


def test_a_claim_takes_the_head_and_is_recorded_as_running(store: Store) -> None:
    slot = store.member()
    store.add("a", "b")
    job = claimed(store.repeated(store.claim(slot)))
    assert (job.job_id, job.queue, job.attempt, job.fence) == ("a", "emails", 1, 1)
    holding = store.found("a").holding
    assert holding is not None
    assert (holding.slot, holding.incarnation, holding.attempt) == (slot.key, 1, 1)
    assert holding.started_ms == job.started_ms
    assert store.ready() == ["b"]


def test_a_start_is_told_by_redis_own_clock(store: Store) -> None:
    slot = store.member()
    store.add("a")
    seconds, microseconds = store.raw.time()
    started = claimed(store.run(store.claim(slot))).started_ms
    assert 0 <= started - (seconds * 1000 + microseconds // 1000) < 5000


def test_an_empty_queue_gives_nothing_and_a_repeat_gives_nothing_again(store: Store) -> None:
    slot = store.member()
    assert empty(store.run(store.claim(slot)))
    store.add("a")
    assert empty(store.without_effect(store.claim(slot)))
    assert store.state("a") == JobState.READY


def test_a_repeat_from_no_queue_gives_what_the_first_call_gave(store: Store) -> None:
    slot = store.member()
    store.add("a")
    assert claimed(store.run(store.claim(slot))).job_id == "a"
    assert claimed(store.without_effect(store.claim(slot, queues=[]))).job_id == "a"


def test_after_a_claim_from_no_queue_its_late_copy_claims_nothing(store: Store) -> None:
    slot = store.member()
    store.add("a")
    assert empty(store.run(store.claim(slot, queues=[])))
    assert empty(store.without_effect(store.claim(slot)))
    assert store.state("a") == JobState.READY


def test_the_first_queue_that_has_work_gives_it(store: Store) -> None:
    slot = store.member()
    store.add("a", queue="low")
    store.add("b", queue="high")
    assert claimed(store.run(store.claim(slot, queues=["none", "high", "low"]))).job_id == "b"


def test_a_runner_that_holds_a_job_claims_no_other(store: Store) -> None:
    slot = store.member()
    store.add("a", "b")
    store.run(store.claim(slot))
    assert store.without_effect(store.claim(slot, 2)) == STALE


@pytest.mark.parametrize("seq", [1, 3, 4, 9])
def test_a_call_out_of_its_turn_is_stale(store: Store, seq: int) -> None:
    slot = store.member()
    store.run(store.claim(slot, 1))
    store.run(store.claim(slot, 2))
    store.add("a")
    if seq == 3:
        assert claimed(store.run(store.claim(slot, seq))).job_id == "a"
    else:
        assert store.without_effect(store.claim(slot, seq)) == STALE


def test_a_stranger_is_no_member(store: Store) -> None:
    store.member()
    store.add("a")
    assert store.without_effect(store.claim(Slot("sup", 7, 1))) == NO_MEMBER
    assert store.without_effect(store.claim(Slot("other", 0, 1))) == NO_MEMBER


def test_a_dead_runners_claim_is_refused(store: Store) -> None:
    slot = store.member()
    store.add("a")
    store.run(store.crash(slot, executing=0))
    assert store.without_effect(store.claim(slot)) == STALE


def test_a_claim_after_leaving_is_stale(store: Store) -> None:
    slot = store.member()
    store.add("a")
    store.run(store.release(slot, 1))
    assert store.without_effect(store.claim(slot, 1)) == STALE
    assert store.without_effect(store.claim(slot, 2)) == STALE


def test_a_woken_runner_passes_the_token_on_where_work_is_left(store: Store) -> None:
    slot = store.member()
    store.add("a", "b")
    assert store.take_token()
    store.repeated(store.claim(slot, woken=True))
    assert store.tokens() == 1


def test_a_woken_runner_passes_tokens_on_for_every_queue_it_serves(store: Store) -> None:
    slot = store.member()
    store.add("a", "b", queue="one")
    store.add("c", queue="two")
    assert store.take_token("one")
    assert store.take_token("two")
    store.run(store.claim(slot, queues=["one", "two"], woken=True))
    assert (store.tokens("one"), store.tokens("two")) == (1, 1)


def test_a_woken_runner_that_takes_the_last_job_leaves_no_token(store: Store) -> None:
    slot = store.member()
    store.add("a")
    assert store.take_token()
    store.run(store.claim(slot, woken=True))
    assert store.tokens() == 0


def test_a_claim_without_a_token_touches_none(store: Store) -> None:
    slot = store.member()
    store.add("a", "b")
    assert store.take_token()
    store.run(store.claim(slot))
    assert store.tokens() == 0


def test_an_id_whose_record_is_gone_is_passed_over(store: Store) -> None:
    slot = store.member()
    store.add("a", "b")
    store.raw.hdel(store.prefix + "jobs", "a")
    assert claimed(store.run(store.claim(slot))).job_id == "b"


@pytest.mark.parametrize("record", [b"", b"garbage", b"1 2 3 x\n[]", b"\xff\n\x00"])
def test_a_record_that_is_none_of_ours_can_be_refused_and_looked_at(
    store: Store, record: bytes
) -> None:
    slot = store.member()
    store.add("a", "b")
    store.raw.hset(store.prefix + "jobs", "a", record)
    turn = store.repeated(store.claim(slot))
    assert claimed(turn).job_id == "a"
    assert claimed(turn).job is None
    assert claimed(store.run(store.fail(slot, what="refused"))).job_id == "b"
    found = store.found("a")
    assert found.state == JobState.DEAD
    assert found.job is not None
    assert found.job.payload == record
