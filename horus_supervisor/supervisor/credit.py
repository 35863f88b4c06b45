"""The one policy by which everything is restarted.

Twice the group's size in immediate restarts, earned again by one a second; past that, delays double
up to 30 s. Never a busy loop, never giving up, one group's trouble never slows another's. Pure.
"""

from __future__ import annotations

import msgspec

FIRST_DELAY_S = 0.5
LONGEST_DELAY_S = 30.0


class Credit(msgspec.Struct):
    """What a group may still restart at once. Times are monotonic seconds.

    A delay holds for the whole group and earns nothing; the next one is short again once the
    group has earned back all that it may have.
    """

    most: int
    _left: float = -1.0
    _earning_since: float = 0.0
    _delay_s: float = 0.0

    def charge(self, now: float) -> float:
        """Pay for one restart; tell the seconds to wait before it."""
        if now < self._earning_since:  # in a delay already: this one waits for its end too
            return self._earning_since - now
        earned = now - self._earning_since
        self._left = min(float(self.most), self._left + earned if self._left >= 0 else self.most)
        self._earning_since = now
        if self._left >= self.most:
            self._delay_s = 0.0
        if self._left >= 1:
            self._left -= 1
            return 0.0
        self._delay_s = min(LONGEST_DELAY_S, self._delay_s * 2 or FIRST_DELAY_S)
        self._earning_since = now + self._delay_s
        return self._delay_s

    def forfeit(self, now: float) -> None:
        """Earn nothing for the time since the last charge: what was restarted never served."""
        self._earning_since = max(self._earning_since, now)


class Credits:
    """The credit of each group, by its name."""

    def __init__(self) -> None:
        self._of: dict[str, Credit] = {}

    def charge(self, group: str, runners: int, now: float) -> float:
        """Pay for one restart in a group that has so many runners; tell the seconds to wait."""
        credit = self._of.setdefault(group, Credit(1))
        credit.most = 2 * max(runners, 1)
        return credit.charge(now)

    def forgive(self) -> None:
        """Let every group begin anew: what brought its runners down is out of the way."""
        self._of.clear()
