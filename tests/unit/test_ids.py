"""Ids are UUIDv7, rise within a process, and differ between a process and its children."""

from __future__ import annotations

import os
import signal
import threading
import time
import uuid

import pytest

from horus_supervisor import ids
from horus_supervisor.ids import (
    new_job_id,
    new_job_ids,
    valid_job_id,
    valid_job_name,
    valid_queue_name,
)


def test_an_id_is_a_uuid_of_version_7_and_says_when_it_was_made() -> None:
    before_ms = time.time_ns() // 1_000_000
    made = uuid.UUID(new_job_id())
    after_ms = time.time_ns() // 1_000_000

    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    # ids of this process rise by at least one a call, so a burst may be some milliseconds ahead
    assert before_ms <= made.int >> 80 <= after_ms + 10


def test_ids_rise_within_a_process() -> None:
    made = [new_job_id() for _ in range(20_000)]
    assert made == sorted(set(made))


def test_many_ids_made_at_once_rise_between_those_before_and_after() -> None:
    made = [new_job_id(), *new_job_ids(20_000), new_job_id()]
    assert made == sorted(set(made))
    assert all(uuid.UUID(one).version == 7 for one in made)
    assert new_job_ids(0) == []


def test_ids_rise_when_the_clock_goes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    before = new_job_id()
    monkeypatch.setattr(time, "time_ns", lambda: 1_000_000_000)
    after = [new_job_id() for _ in range(100)]
    assert [before, *after] == sorted({before, *after})


def test_threads_never_make_the_same_id() -> None:
    made: list[list[str]] = [[] for _ in range(4)]

    def make(into: list[str]) -> None:
        for _ in range(500):
            into.extend([new_job_id(), *new_job_ids(3)])

    threads = [threading.Thread(target=make, args=(into,)) for into in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({one for some in made for one in some}) == 8_000


def test_a_forked_child_makes_other_ids_even_if_a_thread_held_the_lock() -> None:
    new_job_id()
    child_says, say = os.pipe()
    with ids._sequences[os.getpid()]._lock:
        pid = os.fork()
        if pid == 0:
            signal.alarm(10)  # the end of a child that waits for the lock
            os.write(say, "".join(new_job_id() for _ in range(100)).encode())
            os._exit(0)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    told = os.read(child_says, 3600).decode()
    os.close(child_says)
    os.close(say)
    theirs = {told[start : start + 36] for start in range(0, 3600, 36)}

    assert len(theirs) == 100
    assert theirs.isdisjoint(new_job_id() for _ in range(100))


@pytest.mark.parametrize(
    "text", ["a", "order/17#x", "~" * 128, pytest.param(new_job_id(), id="a new one")]
)
def test_these_may_be_ids(text: str) -> None:
    assert valid_job_id(text)


@pytest.mark.parametrize("text", ["", "a b", "a\n", "\x7f", "é", "a" * 129, "\t"])
def test_these_may_not_be_ids(text: str) -> None:
    assert not valid_job_id(text)


def test_names_of_queues() -> None:
    assert all(map(valid_queue_name, ["a", "e-mails_2.high", "q" * 64]))
    assert not any(map(valid_queue_name, ["", "a b", "é", "q" * 65, "a:b", "a\n"]))


def test_names_of_jobs() -> None:
    assert all(map(valid_job_name, ["myapp.jobs.EmailJob", "t.<locals>.Größe", "n" * 200]))
    assert not any(map(valid_job_name, ["", "a b", "a\n", "n" * 201, "a\u2003b", "a\0"]))
