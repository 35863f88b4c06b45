"""Job classes that misbehave in every way that the tests need. Each leaves marks in files."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import locale
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

from horus_supervisor import Discard, Job, JobTimeout, Retry, current_job, linux
from tests.service.apps.crashing import Heard, Poison, Previous, Say, SayByOthers, SpeakAndDie
from tests.service.apps.marks import mark, marks

__all__ = ["Heard", "Poison", "Previous", "Say", "SayByOthers", "SpeakAndDie", "mark", "marks"]


class Collect(Job, queue="q"):
    """Have Python look at every object that it may."""

    def execute(self) -> None:
        gc.collect()


class Quick(Job, queue="q"):
    """Leave a mark."""

    path: str = ""
    text: str = ""

    def execute(self) -> None:
        if self.path:
            mark(self.path, self.text)


class Attempts(Job, queue="q"):
    """Mark attempt and fence of each start; raise until ``succeed_at``."""

    path: str
    succeed_at: int = 1000
    wait_s: float = 0

    def execute(self) -> None:
        job = current_job()
        mark(self.path, f"{job.attempt} {job.fence}")
        if job.attempt < self.succeed_at:
            raise RuntimeError(f"attempt {job.attempt} is not the one")

    def retry_in(self, attempt: int, error: BaseException) -> float:
        return self.wait_s


class Hang(Job, queue="q"):
    """Run for ``seconds``, unless the file ``done`` exists."""

    path: str
    seconds: float = 60
    done: str = "/nonexistent"

    def execute(self) -> None:
        mark(self.path)
        until = time.monotonic() + self.seconds
        while time.monotonic() < until and not os.path.exists(self.done):
            time.sleep(0.01)
        mark(self.path + ".end")


class HangOnce(Job, queue="q"):
    """Hang at the first start, return at the next."""

    path: str

    def execute(self) -> None:
        again = bool(marks(self.path))
        mark(self.path)
        if not again:
            time.sleep(60)


class Die(Job, queue="q"):
    """End this process in some way, as often as ``times`` says; then succeed."""

    how: str
    path: str
    times: int = 1000
    words: str = "last words"

    def execute(self) -> None:
        mark(self.path)
        if len(marks(self.path)) > self.times:
            return
        print(self.words, flush=True)
        if self.how == "segfault":
            ctypes.string_at(0)
        elif self.how == "abort":
            libc = ctypes.CDLL(None)
            os.write(2, b"C said this before it aborted\n")
            libc.abort()
        elif self.how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif self.how == "exit3":
            os._exit(3)
        elif self.how == "exit0":
            os._exit(0)


class Raise(Job, queue="q"):
    """Raise something of every kind."""

    what: str

    def execute(self) -> None:
        match self.what:
            case "exit":
                sys.exit(7)
            case "interrupt":
                raise KeyboardInterrupt
            case "base":
                raise BaseException("a base one")
            case "retry":
                raise Retry(after=0.05)
            case "discard":
                raise Discard("not needed any more")
            case "broken":

                class Broken(Exception):
                    def __str__(self) -> str:
                        raise ValueError("no text for you")

                raise Broken
            case "recursion":
                self.execute_again()

    def execute_again(self) -> None:
        self.execute_again()


class Late(Job, queue="q", timeout=0.3):
    """Be past the timeout, in some way."""

    how: str
    path: str

    def execute(self) -> None:
        if self.how == "blocked":
            linux.name_process("обработчик")  # cut within a character
            signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        mark(self.path)
        if self.how == "yield":
            try:
                time.sleep(60)
            except JobTimeout:
                mark(self.path + ".cleanup")
                raise
        elif self.how == "stubborn":
            while True:
                try:
                    while True:
                        time.sleep(0.01)
                except BaseException:
                    mark(self.path + ".caught")
        elif self.how == "dumped":
            with contextlib.suppress(JobTimeout):
                time.sleep(60)
            while not _stacks():
                time.sleep(0.001)
        elif self.how == "c":
            ctypes.PyDLL(None).sleep(60)  # holds the GIL
        elif self.how == "blocked":
            time.sleep(60)


def _stacks() -> int:
    """The size of the memory file into which this runner's stacks are written."""
    for fd in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            if "horus-stacks" in os.readlink(fd):
                return fd.stat().st_size
    return 0


class Child(Job, queue="q"):
    """Start a process that would outlive us, then die or hang.

    It does not bear its runner's name: only the process group leads to it.
    """

    path: str
    then: str = "hang"

    def execute(self) -> None:
        unmarked = {name: value for name, value in os.environ.items() if name != "HORUS_RUNNER"}
        child = subprocess.Popen(["sleep", "300"], env=unmarked)
        mark(self.path, str(child.pid))
        if self.then == "hang":
            time.sleep(60)
        elif self.then == "kill":
            os.kill(os.getpid(), signal.SIGKILL)


