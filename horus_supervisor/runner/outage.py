"""A spell in which Redis does not do what one runner asks of it: when to try again, what to say.

The keeper tells of an outage once for the whole service, and marks it in the scoreboard. What may
be a runner's trouble alone is told here, once a spell: a refusal at once (a user who may not
BLPOP), the rest when it has lasted without that mark.
"""

from __future__ import annotations

import time

from horus_supervisor.backoff import between
from horus_supervisor.errors import HorusError, RedisRefused
from horus_supervisor.events import Event
from horus_supervisor.runner.voice import Voice
from horus_supervisor.scoreboard import SlotWriter

TOLD_AFTER_S = 10.0

ALONE_S = 20.0
"""Seconds after which it counts as the trouble of this very process."""

CUT_OFF = "it can't reach Redis, which answers others: a job may have cut it off"

_LONGEST_WAIT_S = 0.4


class Outage:
    """One kind of call that fails, from the first failure until ``over``."""

    def __init__(self, voice: Voice, slot: SlotWriter) -> None:
        self._voice = voice
        self._slot = slot
        self._wait_s = 0.0
        self._began: float | None = None  # the first failure without the mark
        self._told = self._refused = False

    @property
    def lasts(self) -> bool:
        """Whether the last call failed."""
        return self._wait_s > 0

    @property
    def ours_alone(self) -> bool:
        """Whether this runner has not reached Redis for long, and the keeper has."""
        unreached = self.lasts and not (self._refused or self._slot.redis_away)
        return unreached and self._ours_s(time.monotonic()) > ALONE_S

    def next_try_s(self, error: HorusError) -> float:
        """Note a failure; tell how long to wait, a little longer each time."""
        now = time.monotonic()
        everybodys = self._slot.redis_away
        if everybodys:
            self._began = None
        elif self._began is None:  # the call may have begun, and hung, under the mark
            self._began = now
        self._refused = isinstance(error, RedisRefused)
        lasted = self._refused or self._ours_s(now) > TOLD_AFTER_S
        if lasted and not everybodys and not self._told:
            self._told = True
            self._voice.direct.error(Event.REDIS_LOST, error=str(error))
        self._wait_s = min(self._wait_s * 1.5 + 0.02, _LONGEST_WAIT_S)
        return self._wait_s * between(0.7, 1.0)

    def _ours_s(self, now: float) -> float:
        return 0.0 if self._began is None else now - self._began

    def over(self) -> None:
        """Note a success."""
        if self._told:
            self._voice.direct.info(Event.REDIS_RESTORED)
        self._wait_s, self._began = 0.0, None
        self._told = False
