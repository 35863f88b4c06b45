"""The fixture ``horus``, as other people's tests use it."""

from __future__ import annotations

import asyncio
import gc
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from horus_supervisor import (
    Client,
    HorusError,
    JobDefinitionError,
    LastAttempt,
    PayloadError,
    current_job,
    on_runner_start,
    on_runner_stop,
)
from horus_supervisor.job import hooks
from horus_supervisor.store import operations
from horus_supervisor.testing import Horus
from tests.plugin.shop import Charge, GiveUp, Interrupt, Receipt
from tests.support.descriptors import open_descriptors


@pytest.fixture(autouse=True)
def receipts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file into which receipts are written."""
    monkeypatch.setenv("RECEIPTS", str(tmp_path / "receipts"))
    return tmp_path / "receipts"


# --- run -----------------------------------------------------------------------------------------


def test_run_raises_the_jobs_own_error(horus: Horus) -> None:
    with pytest.raises(ConnectionError, match="order 7: the bank is silent"):
        horus.run(Charge(7, answers_at=2))


def test_run_refuses_a_job_that_a_decorator_kept_from_running(
    horus: Horus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Receipt, "execute", lambda _: (step for step in "ab"))
    with pytest.raises(JobDefinitionError, match="gave a generator back"):
        horus.run(Receipt(7))


def test_run_gives_the_job_what_came_through_json(
    horus: Horus, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[Receipt] = []
    monkeypatch.setattr(Receipt, "execute", lambda job: ran.append(job))
    job = Receipt(7, at=datetime(2026, 1, 2, tzinfo=UTC))
    horus.run(job)
    assert ran == [job]
    assert ran[0] is not job


def test_run_refuses_what_enqueue_would(horus: Horus) -> None:
    with pytest.raises(PayloadError, match=r"Charge\.order"):
        horus.run(Charge("7"))  # type: ignore[arg-type]


def test_run_tells_the_job_which_attempt_it_is(
    horus: Horus, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Any] = []

    def tell(_: Receipt) -> None:
        job = current_job()
        told.extend((job.id, job.queue, job.attempt, job.fence, job.stopping, job.previous))

    monkeypatch.setattr(Receipt, "execute", tell)
    last = LastAttempt(2, "crashed", datetime.now(UTC), cause="oom")
    horus.run(Receipt(7), id="r7", queue="bulk", attempt=3, fence=9, stopping=True, previous=last)
    assert told == ["r7", "bulk", 3, 9, True, last]
    told.clear()
    horus.run(Receipt(7))
    assert told[1:] == ["emails", 1, 1, False, None]


def test_run_shows_the_jobs_log_and_leaves_no_job_behind(
    horus: Horus, capsys: pytest.CaptureFixture[str]
) -> None:
    horus.run(Charge(7))
    [line] = capsys.readouterr().err.splitlines()
    assert "info    charging" in line
    assert line.endswith("job=tests.plugin.shop.Charge queue=payments attempt=1 order=7")
    with pytest.raises(HorusError, match="no job runs here"):
        current_job()


def test_a_job_that_runs_another_is_itself_again(
    horus: Horus, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []

    def run_another(_: Charge) -> None:
        horus.run(Receipt(7), id="inner")
        told.append(current_job().id)

    monkeypatch.setattr(Charge, "execute", run_another)
    horus.run(Charge(7), id="outer")
    assert told == ["outer"]


# --- the client, and what was enqueued -----------------------------------------------------------


def test_the_applications_own_client_is_the_tests(horus: Horus) -> None:
    with Client() as client:
        client.enqueue(Receipt(7))
    horus.client.enqueue(Receipt(8))
    assert horus.enqueued().jobs == [Receipt(7), Receipt(8)]


@pytest.mark.parametrize("again", [1, 2])
def test_each_test_begins_with_nothing(horus: Horus, again: int) -> None:
    assert horus.enqueued() == []
    horus.client.enqueue(Receipt(again), id="the-same")


def test_enqueued_tells_class_queue_id_and_due(horus: Horus) -> None:
    first = horus.client.enqueue(Charge(7), queue="bulk")
    second = horus.client.enqueue(Receipt(7), delay=60)
    horus.client.enqueue(Receipt(8), queue="bulk")

    assert horus.enqueued(queue="bulk").jobs == [Charge(7), Receipt(8)]
    assert horus.enqueued(Receipt).jobs == [Receipt(7), Receipt(8)]
    charge = horus.enqueued(Charge).one()
    assert (charge.job.order, charge.id, charge.queue) == (7, first.id, "bulk")
    assert (charge.due, charge.delay) == (None, 0)
    later = horus.enqueued(Receipt, queue="emails").one()
    assert (later.id, later.delay) == (second.id, 60)
    assert later.due is not None
    assert timedelta(0) < later.due - datetime.now(UTC) <= timedelta(seconds=60)


def test_enqueued_keeps_the_order_of_those_of_one_millisecond(horus: Horus) -> None:
    receipts = [Receipt(number) for number in range(50)]
    mixed = [job for number in range(50) for job in (Receipt(number), Charge(number))]
    for job in receipts:
        horus.client.enqueue(job, id=f"receipt-{99 - job.order}")
    assert horus.enqueued().jobs == receipts
    horus.client.enqueue_many(mixed)
    assert horus.enqueued().jobs == [*receipts, *mixed]


def test_one_says_what_waits_instead(horus: Horus) -> None:
    with pytest.raises(AssertionError, match=r"^0 of Charge wait, not 1; these do: none$"):
        horus.enqueued(Charge).one()
    horus.client.enqueue(Receipt(7))
    expected = r"^0 of Charge on bulk wait, not 1; these do: \[Receipt\(order=7, .*\) on emails\]$"
    with pytest.raises(AssertionError, match=expected):
        horus.enqueued(Charge, queue="bulk").one()


def test_a_job_whose_class_is_not_imported_is_named(horus: Horus) -> None:
    horus.client.enqueue_raw("theirs.Job", b"{}", "emails")
    horus.client.enqueue(Receipt(7))
    assert horus.enqueued(Receipt).jobs == [Receipt(7)]
    with pytest.raises(HorusError, match=r"theirs\.Job waits on emails.*import its module"):
        horus.enqueued()


# --- drain ---------------------------------------------------------------------------------------


def test_drain_runs_what_waits_and_what_comes_of_it(horus: Horus, receipts: Path) -> None:
    handle = horus.client.enqueue(Charge(7))
    happened = horus.drain()
    assert [ran.job for ran in happened.succeeded] == [Charge(7), Receipt(7)]
    assert (happened.failed, happened.dead, happened.discarded) == ([], [], [])
    assert receipts.read_text() == "7 1\n"
    assert handle.status() == "succeeded"
    assert horus.enqueued() == []


def test_drain_of_one_queue_leaves_the_others(horus: Horus) -> None:
    horus.client.enqueue(Charge(7))
    assert len(horus.drain("payments").succeeded) == 1
    assert horus.enqueued().jobs == [Receipt(7)]
    assert horus.drain("no-such-queue").succeeded == []


def test_drain_tells_failures_until_the_job_is_dead(horus: Horus) -> None:
    horus.client.enqueue(Charge(7, answers_at=9), id="c7")
    [failed] = horus.drain().failed
    assert (failed.id, failed.job, failed.attempt) == ("c7", Charge(7, answers_at=9), 1)
    assert (failed.error_type, failed.name) == ("ConnectionError", "tests.plugin.shop.Charge")
    assert failed.traceback is not None
    assert "the bank is silent" in failed.traceback
    assert repr(failed) == (
        "Charge(order=7, answers_at=9) on payments, attempt 1: "
        "ConnectionError: order 7: the bank is silent"
    )
    waiting = horus.enqueued(Charge).one()
    assert (waiting.due, waiting.attempts) == (failed.retry_at, 1)

    horus.advance(timedelta(hours=1))
    happened = horus.drain()
    assert happened.failed == []
    assert [(ran.attempt, ran.error_type) for ran in happened.dead] == [(2, "ConnectionError")]
    assert horus.client.status("c7") == "dead"


def test_nobody_asks_when_to_try_again_after_the_last_attempt(
    horus: Horus, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def wait(_: Charge, attempt: int, __: BaseException) -> float:
        asked.append(attempt)
        return [1][attempt - 1]  # a list of waits, as other libraries take it

    monkeypatch.setattr(Charge, "retry_in", wait)
    horus.client.enqueue(Charge(7, answers_at=9))
    horus.drain()
    horus.advance(1)
    assert len(horus.drain().dead) == 1
    assert asked == [1]


def test_drain_tells_what_gave_itself_up(horus: Horus) -> None:
    horus.client.enqueue(GiveUp())
    [ran] = horus.drain().discarded
    assert (ran.job, ran.error_message) == (GiveUp(), "no such order")


def test_drain_leaves_no_descriptor_open(horus: Horus) -> None:
    gc.collect()
    horus.drain()
    before = open_descriptors()
    horus.client.enqueue(Charge(7))
    gc.disable()
    try:
        horus.drain()
        assert open_descriptors() == before
    finally:
        gc.enable()


def test_drain_opens_and_closes_what_runners_do(
    horus: Horus, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(hooks, "_starts", [])
    monkeypatch.setattr(hooks, "_stops", [])
    monkeypatch.setattr(Receipt, "execute", lambda _: told.append("job"))
    on_runner_start(lambda: told.append("start"))
    on_runner_stop(lambda: told.append("stop"))
    horus.client.enqueue(Receipt(7))
    horus.drain()
    assert told == ["start", "job", "stop"]


def test_drain_leaves_paused_queues_alone(horus: Horus) -> None:
    horus.client.enqueue(Receipt(7))
    horus.client.connection.run(operations.pause("horus", "emails"))
    assert horus.drain().succeeded == []


def test_a_drain_that_feeds_itself_ends(horus: Horus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("horus_supervisor.testing.drain.MOST", 20)
    monkeypatch.setattr(Receipt, "execute", lambda job: horus.client.enqueue(Receipt(job.order)))
    horus.client.enqueue(Receipt(7))
    with pytest.raises(HorusError, match="does one enqueue itself"):
        horus.drain()


def test_drain_gives_signals_back(horus: Horus) -> None:
    def alarm(*_: object) -> None:
        raise AssertionError("too early")

    def none(*_: object) -> None: ...

    before = signal.getitimer(signal.ITIMER_REAL), signal.getsignal(signal.SIGALRM)
    wakeup = signal.set_wakeup_fd(-1)
    interrupt = signal.signal(signal.SIGINT, none)
    signal.signal(signal.SIGALRM, alarm)
    signal.setitimer(signal.ITIMER_REAL, 50)
    try:
        horus.client.enqueue(Charge(7))
        horus.drain()
        left_s = signal.getitimer(signal.ITIMER_REAL)[0]
        assert 1 < left_s < 50
        assert signal.getsignal(signal.SIGALRM) is alarm
        assert signal.getsignal(signal.SIGINT) is none
    finally:
        signal.setitimer(signal.ITIMER_REAL, *before[0])
        signal.signal(signal.SIGALRM, before[1])
        signal.signal(signal.SIGINT, interrupt)
        signal.set_wakeup_fd(wakeup)


def test_drain_works_beside_a_loop_too(horus: Horus) -> None:
    horus.client.enqueue(Charge(7))
    before = signal.getitimer(signal.ITIMER_REAL)
    signal.setitimer(signal.ITIMER_REAL, 50)
    try:
        happened = asyncio.run(asyncio.to_thread(horus.drain))
        left_s = signal.getitimer(signal.ITIMER_REAL)[0]
    finally:
        signal.setitimer(signal.ITIMER_REAL, *before)
    assert [ran.job for ran in happened.succeeded] == [Charge(7), Receipt(7)]
    assert 1 < left_s < 50


def test_ctrl_c_ends_job_and_drain(horus: Horus) -> None:
    handle = horus.client.enqueue(Interrupt())
    with pytest.raises(KeyboardInterrupt):
        horus.drain()
    assert handle.status() == "ready"


# --- advance -------------------------------------------------------------------------------------


def test_advance_makes_due_what_is_due_by_then(horus: Horus) -> None:
    first = horus.client.enqueue(Receipt(7), delay=600)
    horus.client.enqueue(Receipt(8), delay=3600)
    assert horus.drain().succeeded == []
    horus.advance(570)
    assert horus.drain().succeeded == []
    horus.advance(timedelta(seconds=30))
    assert first.status() == "ready"
    assert [ran.job for ran in horus.drain().succeeded] == [Receipt(7)]
    assert horus.enqueued().one().delay == 3600
    horus.advance(3540)
    assert [ran.job for ran in horus.drain().succeeded] == [Receipt(8)]


def test_advance_moves_nobody_elses_jobs(horus: Horus) -> None:
    with Client(namespace="theirs") as theirs:
        handle = theirs.enqueue(Receipt(7), delay=60)
        horus.advance(3600)
        theirs.connection.run(operations.promote("theirs", 10))
        assert handle.status() == "scheduled"


def test_what_expires_is_discarded_once_it_is_too_late(horus: Horus) -> None:
    horus.client.enqueue(Receipt(7), id="soon", expires=60, tags=["a", "b"])
    horus.client.enqueue(Receipt(7), id="late", expires=7200)
    assert [row.tags for row in horus.enqueued()] == [("a", "b"), ()]
    horus.advance(3600)
    happened = horus.drain()
    [soon] = happened.discarded
    assert (soon.id, soon.job, soon.queue) == ("soon", Receipt(7), "emails")
    assert (soon.attempt, soon.error_message) == (0, "expired")
    assert [ran.id for ran in happened.succeeded] == ["late"]


@pytest.mark.parametrize("by", [-1, float("nan"), timedelta(seconds=-1)])
def test_time_goes_forward(horus: Horus, by: float | timedelta) -> None:
    with pytest.raises(ValueError, match="time goes forward"):
        horus.advance(by)


class TestOwnNamespace:
    """An application whose clients name their namespace."""

    @pytest.fixture
    def horus_namespace(self) -> str:
        return "shop"

    def test_it_can_be_the_applications(self, horus: Horus) -> None:
        with Client(namespace="shop") as client:
            client.enqueue(Receipt(7))
        assert len(horus.drain().succeeded) == 1
