"""What /proc tells of other processes: real ones."""

from __future__ import annotations

import ctypes
import functools
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from horus_supervisor import proc
from tests.support.waiting import wait_until


@pytest.fixture
def sleeper() -> Iterator[int]:
    process = subprocess.Popen(["sleep", "60"], env={"A": "1", "B_A": "2=3"})
    yield process.pid
    process.kill()
    process.wait()


GONE = 2**22 + 1


def test_who_began_first_comes_first_and_who_is_gone_last(sleeper: int) -> None:
    me, later = proc.started(os.getpid()), proc.started(sleeper)
    assert me < later < proc.started(GONE)
    assert me[0] < later[0], "a test run is older than a tick"


def test_what_a_process_does_is_said_in_the_kernels_words(sleeper: int) -> None:
    wait_until(lambda: "nanosleep" in (proc.doing(sleeper) or ""), "it sleeps")
    assert (proc.doing(sleeper) or "").startswith("state S (sleeping), wchan ")
    assert "syscall " in (proc.doing(sleeper) or "")


def test_who_traces_a_process_is_named() -> None:
    trace_me = functools.partial(ctypes.CDLL(None).ptrace, 0, 0, 0, 0)  # it stops at its exec
    with subprocess.Popen(["sleep", "60"], preexec_fn=trace_me) as process:
        us = f"traced by {proc.name(os.getpid())} (pid {os.getpid()})"
        wait_until(lambda: us in (proc.doing(process.pid) or ""), "it is traced by us")
        process.kill()


def test_a_name_that_the_kernel_cut_within_a_character_hides_nothing(tmp_path: Path) -> None:
    program = tmp_path / "обработчик"
    shutil.copy("/bin/sleep", program)
    with subprocess.Popen([program, "60"]) as process:
        wait_until(lambda: proc.name(process.pid) == "обработ\ufffd", "its name")
        assert (proc.doing(process.pid) or "").startswith("state ")
        assert not proc.dumps_core(process.pid)
        process.kill()


def test_the_variables_that_a_process_was_started_with_are_read(sleeper: int) -> None:
    wait_until(lambda: proc.variable(sleeper, "A") == "1", "it is sleep")
    assert proc.variable(sleeper, "B_A") == "2=3"
    assert proc.variable(sleeper, "PATH") is None


def test_children_are_listed(sleeper: int) -> None:
    assert sleeper in proc.our_children()
    assert os.getpid() not in proc.our_children()


def test_memory_is_told_in_bytes() -> None:
    faulted, resident = proc.memory_use(os.getpid()) or (0, 0)
    assert faulted > 1 << 20
    assert resident > 10 << 20


def test_of_who_is_gone_nothing_is_told() -> None:
    assert proc.memory_use(GONE) is None
    assert proc.doing(GONE) is None
    assert proc.variable(GONE, "A") is None
    assert not proc.dumps_core(GONE)
    assert proc.name(GONE) == "?"
