"""The shop's jobs. ``config.toml`` says who runs them."""

from __future__ import annotations

from horus_supervisor import Client, Job, current_job
from shop import bank, redis

client = Client(redis.url())
"""One for this module: it connects at its first call, threads may share it, it survives a fork."""


class ChargeCard(Job, queue="payments", timeout=30, max_attempts=5):
    """Charge an order's card, and have a receipt sent an hour later."""

    order: int

    def execute(self) -> None:
        job = current_job()
        bank.charge(self.order, key=job.id)  # a job may run twice; the key makes it harmless
        job.log.info("charged", order=self.order)
        client.enqueue(SendReceipt(self.order), delay=3600, id=f"receipt-{self.order}")


class SendReceipt(Job, queue="emails", timeout=30):
    """Send an order's receipt."""

    order: int

    def execute(self) -> None:
        print(f"receipt for order {self.order}")
