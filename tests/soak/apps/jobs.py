"""The jobs of the soaks: each notes in one file that it began, and that it ended.

Each holds a lock of its own number while it runs. The kernel lets go of it at its process's end,
whatever that is, so who finds it taken runs beside another execution of the same job.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from horus_supervisor import Job, JobTimeout, current_job

POISONED = True
"""Whether jobs kill; the operator's newest code says that they do not."""

RETRY_S = 0.2


@contextlib.contextmanager
def noted(folder: str, number: int) -> Iterator[None]:
    """Note beginning and end of a job, and whether another execution of it goes on."""
    fd = os.open(f"{folder}/locks", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, number)
            note(folder, number, "begins")
        except OSError:
            note(folder, number, "overlaps")
        yield
        note(folder, number, "ends")
    finally:
        os.close(fd)


def note(folder: str, number: int, word: str) -> None:
    """Add a line: number, attempt, pid, word. One write, so that it is whole."""
    fd = os.open(f"{folder}/notes", os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    os.write(fd, f"{number} {current_job().attempt} {os.getpid()} {word}\n".encode())
    os.close(fd)


class Work(Job, name="soak.Work", max_attempts=1000):
    """Do what most jobs do: a little, and return."""

    folder: str
    number: int
    seconds: float = 0.0

    def execute(self) -> None:
        with noted(self.folder, self.number):
            time.sleep(self.seconds)

    def retry_in(self, attempt: int, error: BaseException) -> float:
        return RETRY_S


class Die(Job, name="soak.Die", timeout=300):
    """Bring down the runner, in some way, the first ``times`` times."""

    folder: str
    number: int
    how: str
    times: int = 1000

    def execute(self) -> None:
        with noted(self.folder, self.number):
            if POISONED and current_job().attempt <= self.times:
                print(f"job {self.number} will {self.how}", flush=True)
                WAYS[self.how]()

    def retry_in(self, attempt: int, error: BaseException) -> float:
        return RETRY_S


class Wait(Job, name="soak.Wait", max_attempts=1000, timeout=300):
    """Wait to be killed from outside, once; then return."""

    folder: str
    number: int

    def execute(self) -> None:
        with noted(self.folder, self.number):
            while current_job().attempt == 1:
                time.sleep(0.01)

    def retry_in(self, attempt: int, error: BaseException) -> float:
        return RETRY_S


class Poison(Job, name="soak.Poison", max_attempts=1):
    """Bring down runner after runner, until other code comes."""

    folder: str
    number: int

    def execute(self) -> None:
        with noted(self.folder, self.number):
            if POISONED:
                os.kill(os.getpid(), signal.SIGKILL)


class Heavy(Job, name="soak.Heavy", max_attempts=1000):
    """Write much, start a program that outlives the job, and raise at first."""

    folder: str
    number: int

    def execute(self) -> None:
        with noted(self.folder, self.number):
            for _ in range(200):
                print("a long line ".ljust(500, "."))
            subprocess.Popen(["sleep", "2"], stdout=subprocess.DEVNULL)
            if current_job().attempt == 1:
                raise RuntimeError("not at the first attempt")

    def retry_in(self, attempt: int, error: BaseException) -> float:
        return RETRY_S


LATE = ("give way never", "stop")
"""Ways that take their time: what ends them is a timeout."""


def _overflow() -> None:
    kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)

    def deeper(depth: int) -> int:
        return int(through_c(depth + 1))

    through_c = kind(deeper)
    sys.setrecursionlimit(1 << 30)
    resource.setrlimit(resource.RLIMIT_STACK, (1 << 20, resource.RLIM_INFINITY))  # soon
    deeper(0)


def _give_way_never() -> None:
    while True:
        with contextlib.suppress(JobTimeout):
            while True:
                time.sleep(0.01)


def _grow() -> None:
    kept = []
    while True:
        kept.append(b"x" * (1 << 20))
        time.sleep(0.002)


def _leave_a_child() -> None:
    subprocess.Popen(["sleep", "300"])
    os.kill(os.getpid(), signal.SIGKILL)


WAYS = {
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "segfault": lambda: ctypes.string_at(0),
    "abort": os.abort,
    "exit 3": lambda: os._exit(3),
    "exit 0": lambda: os._exit(0),
    "overflow": _overflow,
    "give way never": _give_way_never,
    "grow": _grow,
    "stop": lambda: os.kill(os.getpid(), signal.SIGSTOP),
    "leave a child": _leave_a_child,
}


def text() -> str:
    """This module's text, for an application that is rewritten while its service runs."""
    return Path(__file__).read_text()
