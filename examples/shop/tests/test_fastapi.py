"""The FastAPI application: its client is made while HORUS_URL leads to the test's Redis."""

from __future__ import annotations

import pytest

pytest.importorskip("fastapi", reason="needs the extra `examples`: fastapi is not installed")
pytest.importorskip("httpx2", reason="needs the extra `examples`: httpx2 is not installed")

from fastapi.testclient import TestClient

from horus_supervisor.testing import Horus
from shop.jobs import ChargeCard
from shop.with_fastapi import app


def test_a_payment_is_accepted_and_its_job_can_be_followed(horus: Horus) -> None:
    with TestClient(app) as web:
        answers = [web.post("/orders/7/payment") for _ in range(2)]
        assert [(a.status_code, a.json()) for a in answers] == [(202, {"job": "charge-7"})] * 2
        assert horus.enqueued().jobs == [ChargeCard(7)]
        assert web.get("/jobs/charge-7").json() == {"status": "ready"}
        horus.drain()
        assert web.get("/jobs/charge-7").json() == {"status": "succeeded"}
