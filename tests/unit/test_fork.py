"""A fork that goes on as another program: with nothing of ours but memory."""

from __future__ import annotations

import os
import signal

import pytest

from horus_supervisor.supervisor import children, fork

ECHO = "tests.support.echo"
STATE = "tests.support.state"
"""A program that tells its descriptors, and which signals it handles, ignores and blocks."""


def run(module: str, fds: list[int]) -> tuple[int, str]:
    """Fork a program; its exit status, and what it printed."""
    reading, writing = os.pipe()
    try:
        pid = fork.fork_program(module, fds, writing)
    finally:
        os.close(writing)
    with open(reading) as said:
        text = said.read()
    return os.waitstatus_to_exitcode(children.reap(pid).status), text


def memory(text: str, number: int) -> int:
    """A file in memory that holds ``text``, as descriptor ``number``."""
    fd = os.memfd_create("test")
    os.write(fd, text.encode())
    os.dup2(fd, number, inheritable=False)
    os.close(fd)
    return number


@pytest.mark.parametrize("numbers", [(100, 101), (201, 200), (200, 201, 202), (203, 199, 200)])
def test_descriptors_arrive_in_order_whatever_their_numbers_are_here(
    numbers: tuple[int, ...],
) -> None:
    fds = [memory(f"file {number}", number) for number in numbers]
    status, text = run(ECHO, fds)
    assert status == 0
    assert text.splitlines() == [*(f"file {number}" for number in numbers), "leader", "stdin ''"]
    for fd in fds:
        os.close(fd)


def test_neither_our_descriptors_nor_our_signals_go_along() -> None:
    ours = memory("ours", 300)
    kept = memory("kept", 301)
    ears, mouth = os.pipe()
    os.set_blocking(mouth, False)
    before = signal.signal(signal.SIGUSR1, lambda *_: None)
    signal.set_wakeup_fd(mouth)
    try:
        status, text = run(STATE, [kept])
    finally:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGUSR1, before)
        for fd in (ours, kept, ears, mouth):
            os.close(fd)
    assert status == 0
    assert text.splitlines() == ["files 0 1 2 302", "wakeup -1", "handled []", "blocked []"]


def test_a_signal_right_after_the_fork_runs_no_handler_of_ours() -> None:
    told, tell = os.pipe()
    armed = True

    def signal_the_child() -> None:
        if armed:
            os.kill(os.getpid(), signal.SIGURG)  # nothing comes of it without a handler

    os.register_at_fork(after_in_child=signal_the_child)
    before = signal.signal(signal.SIGURG, lambda *_: os.write(tell, b"ours"))
    try:
        assert run(ECHO, [])[0] == 0
    finally:
        armed = False
        signal.signal(signal.SIGURG, before)
        os.close(tell)
    with open(told) as heard:
        assert heard.read() == ""


def test_a_program_that_fails_tells_why_and_nothing_of_ours_goes_on() -> None:
    status, text = run("tests.support.nowhere", [1])
    assert status == 1
    assert text.rstrip().endswith("No module named 'tests.support.nowhere'")


def test_signals_are_heard_again_after_a_fork() -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    run(ECHO, [])
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before
