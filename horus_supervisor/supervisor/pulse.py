"""Whether a runner lives outside of jobs: it counts signs of life in its row.

It makes one before each call to Redis. One that waits for work makes none, so it is poked after a
while (``WAKE_SIGNAL``): 50 idle runners wake up five times in two seconds, all together. Within
``execute`` the job's timeout watches it, and not this.
"""

from __future__ import annotations

from horus_supervisor.scoreboard import Phase
from horus_supervisor.supervisor.silence import Silence

_EXECUTING = int(Phase.EXECUTING)

POKE_AFTER_S = 20.0
POKE_EVERY_S = 5.0


class Pulse:
    """One runner's, from its birth on. ``silent_s``: how long it has made no sign."""

    def __init__(self) -> None:
        self.silent_s = 0.0
        self.beats = 0
        self._silence = Silence()
        self._poked_at = 0.0

    def look(self, beats: int, phase: int, now: float, *, excused: bool) -> bool:
        """Note how many signs there were; tell whether it has to be poked.

        ``excused``: it may wait for room in its log, which is ours to make, or for Redis's name,
        for which no limit can be set.
        """
        self.beats = beats
        if excused or phase == _EXECUTING:
            self._silence, self.silent_s = Silence(), 0.0
            return False
        self.silent_s = self._silence.look(beats, now)
        if self.silent_s < POKE_AFTER_S or now - self._poked_at < POKE_EVERY_S:
            return False
        self._poked_at = now
        return True
