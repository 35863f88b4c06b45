"""Time: monotonic seconds decide, wall time is for people.

Code that waits takes a ``Clock``, so that a test can hand it another one.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What a process asks of time."""

    def monotonic(self) -> float:
        """Tell seconds that never jump; only differences mean anything."""

    def wall(self) -> float:
        """Tell seconds since 1970 (UTC), for people and records."""


class SystemClock:
    """The machine's own clocks."""

    def monotonic(self) -> float:
        return time.monotonic()

    def wall(self) -> float:
        return time.time()


YEAR_10000_S = 253_402_300_800
"""When it begins: years have four digits here. ``enqueue.lua`` has it too."""


def rfc3339(seconds: float) -> str:
    """Write a wall time as RFC 3339 in UTC with microseconds: ``2026-08-24T02:14:06.120331Z``.

    What lies outside the years 1970 to 9999 becomes the nearer end: job code may have made it up.
    """
    seconds = min(max(seconds, 0.0), YEAR_10000_S - 1.0)
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds")[:26] + "Z"
