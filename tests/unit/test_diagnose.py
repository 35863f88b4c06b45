"""From an exit and a slot to a crash record."""

from __future__ import annotations

import resource
import signal
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from horus_supervisor import messages
from horus_supervisor.crash_record import CrashRecord, crash_id, how
from horus_supervisor.lifecycle import Cause, Death
from horus_supervisor.linux import WAKE_SIGNAL
from horus_supervisor.messages import Identity
from horus_supervisor.scoreboard import Phase, Row
from horus_supervisor.supervisor import deaths
from horus_supervisor.supervisor.diagnose import (
    Ended,
    death,
    diagnose,
    in_reading_order,
    left_with,
)

ME = Identity(service="shop", host="h1", supervisor="abc", level="info")

IDLE = Row(9, 7, Phase.IDLE, 3, 1, 1, 0, 0, 2, 0, "", "", "", False)
BUSY = replace(
    IDLE,
    phase=Phase.EXECUTING,
    since_ns=10_000_000_000,
    started_ms=1_700_000_000_000,
    job_id="id",
    job="app.Job",
    queue="mail",
)

SEGFAULT, CORE, KILL = int(signal.SIGSEGV), int(signal.SIGSEGV) | 0x80, int(signal.SIGKILL)


def exited(code: int) -> int:
    return code << 8


def ended(status: int, **fields: Any) -> Ended:
    plain = Ended(
        runner="mail/1",
        group="mail",
        slot=4,
        incarnation=9,
        pid=7,
        status=status,
        rusage=resource.getrusage(resource.RUSAGE_SELF),
        at_wall=1_700_000_002.5,
        at_ns=12_500_000_000,
        born_ns=2_500_000_000,
        killed_for=None,
        interrupted=False,
        oom_kills=0,
        others=0,
        stacks="",
        output_tail=(),
        app_version=None,
    )
    return replace(plain, **fields)


def record(status: int, row: Row = BUSY, **fields: Any) -> CrashRecord:
    return diagnose(ended(status, **fields), row, ME)


# --- how it died -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "cause", "name", "code", "core", "words"),
    [
        (SEGFAULT, Cause.SIGNAL, "SIGSEGV", None, False, "killed by SIGSEGV"),
        (CORE, Cause.SIGNAL, "SIGSEGV", None, True, "killed by SIGSEGV"),
        (KILL, Cause.SIGNAL, "SIGKILL", None, False, "killed by SIGKILL"),
        (signal.SIGRTMIN + 5, Cause.SIGNAL, "SIG39", None, False, "killed by SIG39"),
        (exited(3), Cause.EXIT, None, 3, False, "exited with 3"),
        (exited(0), Cause.EXIT, None, 0, False, "exited with 0"),
    ],
)
def test_each_way_to_die_is_told_apart(
    status: int, cause: Cause, name: str | None, code: int | None, core: bool, words: str
) -> None:
    found = record(status)
    assert (found.cause, found.signal, found.exit_code) == (cause, name, code)
    assert found.core_dumped is core
    assert how(found) == words
    assert deaths.in_words(status) == words


def test_what_we_killed_for_is_the_cause() -> None:
    late = replace(BUSY, deadline_ns=BUSY.since_ns + 90_000_000_000)
    found = record(KILL, late, killed_for=Cause.TIMEOUT, oom_kills=1)
    assert found.cause == Cause.TIMEOUT
    assert how(found) == "timeout (SIGKILL)"
    assert found.note == "did not give way to its timeout of 1m30s"


def test_what_dies_of_the_signal_that_wakes_runners_was_another_program_and_maybe_late() -> None:
    late = replace(BUSY, deadline_ns=12_400_000_000)
    found = record(WAKE_SIGNAL, late)
    assert (found.cause, how(found)) == (Cause.TIMEOUT, "timeout (SIG36)")
    assert "exec" in (found.note or "")
    asked_to_leave = record(WAKE_SIGNAL, replace(BUSY, deadline_ns=99_000_000_000))
    assert asked_to_leave.cause == Cause.SIGNAL
    assert "exec" in (asked_to_leave.note or "")


def test_a_record_for_redis_is_bounded_and_keeps_the_ends() -> None:
    stacks = "".join(f'  File "app.py", line {n} in deep\n' for n in range(1000))
    tail = tuple(f"{n} " + "\u20ac" * 2700 for n in range(20))
    text = deaths.bounded(record(SEGFAULT, stacks=stacks, output_tail=tail))
    assert len(text) < 16 * 1024
    kept = msgspec.json.decode(text, type=CrashRecord)
    assert kept.traceback
    assert kept.traceback.startswith(stacks[:100])
    assert kept.traceback.endswith(stacks[-100:])
    assert kept.output_tail[-1].startswith("19 ")
    assert kept.signal == "SIGSEGV"


def test_a_kill_that_the_kernel_counted_is_oom() -> None:
    found = record(KILL, oom_kills=1)
    assert (found.cause, found.note) == (Cause.OOM, None)


def test_where_several_died_at_once_oom_says_that_it_is_unsure() -> None:
    assert "unsure" in (record(KILL, oom_kills=1, others=1).note or "")


def test_only_a_kill_can_be_oom() -> None:
    assert record(SEGFAULT, oom_kills=1).cause == Cause.SIGNAL
    assert record(exited(1), oom_kills=1).cause == Cause.EXIT
    assert record(KILL, oom_kills=1, interrupted=True).cause == Cause.SIGNAL


