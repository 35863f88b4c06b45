"""What a hundred deaths at once cost: time until all are back, and how long the parent is away.

A runner is back when its row shows a successor that is about to claim for the first time. The
parent is away from when it was last seen in its wait, or to begin a turn, until it is seen there
again; it is looked at every millisecond or so, and what the machine gives to others counts too.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

from bench.report import Reach, Row
from bench.service import Bench, Service, Stuck, bench
from horus_supervisor.scoreboard import Phase, Scoreboard

RUNNERS = 100
WITHIN_S = 30.0
LOOK_S = 0.001


def all_killed(quick: bool) -> Iterator[Row]:
    """Kill a hundred idle runners in each round; the policy has two hundred restarts at once.

    So a service serves two rounds, and no more.
    """
    backs_s, aways_ms = [], []
    with bench() as at:
        for _ in range(1 if quick else 3):
            for back_s, away_ms in _rounds(at):
                backs_s.append(back_s)
                aways_ms.append(away_ms)
    yield Row(
        f"{RUNNERS} runners SIGKILLed at once: all are back",
        Reach(1, " s"),
        median(backs_s),
        backs_s,
    )
    figure = "the same: the supervisor's loop away at a time, worst"
    yield Row(figure, Reach(50, " ms"), max(aways_ms), aways_ms)


def _rounds(at: Bench) -> Iterator[tuple[float, float]]:
    with at.service(storm=RUNNERS) as service, service.scoreboard() as board:
        for lives in (1, 2):
            _wait_for_all(board, lives, lambda: None)
            time.sleep(1)
            yield _kill_all(service, board, lives)


def _wait_for_all(board: Scoreboard, lives: int, meanwhile: Callable[[], None]) -> None:
    """Wait until all are in their so-manieth life, and serve; cheaply, one after the other."""
    left = list(range(RUNNERS))

    def back() -> bool:
        meanwhile()
        while (
            left and (row := board.read(left[-1])).incarnation == lives and row.phase >= Phase.IDLE
        ):
            left.pop()
        return not left

    end = time.monotonic() + WITHIN_S
    while not back():
        if time.monotonic() > end:
            raise Stuck(f"{RUNNERS} runners were not there in {WITHIN_S:g} s")
        time.sleep(LOOK_S)


def _kill_all(service: Service, board: Scoreboard, lives: int) -> tuple[float, float]:
    """Tell how many seconds they took to be back, and the longest absence in milliseconds."""
    pids = [board.read(slot).pid for slot in range(RUNNERS)]
    loop = Loop(service.pid, board)
    began = time.monotonic()
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    _wait_for_all(board, lives + 1, loop.look)
    return time.monotonic() - began, loop.longest_s * 1000


class Loop:
    """The parent's loop, as seen from outside."""

    def __init__(self, pid: int, board: Scoreboard) -> None:
        self.longest_s = 0.0
        self._call = Path(f"/proc/{pid}/syscall")
        self._board = board
        self._waits = self._call.read_text().split()[0]  # all is quiet: it is in its wait
        self._ticks, self._here_at = board.ticks, time.monotonic()

    def look(self) -> None:
        """See whether it waits, or has begun another turn."""
        now = time.monotonic()
        here = self._call.read_text().split()[0] == self._waits
        self.longest_s = max(self.longest_s, now - self._here_at)
        if here or self._board.ticks != self._ticks:
            self._ticks, self._here_at = self._board.ticks, now
