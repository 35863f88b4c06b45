"""The Django project: its jobs wait until the transaction is committed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.importorskip("django", reason="needs the extra `examples`: django is not installed")

from django.db import connection, transaction
from django.test import Client

from horus_supervisor.testing import Horus
from shop import with_django
from shop.jobs import ChargeCard


@pytest.fixture(autouse=True)
def database() -> Iterator[None]:
    """A database in memory; pytest-django would bring it."""
    name = connection.settings_dict["NAME"]
    connection.creation.create_test_db(verbosity=0)
    with_django.create_tables()
    yield
    connection.creation.destroy_test_db(name, verbosity=0)


def test_a_payment_is_accepted_and_its_job_can_be_followed(horus: Horus) -> None:
    web = Client()
    answer = web.post("/orders/7/payment")
    assert (answer.status_code, answer.json()) == (202, {"job": "charge-7"})
    assert horus.enqueued().jobs == [ChargeCard(7)]
    assert web.get("/jobs/charge-7").json() == {"status": "ready"}
    horus.drain()
    assert web.get("/jobs/charge-7").json() == {"status": "succeeded"}


def test_a_job_waits_for_the_commit(horus: Horus) -> None:
    with transaction.atomic():
        Client().post("/orders/7/payment")
        assert horus.enqueued() == []
    assert horus.enqueued().jobs == [ChargeCard(7)]


def test_what_is_rolled_back_enqueues_nothing(horus: Horus) -> None:
    with transaction.atomic():
        Client().post("/orders/7/payment")
        transaction.set_rollback(True)
    assert horus.enqueued(ChargeCard) == []


def test_a_second_click_changes_nothing(horus: Horus) -> None:
    web = Client()
    answers = [web.post("/orders/7/payment") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert horus.enqueued().jobs == [ChargeCard(7)]
