"""When a failed job is tried again.

attempt**4 + 15 seconds, give or take a fifth: the shape that Sidekiq and asynq settled on
(https://github.com/sidekiq/sidekiq/wiki/Error-Handling). Twelve attempts take about eleven hours.
"""

from __future__ import annotations

import random

SPREAD = 0.2


def retry_in_s(attempt: int, rng: random.Random | None = None) -> float:
    """Tell the seconds until the next attempt, after ``attempt`` (1 is the first) failed."""
    return (attempt**4 + 15) * (rng or random).uniform(1 - SPREAD, 1 + SPREAD)
