"""A stop that goes on: when running jobs are interrupted, and how far the goodbyes are."""

from __future__ import annotations

import msgspec


class Stop(msgspec.Struct):
    """A stop that was asked for. Times are monotonic seconds."""

    interrupt_at: float
    goodbye_at: float | None = None
    keepers: int = 2  # how many may yet be started for what one that died left over
    closed: bool = False  # the keeper has handed in all that it could
