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

MIXED = """
[groups.mixed]
queues = { high = 3, low = 1 }
runners = 1
"""


def test_a_runner_takes_from_its_queues_as_their_weights_say(
    service: Service, client: Client
) -> None:
    gate = service.path("gate")
    service.write(MIXED)
    service.start()
    held = client.enqueue(jobs.Hang(service.path("held"), done=gate), queue="high")
    service.wait_for("job.started", job_id=held.id)
    for queue in ("low", "high"):
        client.enqueue_many([jobs.Quick(service.path("ran"), queue)] * 12, queue=queue)
    jobs.mark(gate)
    wait_until(lambda: len(jobs.marks(service.path("ran"))) == 24, "all", on_failure=service.tail)
    order = jobs.marks(service.path("ran"))
    assert order[:16].count("high") == 12
    assert order[:4].count("high") == 3
    assert order[16:] == ["low"] * 8


def test_a_runner_of_strict_order_takes_the_highest_queue_first(
    service: Service, client: Client
) -> None:
    gate = service.path("gate")
    service.write(MIXED + 'order = "strict"')
    service.start()
    held = client.enqueue(jobs.Hang(service.path("held"), done=gate), queue="low")
    service.wait_for("job.started", job_id=held.id)
    for queue in ("low", "high"):
        client.enqueue_many([jobs.Quick(service.path("ran"), queue)] * 5, queue=queue)
    jobs.mark(gate)
    wait_until(lambda: len(jobs.marks(service.path("ran"))) == 10, "all", on_failure=service.tail)
    assert jobs.marks(service.path("ran")) == ["high"] * 5 + ["low"] * 5


def test_a_paused_queue_starts_nothing_and_its_neighbour_goes_on(
    service: Service, client: Client
) -> None:
    service.write(MIXED)
    service.start()
    client.connection.run(operations.pause(client.namespace, "high"))
    waits = client.enqueue(jobs.Quick(), queue="high")
    runs = client.enqueue(jobs.Quick(), queue="low")
    wait_until(lambda: runs.status() == "succeeded", "the neighbour", on_failure=service.tail)
    assert waits.status() == "ready"
    client.connection.run(operations.resume(client.namespace, "high"))
    wait_until(lambda: waits.status() == "succeeded", "the resumed", on_failure=service.tail)


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("die", "1 crashed signal None"),
        ("raise", "1 failed None horus_supervisor.errors.Retry"),
    ],
)
def test_a_job_can_ask_how_its_last_attempt_ended(
    service: Service, client: Client, how: str, told: str
) -> None:
    service.write("[queues]\nq = 1\n")
    service.start()
    job = client.enqueue(jobs.Previous(service.path("told"), how))
    wait_until(lambda: job.status() == "succeeded", "a second start", on_failure=service.tail)
    assert jobs.marks(service.path("told")) == [told]


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
    service: Service, client: Client
) -> None:
    service.write("[groups.g]\nqueues = ['q']\nrunners = 1\ncrash_delay = '1ms'\n")
    service.start()
    job = client.enqueue(jobs.Heard(service.path("heard")), tags=["mail"])
    wait_until(lambda: len(jobs.marks(service.path("heard"))) == 2, "both", on_failure=service.tail)
    newest, oldest = client.connection.run(operations.crashes(client.namespace, 10))
    assert jobs.marks(service.path("heard")) == [
        f"{oldest['crash_id']} {job.id} 1 SIGKILL requeued",
        f"{newest['crash_id']} {job.id} 2 SIGKILL exhausted",
    ]
    found = client.connection.run(operations.find(client.namespace, job.id))
    assert found.job is not None
    assert found.job.tags == ("mail",)
    listed = operations.list_jobs(client.namespace, found.state, None, 10, "mail")
    assert [row.job_id for row in client.connection.run(listed)] == [job.id]


def test_a_class_that_does_not_listen_costs_no_job(service: Service, client: Client) -> None:
    service.write("[queues]\nq = 1\n")
    service.start()
    job = client.enqueue(jobs.HangOnce(service.path("ran")))
    started = service.begun(job.id, service.path("ran"))
    os.kill(started["pid"], signal.SIGKILL)
    service.wait_for("job.succeeded")
    [row] = client.connection.run(operations.overview(client.namespace)).queues
    assert row.enqueued == 1


def test_a_class_with_large_arguments_hears_of_its_crash(service: Service, client: Client) -> None:
    service.write("[queues]\nq = 1\n")
    service.start()
    path = service.path("heard")
    client.enqueue(jobs.Heard(path, padding='"' * 120_000), max_attempts=1)
    wait_until(lambda: jobs.marks(path) != [], "it hears", on_failure=service.tail)
