"""How long keeper or runner has made no sign of life, and how long the keeper's is borne.

Pure. The signs are counters in the scoreboard: they cost no message and wake nobody.
"""

from __future__ import annotations

import msgspec

LEAST_S = 10.0
"""A live keeper waits for Redis at most this long between two signs: name, connection,
introduction, call, script, 2 s each."""

LOOK_S = 1.0
"""Most that one look adds; the loop turns more often."""


def patience_s(lease_s: float) -> float:
    """Tell the seconds of silence after which a keeper is replaced.

    Beats come six times a lease: the last one is then two thirds of it ago at most.
    """
    return max(lease_s / 2, LEAST_S)


class Silence(msgspec.Struct):
    """One process's. A pause of ours is not its silence: a suspended host, a stopped service."""

    _ticks: int = -1
    _looked: float = 0.0
    _for_s: float = 0.0

    def look(self, ticks: int, now: float) -> float:
        """Note the counter; tell for how many seconds of ours it has stood still."""
        if ticks != self._ticks:
            self._ticks, self._for_s = ticks, 0.0
        else:
            self._for_s += min(now - self._looked, LOOK_S)
        self._looked = now
        return self._for_s
