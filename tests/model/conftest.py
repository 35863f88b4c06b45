"""What the model's tests share: a world with the real scripts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.model.world import World
from tests.support.drivers import open_driver
from tests.support.redis_server import RedisServer


@pytest.fixture
def world(redis_server: RedisServer) -> Iterator[World]:
    """In a database of its own: each look goes through all keys."""
    driver = open_driver("wire", f"{redis_server.url}?db=1", 5.0, None)
    with redis_server.client(db=1) as raw:
        yield World(driver.run, raw, {})
    driver.close()
