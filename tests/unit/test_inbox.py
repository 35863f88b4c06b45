"""The supervisor's one wait: what wakes it, what is gathered, what is left alone."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from horus_supervisor.supervisor.inbox import GATHER_S, HEARD, Inbox
from horus_supervisor.supervisor.output import make_pipe

LONG_S = 20.0


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    before = {number: signal.getsignal(number) for number in HEARD}
    inbox = Inbox()
    yield inbox
    signal.set_wakeup_fd(-1)
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = make_pipe()
    yield reading, writing
    os.close(reading)
    os.close(writing)


def call(handlers: list[Callable[[], object]]) -> list[object]:
    return [handler() for handler in handlers]


def test_nothing_ends_the_wait_but_its_time(inbox: Inbox) -> None:
    began = time.monotonic()
    assert inbox.wait(0.05) == []
    assert time.monotonic() - began >= 0.05


@pytest.mark.parametrize("number", HEARD)
def test_a_signal_ends_the_wait_and_is_told_once(inbox: Inbox, number: int) -> None:
    os.kill(os.getpid(), number)
    assert call(inbox.wait(LONG_S)) == [None], "not its time ended it"
    assert list(inbox.signals()) == [number]
    assert list(inbox.signals()) == []
    assert inbox.wait(0) == []


def test_a_flood_of_signals_does_not_block_us(inbox: Inbox) -> None:
    for _ in range(70_000):  # more than the wake-up pipe holds
        signal.raise_signal(signal.SIGUSR1)
    call(inbox.wait(LONG_S))
    assert len(list(inbox.signals())) == 70_000
    assert inbox.wait(0) == []


def test_what_is_urgent_is_handled_at_once(inbox: Inbox, pipe: tuple[int, int]) -> None:
    inbox.watch(pipe[0], lambda: "urgent")
    os.write(pipe[1], b"x")
    assert call(inbox.wait(LONG_S)) == ["urgent"]


def test_log_pipes_are_gathered_for_a_moment(inbox: Inbox, pipe: tuple[int, int]) -> None:
    inbox.watch_bulk(pipe[0], lambda: "bulk")
    os.write(pipe[1], b"x")
    began = time.monotonic()
    assert call(inbox.wait(LONG_S)) == ["bulk"]
    assert time.monotonic() - began >= GATHER_S


def test_what_is_urgent_goes_first_where_both_wait(inbox: Inbox, pipe: tuple[int, int]) -> None:
    urgent_r, urgent_w = make_pipe()
    inbox.watch_bulk(pipe[0], lambda: "bulk")
    inbox.watch(urgent_r, lambda: "urgent")
    for fd in (pipe[1], urgent_w):
        os.write(fd, b"x")
    assert [said for said in call(inbox.wait(LONG_S)) if said] == ["urgent", "bulk"]
    for fd in (urgent_r, urgent_w):
        os.close(fd)


def test_what_is_urgent_ends_the_gathering_and_goes_first(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("horus_supervisor.supervisor.inbox.GATHER_S", LONG_S)
    log_r, log_w = make_pipe()
    urgent_r, urgent_w = make_pipe()
    inbox.watch_bulk(log_r, lambda: "bulk")
    inbox.watch(urgent_r, lambda: "urgent")
    os.write(log_w, b"x")
    signal.signal(signal.SIGALRM, lambda *_: os.write(urgent_w, b"x"))
    signal.setitimer(signal.ITIMER_REAL, GATHER_S / 3)
    began = time.monotonic()
    assert [said for said in call(inbox.wait(LONG_S)) if said] == ["urgent", "bulk"]
    assert time.monotonic() - began < LONG_S
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    for fd in (log_r, log_w, urgent_r, urgent_w):
        os.close(fd)


@pytest.mark.parametrize("room", [True, False])
def test_what_need_not_be_heard_at_once_is_heard_with_what_comes_a_moment_later(
    inbox: Inbox, room: bool
) -> None:
    first_r, first_w = make_pipe()
    second_r, second_w = make_pipe()
    inbox.watch(first_r, lambda: "first", soon=False)
    inbox.watch(second_r, lambda: "second", soon=False)
    os.write(first_w, b"x")
    signal.signal(signal.SIGALRM, lambda *_: os.write(second_w, b"x"))
    signal.setitimer(signal.ITIMER_REAL, GATHER_S / 3)
    assert {"first", "second"} <= set(call(inbox.wait(LONG_S, bulk=room)))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    for fd in (first_r, first_w, second_r, second_w):
        os.close(fd)


def test_without_room_log_pipes_are_left_alone(inbox: Inbox, pipe: tuple[int, int]) -> None:
    inbox.watch_bulk(pipe[0], lambda: "bulk")
    os.write(pipe[1], b"x")
    assert inbox.wait(0.01, bulk=False) == []
    assert call(inbox.wait(LONG_S)) == ["bulk"]


def test_what_is_forgotten_is_not_handled(inbox: Inbox, pipe: tuple[int, int]) -> None:
    inbox.watch_bulk(pipe[0], lambda: "bulk")
    os.write(pipe[1], b"x")
    inbox.forget(pipe[0])
    inbox.forget(pipe[0])
    assert inbox.wait(0.01) == []


def test_a_descriptor_may_be_watched_for_room_and_then_not(inbox: Inbox) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        inbox.watch(ours.fileno(), lambda: "there", write=True)
        assert call(inbox.wait(LONG_S)) == ["there"]
        inbox.watch(ours.fileno(), lambda: "there")
        assert inbox.wait(0.01) == []
        theirs.send(b"x")
        assert call(inbox.wait(LONG_S)) == ["there"]


def test_room_alone_is_watched_for_without_hearing_what_comes_in(inbox: Inbox) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        fill(ours)
        theirs.send(b"typed")
        inbox.watch_room(ours.fileno(), lambda: "room", True)
        assert inbox.wait(0.01) == []
        empty(theirs)
        assert call(inbox.wait(LONG_S)) == ["room"]
        inbox.watch_room(ours.fileno(), lambda: "room", False)
        assert inbox.wait(0.01) == []


def fill(sock: socket.socket) -> None:
    with contextlib.suppress(BlockingIOError):
        while True:
            sock.send(b"x" * 65536, socket.MSG_DONTWAIT)


def empty(sock: socket.socket) -> None:
    with contextlib.suppress(BlockingIOError):
        while sock.recv(65536, socket.MSG_DONTWAIT):
            pass


def test_a_regular_file_is_not_waited_for(inbox: Inbox, tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as file:
        inbox.watch_room(file.fileno(), lambda: "room", True)
        assert inbox.wait(0) == []
        inbox.watch_room(file.fileno(), lambda: "room", False)
