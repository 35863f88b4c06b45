"""Jobs that bring down their runners, print, and hear of what became of them."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from typing import Any

from horus_supervisor import Job, Retry, current_job
from tests.service.apps.marks import mark

logger = logging.getLogger(__name__)
logger.propagate = False
logger.addHandler(logging.StreamHandler())  # writes to what is ``sys.stderr`` now


class Previous(Job, queue="q"):
    """Mark how the last attempt ended; the first one ends as ``how`` says."""

    path: str
    how: str

    def execute(self) -> None:
        last = current_job().previous
        if last is None:
            if self.how == "die":
                os.kill(os.getpid(), signal.SIGKILL)
            if self.how == "hang":
                mark(f"{self.path}.hangs")
                time.sleep(60)
            raise Retry(after=0)
        mark(self.path, f"{last.attempt} {last.ended} {last.cause} {last.error_type}")


class Poison(Job, queue="q", max_attempts=1):
    """Bring down the runner, unless the file ``cure`` exists."""

    path: str
    cure: str

    def execute(self) -> None:
        mark(self.path)
        if not os.path.exists(self.cure):
            os.kill(os.getpid(), signal.SIGKILL)


class Heard(Job, queue="q", max_attempts=2):
    """Die, and note what is heard of it."""

    path: str
    padding: str = ""

    def execute(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def on_crash(self, crash: dict[str, Any]) -> None:
        words = ("crash_id", "job_id", "attempt", "signal", "disposition")
        mark(self.path, " ".join(str(crash[word]) for word in words))


class Say(Job, queue="q"):
    """Log a line and print two, the last one without its end."""

    text: str

    def execute(self) -> None:
        logger.error("%sc", self.text)
        print(self.text + "a")
        print(self.text + "b", end="", file=sys.stderr)


class SayByOthers(Job, queue="q"):
    """Have programs and a fork print a line each, and put the words of one elsewhere."""

    text: str
    elsewhere: str

    def execute(self) -> None:
        out = os.dup(1)
        with open(self.elsewhere, "wb") as file:
            os.dup2(file.fileno(), 1)
        print("captured", flush=True)
        os.dup2(out, 1)
        subprocess.run(["sh", "-c", f"echo {self.text}a; echo {self.text}b >&2"], check=True)
        os.system(f"echo {self.text}c")
        if (pid := os.fork()) == 0:
            os.write(1, f"{self.text}d\n".encode())
            os._exit(0)
        os.waitpid(pid, 0)


class SpeakAndDie(Job, queue="q"):
    """Print something without an end of line, and die."""

    text: str

    def execute(self) -> None:
        print(self.text, end="")
        os.kill(os.getpid(), signal.SIGKILL)
