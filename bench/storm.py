"""What a hundred deaths at once cost: time until all are back, and how long the parent is away.

A runner is back when its row shows a successor that is about to claim for the first time. The
parent is away from when it begins a turn, until it is seen in its wait or in another one; it is
looked at every two milliseconds or so. What counts is the CPU time that it took meanwhile: by the
clock it waits for the hundred that the kernel clears away on the same two cores, which is noted.
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
LOOK_S = 0.002


def all_killed(quick: bool) -> Iterator[Row]:
    """Kill a hundred idle runners in each round; the policy has two hundred restarts at once.

    So a service serves two rounds, and no more.
    """
    backs_s, aways_ms, clock_ms = [], [], 0.0
    with bench() as at:
        for _ in range(1 if quick else 3):
            for back_s, loop in _rounds(at):
                backs_s.append(back_s)
                aways_ms.append(loop.longest_ns / 1e6)
                clock_ms = max(clock_ms, loop.longest_s * 1e3)
    yield Row(
        f"{RUNNERS} runners SIGKILLed at once: all are back",
        Reach(1, " s"),
        median(backs_s),
        backs_s,
    )
    figure = "the same: CPU of the supervisor's longest turn"
    note = f"{clock_ms:.0f} ms by the clock"
    yield Row(figure, Reach(50, " ms"), max(aways_ms), aways_ms, note)


def _rounds(at: Bench) -> Iterator[tuple[float, Loop]]:
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


def _kill_all(service: Service, board: Scoreboard, lives: int) -> tuple[float, Loop]:
    """Tell how many seconds they took to be back, and how the loop did meanwhile."""
    pids = [board.read(slot).pid for slot in range(RUNNERS)]
    loop = Loop(service.pid, board)
    began = time.monotonic()
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    _wait_for_all(board, lives + 1, loop.look)
    return time.monotonic() - began, loop


class Loop:
    """The parent's loop, as seen from outside. Its longest turn: by the clock, and of CPU time."""

    def __init__(self, pid: int, board: Scoreboard) -> None:
        self.longest_s, self.longest_ns = 0.0, 0
        self._call = Path(f"/proc/{pid}/syscall")
        self._times = Path(f"/proc/{pid}/schedstat")
        self._board = board
        self._waits = self._call.read_text().split()[0]  # all is quiet: it is in its wait
        self._here()

    def _here(self) -> None:
        self._ticks, self._since = self._board.ticks, (time.monotonic(), self._ran_ns())

    def _ran_ns(self) -> int:
        return int(self._times.read_text().split()[0])

    def look(self) -> None:
        """See whether it waits, or has begun another turn."""
        since, since_ns = self._since
        self.longest_s = max(self.longest_s, time.monotonic() - since)
        self.longest_ns = max(self.longest_ns, self._ran_ns() - since_ns)
        waits = self._call.read_text().split()[0] == self._waits
        if waits or self._board.ticks != self._ticks:
            self._here()
