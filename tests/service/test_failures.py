"""A job fails in a way that is hard to write down, or to wait for."""

from __future__ import annotations

from datetime import datetime

import pytest

from horus_supervisor import Client
from tests.service.apps import testjobs, untidy
from tests.support.service import Service
from tests.support.waiting import wait_until

KEPT = "[queues]\nq = 1\n"
IMPORTS = untidy.__name__


@pytest.mark.parametrize(
    ("what", "wait_s", "error_type"),
    [
        ("surrogate", 16, "ValueError"),
        ("text", 16, "tests.service.apps.untidy.Odd"),
        ("name", 16, "tests.service.apps.untidy.O?d"),
        ("module", 16, "None.Odd"),
        ("class", 16, "tests.service.apps.untidy.Odd"),
        ("cause", 16, "ValueError"),
        ("inf", 16, "horus_supervisor.errors.Retry"),
        ("soon", 16, "horus_supervisor.errors.Retry"),
        ("huge", 100 * 365 * 86400, "RuntimeError"),
        ("raises", 16, "RuntimeError"),
        ("payload", 16, "horus_supervisor.errors.PayloadError"),
    ],
)
def test_what_can_hardly_be_told_or_waited_for_is_a_failed_attempt_too(
    borrowed: Service, borrower: Client, what: str, wait_s: float, error_type: str
) -> None:
    job = borrower.enqueue(untidy.Odd(what))
    after = borrower.enqueue(testjobs.Quick())
    wait_until(lambda: after.status() == "succeeded", "the next job", on_failure=borrowed.tail)
    failed = borrowed.wait_for("job.failed", job_id=job.id)
    assert failed["error_type"] == error_type
    if what in ("inf", "soon", "raises"):
        told = borrowed.wait_for("output", job_id=job.id)["text"]
        assert told.startswith("horus: this job can't say when to try it again")
    at, again = (datetime.fromisoformat(failed[name]) for name in ("timestamp", "retry_at"))
    assert 0.75 * wait_s < (again - at).total_seconds() < 1.25 * wait_s
    assert borrowed.events("runner.crashed") == []
