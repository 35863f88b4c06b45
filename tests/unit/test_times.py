"""Spans and moments as an operator reads them."""

from __future__ import annotations

import pytest

from horus_supervisor.cli.times import age, clock, milliseconds

NOON_MS = 1_787_572_800_000  # 2026-08-24T12:00:00Z


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-3, "0.0s"),  # by another host's clock
        (0.44, "0.4s"),
        (9.94, "9.9s"),
        (9.95, "10s"),
        (59.6, "1m"),
        (252, "4m12s"),
        (3600, "1h"),
        (11_159, "3h5m"),
        (86_400, "1d"),
        (187_999, "2d4h"),
    ],
)
def test_a_span_has_at_most_two_units(seconds: float, text: str) -> None:
    assert age(seconds) == text


def test_a_moment_has_its_day_where_that_is_not_today() -> None:
    assert clock(NOON_MS, NOON_MS + 11 * 3_600_000) == "12:00:00Z"
    assert clock(NOON_MS, NOON_MS + 12 * 3_600_000) == "08-24 12:00:00Z"


@pytest.mark.parametrize(
    ("text", "ms"),
    [("2026-08-24T12:00:00Z", NOON_MS), ("2026-08-24T14:00:00+02:00", NOON_MS)]
    + [(what, None) for what in ("yesterday", "", None)],
)
def test_a_time_of_a_record_that_can_not_be_read_is_none(text: str | None, ms: int | None) -> None:
    assert milliseconds(text) == ms
