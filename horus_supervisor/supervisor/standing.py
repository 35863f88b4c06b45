"""How the service stands: ready, or why not. Told to probes by a file, to systemd by its socket."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from horus_supervisor.clock import Clock, rfc3339
from horus_supervisor.events import Event, counted
from horus_supervisor.logs import Logger
from horus_supervisor.supervisor.notify import Notifier
from horus_supervisor.supervisor.silence import Silence
from horus_supervisor.supervisor.status import Status, StatusFile

WRITE_EVERY_S = 1.0

UNREAD_S = 5.0
"""Seconds for which the log has had no room, without a break, before that is told."""

REASON_MAX = 300
"""Characters of a reason that heartbeats tell; the log has all of it."""


class Refused(msgspec.Struct, frozen=True):
    """Why new code is not taken; ``runner``: whose death refuted it, if one did."""

    error: str
    runner: str | None = None


class Seen(msgspec.Struct, frozen=True):
    """What of a turn decides it."""

    registered: bool
    imported: bool  # a template can fork
    alive: int
    wanted: int  # runners
    stopping: bool
    reloading: bool
    refused: Refused | None = None
    log_full: bool = False


def why_not(seen: Seen, away: str | None, *, unread: bool = False) -> str | None:
    """Say why a service is not ready; None where it is.

    ``away``: that Redis is, since when. ``unread``: the log has been full for long.
    """
    if seen.stopping:
        return "it stops"
    if away:
        return away
    if not seen.registered:
        return "it is not registered in Redis yet"
    if unread:
        return "its log takes no more lines: jobs wait as they print or end, no runner is born"
    if seen.alive >= seen.wanted:
        return None
    there = f"{seen.alive} of {counted(seen.wanted, 'runner', 'runners')}"
    return there if seen.imported else f"{there}, as the job code is not imported"


class Standing:
    """Knows how the service stands, and tells it. Decides nothing else."""

    def __init__(self, state_dir: Path, clock: Clock) -> None:
        self._clock = clock
        self.started_at = rfc3339(clock.wall())
        self.was_ready = False
        self._file = StatusFile(state_dir)
        self._notifier = Notifier()
        self._reloading = False
        self._away: str | None = None
        self._refused: Refused | None = None
        self._refused_at = ""
        self._told = ""
        self._written_at = 0.0
        self.facts: dict[str, object] = {"not_ready": "it starts", "imported": False}
        """What heartbeats tell of it."""
        self._told_fault = False
        self._log_stands = Silence()

    def redis_lost(self, error: str) -> None:
        """Note that the keeper can't reach Redis."""
        self._away = f"Redis is away since {rfc3339(self._clock.wall())}: {error}"

    def redis_answers(self) -> None:
        """Note that it can."""
        self._away = None

    def reload_begins(self) -> None:
        """Say that new code was asked for; ``look`` says when all that came of it is over."""
        if self.was_ready:
            self._reloading = True
            self._notifier.reloading()

    def stop_begins(self) -> None:
        """Say that the service stops."""
        self._reloading = False
        self._notifier.say("STOPPING=1")

    def look(self, seen: Seen, supervisor: str, log: Logger, now: float) -> bool:
        """Tell how the service stands after a turn; log it when it is ready for the first time.

        Gives whether heartbeats have to tell something new.
        """
        unread = self._log_stands.look(int(seen.log_full), now) >= UNREAD_S and seen.log_full
        why = why_not(seen, self._away, unread=unread)
        before = self.facts
        self.facts = {
            "not_ready": why,
            "imported": seen.imported,
            "stopping": seen.stopping,
            "unread": unread,
            "refused": self._refusal(seen.refused),
        }
        text = why or f"serving {counted(seen.wanted, 'runner', 'runners')}"
        if why is None and not self.was_ready:
            self.was_ready = True
            log.info(Event.SUPERVISOR_READY, runners=seen.wanted, message=text)
            self._notifier.say("READY=1")
        if self._reloading and not seen.reloading:
            self._reloading = False
            self._notifier.say("READY=1")
        if text != self._told:
            self._notifier.say(f"STATUS={' '.join(text.split())}")
        self._notifier.turned(now)
        if text == self._told and now - self._written_at < WRITE_EVERY_S:
            return before != self.facts
        self._told, self._written_at = text, now
        told = Status(os.getpid(), supervisor, self.started_at, now, why is None, text)
        try:
            self._file.write(told)
        except OSError as error:
            if not self._told_fault:
                self._told_fault = True
                log.error(Event.SPOOL_FAULT, file=str(self._file.path), error=str(error))
        return before != self.facts

    def _refusal(self, why: Refused | None) -> dict[str, str | None] | None:
        """Tell since when new code is refused, and why."""
        if why is not self._refused:
            self._refused, self._refused_at = why, rfc3339(self._clock.wall())
        if why is None:
            return None
        return {"at": self._refused_at, "error": why.error[:REASON_MAX], "runner": why.runner}
