"""How much a process has grown since its fork, seen from outside: real processes that grow."""

from __future__ import annotations

import mmap
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from horus_supervisor import linux
from horus_supervisor.supervisor.growth import LOOK_ANYWAY_S, LOOK_EVERY_S, TURN_S, Growth, look
from tests.support.waiting import wait_until

MEGABYTE = 1 << 20
LIMIT = 40 * MEGABYTE

GROW = """
import mmap, os, sys
kept = []
os.write(1, b".")
for line in sys.stdin:
    kept.append(mmap.mmap(-1, int(line) << 20))
    for page in range(0, len(kept[-1]), mmap.PAGESIZE):
        kept[-1][page] = 1
    os.write(1, b".")
"""


class Child:
    """A process that fills a memory of its own when it is told to.

    Not a fork of ours: what it shares with us would become its own with whatever we write to.
    """

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", GROW], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )
        self.pid = self._process.pid
        self._heard()

    def grow(self, megabytes: int) -> None:
        assert self._process.stdin
        self._process.stdin.write(b"%d\n" % megabytes)
        self._heard()

    def end(self) -> None:
        with self._process as process:
            process.kill()

    def _heard(self) -> None:
        assert self._process.stdout
        assert self._process.stdout.read(1) == b"."


@pytest.fixture
def child() -> Iterator[Child]:
    child = Child()
    yield child
    child.end()


@pytest.fixture
def exact(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The pids that were looked at exactly."""
    seen: list[int] = []

    def note(pid: int) -> int:
        seen.append(pid)
        return measure(pid)

    measure: Callable[[int], int] = linux.private_memory_bytes
    monkeypatch.setattr(linux, "private_memory_bytes", note)
    return seen


def said(growth: Growth) -> str:
    return growth.past or ""


def test_who_grows_past_the_limit_is_seen_at_the_next_look(child: Child) -> None:
    grown = Growth(child.pid, LIMIT)
    child.grow(30)
    look([grown], 1.0)
    assert grown.past is None
    child.grow(30)
    look([grown], 1.0 + LOOK_EVERY_S)
    assert re.fullmatch(r"6\dMiB of its own since the fork; hard_memory is 40MiB", said(grown))


def test_who_can_not_be_past_it_costs_no_exact_look(child: Child, exact: list[int]) -> None:
    grown = Growth(child.pid, LIMIT)
    for turn in range(100):
        look([grown], turn * LOOK_EVERY_S)
    assert exact == []


def test_a_turn_looks_exactly_at_as_many_as_it_can_bear_the_longest_ago_first(
    child: Child, exact: list[int]
) -> None:
    many = [Growth(child.pid, LIMIT) for _ in range(3)]
    child.grow(60)
    slow = iter(range(1000))
    for turn in (1, 2, 3):
        look(many, turn * LOOK_EVERY_S, clock=lambda: next(slow) * 2 * TURN_S)
        assert len([one for one in many if one.past]) == len(exact) == turn


def test_what_was_shared_with_who_has_ended_is_no_growth() -> None:
    kept = mmap.mmap(-1, 60 * MEGABYTE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    told, tell = os.pipe()
    parent = os.fork()
    if parent == 0:
        kept.write(b"\1" * (60 * MEGABYTE))
        heir = os.fork()
        if heir == 0:
            signal.pause()
        os.write(tell, f"{heir}\n".encode())
        signal.pause()
    heir = int(os.read(told, 16))
    try:
        grown = Growth(heir, LIMIT)
        assert linux.private_memory_bytes(heir) < LIMIT
        os.kill(parent, signal.SIGKILL)
        os.waitpid(parent, 0)
        wait_until(lambda: linux.private_memory_bytes(heir) > LIMIT, "it is the heir's alone")
        look([grown], LOOK_ANYWAY_S + 1)
        assert grown.past is None
    finally:
        os.kill(heir, signal.SIGKILL)


def test_who_grows_past_it_is_seen_though_the_kernel_tells_no_exact_size(
    child: Child, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linux, "private_memory_bytes", lambda _: 0)
    grown = Growth(child.pid, LIMIT)
    child.grow(60)
    look([grown], 1.0)
    assert re.match(r"[56]\dMiB of its own", said(grown))


def test_what_becomes_its_own_without_a_fault_is_seen_before_long(
    child: Child, monkeypatch: pytest.MonkeyPatch
) -> None:
    grown, own = Growth(child.pid, LIMIT), [MEGABYTE]
    monkeypatch.setattr(linux, "private_memory_bytes", lambda _: own[-1])
    child.grow(60)
    look([grown], 20.0)
    own.append(50 * MEGABYTE)  # a child that it shared the rest with has ended
    look([grown], 20.0 + LOOK_EVERY_S)
    assert grown.past is None
    look([grown], 20.1 + LOOK_ANYWAY_S)
    assert grown.past


def test_who_is_gone_is_not_past_it() -> None:
    child = Child()
    grown = Growth(child.pid, LIMIT)
    child.end()
    look([grown], 1.0)
    assert grown.past is None
