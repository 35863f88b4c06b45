"""How clients insist: what a broken call means, and what is known in the end; without any I/O."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from horus_supervisor import tries
from horus_supervisor.enqueue import Enqueue
from horus_supervisor.errors import (
    EnqueueUnknown,
    HorusError,
    QueueFull,
    RedisAway,
    RedisRefused,
    ReplyLost,
    ServiceNotRunning,
)
from horus_supervisor.store import operations
from horus_supervisor.tries import CHUNK, CHUNK_BYTES, Plan, Run, Told, Tries, ask, send

AWAY, LOST, FULL = RedisAway("refused"), ReplyLost("broke"), QueueFull("full")

Answer = Callable[[Run], Told]


class Time:
    """A clock that stands still but where a plan waits."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def orders(count: int, size: int = 2) -> list[Enqueue]:
    return [Enqueue(f"id-{n}", "q", "job", b"x" * size, 12) for n in range(count)]


def carry_out(plan: Plan[Any], clock: Time, *answers: Answer) -> tuple[Any, list[Run]]:
    """Carry a plan out; the last answer is given again and again."""
    runs: list[Run] = []

    def run(step: Run) -> Told:
        runs.append(step)
        return answers[min(len(runs), len(answers)) - 1](step)

    return tries.carry_out(plan, run, clock.sleep), runs


def sent(count: int, *answers: Answer, timeout_s: float = 5) -> tuple[Any, list[Run]]:
    clock = Time()
    return carry_out(send(orders(count), "test", timeout_s, clock), clock, *answers)


def made(run: Run) -> Told:
    return [True] * len(run.calls)


def known(run: Run) -> Told:
    return [False] * len(run.calls)


def breaks(error: HorusError) -> Answer:
    return lambda _: error


# --- how long --------------------------------------------------------------------------------


def test_a_broken_call_is_repeated_with_growing_waits_while_there_is_time_for_another() -> None:
    tries = Tries(timeout_s=5, now=100)
    waits, now = [], 100.0
    while tries.within_s(now) > 0.2500001:
        waits.append(tries.wait_after_s(AWAY, now))
        now += waits[-1]

    assert now == pytest.approx(104.75)  # the last try has a twentieth of the timeout
    assert 0 < waits[0] <= 0.02
    assert max(waits) <= 0.5
    assert 10 < len(waits) < 60
    with pytest.raises(RedisAway):
        tries.wait_after_s(AWAY, now)


def test_a_try_ends_by_the_deadline_and_leaves_time_for_another() -> None:
    tries = Tries(timeout_s=5, now=100)
    assert [tries.within_s(now) for now in (100, 102, 104, 105, 106)] == [2.5, 2.5, 1, 0, 0]


def test_waits_differ_between_clients() -> None:
    assert len({Tries(5, now=0).wait_after_s(AWAY, 0) for _ in range(10)}) > 1


def test_many_jobs_take_few_round_trips() -> None:
    created, runs = sent(10_000, made)
    assert created == [True] * 10_000
    assert len(runs) == 10_000 / CHUNK == 5


