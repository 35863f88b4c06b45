"""Whether a SIGKILL was the kernel's, for memory: by the counter of our cgroup.

The counter names nobody. It is read now and then, so that a kill of long ago is not taken for the
cause of a death now, and of deaths in one moment it says only how many it was.
"""

from __future__ import annotations

from collections.abc import Callable

from horus_supervisor import linux

AT_ONCE_S = 0.05
"""Seconds within which deaths count as one moment."""

LOOK_EVERY_S = 2.0


class OomWatch:
    """The counter as it was: at the last look, at the one before, and when deaths began."""

    def __init__(self, count: Callable[[], int] = linux.oom_kills) -> None:
        self._count = count
        self._recent = self._older = self._base = count()
        self._looked_at = 0.0
        self._last_death = -1.0
        self._dead = 0

    def look(self, now: float) -> None:
        """Read the counter, if that is due. The last look but one counts as what was before."""
        if now - self._looked_at >= LOOK_EVERY_S:
            self._looked_at = now
            self._older, self._recent = self._recent, self._count()

    def died(self, now: float, waiting: Callable[[], int] = int) -> tuple[int, int]:
        """Tell of a death by SIGKILL: kills that the kernel counted, how many else may be meant.

        ``waiting`` counts others that died of SIGKILL and are told of next. The second is zero
        where the kernel counted as many as died.
        """
        if now - self._last_death > AT_ONCE_S:
            self._base, self._dead = self._older, 0
        self._last_death = now
        self._dead += 1
        self._older = self._recent = self._count()
        kills = max(0, self._recent - self._base)
        dead = self._dead + (waiting() if kills else 0)
        return kills, dead - 1 if kills < dead else 0
