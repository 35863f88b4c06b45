"""The one policy by which everything is restarted.

Twice the group's size in immediate restarts, refilled by one a second; past that, delays double up to
30 s. Never a busy loop, never giving up, one group's trouble never slows another's. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass

FIRST_DELAY_S = 0.5
LONGEST_DELAY_S = 30.0


@dataclass(slots=True)
class Credit:
    """What a group may still restart at once."""

    most: int
    left: float = -1.0
    since: float = 0.0
    delay_s: float = 0.0

    def charge(self, now: float) -> float:
        """Pay for one restart; tell the seconds to wait before it."""
        if self.left < 0:
            self.left, self.since = float(self.most), now
        self.left = min(float(self.most), self.left + (now - self.since))
        self.since = now
        if self.left >= 1:
            self.left -= 1
            if self.left >= self.most / 2:
                self.delay_s = 0.0
            return 0.0
        self.delay_s = min(LONGEST_DELAY_S, self.delay_s * 2 or FIRST_DELAY_S)
        return self.delay_s
