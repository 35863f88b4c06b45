"""What tests share: real servers, a namespace for each test."""

from __future__ import annotations

import gc
import os
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from horus_supervisor import linux
from horus_supervisor.scoreboard import Scoreboard
from tests.support.redis_server import IN_MEMORY, RedisServer

signal.signal(signal.SIGINT, signal.default_int_handler)
"""A shell's job in the background ignores Ctrl-C, and so would all that the tests start there."""

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
"""Each service that a test starts is three processes: they need not compile the package anew."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Say how many processes ``-n auto`` means: two a core, as tests wait for half of their time.

    Where part of the tests is asked for by ``-k`` or by file, one: it is done sooner than a second
    process has found its tests, and ``breakpoint()`` works.
    """
    if config.option.keyword or all(".py" in arg for arg in config.args):
        return 0
    return 2 * (os.cpu_count() or 1)


def pytest_collection_finish() -> None:
    """Take the tests themselves out of the garbage collector's way: a twentieth of their time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """One server for all tests of a process, in memory only; they keep apart by ``namespace``."""
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
    """A started server for one test, which may kill and restart it; it keeps what it was told.

    By ``everysec`` it may put a write off while the disk is busy, and lose it when it is killed.
    """
    server = RedisServer(tmp_path / "own-redis", extra=("--appendfsync", "always"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def board() -> Iterator[Scoreboard]:
    """A scoreboard of nobody's."""
    fd = linux.memory_file("horus-test-board")
    yield Scoreboard(fd)
    os.close(fd)
