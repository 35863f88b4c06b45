"""What an enqueue sends, and what a broken call means: decided without any I/O."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from horus_supervisor.client import Tries
from horus_supervisor.enqueue import Enqueue, prepare, prepare_raw
from horus_supervisor.errors import (
    EnqueueUnknown,
    HorusError,
    JobDefinitionError,
    PayloadError,
    QueueFull,
    RedisAway,
    RedisRefused,
    ReplyLost,
    ServiceNotRunning,
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
    assert prepare(JOB, delay=0).delay_ms is None


def test_at_is_a_moment_whatever_its_zone() -> None:
    at = datetime(2030, 1, 1, 12, tzinfo=UTC)
    elsewhere = at.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert prepare(JOB, at=at).due_ms == 1_893_499_200_000
    assert prepare(JOB, at=elsewhere).due_ms == 1_893_499_200_000


def test_at_is_rounded_up_to_milliseconds() -> None:
    at = datetime(2030, 1, 1, 12, 0, 0, 123_001, tzinfo=UTC)
    assert prepare(JOB, at=at).due_ms == 1_893_499_200_124


def test_a_moment_before_1970_is_due_as_any_in_the_past() -> None:
    assert prepare(JOB, at=datetime(1, 1, 2, tzinfo=UTC)).due_ms == 1


def test_a_job_without_a_class_is_sent_as_told() -> None:
    order = prepare_raw("app.Job", b'{"a":1}', "bulk", id="id-1")
    assert (order.name, order.payload, order.queue) == ("app.Job", b'{"a":1}', "bulk")
    assert (order.max_attempts, order.max_crashes, order.timeout_ms) == (12, None, None)


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
        ({"max_attempts": "3"}, "max_attempts='3'"),
        ({"timeout": 0}, "timeout=0"),
        ({"timeout": float("nan")}, "timeout=nan"),
        ({"delay": -1}, "delay=-1"),
        ({"delay": float("nan")}, "delay=nan"),
        ({"delay": float("inf")}, "delay=inf"),
        ({"delay": "60"}, "delay='60'"),
        ({"delay": True}, "delay=True"),
        ({"at": datetime(2030, 1, 1)}, "a datetime with a zone"),
        ({"at": 1893499200}, "a datetime with a zone"),
        ({"delay": 1, "at": datetime(2030, 1, 1, tzinfo=UTC)}, "one of them"),
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


def in_main(**options: Any) -> type[Job]:
    body = {"__module__": "__main__", "__qualname__": "Script", "execute": lambda self: None}
    return type("Script", (Job,), body, **options)


def test_a_class_of_the_main_module_is_refused_with_the_remedy() -> None:
    with pytest.raises(JobDefinitionError, match=r"class Script\(Job, name=\.\.\.\)"):
        prepare(in_main()())


def test_a_class_of_the_main_module_with_a_name_is_sent() -> None:
    assert prepare(in_main(name="script")()).name == "script"


# --- what a broken call means ----------------------------------------------------------------


AWAY, LOST = RedisAway("refused"), ReplyLost("broke")


def test_a_broken_call_is_repeated_until_the_deadline_with_growing_waits() -> None:
    tries = Tries(["id-1"], timeout_s=5, now=100)
    waits, now = [], 100.0
    while now < 105:
        waits.append(tries.wait_after_s(AWAY, now))
        now += waits[-1]

    assert now == pytest.approx(105)  # the last try is at the deadline, not before it
    assert 0 < waits[0] <= 0.02
    assert max(waits) <= 0.5
    assert 10 < len(waits) < 60
    with pytest.raises(RedisAway):
        tries.wait_after_s(AWAY, now)


def test_waits_differ_between_clients() -> None:
    assert len({Tries(["id-1"], 5, now=0).wait_after_s(AWAY, 0) for _ in range(10)}) > 1


def test_after_a_lost_reply_the_end_is_unknown_and_names_the_id() -> None:
    tries = Tries(["id-1"], timeout_s=5, now=0)
    tries.wait_after_s(LOST, 1)
    with pytest.raises(EnqueueUnknown, match="id='id-1'") as unknown:
        tries.wait_after_s(AWAY, 5)
    assert unknown.value.job_id == "id-1"
    assert unknown.value.__cause__ is AWAY


def test_a_lost_reply_at_the_deadline_is_unknown_too() -> None:
    with pytest.raises(EnqueueUnknown):
        Tries(["id-1"], timeout_s=5, now=0).wait_after_s(LOST, 5)


@pytest.mark.parametrize(
    "error", [QueueFull("full"), RedisRefused("no"), ServiceNotRunning("start it")]
)
def test_a_refusal_is_told_at_once(error: HorusError) -> None:
    with pytest.raises(type(error)):
        Tries(["id-1"], timeout_s=5, now=0).wait_after_s(error, 0)


@pytest.mark.parametrize("error", [QueueFull("full"), RedisRefused("no")])
def test_a_refusal_after_a_lost_reply_leaves_open_what_happened(error: HorusError) -> None:
    tries = Tries(["id-1"], timeout_s=5, now=0)
    tries.wait_after_s(LOST, 0)
    with pytest.raises(EnqueueUnknown, match=str(error)):
        tries.wait_after_s(error, 1)


def test_a_service_that_ends_after_a_lost_reply_is_waited_for() -> None:
    tries = Tries(["id-1"], timeout_s=5, now=0)
    tries.wait_after_s(LOST, 0)
    assert tries.wait_after_s(ServiceNotRunning("start it"), 1) > 0


def test_a_question_whose_reply_was_lost_is_just_lost() -> None:
    tries = Tries([], timeout_s=5, now=0)
    tries.wait_after_s(LOST, 0)
    with pytest.raises(ReplyLost):
        tries.wait_after_s(LOST, 5)


def test_created_is_open_only_where_a_reply_was_lost() -> None:
    tries = Tries(["id-1"], timeout_s=5, now=0)
    assert (tries.created(True), tries.created(False)) == (True, False)

    tries.wait_after_s(AWAY, 0)
    assert tries.created(False) is False

    tries.wait_after_s(LOST, 0)
    assert tries.created(True) is True
    assert tries.created(False) is None
