"""``horus`` in a namespace, and the jobs that a test brings there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.horus import Horus, Scene
from tests.support.redis_server import RedisServer


@pytest.fixture
def horus(redis_url: str, namespace: str) -> Horus:
    return Horus(redis_url, namespace)


@pytest.fixture
def scene(redis_server: RedisServer, namespace: str) -> Iterator[Scene]:
    scene = Scene.open(redis_server, namespace)
    yield scene
    scene.raw.close()
