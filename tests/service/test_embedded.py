"""A service that brings its own Redis."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from horus_supervisor import Client
from tests.service.apps import testjobs as jobs
from tests.service.conftest import end
from tests.support.service import Service, alive
from tests.support.waiting import wait_until


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Service]:
    """A service with an embedded Redis, started."""
    service = Service(tmp_path, f"embedded:{tmp_path / 'redis'}", "n")
    service.write("[queues]\nq = 1\n")
    service.start()
    yield service
    end(service)


def server(service: Service) -> int:
    """The pid of the service's Redis."""
    guard = service.program("horus-redis")
    [pid] = map(int, Path(f"/proc/{guard}/task/{guard}/children").read_text().split())
    return pid


def test_its_start_is_no_outage_and_its_end_is_one(own: Service, tmp_path: Path) -> None:
    with Client(f"embedded:{tmp_path / 'redis'}", namespace="n") as client:
        client.connection.raw.config_set("appendfsync", "always")  # as ``own_redis`` has it
        job = client.enqueue(jobs.Hang(own.path("ran"), done=own.path("done")))
        own.wait_for("job.started", job_id=job.id)
        assert own.events("redis.lost") == []
        os.kill(server(own), signal.SIGKILL)
        own.wait_for("redis.lost")
        own.wait_for("redis.restored")
        jobs.mark(own.path("done"))
        own.wait_for("job.succeeded", job_id=job.id)
    assert len(own.events("redis.lost")) == len(own.events("redis.restored")) == 1
    assert own.events("runner.crashed") == []
    [ended] = own.events("child.exited")
    assert any("the server was killed by SIGKILL" in line for line in ended["output_tail"])


def test_it_wants_no_thread_that_it_would_complain_of_without_end_where_it_gets_none(
    own: Service,
) -> None:
    names = {path.read_text().strip() for path in Path(f"/proc/{server(own)}/task").glob("*/comm")}
    assert names
    assert not any("jemalloc" in name for name in names)


def test_it_ends_after_the_last_rites_of_a_killed_supervisor(own: Service) -> None:
    pid = server(own)
    own.kill()
    wait_until(lambda: not alive(pid), "the server's end", 6.0, on_failure=own.tail)
