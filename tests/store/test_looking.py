"""find, list, overview, crashes, resolve, seek: what there is to see. None of them writes."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from horus_supervisor.lifecycle import JobState
from horus_supervisor.store import operations
from horus_supervisor.store.rows import Slot
from tests.support.store import HOUR_MS, QUEUE, Store

STATES = (JobState.READY, JobState.SCHEDULED, JobState.RUNNING, JobState.DEAD)


@pytest.fixture
def slot(store: Store) -> Slot:
    """A runner, and a job in each state, called like it."""
    slot = store.member()
    for number, state in enumerate(("succeeded", "discarded", "dead", "running")):
        store.add(state)
        turn = store.claim(slot, 2 * number + 1)
        store.run(turn)
        match state:
            case "succeeded" | "discarded":
                store.run(store.finish(slot, 2 * number + 2, state))
            case "dead":
                store.run(store.fail(slot, 2 * number + 2, "refused"))
    store.add("ready", "ready2", queue=QUEUE)
    store.add("scheduled", delay_ms=HOUR_MS)
    return slot


def test_each_state_is_found(store: Store, slot: Slot) -> None:
    for state in JobState:
        call = operations.find(store.namespace, state.value)
        found = store.without_effect(call)
        assert found.state == state
        assert (found.job is not None) == (state in STATES)
        assert (found.holding is not None) == (state is JobState.RUNNING)
        assert (found.since_ms is not None) == (state in (JobState.SCHEDULED, JobState.DEAD))
        assert store.run(operations.state(store.namespace, state.value)) == state


@pytest.mark.parametrize("queue", [None, QUEUE])
def test_each_state_is_listed(store: Store, slot: Slot, queue: str | None) -> None:
    expected = {JobState.READY: ["ready", "ready2"]}
    for state in STATES:
        call = operations.list_jobs(store.namespace, state, queue, 10)
        rows = store.without_effect(call)
        assert [row.job_id for row in rows] == expected.get(state, [state.value])
        assert all(row.state == state and row.job.queue == QUEUE for row in rows)
        assert store.run(operations.list_jobs(store.namespace, state, "other", 10)) == []


@pytest.mark.parametrize("heads", [False, True])
def test_a_job_whose_name_is_no_text_is_refused_and_listed_among_the_dead(
    store: Store, heads: bool
) -> None:
    slot = store.member()
    store.add("a")
    packed = store.raw.hget(f"{store.prefix}jobs", "a")
    store.raw.hset(f"{store.prefix}jobs", "a", packed.replace(b"shop.Mail", b"\xff"))
    store.run(store.claim(slot))
    store.run(store.fail(slot, what="refused"))
    call = operations.list_jobs(store.namespace, JobState.DEAD, QUEUE, 10, heads=heads)
    [row] = store.without_effect(call)
    assert (row.job_id, row.job.name, row.job.queue, row.job.fence) == ("a", "?", QUEUE, 1)
    assert store.run(operations.retry(store.namespace, "a", row.job.fence)) == "ok"


def test_an_id_that_is_no_text_is_listed_with_the_others(store: Store) -> None:
    store.add("a")
    packed = store.raw.hget(f"{store.prefix}jobs", "a")
    store.raw.hset(f"{store.prefix}jobs", b"\xff", packed)
    store.raw.lpush(f"{store.prefix}ready:{QUEUE}", b"\xff")
    rows = store.run(operations.list_jobs(store.namespace, JobState.READY, QUEUE, 10))
    assert [row.job_id for row in rows] == ["a", "\\xff"]


@pytest.mark.parametrize("state", STATES)
def test_a_list_of_heads_has_all_but_the_payloads(
    store: Store, slot: Slot, state: JobState
) -> None:
    whole = store.run(operations.list_jobs(store.namespace, state, QUEUE, 10))
    heads = store.run(operations.list_jobs(store.namespace, state, QUEUE, 10, heads=True))
    bare = [replace(row, job=replace(row.job, payload=b"")) for row in whole]
    assert heads == bare != whole


def test_a_list_ends_at_its_limit(store: Store, slot: Slot) -> None:
    call = operations.list_jobs(store.namespace, JobState.READY, None, 1)
    assert [row.job_id for row in store.run(call)] == ["ready"]


@pytest.mark.parametrize("state", [JobState.READY, JobState.SCHEDULED, JobState.DEAD])
def test_a_long_list_is_given_in_pieces(store: Store, state: JobState) -> None:
    slot = store.member()
    delay_ms = HOUR_MS if state is JobState.SCHEDULED else None
    store.add("a", "b", "c", "d", "e", delay_ms=delay_ms)
    if state is JobState.DEAD:
        store.run(store.claim(slot))
        for seq in range(2, 7):
            store.run(store.fail(slot, seq, what="refused"))
    whole = store.run(operations.list_jobs(store.namespace, state, QUEUE, 10))
    pieces = [
        store.run(operations.list_jobs(store.namespace, state, QUEUE, 2, past=past))
        for past in (0, 2, 4, 6)
    ]
    assert [row for piece in pieces for row in piece] == whole
    assert len(pieces[0]) == 2


def test_the_newest_dead_comes_first_and_the_next_due(store: Store) -> None:
    slot = store.member()
    store.add("a", "b")
    store.add("c", "d", delay_ms=HOUR_MS)
    store.run(store.claim(slot))
    for seq in (2, 3):
        store.run(store.fail(slot, seq, "refused"))
    store.raw.zadd(store.prefix + "dead:emails", {"a": 1})
    store.raw.zadd(store.prefix + "scheduled:emails", {"d": 1})
    dead, scheduled = (
        [row.job_id for row in store.run(operations.list_jobs(store.namespace, state, None, 9))]
        for state in (JobState.DEAD, JobState.SCHEDULED)
    )
    assert (dead, scheduled) == (["b", "a"], ["d", "c"])


def test_the_overview_counts_every_job_in_exactly_one_place(store: Store, slot: Slot) -> None:
    overview = store.without_effect(operations.overview(store.namespace))
    assert store.counts() == {
        "enqueued": 7,
        "ready": 2,
        "scheduled": 1,
        "running": 1,
        "succeeded": 1,
        "dead": 1,
        "discarded": 1,
    }
    [queue] = overview.queues
    assert queue.oldest_ready_ms is not None
    assert 0 <= overview.now_ms - queue.oldest_ready_ms < 60_000
    [supervisor] = overview.supervisors
    assert (supervisor.supervisor, supervisor.lease_ms) == ("sup", 30_000)
    holding = overview.slots[slot.key]
    assert holding is not None
    assert (holding.job_id, holding.attempt, holding.queue) == ("running", 1, QUEUE)


@pytest.mark.parametrize("row", [b"junk", b"1 2 3 {", b"a 1 2 {}", b"1 2 3 []"])
def test_what_is_no_supervisor_hides_none(store: Store, row: bytes) -> None:
    store.member()
    store.raw.hset(store.prefix + "supervisors", "other", row)
    rows = store.run(operations.supervisors(store.namespace))
    assert [row.supervisor for row in rows] == ["sup"]
    assert store.run(operations.overview(store.namespace)).supervisors == tuple(rows)


def test_a_queue_with_nothing_ready_has_no_oldest_wait(store: Store) -> None:
    store.add("a", delay_ms=HOUR_MS)
    [queue] = store.run(operations.overview(store.namespace)).queues
    assert queue.oldest_ready_ms is None


def test_an_overview_of_nothing_is_empty(store: Store) -> None:
    overview = store.without_effect(operations.overview(store.namespace))
    assert (overview.queues, overview.supervisors, overview.slots) == ((), (), {})


def test_crash_records_come_newest_first_within_limit_and_age(store: Store) -> None:
    for number in range(3):
        store.run(store.crash(store.member(number), 0, record=b'{"cause":"exit"}'))
    records, _ = store.without_effect(operations.crashes(store.namespace, 2))
    assert len(records) == 2
    assert records == store.records()[:2]
    assert len(store.run(operations.crashes(store.namespace, 9, 60_000))[0]) == 3


def test_crash_records_and_their_ids_are_read_piece_by_piece(store: Store) -> None:
    store.run(store.crash(store.member(), 0, record=b'{"cause":"exit"}'))
    [(_, first)] = store.raw.xrange(f"{store.prefix}crashes")
    for number in range(204):
        entry = {**first, b"crash_id": f"{number % 2}-{number}".encode()}
        store.raw.xadd(f"{store.prefix}crashes", entry)
    whole = [record["crash_id"] for record in store.records()]
    read, last = [], ""
    for size in (100, 100, 5, 0):
        page, last = store.run(operations.crashes(store.namespace, 100, None, last))
        assert len(page) == size
        read += [record["crash_id"] for record in page]
    assert read == whole
    found, at = [], ""
    while at != "0":
        call = operations.seek(store.namespace, "1-", "crashes", at or "0")
        at, ids = store.without_effect(call)
        found.append(len(ids))
    assert found == [50, 50, 2]


def test_what_is_no_crash_record_hides_none_of_the_others(store: Store) -> None:
    key = f"{store.prefix}crashes"
    store.run(store.crash(store.member(), 0, record=b'{"cause":"exit"}'))
    [whole] = store.run(operations.crashes(store.namespace, 9))[0]
    stored = dict(store.raw.xrange(key)[0][1])
    at = [store.raw.xadd(key, broken) for broken in ({"a": "b"}, {**stored, b"record": b"{"})]
    (*broken, last), _ = store.without_effect(operations.crashes(store.namespace, 9))
    assert last == whole
    assert [one["crash_id"] for one in broken] == [one.decode() for one in reversed(at)]
    assert all("can't be read" in one["note"] for one in broken)


@pytest.mark.parametrize("line", [b"junk", b"1 failed 1 1 {", b"1 failed 1 1 \xff", b"x f 1 1 {}"])
def test_a_line_of_history_that_is_none_hides_neither_job_nor_other_lines(
    store: Store, line: bytes
) -> None:
    store.add("a")
    store.raw.rpush(f"{store.prefix}history:a", line, b"1 failed 1 1 {}")
    found = store.run(operations.find(store.namespace, "a"))
    assert [note.what for note in found.history] == ["unreadable", "failed"]


@pytest.mark.parametrize("score", ["inf", "-inf", 1e300])
def test_a_time_that_is_none_hides_no_queue(store: Store, score: str | float) -> None:
    store.add("a", delay_ms=HOUR_MS)
    store.raw.zadd(f"{store.prefix}scheduled:{QUEUE}", {"a": score})
    [queue] = store.run(operations.overview(store.namespace)).queues
    assert (queue.scheduled, queue.next_due_ms) == (1, None)


def seek(store: Store, beginning: str) -> tuple[list[str], int]:
    """Look through every place to its end: the ids, and how many calls that took."""
    found: set[str] = set()
    calls = 0
    for where in ("jobs", "finished", "finished:old"):
        at = ""
        while at != "0":
            call = operations.seek(store.namespace, beginning, where, at or "0")
            at, ids = store.without_effect(call)
            found.update(ids)
            calls += 1
    return sorted(found), calls


def test_a_beginning_is_sought_in_every_state(store: Store, slot: Slot) -> None:
    for state in (*STATES, JobState.SUCCEEDED, JobState.DISCARDED):
        assert state.value in seek(store, state.value[:4])[0]
    store.rotate()
    assert seek(store, "succ") == (["succeeded"], 3)
    assert seek(store, "nothing") == ([], 3)


def test_a_beginning_is_taken_as_it_is_written(store: Store) -> None:
    for job_id in ("a*1", "a?1", "a[b]1", "a\\1", "axb1"):
        store.add(job_id)
        assert seek(store, job_id[:-1])[0] == [job_id]
    store.add("b1")
    assert seek(store, "*")[0] == []


def test_many_ids_are_sought_a_piece_at_a_time(store: Store) -> None:
    ended = [f"ended-{number}" for number in range(5000)]
    store.raw.sadd(store.prefix + "finished", *ended)
    found, calls = seek(store, "ended-4")
    assert found == sorted(job_id for job_id in ended if job_id.startswith("ended-4"))
    assert calls > 4
    waiting = {f"waits-{number}": "0" for number in range(1000)}
    store.raw.hset(store.prefix + "jobs", mapping=waiting)
    found, calls = seek(store, "waits-9")
    assert (len(found), found[0]) == (111, "waits-9")
    assert calls > 7


def test_ids_may_be_shortened(store: Store, slot: Slot) -> None:
    store.run(store.crash(slot, executing=7))
    [crash_id] = [record["crash_id"] for record in store.records()]
    resolve = operations.resolve
    assert store.without_effect(resolve(store.namespace, "sched")) == (["scheduled"], [])
    assert store.run(resolve(store.namespace, "dea")) == (["dead"], [])
    assert store.run(resolve(store.namespace, crash_id[:6]))[1] == [crash_id]
    assert store.run(resolve(store.namespace, "nothing")) == ([], [])
    store.run(store.claim(store.member(incarnation=2)))
    assert store.run(resolve(store.namespace, "run"))[0] == ["running"]
