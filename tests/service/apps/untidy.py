"""Job classes that leave their process in a bad state."""

from __future__ import annotations

import asyncio
import codecs
import faulthandler
import io
import os
import signal
import subprocess
import sys
import time

from horus_supervisor import Job
from horus_supervisor.linux import WAKE_SIGNAL
from tests.service.apps.testjobs import mark


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
            case "environ":
                os.environ = dict(os.environ)  # type: ignore[assignment]  # noqa: B003
            case "zone":
                os.environ["TZ"] = "Asia/Tokyo"
                time.tzset()
            case "asyncio":
                asyncio.run(self.hear())
            case "umask":
                os.umask = None  # type: ignore[assignment]
            case _:
                self.change_signals()

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
            case "faulthandler off":
                faulthandler.disable()
            case "faulthandler on":
                faulthandler.enable(os.open(os.devnull, os.O_WRONLY))

    async def hear(self) -> None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, lambda: None)


class State(Job, queue="q"):
    """Write down what a job finds; use it."""

    path: str

    def execute(self) -> None:
        print("heard")
        print("heard too", file=sys.stderr)
        until = time.process_time() + 0.1
        while time.process_time() < until:
            pass
        streams = [stream.closed for stream in (sys.stdin, sys.stdout, sys.stderr)]
        zone = time.strftime("%Z", time.localtime(0))
        mark(self.path, repr([os.getpid(), streams, zone, repr(signal.getsignal(WAKE_SIGNAL))]))
        os.environ["HORUS_STATE"] = "a child sees it"
        subprocess.run(["sh", "-c", "echo $HORUS_STATE"], check=True)