class CloseAll(Job, queue="q"):
    """Close what a daemon closes, the runner's descriptors too; open others by their numbers."""

    path: str
    reopen: bool = False
    fail: bool = False

    def execute(self) -> None:
        mark(self.path)
        os.closerange(3, 1000)
        if self.reopen:
            for n in range(40):
                os.open(f"{self.path}.{n}", os.O_WRONLY | os.O_CREAT)
        if self.fail:
            raise RuntimeError("closed, and failed")

    def retry_in(self, attempt: int, error: BaseException) -> float:
        return 3600


class Spawn(Job, queue="q"):
    """Start a program in a way that closes nothing; it lists the descriptors that it got."""

    path: str

    def execute(self) -> None:
        code = (
            "import os\n"
            "fds = '/proc/self/fd/'\n"
            "held = {fd: os.path.realpath(fds + fd) for fd in os.listdir(fds)}\n"
            f"open({self.path!r}, 'w').write(repr(held) + '\\n')"
        )
        pid = os.posix_spawn(sys.executable, [sys.executable, "-c", code], os.environ)
        assert os.waitpid(pid, 0)[1] == 0


class Fork(Job, queue="q"):
    """Fork a child that returns from ``execute`` too."""

    path: str
    how: str = "return"

    def execute(self) -> None:
        pid = os.fork()
        mark(self.path, f"{'child' if pid == 0 else 'parent'} {os.getpid()}")
        if pid == 0:
            match self.how:
                case "raise":
                    raise RuntimeError("in the child")
                case "exit":
                    sys.exit(2**40)  # which the kernel would not take
                case "refuse":
                    sys.exit("in the child")
            return
        os.waitpid(pid, 0)


class Mess(Job, queue="q"):
    """Change everything that the next job must not find changed."""

    path: str

    def execute(self) -> None:
        os.chdir("/")
        os.environ["HORUS_MESS"] = "1"
        os.environ.pop("PATH", None)
        os.umask(0)
        locale.setlocale(locale.LC_ALL, "C.UTF-8")
        signal.signal(signal.SIGTERM, lambda *_: None)
        signal.signal(signal.SIGUSR1, lambda *_: None)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        sys.setrecursionlimit(2000)
        gc.disable()
        sys.stdout.close()
        os.close(1)
        os.close(2)
        threading.Thread(target=time.sleep, args=(0.2,)).start()
        mark(self.path)


class Look(Job, queue="q"):
    """Write down what this process looks like from within."""

    path: str

    def execute(self) -> None:
        print("still heard")
        umask = os.umask(0o022)
        os.umask(umask)
        facts = [
            os.getcwd(),
            os.environ.get("HORUS_MESS"),
            "PATH" in os.environ,
            umask,
            locale.setlocale(locale.LC_ALL, None),
            signal.getsignal(signal.SIGUSR1),
            sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
            [os.path.exists(f"/proc/self/fd/{fd}") for fd in range(3)],
            sys.getrecursionlimit(),
            gc.isenabled(),
        ]
        mark(self.path, repr(facts))


class Speak(Job, queue="q"):
    """Write to standard output in every way."""

    text: str = "hello"

    def execute(self) -> None:
        print(self.text)
        os.write(2, b"raw bytes \xff\xfe\n")
        current_job().log.info("said", mood="calm")
        sys.stdout.write("no newline at the end")


class Mutter(Job, queue="q"):
    """Write as C code does, with no mark of whose words these are."""

    text: str

    def execute(self) -> None:
        os.write(2, f"{self.text}\n".encode())


class Words(Job, queue="q"):
    """Write in every way in which something is written for a job; stay until ``done`` exists."""

    done: str

    def execute(self) -> None:
        libc = ctypes.CDLL(None)
        libc.dprintf(1, b"by C to 1\n")
        libc.dprintf(2, b"by C to 2\n")
        subprocess.run(["sh", "-c", "sh -c 'echo by a grandchild to 1; echo by one to 2 >&2'"])
        print("printed")
        warnings.warn("old-fashioned", stacklevel=1)
        while not os.path.exists(self.done):
            time.sleep(0.01)


class Grow(Job, queue="q"):
    """Keep memory that is never given back."""

    megabytes: int
    path: str

    def execute(self) -> None:
        KEPT.append(bytearray(os.urandom(1024)) * (self.megabytes * 1024))
        mark(self.path)


KEPT: list[bytearray] = []


def _fail_to_fork() -> None:
    if os.path.exists(os.environ["HORUS_TEST_FORK_FAILS"]):
        os._exit(1)


if "HORUS_TEST_FORK_FAILS" in os.environ:  # a file: as long as it is there, no child lives
    os.register_at_fork(after_in_child=_fail_to_fork)


_forks = 0


def _hang_at_start() -> None:
    global _forks
    _forks += 1
    here = _forks == int(os.environ.get("HORUS_TEST_HANGS_AT", "2"))  # 1: the middle process
    while here and os.path.exists(os.environ["HORUS_TEST_START_HANGS"]):
        time.sleep(0.05)


if "HORUS_TEST_START_HANGS" in os.environ:  # a file: as long as it is there, none gets to serve
    os.register_at_fork(after_in_child=_hang_at_start)
