"""The jobs themselves: what they do, and what they have done later."""

from __future__ import annotations

from datetime import timedelta

import pytest

from horus_supervisor.testing import Horus
from shop import bank
from shop.jobs import ChargeCard, SendReceipt


def test_a_card_is_charged_once_however_often_the_job_runs(horus: Horus) -> None:
    for attempt in (1, 2):
        horus.run(ChargeCard(7), id="charge-7", attempt=attempt)
    assert bank.charged == {"charge-7": 7}


def test_a_refused_card_is_the_jobs_own_error(horus: Horus) -> None:
    with pytest.raises(bank.CardRefused):
        horus.run(ChargeCard(13))
    assert horus.enqueued(SendReceipt) == []


def test_a_receipt_is_sent_an_hour_after_the_payment(
    horus: Horus, capsys: pytest.CaptureFixture[str]
) -> None:
    horus.client.enqueue(ChargeCard(7))
    horus.drain()
    receipt = horus.enqueued(SendReceipt).one()
    assert (receipt.job, receipt.queue, receipt.delay) == (SendReceipt(7), "emails", 3600)

    horus.advance(timedelta(hours=1))
    [sent] = horus.drain("emails").succeeded
    assert sent.job == SendReceipt(7)
    assert capsys.readouterr().out == "receipt for order 7\n"


def test_a_card_that_is_always_refused_ends_with_a_dead_job(horus: Horus) -> None:
    horus.client.enqueue(ChargeCard(13))
    for attempt in (1, 2, 3, 4):
        [failed] = horus.drain().failed
        assert (failed.attempt, failed.error_type) == (attempt, "shop.bank.CardRefused")
        horus.advance(timedelta(days=1))
    [dead] = horus.drain().dead
    assert dead.job == ChargeCard(13)
