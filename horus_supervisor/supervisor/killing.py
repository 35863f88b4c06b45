"""How a runner is killed for cause: only while the cause holds, and not in the middle of its core.

What it was at is noted before, where it left no stack.
"""

from __future__ import annotations

import os
import time

from horus_supervisor import proc
from horus_supervisor.lifecycle import Cause
from horus_supervisor.scoreboard import Scoreboard
from horus_supervisor.supervisor import children
from horus_supervisor.supervisor.seat import Life

END_WITHIN_S = 5.0
"""Seconds from SIGKILL to a runner's end, after which it is told that there was none."""

CORE_S = 30.0
"""Longest wait for a core dump to be written before its process is killed."""


def kill(life: Life, slot: int, board: Scoreboard, cause: Cause | None, now: float) -> bool:
    """Kill a runner; False where it has to be looked at again at the next turn.

    Who died before, one of many in a moment, died of something else.
    """
    if life.pid is None or children.has_ended(life.pid):
        return False
    overdue, beats = life.overdue_seq, life.pulse.beats

    def still() -> bool:
        if cause == Cause.TIMEOUT:
            return board.executing_past(slot, time.monotonic_ns()) == overdue
        return cause != Cause.STUCK or board.beats(slot) == beats

    if proc.dumps_core(life.pid):
        life.dumps_core_since = life.dumps_core_since or now
        if now - life.dumps_core_since < CORE_S:
            return False
    hung_in = None
    if life.dumped_at and not os.fstat(life.stacks_fd).st_size:
        hung_in = proc.doing(life.pid)
    if not children.kill_if_still(life.pid, still):
        return False
    life.killed, life.killed_for, life.hung_in = True, cause, hung_in
    life.end_by = now + END_WITHIN_S
    return True


def outlives_it(life: Life, pid: int, now: float) -> bool:
    """Tell, once, that a runner was killed and goes on to be: the kernel can't let go of it."""
    if life.end_by is None or now < life.end_by or children.has_ended(pid):
        return False
    life.end_by = None
    return True
