"""When a failed job is tried again.

attempt**4 + 15 seconds, give or take a fifth: the shape that Sidekiq and asynq settled on
(https://github.com/sidekiq/sidekiq/wiki/Error-Handling). Twelve attempts take about eleven hours.
"""

from __future__ import annotations

import os

SPREAD = 0.2


def retry_in_s(attempt: int) -> float:
    """Tell the seconds until the next attempt, after ``attempt`` (1 is the first) failed."""
    return (attempt**4 + 15) * between(1 - SPREAD, 1 + SPREAD)


def between(least: float, most: float) -> float:
    """Draw a number. Not by ``random``, which each fork seeds anew: 0.05 MB in each runner."""
    return least + (most - least) * int.from_bytes(os.urandom(4)) / (1 << 32)
