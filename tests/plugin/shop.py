"""Job classes for the tests of the pytest plugin."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

from horus_supervisor import Client, Discard, Job, current_job


class Charge(Job, queue="payments", max_attempts=2):
    """Fails until the bank answers; then the receipt is on its way."""

    order: int
    answers_at: int = 1

    def execute(self) -> None:
        job = current_job()
        job.log.info("charging", order=self.order)
        if job.attempt < self.answers_at:
            raise ConnectionError(f"order {self.order}: the bank is silent")
        with Client() as client:
            client.enqueue(Receipt(self.order))


class Receipt(Job, queue="emails"):
    """Says who it is in the file that the environment names."""

    order: int
    at: datetime | None = None

    def execute(self) -> None:
        job = current_job()
        with Path(os.environ["RECEIPTS"]).open("a") as file:
            file.write(f"{self.order} {job.attempt}\n")


class GiveUp(Job, queue="emails"):
    """Discards itself."""

    def execute(self) -> None:
        raise Discard("no such order")


class Interrupt(Job, queue="emails"):
    """Is there when somebody presses Ctrl-C."""

    def execute(self) -> None:
        import signal

        signal.raise_signal(signal.SIGINT)
        raise AssertionError("the job went on")
