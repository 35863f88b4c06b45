"""Runners of several queues, and what a job may know of its last attempt."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest

from horus_supervisor import Client
from horus_supervisor.store import operations
from tests.service.apps import testjobs as jobs
from tests.support.service import Service
from tests.support.waiting import wait_until

KEPT = """
[defaults]
runners = 1
crash_delay = "1ms"

[groups.mixed]
queues = { high = 3, low = 1 }

[groups.strict]
queues = { first = 3, second = 1 }
order = "strict"

[groups.halted]
queues = { halted = 3, beside = 1 }

[groups.q]
queues = ["q", "deaf"]
"""


def test_a_runner_takes_from_its_queues_as_their_weights_say(
    borrowed: Service, borrower: Client
) -> None:
    gate = borrowed.path("gate")
    held = borrower.enqueue(jobs.Hang(borrowed.path("held"), done=gate), queue="high")
    borrowed.wait_for("job.started", job_id=held.id)
    for queue in ("low", "high"):
        borrower.enqueue_many([jobs.Quick(borrowed.path("ran"), queue)] * 12, queue=queue)
    jobs.mark(gate)
    wait_until(lambda: len(jobs.marks(borrowed.path("ran"))) == 24, "all", on_failure=borrowed.tail)
    order = jobs.marks(borrowed.path("ran"))
    assert order[:16].count("high") == 12
    assert order[:4].count("high") == 3
    assert order[16:] == ["low"] * 8


def test_a_runner_of_strict_order_takes_the_highest_queue_first(
    borrowed: Service, borrower: Client
) -> None:
    gate = borrowed.path("gate")
    held = borrower.enqueue(jobs.Hang(borrowed.path("held"), done=gate), queue="second")
    borrowed.wait_for("job.started", job_id=held.id)
    for queue in ("second", "first"):
        borrower.enqueue_many([jobs.Quick(borrowed.path("ran"), queue)] * 5, queue=queue)
    jobs.mark(gate)
    wait_until(lambda: len(jobs.marks(borrowed.path("ran"))) == 10, "all", on_failure=borrowed.tail)
    assert jobs.marks(borrowed.path("ran")) == ["first"] * 5 + ["second"] * 5


def test_a_paused_queue_starts_nothing_and_its_neighbour_goes_on(
    borrowed: Service, borrower: Client
) -> None:
    borrower.connection.run(operations.pause(borrower.namespace, "halted"))
    waits = borrower.enqueue(jobs.Quick(), queue="halted")
    runs = borrower.enqueue(jobs.Quick(), queue="beside")
    wait_until(lambda: runs.status() == "succeeded", "the neighbour", on_failure=borrowed.tail)
    assert waits.status() == "ready"
    borrower.connection.run(operations.resume(borrower.namespace, "halted"))
    wait_until(lambda: waits.status() == "succeeded", "the resumed", on_failure=borrowed.tail)


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("die", "1 crashed signal None"),
        ("raise", "1 failed None horus_supervisor.errors.Retry"),
    ],
)
def test_a_job_can_ask_how_its_last_attempt_ended(
    borrowed: Service, borrower: Client, how: str, told: str
) -> None:
    job = borrower.enqueue(jobs.Previous(borrowed.path("told"), how))
    wait_until(lambda: job.status() == "succeeded", "a second start", on_failure=borrowed.tail)
    assert jobs.marks(borrowed.path("told")) == [told]


def test_a_job_can_ask_whether_a_stop_or_its_supervisors_end_cut_it_short(
    service: Service, client: Client
) -> None:
    service.write("[queues]\nq = 1\n", supervisor='shutdown_timeout = "1ms"')
    service.start()
    ends: tuple[tuple[Callable[[], object], str], ...] = (
        (service.stop, "1 interrupted None None"),
        (service.kill, "1 lost supervisor_lost None"),
    )
    for number, (end, told) in enumerate(ends):
        path = service.path(f"told{number}")
        job = client.enqueue(jobs.Previous(path, "hang"))
        service.begun(job.id, f"{path}.hangs")
        end()
        service.start()
        service.wait_for("job.succeeded", job_id=job.id)
        assert jobs.marks(path) == [told]


def test_a_class_hears_of_each_of_its_crashes_in_a_healthy_runner(
    borrowed: Service, borrower: Client
) -> None:
    job = borrower.enqueue(jobs.Heard(borrowed.path("heard")), tags=["mail"])
    wait_until(
        lambda: len(jobs.marks(borrowed.path("heard"))) == 2, "both", on_failure=borrowed.tail
    )
    records = borrower.connection.run(operations.crashes(borrower.namespace, 10))[0]
    newest, oldest = [record for record in records if record["job_id"] == job.id]
    assert jobs.marks(borrowed.path("heard")) == [
        f"{oldest['crash_id']} {job.id} 1 SIGKILL requeued",
        f"{newest['crash_id']} {job.id} 2 SIGKILL exhausted",
    ]
    found = borrower.connection.run(operations.find(borrower.namespace, job.id))
    assert found.job is not None
    assert found.job.tags == ("mail",)
    listed = operations.list_jobs(borrower.namespace, found.state, None, 10, "mail")
    assert [row.job_id for row in borrower.connection.run(listed)] == [job.id]


def test_a_class_that_does_not_listen_costs_no_job(borrowed: Service, borrower: Client) -> None:
    job = borrower.enqueue(jobs.HangOnce(borrowed.path("ran")), queue="deaf")
    started = borrowed.begun(job.id, borrowed.path("ran"))
    os.kill(started["pid"], signal.SIGKILL)
    borrowed.wait_for("job.succeeded", job_id=job.id)
    queues = borrower.connection.run(operations.overview(borrower.namespace)).queues
    assert [row.enqueued for row in queues if row.queue == "deaf"] == [1]


def test_a_class_with_large_arguments_hears_of_its_crash(
    borrowed: Service, borrower: Client
) -> None:
    path = borrowed.path("heard")
    borrower.enqueue(jobs.Heard(path, padding='"' * 120_000), max_attempts=1)
    wait_until(lambda: jobs.marks(path) != [], "it hears", on_failure=borrowed.tail)
