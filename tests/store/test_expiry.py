"""Jobs that are too late, marked jobs, and what a job may know of its last attempt."""

from __future__ import annotations

import pytest

from horus_supervisor.lifecycle import Death, JobState
from horus_supervisor.store import operations
from horus_supervisor.store.rows import Expired, Turned, read_note
from tests.model import seen
from tests.support.store import HOUR_MS, QUEUE, Store, claimed


def expire(store: Store, *job_ids: str) -> None:
    """Let the expiry of jobs come."""
    for job_id in job_ids:
        seen.expire(store.raw, store.prefix, job_id)


def test_an_expired_job_is_discarded_instead_of_started(store: Store) -> None:
    slot = store.member()
    store.add("late", expires_after_ms=HOUR_MS)
    store.add("next")
    expire(store, "late")
    turn = store.run(store.claim(slot))
    assert claimed(turn).job_id == "next"
    assert isinstance(turn, Turned)
    assert turn.expired == (Expired("late", QUEUE, 0, "shop.Mail"),)
    assert store.state("late") == JobState.DISCARDED
    assert store.counts()["discarded"] == 1
    again = store.without_effect(store.claim(slot))
    assert claimed(again).job_id == "next"


def test_a_job_is_started_until_it_expires(store: Store) -> None:
    store.add("job", expires_after_ms=HOUR_MS)
    got = claimed(store.run(store.claim(store.member())))
    assert got.job is not None
    assert got.job.expires_ms == got.job.enqueued_ms + HOUR_MS


def test_an_expiry_counts_from_when_the_job_is_due_or_is_a_time(store: Store) -> None:
    store.add("after", delay_ms=HOUR_MS, expires_after_ms=1000)
    store.add("at", delay_ms=HOUR_MS, expires_ms=5)
    after, at = store.found("after").job, store.found("at").job
    assert after is not None
    assert after.expires_ms == after.enqueued_ms + HOUR_MS + 1000
    assert at is not None
    assert at.expires_ms == 5


def test_a_retry_that_comes_too_late_is_discarded_too(store: Store) -> None:
    slot = store.member()
    store.add("job", expires_after_ms=HOUR_MS)
    store.run(store.claim(slot))
    store.run(store.fail(slot, wait_ms=0))
    expire(store, "job")
    store.promote()
    turn = store.run(store.claim(slot, 3))
    assert turn == Turned("-", None, False, (Expired("job", QUEUE, 1, "shop.Mail"),))
    assert store.state() == JobState.DISCARDED
    assert not store.found().history


@pytest.mark.parametrize("what", ["failed", "refused"])
def test_no_operator_loses_an_expired_job_by_retrying_it(store: Store, what: str) -> None:
    slot = store.member()
    store.add("job", expires_after_ms=HOUR_MS)
    store.run(store.claim(slot))
    store.run(store.fail(slot, what=what, wait_ms=HOUR_MS))
    expire(store, "job")
    retry = operations.retry(store.namespace, "job")
    assert store.without_effect(retry) == "expired"
    assert store.state() == (JobState.DEAD if what == "refused" else JobState.SCHEDULED)


def test_a_claim_discards_a_hundred_and_asks_to_be_called_again(store: Store) -> None:
    slot = store.member()
    ids = [f"late{n}" for n in range(100)]
    store.add(*ids, expires_after_ms=HOUR_MS)
    expire(store, *ids)
    store.add("job")
    turn = store.run(store.claim(slot))
    late = tuple(Expired(job_id, QUEUE, 0, "shop.Mail") for job_id in ids)
    assert turn == Turned("-", None, True, late)
    assert store.without_effect(store.claim(slot)) == Turned("-", None, True)
    assert claimed(store.run(store.claim(slot, 2))).job_id == "job"


def test_jobs_are_found_by_their_tag(store: Store) -> None:
    store.add("a", tags=("tenant:7", "mail"))
    store.add("b", tags=("tenant:70",), delay_ms=1000)
    store.add("c")

    def tagged(tag: str, state: JobState) -> list[str]:
        rows = store.run(operations.list_jobs(store.namespace, state, None, 10, tag))
        return [row.job_id for row in rows]

    assert tagged("mail", JobState.READY) == tagged("tenant:7", JobState.READY) == ["a"]
    assert tagged("tenant:70", JobState.SCHEDULED) == ["b"]
    assert tagged("tenant", JobState.READY) == []
    job = store.found("a").job
    assert job is not None
    assert job.tags == ("tenant:7", "mail")
    assert job.name == "shop.Mail"


@pytest.mark.parametrize("options", [{}, {"tags": ("a",)}, {"expires_after_ms": HOUR_MS}])
def test_a_death_names_the_job_whatever_it_is_marked_with(
    store: Store, options: dict[str, object]
) -> None:
    slot = store.member()
    store.add("job", **options)
    store.run(store.claim(slot))
    store.run(store.crash(slot))
    [record] = store.records()
    assert (record["job"], record["queue"], record["job_id"]) == ("shop.Mail", QUEUE, "job")


def test_a_first_start_has_no_attempt_before_it(store: Store) -> None:
    store.add("job")
    assert claimed(store.run(store.claim(store.member()))).last == b""


@pytest.mark.parametrize("death", [Death.CRASHED, Death.KILLED, Death.INTERRUPTED])
def test_a_start_after_a_death_is_told_of_it(store: Store, death: Death) -> None:
    slot = store.member()
    store.add("job")
    store.run(store.claim(slot))
    store.run(store.crash(slot, death=death))
    if death == Death.KILLED:
        store.make_due("job")
        store.promote()
    turn = store.repeated(store.claim(store.member(1)))
    note = read_note(claimed(turn).last)
    assert (note.what, note.attempt, note.facts) == (str(death), 1, {"cause": "signal"})


def test_a_start_after_an_operators_retry_is_told_of_the_attempt_before(store: Store) -> None:
    slot = store.member()
    store.add("job", max_attempts=1)
    store.run(store.claim(slot))
    store.run(store.fail(slot))
    assert store.run(operations.retry(store.namespace, "job")) == "ok"
    turn = store.repeated(store.claim(slot, 3))
    assert read_note(claimed(turn).last).what == "failed"
