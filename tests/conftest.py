"""What tests share: real servers, a namespace for each test."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.redis_server import IN_MEMORY, RedisServer

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
"""Each service that a test starts is three processes: they need not compile the package anew."""


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """One server for the whole run, in memory only; tests keep apart by ``namespace``."""
    server = RedisServer(tmp_path_factory.mktemp("redis"), extra=IN_MEMORY)
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="session")
def redis_url(redis_server: RedisServer) -> str:
    """The URL of the server of the whole run."""
    return redis_server.url


@pytest.fixture
def namespace() -> str:
    """A namespace that no other test uses."""
    return f"test-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A started server for one test, which may kill and restart it; it keeps what it was told."""
    server = RedisServer(tmp_path / "own-redis")
    server.start()
    yield server
    server.kill()
