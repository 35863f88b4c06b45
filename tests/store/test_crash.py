"""crash: a runner died. One record, naming the right job; the job moves; the slot is free."""

from __future__ import annotations

import pytest

from horus_supervisor import crash_record
from horus_supervisor.lifecycle import Death, Disposition, Fate, JobState
from horus_supervisor.store import operations
from horus_supervisor.store.rows import Slot
from tests.support.store import QUEUE, STALE, Store, claimed, empty

NOTHING = (Disposition.NONE, None, None, 0)


@pytest.fixture
def slot(store: Store) -> Slot:
    """A runner that holds ``a``, with ``b`` waiting."""
    slot = store.member()
    store.add("a", "b")
    store.run(store.claim(slot))
    return slot


def repeated(store: Store, slot: Slot, executing: int, death: Death = Death.CRASHED) -> Fate:
    """Record a death twice: the same answer but for ``again``, nothing changed by the second."""
    call = store.crash(slot, executing, death)
    first, second = store.repeated_once(call)
    assert (first.word, second.word) == ("ok", "again")
    assert fate(first) == fate(second)
    return first


def fate(reply: Fate) -> tuple[Disposition, str | None, str | None, int]:
    return reply.disposition, reply.job_id, reply.queue, reply.attempt


def test_the_job_in_execution_goes_back_to_the_head_with_one_record(
    store: Store, slot: Slot
) -> None:
    reply = repeated(store, slot, executing=1)
    assert fate(reply) == (Disposition.REQUEUED, "a", QUEUE, 1)
    assert store.ready() == ["a", "b"]
    [record] = store.records()
    assert record["crash_id"] == crash_record.crash_id("sup", 0, 1)
    assert (record["job_id"], record["job"], record["queue"]) == ("a", "shop.Mail", QUEUE)
    assert (record["attempt"], record["args"], record["cause"]) == (1, [1], "signal")
    assert record["disposition"] == "requeued"
    found = store.found("a")
    assert found.job is not None
    assert (found.job.attempts, found.job.crashes) == (1, 1)
    assert [note.what for note in found.history] == ["crashed"]


def test_a_claim_that_never_began_goes_back_to_the_head_uncounted(store: Store, slot: Slot) -> None:
    reply = repeated(store, slot, executing=0)
    assert fate(reply) == NOTHING
    assert store.ready() == ["a", "b"]
    found = store.found("a")
    assert found.job is not None
    assert (found.job.attempts, found.job.crashes, found.history) == (0, 0, ())
    [record] = store.records()
    assert (record["job_id"], record["job"], record["attempt"]) == (None, None, None)


@pytest.mark.parametrize("scribbled", [2, 77, 2**63 - 1, -1, -(2**63)])
def test_a_claim_that_no_runner_had_was_written_by_a_job_that_had_begun(
    store: Store, slot: Slot, scribbled: int
) -> None:
    assert fate(repeated(store, slot, executing=scribbled)) == (
        *(Disposition.REQUEUED, "a"),
        *(QUEUE, 1),
    )


def test_a_later_claim_than_the_one_in_execution_is_not_blamed(store: Store, slot: Slot) -> None:
    store.run(store.finish(slot, 2))  # its reply was lost: the runner died as if still in `a`
    assert fate(repeated(store, slot, executing=1)) == NOTHING
    assert store.ready() == ["b"]
    assert store.state("a") == JobState.SUCCEEDED
    assert store.records()[0]["job_id"] is None


def test_the_same_job_claimed_again_by_its_own_failing_is_not_blamed(store: Store) -> None:
    slot = store.member()
    store.add("a")
    store.run(store.claim(slot, 1))
    store.run(store.fail(slot, 2, wait_ms=0, queues=[]))
    store.promote()
    store.run(store.claim(slot, 3))
    assert fate(repeated(store, slot, executing=1)) == NOTHING
    found = store.found("a")
    assert found.job is not None
    assert (found.state, found.job.attempts, found.job.crashes) == (JobState.READY, 1, 0)


def test_a_job_that_was_finished_already_is_not_blamed(store: Store, slot: Slot) -> None:
    store.run(store.finish(slot, 2, queues=[]))
    assert fate(repeated(store, slot, executing=1)) == NOTHING
    assert store.state("a") == JobState.SUCCEEDED


def test_an_idle_runners_death_has_a_record_without_a_job(store: Store) -> None:
    slot = store.member()
    assert fate(repeated(store, slot, executing=0)) == NOTHING
    assert [record["job_id"] for record in store.records()] == [None]


def test_a_runner_that_died_before_it_joined_has_a_record_and_never_joins(store: Store) -> None:
    store.member(1)
    slot = Slot("sup", 0, 1)
    assert fate(repeated(store, slot, executing=0)) == NOTHING
    assert store.without_effect(operations.join(store.namespace, slot)).word == "stale"
    assert len(store.records()) == 1
    store.member(incarnation=2)


