"""What the store's tests share: drivers of each kind, a store through each, a proxy that harms."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.clients import KINDS as CLIENTS
from tests.support.clients import Make, Waiting, maker
from tests.support.drivers import ALL_KINDS, KINDS, Driver, Open, open_driver
from tests.support.proxy import Proxy
from tests.support.redis_server import RedisServer
from tests.support.store import Store


@pytest.fixture(params=ALL_KINDS)
def open_(request: pytest.FixtureRequest) -> Iterator[Open]:
    """Opens a driver of each kind, and closes what was opened."""
    opened: list[Driver] = []

    def open_one(url: str, *, timeout_s: float = 5.0, name: str | None = None) -> Driver:
        opened.append(open_driver(request.param, url, timeout_s, name))
        return opened[-1]

    yield open_one
    for driver in opened:
        driver.close()


@pytest.fixture
def proxy(redis_server: RedisServer, tmp_path: Path) -> Iterator[Proxy]:
    with Proxy(tmp_path, redis_server.path) as proxy:
        yield proxy


@pytest.fixture(params=KINDS)
def driver(request: pytest.FixtureRequest, redis_url: str) -> Iterator[Driver]:
    """A driver of each kind: clients have redis-py's, runners and keepers our own."""
    opened = open_driver(request.param, redis_url, 5.0, None)
    yield opened
    opened.close()


@pytest.fixture
def store(driver: Driver, namespace: str, redis_server: RedisServer) -> Iterator[Store]:
    """An empty store."""
    with redis_server.client() as raw:
        yield Store(driver.run, namespace, raw)


@pytest.fixture(params=CLIENTS)
def make(request: pytest.FixtureRequest) -> Make:
    """Makes a client of each kind."""
    return maker(request.param)


@pytest.fixture
def client(make: Make, redis_url: str, namespace: str) -> Iterator[Any]:
    """A client of each kind."""
    with make(redis_url, namespace=namespace) as client:
        yield client


@pytest.fixture
def waiting(redis_server: RedisServer, namespace: str) -> Iterator[Waiting]:
    """What waits in the test's namespace."""
    with redis_server.client() as raw:
        yield Waiting(raw, namespace)
