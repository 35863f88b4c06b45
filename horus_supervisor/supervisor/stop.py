"""A stop that goes on: when running jobs are interrupted, and how far the goodbyes are."""

from __future__ import annotations

import msgspec

KEEPER_GOODBYE_S = 4.0
"""Seconds for a keeper to hand in what the runners left."""

LAST_KEEPER_GOODBYE_S = 1.0
"""The same for one that follows a keeper that hung: who waits for our end has little left."""

GUARD_GOODBYE_S = 12.0
"""Seconds from the runners' end to the embedded Redis's, which has the keeper's words to write."""


class Stop(msgspec.Struct):
    """A stop that was asked for. Times are monotonic seconds."""

    interrupt_at: float
    goodbye_at: float = 0.0  # all runners were gone
    keeper_by: float = 0.0  # the keeper is to have ended
    keepers: int = 2  # how many may yet be started for what one that died left over
    closed: bool = False  # the keeper has handed in all that it could

    def begin_goodbye(self, now: float) -> bool:
        """Note that all runners are gone; False where that is noted."""
        if self.goodbye_at:
            return False
        self.goodbye_at, self.keeper_by = now, now + KEEPER_GOODBYE_S
        return True

    def another_keeper(self, now: float) -> None:
        """Note that a keeper follows one that died: after one that hung, the last."""
        self.keepers -= 1
        if now > self.keeper_by:
            self.keepers, self.keeper_by = 0, now + LAST_KEEPER_GOODBYE_S
