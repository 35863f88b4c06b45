"""The runners that a keeper was told of: whom it has to see dead when their supervisor is gone."""

from __future__ import annotations

import os
import select
import time

from horus_supervisor import linux, proc
from horus_supervisor.messages import Born, Died, Gone
from horus_supervisor.scoreboard import Scoreboard

DEAD_WITHIN_S = 0.8

_LOOK_S = 0.005
"""Between two looks at those without a descriptor."""


class Charges:
    """Living runners, each with a descriptor that stays its own, where there is one. Owns these."""

    def __init__(self) -> None:
        self._born: dict[tuple[int, int], Born] = {}
        self._pidfds: dict[tuple[int, int], int] = {}

    def hear(self, word: Born | Gone | Died) -> None:
        """Note who came and who went."""
        life = word.slot, word.incarnation
        if isinstance(word, Born):
            self._born[life] = word
            if (pidfd := linux.open_pidfd(word.pid)) is not None:
                self._pidfds[life] = pidfd
            return
        self._born.pop(life, None)
        if (pidfd := self._pidfds.pop(life, None)) is not None:
            os.close(pidfd)

    @property
    def born(self) -> list[Born]:
        """Those who live, as far as we were told."""
        return list(self._born.values())

    def end(self, board: Scoreboard) -> None:
        """Kill what they lead, and see them dead; ``board`` tells who has a slot by now."""
        for born in self.born:
            if born.own_group and board.read(born.slot).incarnation == born.incarnation:
                linux.kill_group(born.pid)
        poll = select.poll()
        for fd in self._pidfds.values():
            poll.register(fd, select.POLLIN)
        watched = len(self._pidfds)
        others = [born.pid for life, born in self._born.items() if life not in self._pidfds]
        until = time.monotonic() + DEAD_WITHIN_S
        while watched or (others := [pid for pid in others if proc.lives(pid)]):
            if (left_s := until - time.monotonic()) <= 0:
                return
            for fd, _ in poll.poll((min(left_s, _LOOK_S) if others else left_s) * 1000):
                poll.unregister(fd)
                watched -= 1
