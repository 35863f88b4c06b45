"""Four jobs to try Horus with; ``config.example.toml`` runs them. Each takes its defaults too:

::

    horus enqueue email --args '{"recipient": "ada@example.com"}'
    horus enqueue report
    horus enqueue crash
    horus enqueue flaky
"""

from __future__ import annotations

import ctypes
import os
import signal
import time
from email.message import EmailMessage
from pathlib import Path
from typing import Literal

from horus_supervisor import Job, current_job

VAR = Path(__file__).resolve().parents[1] / "var"
OUTBOX = VAR / "outbox"
MENDED = VAR / "mended"


class SendEmail(Job, name="email", queue="emails", timeout=30, max_attempts=5):
    """Write an e-mail into ``var/outbox``, as a file that mail programs open."""

    recipient: str
    subject: str = "Hello from Horus"
    message: str = "This message was sent by a background job."

    def execute(self) -> None:
        mail = EmailMessage()
        mail["To"] = self.recipient
        mail["Subject"] = self.subject
        mail.set_content(self.message)
        OUTBOX.mkdir(parents=True, exist_ok=True)
        file = OUTBOX / f"{current_job().id}.eml"  # the same at a repeat: no second mail
        file.write_bytes(bytes(mail))
        print(f"wrote {file}")


class SlowReport(Job, name="report", queue="reports", timeout=300):
    """Take a while, page by page; a stop of the service does not cut a page in two."""

    title: str = "Monthly report"
    pages: int = 10
    seconds_per_page: float = 1.0

    def execute(self) -> None:
        job = current_job()
        for page in range(1, self.pages + 1):
            time.sleep(self.seconds_per_page)
            job.log.info("page written", title=self.title, page=page, of=self.pages)


class CrashOnPurpose(Job, name="crash", queue="trials"):
    """Bring the runner down, as a bug in a C library would, until someone mends it.

    "Someone" is you: ``touch var/mended``, then ``horus retry ID``.
    """

    how: Literal["segfault", "abort", "kill", "exit"] = "segfault"

    def execute(self) -> None:
        if MENDED.exists():
            print(f"{MENDED} is there: mended")
            return
        print(f"about to crash ({self.how})")
        match self.how:
            case "segfault":
                ctypes.string_at(0)
            case "abort":
                os.abort()
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            case "exit":
                os._exit(3)


class FailTwice(Job, name="flaky", queue="trials", max_attempts=5):
    """Fail at the first two attempts, then succeed, like a service that has a bad minute."""

    def execute(self) -> None:
        attempt = current_job().attempt
        if attempt <= 2:
            raise ConnectionError(f"attempt {attempt}: the service is not in the mood")
        print(f"attempt {attempt}: fine")

    def retry_in(self, attempt: int, error: BaseException) -> float:
        return 2.0 * attempt
