"""What every runner does, for heartbeats, ``horus status`` and snapshots."""

from __future__ import annotations

import time

from horus_supervisor import proc
from horus_supervisor.clock import rfc3339
from horus_supervisor.events import Event
from horus_supervisor.scoreboard import Phase, Row
from horus_supervisor.supervisor.crew import Crew
from horus_supervisor.supervisor.seat import Seat

EVERY_S = 5.0
SOON_S = 0.25
"""Seconds between two tellings of what changed: a hundred births are not told a hundred times."""


class Due:
    """When all this is to be told to the keeper again."""

    def __init__(self) -> None:
        self._told_at = -EVERY_S
        self._changed = False

    def soon(self) -> None:
        """Note that something changed."""
        self._changed = True

    def look(self, now: float) -> bool:
        """Tell whether it is due; then it counts as told."""
        due = now - self._told_at >= (SOON_S if self._changed else EVERY_S)
        if due:
            self._told_at, self._changed = now, False
        return due


def rows(crew: Crew) -> list[dict[str, object]]:
    """Tell what every runner does."""
    return [_tell(seat, crew.board.read(seat.slot)) for seat in crew.seats.values()]


def snapshot(crew: Crew) -> None:
    """Log what every runner does."""
    for seat in crew.seats.values():
        row = crew.board.read(seat.slot)
        told = {**_tell(seat, row), "jobs_done": row.jobs_done, "rss_bytes": None}
        if seat.life and seat.life.pid and (use := proc.memory_use(seat.life.pid)):
            told["rss_bytes"] = use[1]
        if row.executing_seq:
            told |= {name: getattr(row, name) for name in ("job_id", "job", "queue", "attempt")}
        crew.ways.log.info(Event.SNAPSHOT, **told)


def _tell(seat: Seat, row: Row) -> dict[str, object]:
    life = seat.life
    state = "starting" if row.phase == Phase.EMPTY else row.phase.name.lower()
    if life is None:
        state = "backoff"
    elif life.draining:
        state = "stopping"
    ago_s = max(0, time.monotonic_ns() - row.since_ns) / 1e9 if row.since_ns else 0
    return {
        "runner": seat.runner,
        "slot": seat.slot,
        "group": seat.group.name,
        "queues": list(seat.group.queues),
        "pid": life.pid if life else None,
        "app_version": life.app_version if life else None,
        "state": state,
        "since": rfc3339(time.time() - ago_s),
    }