def test_a_runner_whose_successor_joined_before_its_death_was_told_has_a_record(
    store: Store,
) -> None:
    successor = store.member(incarnation=2)
    store.add("a")
    store.run(store.claim(successor))
    assert fate(repeated(store, Slot("sup", 0, 1), executing=0)) == NOTHING
    assert len(store.records()) == 1
    assert claimed(store.without_effect(store.claim(successor))).job_id == "a"


def test_a_runner_that_left_and_then_died_has_a_record(store: Store, slot: Slot) -> None:
    store.run(store.release(slot))
    assert fate(repeated(store, slot, executing=0)) == NOTHING
    assert len(store.records()) == 1
    assert store.ready() == ["a", "b"]


def test_a_repeat_answers_as_before_when_the_successor_is_in(store: Store, slot: Slot) -> None:
    first = store.run(store.crash(slot))
    successor = store.member(incarnation=2)
    store.run(store.claim(successor))
    again = store.without_effect(store.crash(slot))
    assert (again.word, fate(again)) == ("again", fate(first))


def test_a_late_copy_after_the_successors_death_is_stale(store: Store, slot: Slot) -> None:
    store.run(store.crash(slot))
    successor = store.member(incarnation=2)
    store.run(store.crash(successor, executing=0))
    assert fate(store.without_effect(store.crash(slot))) == NOTHING
    assert store.run(store.crash(slot)).word == "stale"
    assert len(store.records()) == 2


def test_a_successors_death_waits_for_its_predecessors(store: Store, slot: Slot) -> None:
    reply = store.without_effect(store.crash(Slot("sup", 0, 2), executing=0))
    assert (reply.word, reply.earlier) == ("wait", 1)
    store.run(store.crash(slot))
    assert store.run(store.crash(Slot("sup", 0, 2), executing=0)).word == "ok"


def test_a_death_that_comes_after_retire_is_no_members(store: Store, slot: Slot) -> None:
    store.run(store.retire())
    assert store.without_effect(store.crash(slot)).word == "no member"
    assert len(store.records()) == 1


def test_a_claim_still_in_the_dead_runners_socket_is_refused(store: Store, slot: Slot) -> None:
    store.run(store.crash(slot))
    assert store.without_effect(store.claim(slot, 2)) == STALE
    assert store.ready() == ["a", "b"]


@pytest.mark.parametrize("finished", [False, True])
def test_a_runner_killed_in_the_middle_of_release_is_interrupted(
    store: Store, slot: Slot, finished: bool
) -> None:
    if finished:
        store.run(store.release(slot, started=True))
    reply = repeated(store, slot, executing=1, death=Death.INTERRUPTED)
    assert store.ready() == ["a", "b"]
    assert store.records() == []
    assert reply.disposition == ("none" if finished else "requeued")
    found = store.found("a")
    assert found.job is not None
    assert found.job.attempts == 0
    assert [note.what for note in found.history] == ["interrupted"]


def test_a_death_leaves_a_token_for_the_one_that_the_dead_may_have_taken(store: Store) -> None:
    slot = store.member()
    store.run(store.claim(slot))
    store.add("a")
    assert store.take_token()  # woken, and died before its claim
    store.run(store.crash(slot, executing=0))
    assert store.tokens() == 1


def test_a_slot_is_free_for_a_successor_that_claims_the_job(store: Store, slot: Slot) -> None:
    store.run(store.crash(slot))
    job = claimed(store.run(store.claim(store.member(incarnation=2))))
    assert (job.job_id, job.attempt, job.fence) == ("a", 2, 2)


def test_records_are_bounded_in_number(store: Store, slot: Slot) -> None:
    key = f"{store.prefix}crashes"
    with store.raw.pipeline(transaction=False) as pipeline:
        for n in range(5000):
            pipeline.xadd(key, {"crash_id": n, "record": '{"cause":"exit"}'})
        pipeline.execute()
    store.run(store.crash(slot))
    assert 4000 <= store.raw.xlen(key) < 4200
    [(_, newest)] = store.raw.xrevrange(key, count=1)
    assert newest[b"crash_id"].decode() == crash_record.crash_id("sup", 0, 1)


def test_a_long_payload_stays_out_of_the_record(store: Store) -> None:
    slot = store.member()
    store.add("a", payload=b'["' + b"x" * 10_000 + b'"]')
    store.run(store.claim(slot))
    store.run(store.crash(slot))
    assert store.records()[0]["args"] is None


def test_each_queue_keeps_its_count_through_a_death(store: Store, slot: Slot) -> None:
    store.run(store.crash(slot))
    assert store.counts()["ready"] == 2
    assert empty(store.run(store.claim(store.member(incarnation=2), queues=["other"])))
