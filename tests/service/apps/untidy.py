"""Job classes that leave their process in a bad state, fail in odd ways, or start children."""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import ctypes
import errno
import faulthandler
import io
import multiprocessing
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from typing import NoReturn

from horus_supervisor import Job, PayloadError, Retry, current_job
from horus_supervisor.linux import WAKE_SIGNAL
from tests.service.apps.testjobs import mark

FORK = multiprocessing.get_context("fork")

LEAKED: list[int] = []


def cut_connections() -> None:
    """Break each connection of this process to a server."""
    for fd in map(int, os.listdir("/proc/self/fd")):
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(fd)) as one:
            if one.getpeername():  # else a pair's
                one.shutdown(socket.SHUT_RDWR)


class Untidy(Job, queue="q"):
    """Leave one thing behind as the next job must not find it."""

    what: str
    path: str

    def execute(self) -> None:
        mark(self.path)
        match self.what:
            case "writer":
                assert isinstance(sys.stdout, io.TextIOWrapper)
                sys.stdout = codecs.getwriter("utf-8")(sys.stdout.detach())
            case "wrapper":
                sys.stdout = io.TextIOWrapper(sys.stdout.buffer)
            case "no stdout":
                del sys.stdout
            case "stderr":
                sys.stderr.close()
            case "stdin":
                sys.stdin.close()
            case "encoding":
                assert isinstance(sys.stdout, io.TextIOWrapper)
                sys.stdout.reconfigure(encoding="utf-16", write_through=False)
            case "descriptors":
                with contextlib.suppress(OSError):
                    while True:
                        LEAKED.append(os.open(os.devnull, os.O_RDONLY))
                os.close(LEAKED.pop(0))
            case "environ":
                os.environ = dict(os.environ)  # type: ignore[assignment]  # noqa: B003
            case "zone":
                os.environ["TZ"] = "Asia/Tokyo"
                time.tzset()
            case "asyncio":
                asyncio.run(self.hear())
            case "asyncio's pipe":
                asyncio.run(self.write())
            case "umask":
                os.umask = None  # type: ignore[assignment]
            case "limit" | "nice" | "processors" | "policy" | "cut off":
                self.change_limits()
            case _:
                self.change_signals()

    def change_limits(self) -> None:
        match self.what:
            case "limit":
                _, hard = resource.getrlimit(resource.RLIMIT_CPU)
                resource.setrlimit(resource.RLIMIT_CPU, (3600, hard))
            case "nice":
                os.nice(3)
            case "cut off":
                cut_connections()
                _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
                resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
            case "policy":
                os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
            case "processors":
                os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])

    def change_signals(self) -> None:
        match self.what:
            case "profiler":
                signal.signal(signal.SIGPROF, lambda *_: None)
                signal.setitimer(signal.ITIMER_PROF, 0.01, 0.01)
            case "cpu limit":
                signal.setitimer(signal.ITIMER_VIRTUAL, 0.02)
            case "every signal":
                for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
                    signal.signal(number, signal.SIG_DFL)
            case "watchdog":
                faulthandler.dump_traceback_later(0.05, exit=True)
            case "faulthandler off":
                faulthandler.disable()
            case "faulthandler on":
                faulthandler.enable(os.open(os.devnull, os.O_WRONLY))

    async def hear(self) -> None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, lambda: None)

    async def write(self) -> None:
        pipe = os.fdopen(os.dup(1), "wb")
        await asyncio.get_running_loop().connect_write_pipe(asyncio.BaseProtocol, pipe)


class State(Job, queue="q"):
    """Write down what a job finds; use it, and the CPU for so long."""

    path: str
    busy_s: float = 0.0

    def execute(self) -> None:
        print("heard")
        print("heard too", file=sys.stderr)
        until = time.process_time() + self.busy_s
        while time.process_time() < until:
            pass
        streams: list[object] = [stream.closed for stream in (sys.stdin, sys.stdout, sys.stderr)]
        for stream in (sys.stdout, sys.stderr):
            assert isinstance(stream, io.TextIOWrapper)
            streams += [stream.encoding, stream.errors, stream.line_buffering, stream.write_through]
        streams += [os.get_blocking(fd) for fd in range(3)]
        zone = time.strftime("%Z", time.localtime(0))
        limits = [resource.getrlimit(which) for which in range(16)]
        kernel = [limits, os.getpriority(os.PRIO_PROCESS, 0), os.sched_getaffinity(0)]
        kernel.append(os.sched_getscheduler(0))
        handler = repr(signal.getsignal(WAKE_SIGNAL))
        mark(self.path, repr([os.getpid(), streams, zone, handler, kernel]))
        os.environ["HORUS_STATE"] = "a child sees it"
        subprocess.run(["sh", "-c", "echo $HORUS_STATE"], check=True)


