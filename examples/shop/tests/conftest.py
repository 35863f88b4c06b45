"""What the shop's tests share."""

from __future__ import annotations

import pytest

from horus_supervisor.testing import Horus
from shop import bank


@pytest.fixture(autouse=True)
def shop(horus: Horus, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test has a bank that has charged nobody, and jobs that enqueue where the test looks."""
    monkeypatch.setattr("shop.jobs.client", horus.client)  # it was made when shop.jobs was imported
    monkeypatch.setattr(bank, "charged", {})
