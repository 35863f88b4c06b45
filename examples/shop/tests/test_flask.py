"""The Flask application: it is made with the test's client."""

from __future__ import annotations

import pytest

pytest.importorskip("flask", reason="needs the extra `examples`: flask is not installed")

from horus_supervisor.testing import Horus
from shop.jobs import ChargeCard
from shop.with_flask import create_app


def test_a_payment_is_accepted_and_its_job_can_be_followed(horus: Horus) -> None:
    web = create_app(horus.client).test_client()
    answers = [web.post("/orders/7/payment") for _ in range(2)]
    assert [(a.status_code, a.json) for a in answers] == [(202, {"job": "charge-7"})] * 2
    assert horus.enqueued().jobs == [ChargeCard(7)]
    assert web.get("/jobs/charge-7").json == {"status": "ready"}
    horus.drain()
    assert web.get("/jobs/charge-7").json == {"status": "succeeded"}
