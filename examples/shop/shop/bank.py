"""Stands for a payment provider that takes a key, and charges once for it however often asked."""

from __future__ import annotations

charged: dict[str, int] = {}


class CardRefused(Exception):
    """The card's bank says no."""


def charge(order: int, key: str) -> None:
    """Charge an order's card. Raises: ``CardRefused`` for the unlucky one."""
    if order == 13:
        raise CardRefused(f"order {order}")
    charged[key] = order
