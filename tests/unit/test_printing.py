"""What a job prints reaches the pipe whole."""

from __future__ import annotations

import subprocess
import sys

INTERRUPTED = """
import contextlib, os, signal, sys
from horus_supervisor.runner import printing

reading, writing = os.pipe()
os.set_blocking(reading, False)
os.dup2(writing, 1)
printing.mark_streams()
found = []

def read(*_):
    with contextlib.suppress(BlockingIOError):
        found.append(os.read(reading, 1 << 20))

signal.signal(signal.SIGALRM, read)  # ends a write that waits for room, and makes it
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
print("a long text " * 50_000)
signal.setitimer(signal.ITIMER_REAL, 0)
read()
print(b"".join(found).decode() == "a long text " * 50_000 + "\\n", file=sys.stderr)
"""


def test_a_signal_in_the_middle_of_a_print_costs_no_text() -> None:
    command = [sys.executable, "-c", INTERRUPTED]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=45)
    assert run.stderr == "True\n"
