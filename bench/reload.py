"""How soon an edit reaches those whom it concerns: one group of a hundred gets another setting.

The content is taken in a turn of the supervisor's loop, and the runner is told by a word in shared
memory. Measured is from the beginning of that turn, which its tick shows: reading the file, finding
what changed, and the turn's own plan are in it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from statistics import median

from bench.report import Reach, Row
from bench.service import Service, Stuck, bench, wait_until
from horus_supervisor.scoreboard import Control, Phase, Scoreboard, SlotWriter

GROUPS = 100
WITHIN_S = 10.0
GROUP = '[groups.edited]\nqueues = ["edited"]\nrunners = 1\n'


def one_group_of_a_hundred(quick: bool) -> Iterator[Row]:
    """Edit the file, again and again, and watch the runner's control word."""
    times_ms = []
    others = {f"group{number}": 1 for number in range(1, GROUPS)}
    with (
        bench() as at,
        at.service("bench.jobs", "", **others) as service,
        service.scoreboard() as board,
    ):
        service.append(GROUP)
        slot = GROUPS - 1
        wait_until(lambda: board.phase(slot) == Phase.IDLE, "the hundredth group")
        for number in range(5 if quick else 20):
            time.sleep(0.5)
            times_ms.append(_edit(service, board, slot, nice=number % 10 + 1))
            lives = number + 2
            wait_until(
                lambda: (row := board.read(slot)).phase == Phase.IDLE and row.incarnation == lives,  # noqa: B023
                "its successor",
            )
    figure = f"one group of {GROUPS} edited: its runner is told"
    yield Row(figure, Reach(50, " ms"), median(times_ms), times_ms)


def _edit(service: Service, board: Scoreboard, slot: int, nice: int) -> float:
    """Tell milliseconds from the beginning of the turn that takes the edit."""
    row = SlotWriter(board, slot)
    try:
        service.append(f"{GROUP}nice = {nice}\n")
        end = time.monotonic() + WITHIN_S
        ticks, began = board.ticks, time.monotonic()
        while row.wanted != Control.DRAIN:
            now = time.monotonic()
            if board.ticks != ticks:
                ticks, began = board.ticks, now
            if now > end:
                raise Stuck(f"an edit was not taken in {WITHIN_S:g} s:\n{service.tail()}")
            time.sleep(0.0002)
        return (time.monotonic() - began) * 1000
    finally:
        row.close()