class Odd(Job, queue="q"):
    """Fail in a way that is hard to write down, or to wait for."""

    what: str

    def execute(self) -> None:
        match self.what:
            case "payload":  # of another job, which this one can't enqueue
                raise PayloadError("too large")
            case "surrogate":
                raise ValueError("no such file: \udcff")
            case "text":
                raise type("Odd", (Exception,), {"__str__": lambda _: "\ud800"})
            case "name":
                raise type("Odd", (Exception,), {"__qualname__": "O\udcffd"})("x")
            case "module":
                raise type("Odd", (Exception,), {"__module__": None})("x")
            case "class":
                raise type("Odd", (Exception,), {"__class__": property(lambda _: 1 / 0)})("x")
            case "cause":
                raise ValueError("x") from type("O", (Exception,), {"__str__": lambda _: 5})()
            case "inf":
                raise Retry(after=float("inf"))
            case "soon":
                raise Retry(after="soon")  # type: ignore[arg-type]
        sys.stderr.close()
        raise RuntimeError("now it asks retry_in")

    def retry_in(self, attempt: int, error: BaseException) -> float:
        if self.what == "huge":
            return 1e308
        raise ValueError("\udcff")


class Scribble(Job, queue="q"):
    """Write words into every pipe that the runner has open, its log's too; cut its memory files."""

    def execute(self) -> None:
        for fd in map(int, os.listdir("/proc/self/fd")):
            with contextlib.suppress(OSError):
                what = os.readlink(f"/proc/self/fd/{fd}")
                if fd > 2 and what.startswith("pipe:"):
                    os.write(fd, b"half a line\nscribbled")
                if what.startswith("/memfd:"):
                    os.ftruncate(fd, 0)


def nap(seconds: float) -> float:
    """Sleep, in a child."""
    time.sleep(seconds)
    return seconds


class Children(Job, queue="q"):
    """Start children in some way, and mark what became of them."""

    how: str
    path: str

    def execute(self) -> None:
        result: object = None
        match self.how:
            case "pool":
                with FORK.Pool(2) as pool:
                    result = pool.map(nap, [0.0, 0.0])
            case "terminate":
                process = FORK.Process(target=nap, args=(60,))
                process.start()
                process.terminate()
                process.join()
                result = process.exitcode
            case "sleeper":
                reading, writing = os.pipe()
                pid = os.fork()
                if pid == 0:
                    os.write(writing, b"!")
                    time.sleep(60)
                os.read(reading, 1)
                os.close(reading)
                os.close(writing)
                os.kill(pid, signal.SIGTERM)
                result = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            case "program":
                program = subprocess.Popen(["sleep", "60"])
                program.send_signal(signal.SIGINT)
                result = program.wait()
            case "log":
                if os.fork() == 0:
                    current_job().log.info("from a child")
                    os._exit(0)
                result = os.wait()[1]
            case "own handler":
                signal.signal(signal.SIGTERM, lambda *_: os._exit(42))
                pid = os.fork()
                if pid == 0:
                    os.kill(os.getpid(), signal.SIGTERM)
                result = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        mark(self.path, repr(result))


class ChildDies(Job, queue="q"):
    """Have a child die with a stack to show, then die without one."""

    def execute(self) -> None:
        if os.fork() == 0:
            ctypes.string_at(0)
        os.wait()
        os.kill(os.getpid(), signal.SIGKILL)


class CutOff(Job, queue="q"):
    """Keep this process from ever connecting again, as a sandbox may."""

    path: str

    def execute(self) -> None:
        socket.socket.connect = refuse  # type: ignore[method-assign]
        cut_connections()
        mark(self.path)


def refuse(*_: object) -> NoReturn:
    raise PermissionError(errno.EPERM, "the sandbox has no network")
