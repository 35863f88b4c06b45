"""Processes: started with the right descriptors, found once they have ended, stopped for sure."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from horus_supervisor import proc
from horus_supervisor.supervisor import children
from tests.support.waiting import wait_until

ECHO = "tests.support.echo"
"""A program that tells what each descriptor that it was given reads."""


def spawn(*command: str) -> int:
    """Start a child that nobody reaps but the test."""
    return os.posix_spawnp(command[0], command, os.environ, setpgroup=0)


def sleeper() -> int:
    return spawn("sleep", "60")


def state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def end(pid: int) -> children.Reaped:
    os.kill(pid, signal.SIGKILL)
    return children.reap(pid)


def start_echo(fds: list[int], *arguments: object) -> str:
    """Start ``ECHO``; what it printed."""
    reading, writing = os.pipe()
    try:
        pid = children.start_program(ECHO, arguments, fds, writing)
    finally:
        os.close(writing)
    with open(reading) as said:
        text = said.read()
    assert children.reap(pid).status == 0, text
    return text


def memory(text: str, number: int | None = None) -> int:
    """A file in memory that holds ``text``, as descriptor ``number``."""
    fd = os.memfd_create("test")
    os.write(fd, text.encode())
    if number is None:
        return fd
    os.dup2(fd, number, inheritable=False)
    os.close(fd)
    return number


def test_a_program_gets_its_descriptors_and_arguments_in_order() -> None:
    fds = [memory(text) for text in ("a", "b", "c")]
    assert start_echo(fds, "x", 7).splitlines() == ["a", "b", "c", "'x'", "7", "leader", "stdin ''"]
    for fd in fds:
        os.close(fd)


@pytest.mark.parametrize("numbers", [(201, 200), (200, 201, 202), (203, 199, 200), (202, 201, 200)])
def test_descriptors_arrive_whatever_their_numbers_are_here(numbers: tuple[int, ...]) -> None:
    fds = [memory(f"file {number}", number) for number in numbers]
    assert start_echo(fds).splitlines()[: len(fds)] == [f"file {number}" for number in numbers]
    for fd in fds:
        os.close(fd)


def test_a_program_that_can_not_be_started_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    with pytest.raises(OSError, match="nonexistent"):
        children.start_program(ECHO, (), [0], 1)


def test_an_ended_child_is_given_and_stays_until_it_is_reaped() -> None:
    pid = spawn("true")
    wait_until(lambda: state(pid) == "Z", "it ended")
    assert list(children.ended()) == [pid]
    assert list(children.ended()) == [pid]
    assert children.reap(pid).status == 0
    assert list(children.ended()) == []


def test_all_that_have_ended_are_given_as_they_are_reaped() -> None:
    pids = {spawn("sh", "-c", "exit 3") for _ in range(5)}
    wait_until(lambda: all(state(pid) == "Z" for pid in pids), "they ended")
    ends = [children.reap(pid) for pid in children.ended()]
    assert {end.pid for end in ends} == pids
    assert {os.WEXITSTATUS(end.status) for end in ends} == {3}


def test_those_for_whom_there_is_no_time_are_given_the_next_time() -> None:
    for _ in range(5):
        if os.fork() == 0:
            os._exit(0)
    wait_until(lambda: _zombies() == 5, "all have ended")
    for left in (3, 1, 0):
        now = iter((0.0, 0.004, 0.008))  # at first, after a death, after another
        for pid in children.ended(0.006, lambda: next(now)):  # noqa: B023
            children.reap(pid)
        assert children.any_ended() == (left > 0)
        assert _zombies() == left


def _zombies() -> int:
    return sum(state(pid) == "Z" for pid in proc.our_children())


def test_children_that_live_are_not_given() -> None:
    pid = sleeper()
    assert list(children.ended()) == []
    assert os.WTERMSIG(end(pid).status) == signal.SIGKILL


def test_whether_a_process_is_a_child_of_ours_is_told_until_it_is_reaped() -> None:
    pid = sleeper()
    assert children.is_ours(pid)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: state(pid) == "Z", "it ended")
    assert children.is_ours(pid)
    children.reap(pid)
    assert not children.is_ours(pid)
    assert not any(
        children.is_ours(other) for other in (os.getpid(), os.getppid(), 1, 0, -1, 1 << 62)
    )


@pytest.mark.parametrize("pid", [-1, 0, 1])
def test_nobody_and_everybody_is_never_signalled(pid: int) -> None:
    assert not children.send_signal(pid, 0)


def test_a_signal_to_who_is_gone_is_told() -> None:
    pid = sleeper()
    assert children.send_signal(pid, signal.SIGTERM)
    children.reap(pid)
    assert not children.send_signal(pid, signal.SIGTERM)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_one_that_is_another_users_by_now_is_let_be() -> None:
    pid = sleeper()
    try:
        os.setresuid(65534, 65534, 0)
        assert not children.send_signal(pid, signal.SIGTERM)
        assert children.kill_if_still(pid, lambda: True)  # as far as it can be done
    finally:
        os.setresuid(0, 0, 0)
    assert not children.has_ended(pid)
    end(pid)


def test_who_got_further_meanwhile_goes_on() -> None:
    pid = sleeper()
    assert not children.kill_if_still(pid, lambda: False)
    wait_until(lambda: state(pid) == "S", "it goes on")
    end(pid)


def test_who_is_killed_is_killed_with_its_group() -> None:
    shell = subprocess.Popen(
        ["sh", "-c", "sleep 60 & echo $!; wait"], stdout=subprocess.PIPE, text=True, process_group=0
    )
    with shell:
        assert shell.stdout is not None
        member = int(shell.stdout.readline())
        assert children.kill_if_still(shell.pid, lambda: True)
    wait_until(lambda: not Path(f"/proc/{member}").exists() or state(member) == "Z", "gone too", 5)
