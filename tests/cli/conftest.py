"""``horus`` in a namespace, and the jobs that a test brings there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.horus import Horus, Scene
from tests.support.redis_server import RedisServer
from tests.support.told import connected


@pytest.fixture
def horus(redis_url: str, namespace: str) -> Horus:
    return Horus(redis_url, namespace)


@pytest.fixture
def scene(redis_server: RedisServer, namespace: str) -> Iterator[Scene]:
    with Scene.open(redis_server, namespace) as scene:
        yield scene


@pytest.fixture
def keeper(scene: Scene, redis_url: str) -> Iterator[str]:
    """A supervisor whose keeper is connected; gives its id, which no other test uses."""
    name = scene.namespace
    with connected(redis_url, f"horus:{name}:keeper"):
        yield name
