"""When what a job has to hear is raised into it, and when that waits."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import sys
import termios
import threading
import time
from collections.abc import Iterator

import pytest

from horus_supervisor import linux
from horus_supervisor.errors import JobTimeout
from horus_supervisor.messages import Identity
from horus_supervisor.runner.execute import Guard
from horus_supervisor.runner.voice import Voice
from horus_supervisor.scoreboard import Scoreboard, SlotWriter
from tests.support.waiting import wait_until

IDENTITY = Identity(service="s", host="h", supervisor="v", level="info")


@pytest.fixture
def late() -> Iterator[Guard]:
    """The guard of a job that is past its deadline, its handler in place."""
    fd = linux.memory_file("test-scoreboard")
    slot = SlotWriter(Scoreboard(fd), 0)
    slot.executing(1, 1, 1, 0, time.monotonic_ns(), 0, b"")
    guard = Guard(slot)
    before = signal.signal(linux.WAKE_SIGNAL, lambda *_: guard.look())
    yield guard
    signal.signal(linux.WAKE_SIGNAL, before)
    os.close(fd)


def unread(fd: int) -> int:
    return int.from_bytes(fcntl.ioctl(fd, termios.FIONREAD, bytes(4)), sys.byteorder)


def test_a_line_that_a_job_writes_stays_whole_though_its_timeout_strikes_in_it(
    late: Guard,
) -> None:
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    read = bytearray()

    def interrupt() -> None:
        wait_until(lambda: unread(reading) == 4096, "half a line is written")
        signal.pthread_kill(threading.main_thread().ident or 0, linux.WAKE_SIGNAL)
        while chunk := os.read(reading, 4096):
            read.extend(chunk)

    log = Voice(writing, IDENTITY, "q/1", "q").jobs_own({}, late.held_off)
    thread = threading.Thread(target=interrupt)
    thread.start()
    late.armed = True
    try:
        with pytest.raises(JobTimeout):
            log.info("long", pad="x" * 10_000)
    finally:
        os.close(writing)
        thread.join()
        os.close(reading)
    assert json.loads(read)["pad"] == "x" * 10_000


def test_a_line_of_a_jobs_thread_neither_hears_the_timeout_nor_keeps_it_from_the_job(
    late: Guard,
) -> None:
    late.armed = True
    in_between: list[bool] = []

    def write() -> None:
        with late.held_off():
            in_between.append(late.armed)

    thread = threading.Thread(target=write)
    thread.start()
    thread.join()
    assert in_between == [True]
    with pytest.raises(JobTimeout):
        late.look()
