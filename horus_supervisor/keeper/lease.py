"""The lease: our own heartbeat, and watching that of others.

Clocks of hosts decide nothing: a supervisor is gone when its counter has stood still for its whole
lease by this process's monotonic clock, with no gap in our own connection meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from horus_supervisor.store.overview import SupervisorRow


class _Seen(msgspec.Struct):
    beat: int
    since: float


class Observer:
    """Remembers when each heartbeat was last seen to move. Pure."""

    def __init__(self) -> None:
        self._seen: dict[str, _Seen] = {}

    def forget(self) -> None:
        """Start over: after a gap in our own connection every heart seems to stand still."""
        self._seen.clear()

    def look(self, supervisors: Iterable[SupervisorRow], now: float) -> list[SupervisorRow]:
        """Note what was read at ``now`` (monotonic seconds); give those whose lease has run out."""
        rows = {row.supervisor: row for row in supervisors}
        self._seen = {name: seen for name, seen in self._seen.items() if name in rows}
        late = []
        for name, row in rows.items():
            seen = self._seen.get(name)
            if seen is None or seen.beat != row.beat:
                self._seen[name] = _Seen(row.beat, now)
            elif now - seen.since >= row.lease_ms / 1000:
                late.append(row)
        return late


class Turning:
    """Whether the supervisor's loop still turns: no lease is renewed for one that stands still."""

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s
        self._ticks = -1
        self._since = 0.0

    def alive(self, ticks: int, now: float) -> bool:
        """Note the loop's counter; False once it has not moved for ``patience_s``."""
        if ticks != self._ticks:
            self._ticks, self._since = ticks, now
        return now - self._since < self._patience_s
