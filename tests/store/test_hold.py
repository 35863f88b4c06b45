"""A class whose jobs bring down runner after runner is held back."""

from __future__ import annotations

from horus_supervisor.lifecycle import Death, Fate, JobState
from horus_supervisor.store import operations
from horus_supervisor.store.operation import Operation
from horus_supervisor.store.rows import Slot, Turned
from tests.support.store import QUEUE, Store, claimed, empty

FAR_MS = 2**52

NAME = "shop.Mail"


def crash(
    store: Store, slot: Slot, death: Death = Death.CRASHED, hold_after: int = 2
) -> Operation[Fate]:
    record = b'{"cause":"signal"}'
    return operations.crash(
        store.namespace, slot, 1, death, record, hold_after=hold_after, code="c1"
    )


def bring_down(store: Store, lives: int, death: Death = Death.CRASHED) -> None:
    """Let so many runners die of a job each."""
    for life in range(1, lives + 1):
        store.add(f"poison{life}", max_attempts=1)
        slot = store.member(9, incarnation=life)
        store.run(store.claim(slot))
        store.repeated_once(crash(store, slot, death))


def held(store: Store) -> tuple[str, ...]:
    return tuple(store.run(operations.kick(store.namespace)).held)


def parked(store: Store) -> int:
    """Tell how many jobs `horus status` says wait for their class."""
    return store.run(operations.overview(store.namespace)).held[NAME]


def joined(store: Store, number: int) -> tuple[list[str], list[str]]:
    """Join; tell what the runner is told to be wary of: crashing, held."""
    store.member(number)
    told = store.run(operations.join(store.namespace, Slot("sup", number, 1)))
    return sorted(told.crashing), sorted(told.held)


def test_a_class_is_held_at_so_many_crashes_in_a_row(store: Store) -> None:
    bring_down(store, 1)
    assert held(store) == ()
    assert joined(store, 0) == ([NAME], [])
    bring_down_again = store.member(9, incarnation=2)
    store.add("again", max_attempts=1)
    store.run(store.claim(bring_down_again))
    store.run(crash(store, bring_down_again))
    assert held(store) == (NAME,)
    assert joined(store, 1) == ([], [NAME])


def test_a_group_that_holds_no_class_back_counts_all_the_same(store: Store) -> None:
    store.add("poison")
    slot = store.member(9)
    store.run(store.claim(slot))
    store.run(crash(store, slot, hold_after=0))
    assert joined(store, 0) == ([NAME], [])


def test_a_success_between_starts_the_count_anew(store: Store) -> None:
    bring_down(store, 1)
    assert store.repeated(operations.calm(store.namespace, NAME)) == "ok"
    assert joined(store, 0) == ([], [])


def test_only_crashes_count(store: Store) -> None:
    bring_down(store, 3, Death.KILLED)
    assert held(store) == ()


def test_a_success_does_not_free_a_class_that_is_held(store: Store) -> None:
    bring_down(store, 2)
    assert store.without_effect(operations.calm(store.namespace, NAME)) == "held"


def test_jobs_of_a_held_class_are_parked_uncounted_and_come_back_in_order(store: Store) -> None:
    bring_down(store, 2)
    slot = store.member()
    store.add("a", "b")
    store.run(store.claim(slot))
    turn = store.repeated(store.fail(slot, what="held"))
    assert isinstance(turn, Turned)
    assert (turn.done, claimed(turn).job_id) == ("parked", "b")
    assert empty(store.repeated(store.fail(slot, 3, what="held")), "parked")
    assert store.state("a") == JobState.SCHEDULED
    assert store.promote() == 0
    job = store.found("a").job
    assert job is not None
    assert job.attempts == 0
    first, again = store.repeated_once(operations.unhold(store.namespace, NAME))
    assert (first, again) == (("ok", 2, False), ("free", 0, False))
    assert store.ready() == ["a", "b"]
    assert store.counts()["scheduled"] == 0
    assert joined(store, 1) == ([], [])


def test_a_runner_that_does_not_know_of_the_release_gets_the_job_back(store: Store) -> None:
    slot = store.member()
    store.add("a")
    store.run(store.claim(slot))
    turn = store.repeated(store.fail(slot, what="held"))
    assert isinstance(turn, Turned)
    assert (turn.done, claimed(turn).job_id) == ("free", "a")


def test_new_code_frees_a_class_and_the_same_code_does_not(store: Store) -> None:
    bring_down(store, 2)
    same = operations.unhold(store.namespace, NAME, "c1")
    assert store.without_effect(same) == ("held", 0, False)
    assert store.run(operations.unhold(store.namespace, NAME, "c2"))[0] == "ok"


def test_so_many_jobs_are_freed_at_a_time(store: Store) -> None:
    bring_down(store, 2)
    slot = store.member()
    store.add("a", "b", "c")
    store.run(store.claim(slot))
    for seq in (2, 3, 4):
        store.run(store.fail(slot, seq, what="held"))
    unhold = operations.unhold(store.namespace, NAME, most=2)
    assert [store.run(unhold) for _ in range(3)] == [
        ("ok", 2, True),
        ("ok", 1, False),
        ("free", 0, False),
    ]


def test_a_parked_job_that_an_operator_moved_is_left_alone(store: Store) -> None:
    bring_down(store, 2)
    slot = store.member()
    store.add("a", "b")
    store.run(store.claim(slot))
    store.run(store.fail(slot, what="held"))
    store.run(store.fail(slot, 3, what="held"))
    store.run(operations.discard(store.namespace, "a"))
    store.run(operations.retry(store.namespace, "b"))
    assert store.run(operations.unhold(store.namespace, NAME)) == ("ok", 0, False)
    assert (store.ready(), store.counts(QUEUE)["scheduled"]) == (["b"], 0)


def test_a_parked_job_that_an_operator_takes_waits_for_its_class_no_longer(store: Store) -> None:
    bring_down(store, 2)
    slot = store.member()
    store.add("a", "b", "c", "d")
    store.run(store.claim(slot))
    for seq in (2, 3, 4, 5):
        store.run(store.fail(slot, seq, what="held"))
    assert parked(store) == 4
    store.run(operations.discard(store.namespace, "b"))
    assert parked(store) == 3
    store.run(operations.retry(store.namespace, "d"))
    assert parked(store) == 2
    store.run(store.claim(slot, 6))
    store.run(store.fail(slot, 7, what="held"))  # once more: it is there once
    assert parked(store) == 3
    assert store.run(operations.purge(store.namespace, QUEUE, FAR_MS)) == (3, False)
    assert parked(store) == 0


def test_a_job_that_crashes_again_counts_again(store: Store) -> None:
    store.add("bad", max_crashes=9)
    for life in (1, 2):
        assert held(store) == ()
        slot = store.member(9, incarnation=life)
        store.run(store.claim(slot))
        store.run(crash(store, slot))
    assert held(store) == (NAME,)


def test_who_tells_of_crashes_is_not_held(store: Store) -> None:
    for life in (1, 2, 3):
        store.add(f"told{life}", name="horus.on_crash", max_attempts=1)
        slot = store.member(9, incarnation=life)
        store.run(store.claim(slot))
        store.run(crash(store, slot))
    assert held(store) == ()
