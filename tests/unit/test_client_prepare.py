"""What an enqueue sends: decided without any I/O."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Literal
from uuid import UUID

import pytest
from msgspec.structs import replace

from horus_supervisor.enqueue import Enqueue, prepare, prepare_many, prepare_raw
from horus_supervisor.errors import (
    JobDefinitionError,
    PayloadError,
)
from horus_supervisor.ids import valid_job_id
from horus_supervisor.job.definition import Job


class EmailJob(Job, queue="emails", timeout=30, max_attempts=5, max_crashes=2, name="email"):
    recipient: str

    def execute(self) -> None: ...


JOB = EmailJob("a@example.com")


# --- what is sent ----------------------------------------------------------------------------


def test_a_job_is_sent_with_the_options_of_its_class() -> None:
    order = prepare(JOB, id="id-1")
    assert order == Enqueue(
        job_id="id-1",
        queue="emails",
        name="email",
        payload=b'{"recipient":"a@example.com"}',
        max_attempts=5,
        max_crashes=2,
        timeout_ms=None,  # the class's holds, as the runner knows it
    )


def test_what_the_call_says_goes_before_the_class() -> None:
    order = prepare(JOB, queue="bulk", max_attempts=1, timeout=0.0001)
    assert (order.queue, order.max_attempts, order.timeout_ms) == ("bulk", 1, 1)


def test_each_job_has_an_id_of_its_own() -> None:
    first, second = prepare(JOB).job_id, prepare(JOB).job_id
    assert valid_job_id(first)
    assert first < second


def test_a_delay_is_rounded_up_to_milliseconds() -> None:
    assert prepare(JOB, delay=60).delay_ms == 60_000
    assert prepare(JOB, delay=0.0001).delay_ms == 1
    assert prepare(JOB, delay=1.1).delay_ms == 1100
    assert prepare(JOB, delay=16.1).delay_ms == 16_100
    assert prepare(JOB, delay=0).delay_ms is None


def test_the_shortest_time_is_a_millisecond_and_not_none() -> None:
    order = prepare(JOB, delay=1e-12, timeout=1e-12, expires=1e-12)
    assert (order.delay_ms, order.timeout_ms, order.expires_after_ms) == (1, 1, 1)


def test_the_longest_times_are_those_that_are_told() -> None:
    order = prepare(JOB, delay=100 * 365 * 86400, timeout=10 * 365 * 86400, max_attempts=1_000_000)
    assert (order.delay_ms, order.timeout_ms) == (3_153_600_000_000, 315_360_000_000)


def test_that_a_class_wants_to_hear_of_its_crashes_is_sent() -> None:
    class Heard(EmailJob):
        def on_crash(self, crash: dict[str, Any]) -> None: ...

    order = prepare(Heard("a@example.com"))
    assert (order.on_crash, prepare(JOB).on_crash) == (True, False)
    assert order.operation("a").args != replace(order, on_crash=False).operation("a").args


def test_at_is_a_moment_whatever_its_zone() -> None:
    at = datetime(2030, 1, 1, 12, tzinfo=UTC)
    elsewhere = at.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert prepare(JOB, at=at).due_ms == 1_893_499_200_000
    assert prepare(JOB, at=elsewhere).due_ms == 1_893_499_200_000


def test_an_expiry_is_seconds_or_a_moment() -> None:
    order = prepare(JOB, expires=1.5)
    assert (order.expires_after_ms, order.expires_ms) == (1500, None)
    order = prepare(JOB, expires=datetime(2030, 1, 1, 12, tzinfo=UTC))
    assert (order.expires_after_ms, order.expires_ms) == (None, 1_893_499_200_000)


def test_a_tag_counts_once() -> None:
    assert prepare(JOB, tags=["tenant:7", "mail", "mail"]).tags == ("tenant:7", "mail")


def test_at_is_rounded_up_to_milliseconds() -> None:
    at = datetime(2030, 1, 1, 12, 0, 0, 123_001, tzinfo=UTC)
    assert prepare(JOB, at=at).due_ms == 1_893_499_200_124


def test_a_moment_before_1970_is_due_as_any_in_the_past() -> None:
    assert prepare(JOB, at=datetime(1, 1, 2, tzinfo=UTC)).due_ms == 1


def test_a_job_without_a_class_is_sent_as_told() -> None:
    order = prepare_raw("app.Job", b'{"a":1}', "bulk", id="id-1")
    assert (order.name, order.payload, order.queue) == ("app.Job", b'{"a":1}', "bulk")
    assert (order.max_attempts, order.max_crashes, order.timeout_ms) == (12, None, None)


def test_many_jobs_are_sent_as_one_by_one() -> None:
    class Other(Job, name="other", max_attempts=3):
        number: int

        def execute(self) -> None: ...

    jobs = [JOB, Other(1), EmailJob("b@example.com"), Other(2)]
    ids = ["1", "2", "3", "4"]
    together = prepare_many(jobs, queue="bulk", ids=ids)
    assert together == [prepare(job, queue="bulk", id=i) for job, i in zip(jobs, ids, strict=True)]


def test_many_jobs_have_ids_of_their_own_in_their_order() -> None:
    ids = [order.job_id for order in prepare_many([JOB] * 100)]
    assert ids == sorted(set(ids))
    assert all(map(valid_job_id, ids))


# --- what is refused -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"queue": "two words"}, "queue='two words'"),
        ({"queue": ""}, "queue=''"),
        ({"queue": 5}, "queue=5"),
        ({"id": ""}, "id=''"),
        ({"id": "a b"}, "id='a b'"),
        ({"id": 5}, "id=5"),
        ({"max_attempts": 0}, "max_attempts=0"),
        ({"max_attempts": 1_000_001}, "a whole number from 1 to 1000000"),
        ({"max_attempts": "3"}, "max_attempts='3'"),
        ({"timeout": 0}, "timeout=0"),
        ({"timeout": float("nan")}, "timeout=nan"),
        ({"expires": 0}, "expires=0"),
        ({"expires": "60"}, "expires='60'"),
        ({"expires": datetime(2030, 1, 1)}, "expires=datetime"),
        ({"tags": "mail"}, "tags='mail'"),
        ({"tags": ["two words"]}, "'two words'"),
        ({"tags": ["a,b"]}, "'a,b'"),
        ({"tags": [""]}, "''"),
        ({"tags": [str(n) for n in range(17)]}, "at most 16"),
        ({"delay": -1}, "delay=-1"),
        ({"delay": float("nan")}, "delay=nan"),
        ({"delay": float("inf")}, "delay=inf"),
        ({"delay": "60"}, "delay='60'"),
        ({"delay": True}, "delay=True"),
        ({"at": datetime(2030, 1, 1)}, "a datetime with a zone"),
        ({"at": 1893499200}, "a datetime with a zone"),
        ({"at": datetime(9999, 12, 31, 23, tzinfo=timezone(-timedelta(hours=5)))}, "year 10000"),
        ({"delay": 1, "at": datetime(2030, 1, 1, tzinfo=UTC)}, "one of them"),
        ({"delay": 0, "at": datetime(2030, 1, 1, tzinfo=UTC)}, "one of them"),
    ],
)
def test_a_bad_option_is_named(options: dict[str, Any], said: str) -> None:
    with pytest.raises(PayloadError) as refused:
        prepare(JOB, **options)
    assert said in str(refused.value)
    with pytest.raises(PayloadError):
        prepare_raw("app.Job", b"{}", **{"queue": "q", **options})


def test_a_bad_value_is_refused() -> None:
    with pytest.raises(PayloadError, match=r"EmailJob\.recipient"):
        prepare(EmailJob(5))  # type: ignore[arg-type]


def test_too_large_a_job_is_refused() -> None:
    with pytest.raises(PayloadError, match="at most 10"):
        prepare(JOB, max_bytes=10)


@pytest.mark.parametrize("what", [EmailJob, "email", None, {"recipient": "a"}])
def test_something_else_than_a_job_is_refused(what: Any) -> None:
    with pytest.raises(TypeError, match="an instance of a Job class"):
        prepare(what)


@pytest.mark.parametrize("name", ["", "two words"])
def test_a_bad_name_without_a_class_is_refused(name: str) -> None:
    with pytest.raises(PayloadError, match="no job's name"):
        prepare_raw(name, b"{}", "q")


def in_main(module: str = "__main__", **options: Any) -> type[Job]:
    body = {"__module__": module, "__qualname__": "Script", "execute": lambda self: None}
    return type("Script", (Job,), body, **options)


@pytest.mark.parametrize("module", ["__main__", "__mp_main__"])
def test_a_class_of_the_main_module_is_refused_with_the_remedy(module: str) -> None:
    with pytest.raises(JobDefinitionError, match=r"class Script\(Job, name=\.\.\.\)"):
        prepare(in_main(module)())


def test_a_class_of_the_main_module_with_a_name_is_sent() -> None:
    assert prepare(in_main(name="script")()).name == "script"


@pytest.mark.parametrize(
    ("ids", "said"), [(["1"], "1 for 2 jobs"), (["1", "a b"], "id='a b'"), (["1", ""], "id=''")]
)
def test_ids_that_many_jobs_cannot_have_are_refused(ids: Any, said: str) -> None:
    with pytest.raises(PayloadError, match=said):
        prepare_many([JOB, JOB], ids=ids)


def test_one_bad_job_among_many_is_refused_whichever_it_is() -> None:
    with pytest.raises(PayloadError, match=r"^jobs\[1\]: .*EmailJob\.recipient"):
        prepare_many([JOB, EmailJob(5)])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^jobs\[1\]: .*an instance of a Job class"):
        prepare_many([JOB, "email"])  # type: ignore[list-item]
    with pytest.raises(PayloadError, match="queue='two words'"):
        prepare_many([JOB], queue="two words")
    with pytest.raises(JobDefinitionError, match=r"^jobs\[1\]: .*class Script"):
        prepare_many([JOB, in_main()()])


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"delay": timedelta(minutes=5)}, "; .total_seconds() of a timedelta, here 300"),
        ({"delay": "5m"}, "; a number, not a text"),
        ({"delay": datetime.now(UTC)}, "; a moment is at="),
        ({"timeout": timedelta(minutes=5)}, ", here 300"),
        ({"expires": "1h"}, "; a number, not a text"),
        (
            {"at": datetime(2026, 8, 24)},
            ".astimezone() takes this one for local time",
        ),
        ({"at": timedelta(minutes=5)}, "; so much later is delay="),
        ({"at": "2026-08-24"}, "a datetime with a zone"),
        ({"id": UUID(int=7)}, ": str() of this UUID"),
        ({"tags": 5}, "a list of tags, not a int"),
    ],
)
def test_a_value_of_another_type_is_refused_with_what_to_write(
    options: dict[str, Any], told: str
) -> None:
    with pytest.raises(PayloadError, match=re.escape(told)):
        prepare(JOB, **options)


def test_what_is_no_job_and_no_payload_is_refused_with_what_is_needed() -> None:
    anything: Any = EmailJob
    with pytest.raises(TypeError, match=r"not the class: EmailJob\(\.\.\.\)"):
        prepare(anything)
    anything = JOB
    with pytest.raises(TypeError, match="one alone goes to enqueue"):
        prepare_many(anything)
    anything = {"n": 1}
    with pytest.raises(PayloadError, match=r"json\.dumps\(\.\.\.\)\.encode\(\) gives, not a dict"):
        prepare_raw("a.B", anything, "q")
    with pytest.raises(JobDefinitionError, match="a number, not a text"):
        type("Late", (Job,), {"execute": print}, timeout="30s")


def test_a_type_of_many_words_is_not_told_at_any_length() -> None:
    words: Any = Literal[tuple(f"word-{n}" for n in range(300))]
    picky = type("Picky", (Job,), {"__annotations__": {"word": words}, "execute": print}, name="p")
    with pytest.raises(PayloadError, match=r"expected .*word-2.* found 'x'") as refused:
        prepare(picky("x"))
    assert len(str(refused.value)) < 200
