"""Times as an operator reads them: ``4m12s``, ``02:14:07Z``; and as options take them."""

from __future__ import annotations

from datetime import UTC, datetime

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


def duration(_: click.Context, __: click.Parameter, value: str | None) -> float | None:
    """Read ``--since 1h30m``, for click: seconds."""
    from horus_supervisor.config.units import UnitError, parse_duration

    if value is None:
        return None
    try:
        return parse_duration(value)
    except UnitError as error:
        raise click.BadParameter(f"{value!r}: {error}") from None


def moment(_: click.Context, __: click.Parameter, value: str | None) -> datetime | None:
    """Read ``--at 2026-08-24T02:14:07Z``, for click: a datetime with a zone."""
    if value is None:
        return None
    example = "allowed is a time such as 2026-08-24T02:14:07Z or 2026-08-24T04:14+02:00"
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        raise click.BadParameter(f"{value!r}: {example}") from None
    if at.utcoffset() is None:
        raise click.BadParameter(f"{value!r} has no zone: {example}")
    return at
