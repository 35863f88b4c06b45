"""What a job prints reaches the pipe whole."""

from __future__ import annotations

import subprocess
import sys

from horus_supervisor import messages

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


WRAPPED = """
import io, sys
from horus_supervisor.runner import printing

printing.mark_streams()
sys.stdout = wrapped = io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8")
print("imported", flush=True)
printing.mark_streams()
printing.expect(b"id\\0name\\0q", 1)
print("logged", file=wrapped, flush=True)
print("printed")
"""


def test_a_stream_that_an_import_made_of_ours_goes_on_and_marks_too() -> None:
    command = [sys.executable, "-c", WRAPPED]
    run = subprocess.run(command, capture_output=True, check=False, timeout=45)
    begun = messages.words_of(b"id\0name\0q", 1)
    assert (run.stdout, run.stderr) == (b"imported\n" + begun + b"logged\nprinted\n", b"")


PUT_ELSEWHERE = """
import os
from horus_supervisor.runner import printing

printing.mark_streams()
printing.expect(b"id\\0name\\0q", 1)
out, (reading, writing) = os.dup(1), os.pipe()
os.dup2(writing, 1)
print("captured")
os.dup2(out, 1)
print(os.read(reading, 100) == b"captured\\n")
"""


def test_words_that_a_job_has_put_elsewhere_get_no_mark() -> None:
    command = [sys.executable, "-c", PUT_ELSEWHERE]
    run = subprocess.run(command, capture_output=True, check=False, timeout=45)
    begun = messages.words_of(b"id\0name\0q", 1)
    assert (run.stdout, run.stderr) == (begun + b"True\n", b"")
