"""Redis comes back without its last writes: what it still has is served on, nothing contradicts."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from horus_supervisor import Client
from horus_supervisor.store import operations
from tests.service.apps import testjobs as jobs
from tests.service.conftest import TELL, end, undocumented
from tests.support.horus import COMMAND
from tests.support.processes import Bounded
from tests.support.redis_server import IN_MEMORY, RedisServer
from tests.support.service import ROOT, Service
from tests.support.waiting import wait_until


@pytest.fixture
def forgetful(tmp_path: Path) -> Iterator[RedisServer]:
    """A server that has lost all since its last SAVE when it is killed."""
    server = RedisServer(tmp_path / "forgetful", extra=(*IN_MEMORY, "--save", ""))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def service(tmp_path: Path, forgetful: RedisServer, namespace: str) -> Iterator[Service]:
    service = Service(tmp_path, forgetful.url, namespace)
    yield service
    end(service)
    assert undocumented(service.lines()) == set(), TELL


def lose_the_last_writes(server: RedisServer, runners: int) -> None:
    """Lose calls that were answered: a runner that waits for work has read its last reply.

    One that has not makes its call again, and nothing is lost.
    """
    with contextlib.closing(server.client()) as raw:

        def waiting() -> int:
            return sum("b" in row["flags"] for row in raw.client_list())

        wait_until(lambda: waiting() == runners, "runners that wait for work")
    server.kill()
    server.start()


def test_a_redis_that_has_lost_its_last_writes_is_served_on(
    service: Service, forgetful: RedisServer, namespace: str
) -> None:
    service.write("[queues]\nq = 2\n")
    service.start()
    with (
        contextlib.closing(forgetful.client()) as raw,
        Client(forgetful.url, namespace=namespace) as client,
    ):
        done, once, died = service.path("done"), service.path("once"), service.path("died")
        over = client.enqueue(jobs.Hang(once, done=done), max_attempts=1)
        killed = client.enqueue(jobs.HangOnce(died))
        service.begun(over.id, once)
        pid = service.begun(killed.id, died)["pid"]
        raw.save()
        jobs.mark(done)
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: over.status() == "succeeded", "its end", on_failure=service.tail)
        wait_until(lambda: killed.status() == "succeeded", "second run", on_failure=service.tail)
        lose_the_last_writes(forgetful, 2)
        new = client.enqueue(jobs.Quick())
        wait_until(lambda: new.status() == "succeeded", "served on", on_failure=service.tail)
        wait_until(lambda: killed.status() == "succeeded", "third run", on_failure=service.tail)
        # who held it may hear of all this last: nothing makes the others wait for that
        wait_until(lambda: over.status() == "dead", "it is not started twice")
        [row] = client.connection.run(operations.overview(namespace)).queues
    assert (row.enqueued, row.succeeded, row.dead) == (3, 2, 1)
    assert len(jobs.marks(once)) == 1
    assert service.stop() == 0
    told = service.wait_for("job.interrupted", job_id=killed.id)
    assert (
        told["message"] == f"Redis has lost how this job ended on {told['runner']}; it is requeued"
    )
    service.wait_for("job.dead", job_id=over.id, reason="exhausted")
    assert len(service.events("runner.crashed")) == 1


def test_a_seat_whose_last_runner_redis_takes_to_be_there_again_can_be_taken(
    service: Service, forgetful: RedisServer, namespace: str
) -> None:
    service.write("[queues]\nq = 1\n")
    service.start(constants={"runner.main.JOINS_WITHIN_S": 0.3})
    with (
        contextlib.closing(forgetful.client()) as raw,
        Client(forgetful.url, namespace=namespace) as client,
    ):
        first = client.enqueue(jobs.Quick())
        wait_until(lambda: first.status() == "succeeded", "a runner", on_failure=service.tail)
        raw.save()
        service.write("[queues]\nq = 0\n")
        service.wait_for("runner.exited")
        lose_the_last_writes(forgetful, 0)
        service.write("[queues]\nq = 1\n")
        job = client.enqueue(jobs.Quick())
        wait_until(lambda: job.status() == "succeeded", "served", on_failure=service.tail)
    assert service.stop() == 0


def test_a_runner_in_a_terminal_starts_no_job_twice_for_lost_writes(
    tmp_path: Path, forgetful: RedisServer, namespace: str
) -> None:
    ran, done = str(tmp_path / "ran"), str(tmp_path / "done")
    where = ("--url", forgetful.url, "--namespace", namespace)
    words = ("work", "-q", "q", "--import", "tests.service.apps.testjobs")
    with (
        contextlib.closing(forgetful.client()) as raw,
        Client(forgetful.url, namespace=namespace) as client,
        Bounded[bytes]([*COMMAND, *where, *words], cwd=ROOT, stderr=subprocess.PIPE) as process,
    ):
        job = client.enqueue(jobs.Hang(ran, done=done), max_attempts=1)
        wait_until(lambda: jobs.marks(ran) != [], "it runs")
        raw.save()
        jobs.mark(done)
        wait_until(lambda: job.status() == "succeeded", "its end")
        lose_the_last_writes(forgetful, 1)
        _, told = process.communicate(timeout=45)
        assert process.returncode == 1, told
        assert b"Redis has lost its last calls" in told
        assert job.status() == "dead", "it would be started twice"
