"""promote, kick: what is due runs, and nothing ready waits for an idle runner."""

from __future__ import annotations

import itertools

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
    store.make_due("late")
    store.raw.zadd(store.prefix + "scheduled:emails", {"late": 20, "early": 10})
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


def test_what_is_due_is_not_left_behind_queues_that_have_nothing_any_more(store: Store) -> None:
    store.add("a", delay_ms=HOUR_MS)
    store.make_due("a")
    store.raw.zadd(store.prefix + "due", {f"a{number}": 0 for number in range(4)})
    call = operations.promote(store.namespace, 2)
    assert [store.run(call) for _ in range(3)] == [2, 2, 1]
    assert store.ready() == ["a"]


def test_a_kick_leaves_a_token_where_there_is_work_and_none_lies_there(store: Store) -> None:
    store.add("a", queue="work")
    store.add("b", queue="idle", delay_ms=HOUR_MS)
    assert store.take_token("work")
    assert store.repeated(operations.kick(store.namespace)).word == "ok"
    assert (store.tokens("work"), store.tokens("idle")) == (1, 0)


def test_what_keepers_do_costs_by_what_there_is_to_do_not_by_the_names_ever_used(
    store: Store,
) -> None:
    """Counted in what the scripts call: with many names Redis would serve nobody meanwhile."""

    def cost() -> int:
        store.raw.config_resetstat()
        store.promote()
        store.run(operations.kick(store.namespace))
        store.run(store.crash(store.member(1, incarnation=next(lives))))
        return sum(stat["calls"] for stat in store.raw.info("commandstats").values())

    lives = itertools.count(1)
    cost()  # the first death makes what later ones find
    few = cost()
    slot = store.member()
    for number in range(9):
        store.add(f"now{number}", f"later{number}", queue=f"tenant{number}")
        store.run(operations.discard(store.namespace, f"later{number}"))
        store.run(store.claim(slot, 2 * number + 1, queues=[f"tenant{number}"]))
        store.run(store.finish(slot, 2 * number + 2, queues=[]))
    for number in range(9):
        store.add(f"far{number}", queue=f"tenant{number}", delay_ms=HOUR_MS)
    cost()  # a kick sees once that a queue has become empty
    assert cost() == few


def test_a_queue_whose_jobs_were_all_taken_elsewhere_is_looked_at_once_when_they_were_due(
    store: Store,
) -> None:
    store.add("a", delay_ms=HOUR_MS)
    store.run(operations.discard(store.namespace, "a"))
    store.raw.zadd(store.prefix + "due", {"emails": 1})
    assert store.promote() == 0
    assert store.without_effect(operations.promote(store.namespace, 10)) == 0
    assert not store.raw.exists(store.prefix + "due")
