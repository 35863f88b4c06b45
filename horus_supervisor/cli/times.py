"""Times as an operator reads them: ``4m12s``, ``02:14:07Z``; and as options take them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import click


def age(seconds: float) -> str:
    """Write a span in at most two units: ``0.4s``, ``42s``, ``4m12s``, ``3h5m``, ``2d4h``."""
    seconds = max(seconds, 0.0)
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    for size, unit, smaller, below in (
        (86400, "d", 3600, "h"),
        (3600, "h", 60, "m"),
        (60, "m", 1, "s"),
    ):
        if whole >= size:
            rest = whole % size // smaller
            return f"{whole // size}{unit}" + (f"{rest}{below}" if rest else "")
    return f"{whole}s"


def clock(at_ms: float, now_ms: float) -> str:
    """Write a moment in UTC: the time of day, and before it the day where that isn't today's."""
    at = datetime.fromtimestamp(at_ms / 1000, UTC)
    today = datetime.fromtimestamp(now_ms / 1000, UTC).date()
    return at.strftime("%H:%M:%SZ" if at.date() == today else "%m-%d %H:%M:%SZ")


def milliseconds(rfc3339: str | None) -> float | None:
    """Read a time of a record; None where there is none, or none that can be read."""
    try:
        return datetime.fromisoformat(rfc3339).timestamp() * 1000 if rfc3339 else None
    except ValueError:
        return None


class Duration(click.ParamType):
    """``--since 1h30m``: seconds."""

    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        from horus_supervisor.config.units import UnitError, parse_duration

        if isinstance(value, float):
            return value
        try:
            return parse_duration(value)
        except UnitError as error:
            self.fail(f"{value!r}: {error}", param, ctx)


class Moment(click.ParamType):
    """``--at 2026-08-24T02:14:07Z``: a datetime with a zone."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        if isinstance(value, datetime):
            return value
        example = "such as 2026-08-24T02:14:07Z or 2026-08-24T04:14+02:00"
        try:
            at = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r}: allowed is a time {example}", param, ctx)
        if at.utcoffset() is None:
            self.fail(f"{value!r} has no zone: allowed is a time {example}", param, ctx)
        return at


DURATION = Duration()
MOMENT = Moment()
