"""Numbers that a job may be given: how many attempts and crashes, how many seconds."""

from __future__ import annotations

from datetime import timedelta

MAX_COUNT = 1_000_000

COUNTS = f"a whole number from 1 to {MAX_COUNT}"
"""What a number of attempts or crashes may be, in words: ``valid_count``."""

TIMEOUTS = "seconds, more than 0, at most ten years"
"""What a timeout may be, in words: ``valid_timeout``."""

MAX_DELAY_S = 100 * 365 * 86400.0
"""Longest wait for a start, or for another: a hundred years."""

_MAX_TIMEOUT_S = 10 * 365 * 86400.0


def valid_count(value: object) -> bool:
    """Tell whether this is a number of attempts or crashes: ``COUNTS``."""
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_COUNT


def valid_timeout(value: object) -> bool:
    """Tell whether a job may be given so many seconds: ``TIMEOUTS``."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return 0 < value <= _MAX_TIMEOUT_S  # NaN is neither


def in_seconds(value: object) -> str:
    """Say how a value that should be a number of seconds becomes one; else nothing."""
    match value:
        case timedelta():
            return f"; .total_seconds() of a timedelta, here {value.total_seconds():g}"
        case str():
            return "; a number, not a text"
    return ""
