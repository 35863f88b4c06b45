"""Processes that a job starts: they end when they are told to, and speak for themselves."""

from __future__ import annotations

import signal

import pytest

from horus_supervisor import Client
from horus_supervisor.store import operations
from tests.service.apps import testjobs, untidy
from tests.support.service import Service, alive
from tests.support.waiting import wait_until

KEPT = ONE = "[queues]\nq = 1\n"
IMPORTS = untidy.__name__


@pytest.mark.parametrize(
    ("how", "result"),
    [
        ("pool", [0.0, 0.0]),
        ("terminate", -signal.SIGTERM),
        ("sleeper", -signal.SIGTERM),
        ("program", -signal.SIGINT),
        ("log", 0),
        ("own handler", 42),
    ],
)
def test_a_child_of_a_job_obeys_signals_and_may_log(
    borrowed: Service, borrower: Client, how: str, result: object
) -> None:
    job = borrower.enqueue(untidy.Children(how, borrowed.path("ended")))
    wait_until(lambda: job.status() == "succeeded", "the job's end", on_failure=borrowed.tail)
    assert testjobs.marks(borrowed.path("ended")) == [repr(result)]
    if how == "log":
        wait_until(
            lambda: any("from a child" in line["text"] for line in borrowed.events("output")),
            "what the child said",
            on_failure=borrowed.tail,
        )


def test_a_child_that_outlives_its_job_goes_with_its_runner(
    service: Service, client: Client
) -> None:
    service.write(ONE)
    service.start()
    job = client.enqueue(testjobs.Child(service.path("pids"), then="return"))
    wait_until(lambda: job.status() == "succeeded", "the job's end", on_failure=service.tail)
    [child] = map(int, testjobs.marks(service.path("pids")))
    assert alive(child)
    service.write("[queues]\nq = 0\n")
    wait_until(lambda: not alive(child), "the child is gone", on_failure=service.tail)


def test_the_stack_of_a_child_that_dies_is_output_and_not_its_runners(
    borrowed: Service, borrower: Client
) -> None:
    job = borrower.enqueue(untidy.ChildDies(), max_attempts=1)
    borrowed.wait_for("job.crashed", job_id=job.id)
    records = borrower.connection.run(operations.crashes(borrower.namespace, 10))[0]
    [record] = [record for record in records if record["job_id"] == job.id]
    assert not record["traceback"]
    assert any("untidy.py" in line for line in record["output_tail"])
