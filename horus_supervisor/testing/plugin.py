"""The pytest plugin: the fixture ``horus``. Imports nothing of Horus before a test asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from horus_supervisor.testing.horus import Horus


@pytest.fixture(scope="session")
def _horus_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a private Redis, in memory only, which lives as long as the session."""
    from horus_supervisor.testing.server import private_server

    with private_server(tmp_path_factory.mktemp("horus")) as url:
        yield url


@pytest.fixture
def horus_namespace() -> str:
    """The namespace of the fixture ``horus``; override it where the application has its own."""
    return "horus"


@pytest.fixture
def horus(
    _horus_server: str, horus_namespace: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Horus]:
    """Background jobs under test, on a private Redis that is empty when the test begins.

    HORUS_URL leads there while the test runs, so ``Client()`` is its client too.
    """
    from horus_supervisor.client import Client
    from horus_supervisor.testing.horus import Horus

    monkeypatch.setenv("HORUS_URL", _horus_server)
    with Client(_horus_server, namespace=horus_namespace) as client:
        client.connection.raw.flushall()  # nobody else's: the server is ours
        yield Horus(client)