def test_a_round_trip_takes_no_more_bytes_than_a_slow_network_carries_in_time() -> None:
    clock = Time()
    plan = send(orders(10, size=CHUNK_BYTES // 3), "test", 5, clock)
    _, runs = carry_out(plan, clock, made)
    assert [len(run.calls) for run in runs] == [3, 3, 3, 1]


def test_a_job_larger_than_that_is_sent_alone() -> None:
    clock = Time()
    _, runs = carry_out(send(orders(2, size=2 * CHUNK_BYTES), "test", 5, clock), clock, made)
    assert [len(run.calls) for run in runs] == [1, 1]


def test_each_round_trip_has_the_timeout_anew() -> None:
    clock = Time()

    def slow(run: Run) -> Told:
        clock.now += 2
        return made(run)

    _, runs = carry_out(send(orders(3 * CHUNK), "test", 5, clock), clock, slow)
    assert [run.within_s for run in runs] == [2.5, 2.5, 2.5]


# --- one job ---------------------------------------------------------------------------------


def test_created_is_open_only_where_a_reply_was_lost() -> None:
    assert sent(1, made)[0] == [True]
    assert sent(1, known)[0] == [False]
    assert sent(1, breaks(AWAY), known)[0] == [False]
    assert sent(1, breaks(LOST), known)[0] == [None]
    assert sent(1, breaks(LOST), made)[0] == [True]


def test_where_nothing_was_sent_that_is_told() -> None:
    with pytest.raises(RedisAway, match=r"^refused$") as told:
        sent(1, breaks(AWAY))
    assert told.value.job_ids == ()


@pytest.mark.parametrize("end", [AWAY, LOST, FULL, RedisRefused("no")])
def test_after_a_lost_reply_the_end_is_unknown_and_names_the_id(end: HorusError) -> None:
    with pytest.raises(EnqueueUnknown, match=f"^{end}; .*id='id-0'") as unknown:
        sent(1, breaks(LOST), breaks(end))
    assert (unknown.value.job_id, unknown.value.job_ids) == ("id-0", ("id-0",))
    assert unknown.value.__cause__ is end


@pytest.mark.parametrize("error", [FULL, RedisRefused("no"), ServiceNotRunning("start it")])
def test_a_refusal_is_told_at_once(error: HorusError) -> None:
    runs = []

    def refuse(run: Run) -> Told:
        runs.append(run)
        return error if isinstance(error, ConnectionError) else [error]

    with pytest.raises(type(error)):
        sent(1, refuse)
    assert len(runs) == 1


def test_a_service_that_ends_after_a_lost_reply_is_waited_for() -> None:
    assert sent(1, breaks(LOST), breaks(ServiceNotRunning("start it")), known)[0] == [None]


def test_a_server_that_does_not_serve_now_is_asked_again() -> None:
    assert sent(1, lambda _: [RedisAway("LOADING")], made)[0] == [True]


# --- a question ------------------------------------------------------------------------------


def test_a_question_whose_reply_was_lost_is_just_lost() -> None:
    clock = Time()
    with pytest.raises(ReplyLost):
        carry_out(ask(operations.state("test", "id"), 5, clock), clock, breaks(LOST))


def test_a_question_that_is_refused_says_so() -> None:
    clock = Time()
    with pytest.raises(RedisRefused):
        carry_out(ask(operations.state("t", "id"), 5, clock), clock, lambda _: [RedisRefused("no")])


# --- many jobs, broken midway ----------------------------------------------------------------


def test_what_is_answered_is_not_sent_again() -> None:
    created, runs = sent(2 * CHUNK, made, breaks(LOST), known)
    assert created == [True] * CHUNK + [None] * CHUNK
    assert [run.calls[0].args[0] for run in runs] == ["id-0", f"id-{CHUNK}", f"id-{CHUNK}"]


def test_a_reply_that_says_not_now_has_only_the_rest_sent_again() -> None:
    created, runs = sent(4, lambda _: [True, False, AWAY, AWAY], made)
    assert created == [True, False, True, True]
    assert [len(run.calls) for run in runs] == [4, 2]


def test_what_was_taken_after_one_was_not_is_left_open() -> None:
    assert sent(3, lambda _: [True, AWAY, True], known)[0] == [True, None, None]


def test_jobs_that_were_never_sent_are_told_from_those_that_may_be_there() -> None:
    with pytest.raises(EnqueueUnknown, match="the others are not: repeat with ids=") as never:
        sent(2 * CHUNK, made, breaks(AWAY))
    with pytest.raises(EnqueueUnknown, match="some of the others may be: repeat") as maybe:
        sent(2 * CHUNK, made, breaks(LOST))
    for error in (never.value, maybe.value):
        assert len(error.job_ids) == 2 * CHUNK
        assert error.enqueued == error.job_ids[:CHUNK]
        assert error.job_id == f"id-{CHUNK}"


def test_a_refusal_midway_keeps_its_kind_and_tells_what_was_taken() -> None:
    with pytest.raises(QueueFull, match=r"^full; of 4 jobs 2 are on their queues") as told:
        sent(4, lambda _: [True, FULL, True, FULL])
    assert told.value.job_ids == ("id-0", "id-1", "id-2", "id-3")
    assert told.value.enqueued == ("id-0", "id-2")
    assert told.value.__cause__ is FULL


def test_a_refusal_of_all_is_told_as_it_is() -> None:
    with pytest.raises(QueueFull) as told:
        sent(4, lambda _: [FULL] * 4)
    assert told.value is FULL
