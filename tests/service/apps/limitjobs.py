"""Job classes that try the limits of a group, and the patience of its supervisor."""

from __future__ import annotations

import ctypes
import mmap
import os
import random
import resource
import signal
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path

from horus_supervisor import Job
from tests.service.apps.testjobs import mark, marks

KEPT: list[object] = []


class Swell(Job, queue="q"):
    """Grow by memory that C code fills, and stay so."""

    megabytes: int
    path: str
    stay_s: float = 60

    def execute(self) -> None:
        memory = mmap.mmap(-1, self.megabytes << 20)
        KEPT.append(memory)
        ctypes.memset(ctypes.addressof(ctypes.c_char.from_buffer(memory)), 1, len(memory))
        mark(self.path)
        time.sleep(self.stay_s)


class Crash(Job, queue="q"):
    """Die in C code, in some way."""

    how: str

    def execute(self) -> None:
        {
            "threads": _beside_a_thread,
            "crowd": _among_many_threads,
            "overflow": _overflow,
            "core": _dump_core,
            "libc": _abort_after_words,
            "flood": _abort_after_a_megabyte,
        }[self.how]()


def _beside_a_thread() -> None:
    entered = threading.Event()

    def wait_in_another_thread() -> None:
        entered.set()
        time.sleep(60)

    threading.Thread(target=wait_in_another_thread, daemon=True).start()
    entered.wait()
    ctypes.string_at(0)


def _among_many_threads() -> None:
    def wait_and_die() -> None:
        begun.wait()
        ctypes.string_at(0)

    begun = threading.Event()
    for at in range(60):
        what = wait_and_die if at == 20 else threading.Event().wait
        threading.Thread(target=what, daemon=True).start()
    begun.set()
    time.sleep(60)


def _overflow() -> None:
    kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)

    def deeper(depth: int) -> int:
        return int(through_c(depth + 1))

    through_c = kind(deeper)
    sys.setrecursionlimit(1 << 30)
    _, most = resource.getrlimit(resource.RLIMIT_STACK)
    resource.setrlimit(resource.RLIMIT_STACK, (1 << 18, most))  # Python 3.13 counts C's calls too
    deeper(0)


def _dump_core() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    os.abort()


def _abort_after_words() -> None:
    libc = ctypes.CDLL(None)
    libc.dprintf(2, b"what C said at last\n")
    libc.abort()


def _abort_after_a_megabyte() -> None:
    for number in range(10_000):
        print(f"line {number} ".ljust(100, "."))
    print("the very last line", flush=True)
    os.abort()


class Pour(Job, queue="q", timeout=3, max_attempts=1):
    """Write lines of 100 kB for ever, and hear no signal."""

    def execute(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        while True:
            os.write(1, b"x" * 100_000 + b"\n")


class InC(Job, queue="q", timeout=0.3):
    """Hang in C code where no signal is heard, so that no stack can be had."""

    def execute(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        ctypes.PyDLL(None).pause()


class Tell(Job, queue="q"):
    """Write down what the group's settings have made of this process."""

    path: str

    def execute(self) -> None:
        with open("/proc/self/oom_score_adj") as file:
            score = file.read().strip()
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        variable = os.environ.get("HORUS_TEST_VARIABLE")
        mark(self.path, f"{os.getpriority(os.PRIO_PROCESS, 0)} {score} {files} {variable}")


class Leave(Job, queue="q"):
    """Leave a program behind that has a session of its own; ``marked``: as its runner's.

    It holds its runner's pipe open.
    """

    path: str
    marked: bool = True
    die: bool = False

    def execute(self) -> None:
        environment = dict(os.environ)
        if not self.marked:
            del environment["HORUS_RUNNER"]
        command = ["sh", "-c", "sleep 300 >/dev/null & echo $!"]  # its parent ends at once
        told = subprocess.run(
            command, start_new_session=True, env=environment, stdout=subprocess.PIPE, check=True
        )
        left = told.stdout.decode().strip()
        while Path(f"/proc/{left}/comm").read_text() != "sleep\n":  # the shell, for a moment
            time.sleep(0.001)
        mark(self.path, left)
        if self.die:
            os.kill(os.getpid(), signal.SIGKILL)


class LeaveFork(Job, queue="q"):
    """Leave a fork of this process behind that has a session of its own: of C's, as of a library.

    Such a one holds all that its runner holds.
    """

    path: str

    def execute(self) -> None:
        libc = ctypes.CDLL(None)
        if libc.fork() == 0:
            libc.setsid()
            if (left := libc.fork()) == 0:
                libc.sleep(300)
            mark(self.path, str(left))
            os._exit(0)
        while not marks(self.path):
            time.sleep(0.001)


class HangAfterwards(Job, queue="q"):
    """Have the runner hang where it puts back what this job changed."""

    path: str

    def execute(self) -> None:
        mark(self.path)
        os.environ._data[b"PATH"] = _Hanging()  # type: ignore[attr-defined]


class _Hanging:
    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        while True:
            time.sleep(60)


class HoldGil(Job, queue="q"):
    """Hold Python's lock for so long, in C code that no signal cuts short."""

    seconds: float

    def execute(self) -> None:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        ctypes.PyDLL(None).usleep(int(self.seconds * 1e6))  # unlike CDLL's, it keeps the lock
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Draw(Job, queue="q"):
    """Write down what should be random, once as many of us run as there are runners."""

    path: str
    runners: int

    def execute(self) -> None:
        mark(self.path, f"{random.random()} {uuid.uuid4()}")
        while len(marks(self.path)) < self.runners:
            time.sleep(0.01)
