"""promote, kick: what is due runs, and nothing ready waits for an idle runner."""

from __future__ import annotations

from horus_supervisor.lifecycle import JobState
from horus_supervisor.store import operations
from tests.support.store import HOUR_MS, Store


def test_what_is_due_goes_to_its_queue_behind_what_waits_and_leaves_a_token(store: Store) -> None:
    store.add("a", "b", delay_ms=HOUR_MS)
    store.add("c")
    assert store.take_token()
    store.make_due("b")
    assert store.promote() == 1
    assert store.ready() == ["c", "b"]
    assert store.tokens() == 1
    assert store.state("a") == JobState.SCHEDULED


def test_a_repeat_of_promote_changes_nothing(store: Store) -> None:
    store.add("a", delay_ms=HOUR_MS)
    store.make_due("a")
    call = operations.promote(store.namespace, 10)
    assert store.repeated_once(call) == (1, 0)


def test_what_is_not_due_stays(store: Store) -> None:
    store.add("a", delay_ms=HOUR_MS)
    assert store.without_effect(operations.promote(store.namespace, 10)) == 0


def test_the_earliest_due_goes_first(store: Store) -> None:
    store.add("late", "early", delay_ms=HOUR_MS)
    key = store.prefix + "scheduled:emails"
    store.raw.zadd(key, {"late": 20, "early": 10})
    store.promote()
    assert store.ready() == ["early", "late"]


def test_no_more_than_asked_for_is_moved_over_all_queues(store: Store) -> None:
    store.add("a", "b", queue="one", delay_ms=HOUR_MS)
    store.add("c", "d", queue="two", delay_ms=HOUR_MS)
    for job_id, queue in (("a", "one"), ("b", "one"), ("c", "two"), ("d", "two")):
        store.make_due(job_id, queue)
    assert store.run(operations.promote(store.namespace, 3)) == 3
    assert (store.ready("one"), store.ready("two")) == (["a", "b"], ["c"])
    assert store.run(operations.promote(store.namespace, 3)) == 1


def test_a_kick_leaves_a_token_where_there_is_work_and_none_lies_there(store: Store) -> None:
    store.add("a", queue="work")
    store.add("b", queue="idle", delay_ms=HOUR_MS)
    assert store.take_token("work")
    assert store.repeated(operations.kick(store.namespace)).word == "ok"
    assert (store.tokens("work"), store.tokens("idle")) == (1, 0)
