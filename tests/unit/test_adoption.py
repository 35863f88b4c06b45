"""How a runner comes to know, right after its fork, that it is its supervisor's child."""

from __future__ import annotations

import subprocess
import sys

import pytest

FAMILY = """
import os, sys, time
from horus_supervisor import linux
from horus_supervisor.runner.process import _adopted

linux.adopt_orphans()
supervisor = os.getpid()
hears, says = os.pipe()
middle = os.fork()
if middle == 0:
    me = os.getpid()
    if os.fork() == 0:
        os.write(says, b".")
        text = str(_adopted(me, eval(sys.argv[1])))
        time.sleep(0.05)  # for a signal that was asked for too early
        print(text, end="", flush=True)
        os._exit(0)
    os.read(hears, 1)
    time.sleep(0.1)
    os._exit(0)
for _ in range(2):
    os.wait()
"""
"""A supervisor, a process in the middle that takes its time, a runner that tells what it found."""


@pytest.mark.parametrize(
    ("whom", "found"), [("supervisor", "True"), ("1 << 22", "False")], ids=["is there", "is gone"]
)
def test_a_runner_waits_for_its_supervisor_and_leaves_where_that_is_gone(
    whom: str, found: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FAMILY, whom], capture_output=True, text=True, timeout=20
    )
    assert (done.stdout, done.stderr) == (found, "")
