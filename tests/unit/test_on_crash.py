"""The job by which a class hears of its crashes."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from horus_supervisor.job.codec import MAX_PAYLOAD_BYTES, encode
from horus_supervisor.job.definition import Job
from horus_supervisor.job.on_crash import OnCrash

heard: list[Any] = []


class Heard(Job, name="on-crash.Heard"):
    text: str

    def execute(self) -> None: ...

    def on_crash(self, crash: dict[str, Any]) -> None:
        heard.append((len(self.text), crash))


def told(job: Job) -> OnCrash:
    payload = encode(job, 2 * MAX_PAYLOAD_BYTES).decode()
    record = '{"signal":"SIGSEGV","attempt":9}'
    return OnCrash("on-crash.Heard", payload, record, "c1", "requeued", "order-1", "emails", 2)


def test_a_job_hears_the_record_with_what_redis_knows_better() -> None:
    told(Heard("x")).execute()
    assert heard.pop() == (
        1,
        {
            "signal": "SIGSEGV",
            "crash_id": "c1",
            "disposition": "requeued",
            "job_id": "order-1",
            "job": "on-crash.Heard",
            "queue": "emails",
            "attempt": 2,
        },
    )


def test_arguments_that_a_service_allows_are_not_too_large_to_hear_with() -> None:
    told(Heard("x" * MAX_PAYLOAD_BYTES)).execute()
    assert heard.pop()[0] == MAX_PAYLOAD_BYTES


def test_a_class_that_is_not_here_is_named() -> None:
    lost = dataclasses.replace(told(Heard("x")), job="shop.Gone")
    with pytest.raises(LookupError, match=r"no job class named shop\.Gone is imported here"):
        lost.execute()
