"""A service for each test, on the server of the whole run, in a namespace of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from horus_supervisor import Client
from horus_supervisor.events import Event
from reference import events
from tests.support.horus import Horus
from tests.support.redis_server import RedisServer
from tests.support.service import Line, Service

TELL = "fields that reference/events.py does not know: say there what they are"


@pytest.fixture
def service(
    request: pytest.FixtureRequest, tmp_path: Path, redis_url: str, namespace: str
) -> Iterator[Service]:
    """A service that is not started yet; it is ended whatever happens."""
    service = Service(tmp_path, redis_url, namespace)
    service.fresh = getattr(request.module, "FRESH_STARTS", False)
    yield service
    end(service)
    assert undocumented(service.lines()) == set(), TELL


@pytest.fixture
def outage(tmp_path: Path, own_redis: RedisServer, namespace: str) -> Iterator[Service]:
    """A service on a server of its own (``own_redis``), which the test may stop."""
    service = Service(tmp_path, own_redis.url, namespace)
    yield service
    end(service)
    assert undocumented(service.lines()) == set(), TELL


@pytest.fixture(scope="module")
def kept(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, redis_url: str
) -> Iterator[Service]:
    """A service that runs for all tests of a module which borrow it, with its ``KEPT`` groups."""
    folder = tmp_path_factory.mktemp("kept")
    service = Service(folder, redis_url, f"test-{uuid.uuid4().hex[:12]}")
    imports = getattr(request.module, "IMPORTS", "tests.service.apps.testjobs")
    service.write(request.module.KEPT, imports=imports)
    service.start()
    yield service
    end(service)
    assert undocumented(service.lines()) == set(), TELL


@pytest.fixture
def borrowed(kept: Service, tmp_path: Path) -> Service:
    """The module's service, for a test that neither stops nor changes it, and tells its jobs apart.

    Its log begins now; what other tests left behind may still be told in it.
    """
    return kept.lent(tmp_path)


@pytest.fixture
def borrower(kept: Service) -> Iterator[Client]:
    """A client of the borrowed service's namespace."""
    with Client(kept.redis_url, namespace=kept.namespace) as client:
        yield client


def undocumented(lines: list[Line]) -> set[tuple[str, str]]:
    """Find fields of our events that the reference does not have: event and field."""
    ours = [line for line in lines if line["event"] in set(Event)]
    return {
        (line["event"], field)
        for line in ours
        for field in line.keys()
        - events.EVERY_LINE.keys()
        - {*events.FIELDS.get(line["event"], ())}
    }


def end(service: Service) -> None:
    """Stop a service; kill it where it does not stop."""
    with contextlib.suppress(AssertionError):
        service.stop(within_s=30)
        return
    with contextlib.suppress(ProcessLookupError):
        os.kill(service.pid, signal.SIGKILL)


@pytest.fixture
def client(redis_url: str, namespace: str) -> Iterator[Client]:
    """A client of the service's namespace."""
    with Client(redis_url, namespace=namespace) as client:
        yield client


@pytest.fixture
def horus(redis_url: str, namespace: str) -> Horus:
    """The operator's command, in this process: a test that waits for what it says looks often."""
    return Horus(redis_url, namespace)
