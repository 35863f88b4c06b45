"""enqueue: a job comes into being once, whatever happens to the call."""

from __future__ import annotations

from typing import Any

import pytest

from horus_supervisor.errors import RedisRefused
from horus_supervisor.lifecycle import JobState
from horus_supervisor.store import operations
from tests.support.store import HOUR_MS, QUEUE, Store, claimed


def test_a_job_is_created_ready_and_leaves_one_wake_token(store: Store) -> None:
    assert store.repeated_once(store.enqueue("a")) == (True, False)
    assert store.state("a") == JobState.READY
    assert store.tokens() == 1


def test_a_queue_keeps_one_token_however_many_jobs_come(store: Store) -> None:
    store.add("a", "b", "c")
    assert store.tokens() == 1


def test_jobs_of_a_queue_run_in_the_order_they_came(store: Store) -> None:
    store.add("a", "b", "c")
    assert store.ready() == ["a", "b", "c"]


@pytest.mark.parametrize("when", [{"delay_ms": HOUR_MS}, {"due_ms": 32_503_680_000_000}])
def test_a_job_for_later_is_scheduled_and_wakes_nobody(store: Store, when: dict[str, Any]) -> None:
    assert store.repeated_once(store.enqueue("a", **when)) == (True, False)
    assert store.state("a") == JobState.SCHEDULED
    assert store.tokens() == 0


def test_a_delay_counts_from_redis_own_clock(store: Store) -> None:
    seconds, microseconds = store.raw.time()
    store.add("a", delay_ms=HOUR_MS)
    due = store.found("a").since_ms
    assert due is not None
    assert 0 <= due - HOUR_MS - (seconds * 1000 + microseconds // 1000) < 5000


@pytest.mark.parametrize("when", [{"delay_ms": 0}, {"due_ms": 1}])
def test_a_job_due_now_or_before_is_ready(store: Store, when: dict[str, Any]) -> None:
    store.add("a", **when)
    assert store.state("a") == JobState.READY


def test_all_that_was_said_of_a_job_comes_back_and_its_payload_is_opaque(store: Store) -> None:
    payload = bytes(range(256)) + b"\r\n0 0 0\n"
    store.add("a", payload=payload, max_attempts=7, max_crashes=2, timeout_ms=1500, name="ä.Job")
    job = store.found("a").job
    assert job is not None
    assert (job.payload, job.max_attempts, job.max_crashes) == (payload, 7, 2)
    assert (job.timeout_ms, job.name, job.queue) == (1500, "ä.Job", QUEUE)
    assert (job.attempts, job.crashes, job.losses, job.fence, job.due_ms) == (0, 0, 0, 0, 0)


UNFIT: dict[str, tuple[str, tuple[Any, ...]]] = {
    "job_id": ("1, the id,", ("", "a b", "a\n", "é")),
    "queue": ("2, the queue,", ("", "a b", "a:b", "é")),
    "name": ("8, the job name,", ("", "a b", "a\nb")),
    "due_ms": ("3 or 4, milliseconds", (253402300800000, 10**18, "inf")),
    "delay_ms": ("3 or 4, milliseconds", (253402300800000,)),
}


def test_what_no_script_could_read_back_is_refused_by_the_script_itself(store: Store) -> None:
    """What a client in another language forgets to check may end no claim, or hide all jobs."""
    for name, (argument, values) in UNFIT.items():
        for value in values:
            with pytest.raises(RedisRefused, match=f"argument {argument} .*docs/protocol.md"):
                store.run(store.enqueue(**{name: value}))
    assert store.contents() == {}


@pytest.mark.parametrize(
    "when", ["ready", "scheduled", "running", "dead", "succeeded", "discarded"]
)
def test_an_id_that_is_known_is_not_enqueued_again(store: Store, when: str) -> None:
    slot = store.member()
    store.add("a", delay_ms=HOUR_MS if when == "scheduled" else None)
    if when not in ("ready", "scheduled"):
        store.run(store.claim(slot))
    if when == "dead":
        store.run(store.fail(slot, what="refused"))
    if when in ("succeeded", "discarded"):
        store.run(store.finish(slot, outcome=when))
    assert store.state("a") == when
    assert store.without_effect(store.enqueue("a")) is False


def test_an_id_that_ended_is_known_until_it_is_rotated_out_twice(store: Store) -> None:
    slot = store.member()
    store.add("a")
    store.run(store.claim(slot))
    store.run(store.finish(slot))
    assert store.run(operations.rotate(store.namespace)) == "ok"
    assert store.without_effect(store.enqueue("a")) is False
    store.age(60_000)
    assert store.run(operations.rotate(store.namespace)) == "ok"
    assert store.run(store.enqueue("a")) is True


def test_ids_that_look_like_horus_own_marks_are_ids_like_others(store: Store) -> None:
    slot = store.member()
    store.add("a", "!a", "-")
    store.run(store.claim(slot))
    store.run(store.finish(slot, 2, "discarded"))
    store.run(store.finish(slot, 3))
    assert (store.state("a"), store.state("!a")) == (JobState.DISCARDED, JobState.SUCCEEDED)
    reply = store.run(store.crash(slot, executing=3))
    assert reply.job_id == "-"
    assert store.run(store.crash(slot, executing=3)).job_id == "-"


def test_an_unknown_queue_is_made_by_its_first_job(store: Store) -> None:
    slot = store.member()
    store.add("a", queue="new.one")
    assert claimed(store.run(store.claim(slot, queues=["new.one"]))).job_id == "a"


@pytest.mark.parametrize(
    ("key", "delay_ms"),
    [
        *((key, None) for key in ("ready:" + QUEUE, "queues", "enqueued")),
        *((key, HOUR_MS) for key in ("scheduled:" + QUEUE, "due", "enqueued")),
    ],
)
def test_a_job_that_could_not_be_placed_is_not_known(
    store: Store, key: str, delay_ms: int | None
) -> None:
    store.raw.set(store.prefix + key, "of someone else's")
    with pytest.raises(RedisRefused, match="WRONGTYPE"):
        store.run(store.enqueue("a", delay_ms=delay_ms))
    assert not store.raw.exists(store.prefix + "jobs")
    store.raw.delete(store.prefix + key)
    assert store.run(store.enqueue("a", delay_ms=delay_ms))
    assert store.state("a") == (JobState.SCHEDULED if delay_ms else JobState.READY)
    assert store.counts()["enqueued"] == 1
