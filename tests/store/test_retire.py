"""retire: a supervisor is gone for good, and all that it held goes on elsewhere."""

from __future__ import annotations

import pytest

from horus_supervisor import crash_record
from horus_supervisor.lifecycle import Death, Disposition, JobState
from horus_supervisor.store import operations
from horus_supervisor.store.rows import Settled, Slot
from tests.support.store import NO_MEMBER, QUEUE, Store, claimed

RECORD = b'{"cause":"supervisor_lost"}'


@pytest.fixture
def slots(store: Store) -> list[Slot]:
    """Runners of ``sup``: one holds ``a``, one ``b``, one is idle. ``c`` waits."""
    slots = [store.member(number) for number in range(3)]
    store.add("a", "b", "c")
    for slot in slots[:2]:
        store.run(store.claim(slot))
    store.run(store.claim(slots[2], queues=["other"]))
    return slots


def crash(slot: Slot, job_id: str, disposition: Disposition = Disposition.REQUEUED) -> Settled:
    return Settled(slot.key, disposition, job_id, QUEUE, 1, "shop.Mail")


def test_what_nobody_can_look_at_counts_as_started(store: Store, slots: list[Slot]) -> None:
    word, lost = store.run(store.retire(readable=False))
    assert word == "ok"
    assert sorted(lost, key=lambda c: c.slot) == [crash(slots[0], "a"), crash(slots[1], "b")]
    assert sorted(store.ready()[:2]) == ["a", "b"]
    assert store.ready()[2] == "c"
    for job_id in "ab":
        found = store.found(job_id)
        assert found.job is not None
        assert (found.job.attempts, found.job.losses, found.job.crashes) == (1, 1, 0)
        assert [note.what for note in found.history] == ["lost"]
    assert len(store.records()) == 2


def test_the_scoreboard_tells_who_was_executing(store: Store, slots: list[Slot]) -> None:
    known = [(slots[0].key, 1, Death.LOST, RECORD)]
    word, lost = store.run(store.retire(readable=True, known=known))
    assert (word, lost) == ("ok", [crash(slots[0], "a")])
    [record] = store.records()
    assert (record["job_id"], record["cause"]) == ("a", "supervisor_lost")
    assert record["crash_id"] == crash_record.crash_id("sup", 0, 1)
    found = store.found("b")
    assert found.job is not None
    assert (found.state, found.job.attempts, found.history) == (JobState.READY, 0, ())


def test_an_execution_that_ended_before_is_not_blamed(store: Store, slots: list[Slot]) -> None:
    store.run(store.finish(slots[0], 2))  # holds `c` now, the scoreboard still shows `a`
    known = [(slots[0].key, 1, Death.LOST, RECORD)]
    assert store.run(store.retire(readable=True, known=known)) == ("ok", [])
    found = store.found("c")
    assert found.job is not None
    assert (found.state, found.job.attempts) == (JobState.READY, 0)


def test_an_orderly_end_gives_all_back_uncounted(store: Store, slots: list[Slot]) -> None:
    assert store.run(store.retire(readable=True, death=Death.INTERRUPTED)) == ("ok", [])
    assert sorted(store.ready()) == ["a", "b", "c"]
    assert store.records() == []


def test_the_first_caller_wins_and_every_copy_changes_nothing(
    store: Store, slots: list[Slot]
) -> None:
    call = store.retire(readable=False)
    store.run(call)
    assert store.without_effect(call) == ("gone", [])
    other = store.retire(readable=True, death=Death.INTERRUPTED)
    assert store.without_effect(other) == ("gone", [])


def test_who_was_never_registered_is_gone(store: Store) -> None:
    assert store.without_effect(store.retire("who")) == ("gone", [])


def test_a_heart_that_beats_is_not_retired(store: Store, slots: list[Slot]) -> None:
    [seen] = store.run(operations.supervisors(store.namespace))
    store.run(operations.beat(store.namespace, "sup", b"{}"))
    assert store.without_effect(store.retire(beat=seen.beat)) == ("alive", [])
    assert store.run(store.retire(beat=seen.beat + 1))[0] == "ok"


def test_calls_of_its_runners_that_come_later_are_no_members(
    store: Store, slots: list[Slot]
) -> None:
    store.run(store.retire())
    for late in (store.claim(slots[2], 2), store.finish(slots[0], 2), store.fail(slots[1], 2)):
        assert store.without_effect(late) == NO_MEMBER
    assert store.without_effect(store.release(slots[0], 2)) == "no member"


def test_nothing_is_left_of_its_slots(store: Store, slots: list[Slot]) -> None:
    store.run(store.crash(slots[2], executing=0))
    store.raw.zadd(f"{store.prefix}retired", {"long ago": 1})
    store.run(store.retire())
    assert {"own", "deaths", "supervisors"} & store.contents().keys() == set()
    assert [name for name, _ in store.contents()["retired"]] == [b"sup"]


def test_a_neighbour_with_a_longer_name_is_left_alone(store: Store, slots: list[Slot]) -> None:
    neighbour = store.member(supervisor="sup2")
    store.run(store.claim(neighbour))
    store.run(store.retire())
    assert claimed(store.without_effect(store.claim(neighbour))).job_id == "c"


def test_a_death_told_before_is_not_told_again(store: Store, slots: list[Slot]) -> None:
    store.run(store.crash(slots[0], executing=1))
    _, lost = store.run(store.retire(readable=False))
    assert [c.job_id for c in lost] == ["b"]
    assert sorted(str(record["job_id"]) for record in store.records()) == ["a", "b"]


def test_a_token_that_its_runners_may_have_taken_is_left_again(
    store: Store, slots: list[Slot]
) -> None:
    assert store.take_token()
    store.run(store.retire(readable=True, death=Death.INTERRUPTED))
    assert store.tokens() == 1


def test_a_second_loss_is_scheduled(store: Store) -> None:
    store.add("a")
    for name in ("one", "two"):
        store.run(store.claim(store.member(supervisor=name)))
        store.run(store.retire(name))
    assert store.state("a") == JobState.SCHEDULED
