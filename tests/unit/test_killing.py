"""How a runner is killed for cause: not in the middle of its core dump. Real processes."""

from __future__ import annotations

import faulthandler
import os
import resource
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from horus_supervisor import proc
from horus_supervisor.lifecycle import Cause
from horus_supervisor.scoreboard import Scoreboard, SlotWriter
from horus_supervisor.supervisor import children, killing
from horus_supervisor.supervisor.pulse import Pulse
from tests.support.waiting import wait_until

MEGABYTES = 256


def life(pid: int, **more: Any) -> Any:
    pulse = Pulse()
    pulse.beats = more.pop("beats", 0)
    facts = {"overdue_seq": 0, "dumped_at": None, "dumps_core_since": None, "end_by": None}
    return SimpleNamespace(pid=pid, pulse=pulse, killed=False, **{**facts, **more})


def test_a_core_dump_is_waited_for_within_bounds(board: Scoreboard, tmp_path: Path) -> None:
    pid = os.fork()
    if pid == 0:
        faulthandler.disable()
        os.chdir(tmp_path)
        resource.setrlimit(resource.RLIMIT_CORE, resource.getrlimit(resource.RLIMIT_CORE)[1:] * 2)
        kept = b"\1" * (MEGABYTES << 20)
        os.kill(os.getpid(), signal.SIGABRT if kept else signal.SIGKILL)
    runner = life(pid)
    ended: list[int] = []

    def dumps() -> bool:
        if not ended and os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            ended.append(os.waitpid(pid, 0)[1])
        return bool(ended) or proc.dumps_core(pid)

    wait_until(dumps, "it dumps, or has ended")
    if ended:
        pytest.skip("no core was written for long enough to be met: limits, or a pipe")
    assert not killing.kill(runner, 0, board, Cause.TIMEOUT, 100.0)
    assert not runner.killed
    late = 100.0 + killing.CORE_S
    assert killing.kill(runner, 0, board, None, late)
    os.waitpid(pid, 0)
    for core in tmp_path.iterdir():
        core.unlink()


@pytest.mark.parametrize("cause", [Cause.STUCK, Cause.MEMORY, None])
def test_who_died_and_was_not_reaped_yet_died_of_no_cause_of_ours(
    board: Scoreboard, cause: Cause | None
) -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(3)
    wait_until(lambda: children.has_ended(pid), "it has ended")
    runner = life(pid)
    assert not killing.kill(runner, 0, board, cause, 100.0)
    assert not runner.killed
    os.waitpid(pid, 0)


@pytest.mark.parametrize(
    ("cause", "seen", "is_now"),
    [
        (Cause.STUCK, {"beats": 7}, {}),
        (Cause.TIMEOUT, {"overdue_seq": 4}, {"overdue_seq": 5}),  # another job, late too
    ],
    ids=["a sign of life", "another job"],
)
def test_who_has_gone_on_meanwhile_is_let_live(
    board: Scoreboard, cause: Cause, seen: dict[str, int], is_now: dict[str, int]
) -> None:
    SlotWriter(board, 0).executing(5, 1, 1, 1, 2, 1, b"id\0name\0q")
    pid = os.fork()
    if pid == 0:
        signal.pause()
    try:
        assert not killing.kill(life(pid, **seen), 0, board, cause, 100.0)
        wait_until(lambda: "state S" in (proc.doing(pid) or ""), "it goes on")
    finally:
        assert killing.kill(life(pid, **is_now), 0, board, cause, 100.0)
        os.waitpid(pid, 0)


def test_who_does_not_end_is_told_once_and_who_was_not_reaped_yet_is_not() -> None:
    pid = os.fork()
    if pid == 0:
        signal.pause()
    runner, another = life(pid, end_by=105.0), life(pid, end_by=105.0)
    assert not killing.outlives_it(runner, pid, 104.0)
    assert killing.outlives_it(runner, pid, 105.0)
    assert not killing.outlives_it(runner, pid, 106.0)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: children.has_ended(pid), "its end")
    assert not killing.outlives_it(another, pid, 105.0)
    os.waitpid(pid, 0)