@pytest.mark.parametrize(
    ("fields", "fate"),
    [
        ({}, Death.CRASHED),
        ({"oom_kills": 1}, Death.CRASHED),
        ({"killed_for": Cause.TIMEOUT}, Death.KILLED),
        ({"interrupted": True}, Death.INTERRUPTED),
    ],
)
def test_what_a_death_means_for_the_job_follows_from_its_cause(
    fields: dict[str, Any], fate: Death
) -> None:
    end = ended(KILL, **fields)
    assert death(end, diagnose(end, BUSY, ME).cause) == fate


# --- leaving in order --------------------------------------------------------------------------

LEFT = replace(IDLE, phase=Phase.LEFT)


@pytest.mark.parametrize("code", [0, messages.LEFT_UNHEARD, messages.LEFT_STALE])
def test_a_runner_that_left_tells_by_its_status_what_is_to_be_told_yet(code: int) -> None:
    assert left_with(exited(code), LEFT, 9) == code


@pytest.mark.parametrize(
    ("status", "row", "incarnation"),
    [
        (exited(0), BUSY, 9),
        (exited(0), IDLE, 9),
        (exited(1), LEFT, 9),
        (KILL, LEFT, 9),
        (exited(0), LEFT, 10),
    ],
    ids=["in mid-job", "while idle", "with a status", "by a signal", "the row is another's"],
)
def test_any_other_end_is_a_crash(status: int, row: Row, incarnation: int) -> None:
    assert left_with(status, row, incarnation) is None


# --- the job in flight -------------------------------------------------------------------------


def test_the_job_in_flight_is_named() -> None:
    found = record(KILL)
    assert (found.job_id, found.job, found.queue, found.attempt) == ("id", "app.Job", "mail", 1)
    assert found.started_at == "2023-11-14T22:13:20.000000Z"
    assert found.ran_for_s == 2.5


@pytest.mark.parametrize(
    "row",
    [IDLE, LEFT, replace(BUSY, incarnation=8)],
    ids=["idle", "left", "another's"],
)
def test_no_job_is_blamed_that_was_not_in_flight(row: Row) -> None:
    found = record(KILL, row)
    assert (found.job_id, found.job, found.queue, found.attempt) == (None,) * 4
    assert (found.started_at, found.ran_for_s) == (None, None)


def test_a_job_that_was_being_handed_in_is_still_in_flight() -> None:
    assert record(KILL, replace(BUSY, phase=Phase.FINISHING)).job_id == "id"


def test_a_row_of_an_earlier_life_tells_nothing_of_this_one() -> None:
    assert record(KILL, replace(IDLE, incarnation=8)).jobs_done is None
    assert record(KILL, IDLE).jobs_done == 2


def test_a_torn_row_is_noted() -> None:
    assert "torn" in (record(KILL, replace(BUSY, torn=True)).note or "")


@pytest.mark.parametrize("word", [-(1 << 63), -1, 1 << 62, (1 << 63) - 1])
def test_whatever_job_code_wrote_into_the_row_makes_a_record(word: int) -> None:
    names = ("seq", "attempt", "fence", "since_ns", "deadline_ns", "jobs_done", "started_ms")
    row = replace(BUSY, job_id="\ufffd\0", job="\x1b", torn=True)
    words: dict[str, Any] = dict.fromkeys(names, word)
    row = replace(row, **words)
    found = record(KILL, row)
    assert msgspec.json.decode(messages.encode(found), type=CrashRecord) == found


# --- the rest ----------------------------------------------------------------------------------


def test_who_died_where_and_when_is_told() -> None:
    found = record(KILL, app_version="1.2")
    assert (found.host, found.supervisor, found.runner, found.group) == (
        "h1",
        "abc",
        "mail/1",
        "mail",
    )
    assert (found.pid, found.timestamp) == (7, "2023-11-14T22:13:22.500000Z")
    assert (found.uptime_s, found.jobs_done, found.app_version) == (10.0, 2, "1.2")
    assert found.max_rss_bytes is not None
    assert found.max_rss_bytes > 1 << 20


def test_last_words_are_kept() -> None:
    found = record(KILL, stacks="Fatal Python error", output_tail=("one", "two"))
    assert (found.traceback, found.output_tail) == ("Fatal Python error", ["one", "two"])
    assert record(KILL).traceback is None


def test_the_id_of_a_death_is_that_of_its_slot_and_life() -> None:
    assert record(KILL).crash_id == crash_id("abc", 4, 9)
    others = {crash_id("abc", 4, 10), crash_id("abc", 5, 9), crash_id("abd", 4, 9)}
    assert len(others | {record(KILL).crash_id}) == 4


def test_the_thread_that_died_is_told_before_the_others() -> None:
    fatal, others, current, rest = (
        "Fatal",
        "Thread 1:\n  a\n\nThread 2:\n  b",
        "Current thread",
        "E",
    )
    assert in_reading_order(f"{fatal}\n\n{others}\n\n{current}\n\n{rest}") == (
        f"{fatal}\n\n{current}\n\n{others}\n\n{rest}"
    )
    for as_it_is in ("", "no stack\n\nat all", f"{current}\n\n{others}", others):
        assert in_reading_order(as_it_is) == as_it_is
