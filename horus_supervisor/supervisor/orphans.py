"""What a job started and left behind, once its runner is gone.

Mostly that is in the runner's process group and dies with it. What has left the group becomes our
child when its parent ends, as we are a subreaper, and is known by the mark that names its runner: a
program finds it in its environment, a fork without an exec wears it as a badge. It is killed when
that runner has ended, and never before: a daemon may serve the job that started it. A stranger that
we adopt (as PID 1) has no mark, nor has a program that a job starts without it, which is the way to
be let live.
"""

from __future__ import annotations

import signal
from collections.abc import Callable

from horus_supervisor import badge, linux, proc
from horus_supervisor.events import Event
from horus_supervisor.messages import MARK, mark
from horus_supervisor.supervisor import children
from horus_supervisor.supervisor.crew import Crew

LOOK_EVERY_S = 5.0


class Orphans:
    """Adopted processes. ``known`` tells whether a pid is that of one of our own programs."""

    def __init__(self, crew: Crew, known: Callable[[int], object]) -> None:
        self._crew = crew
        self._known = known
        self._ours: set[str] = set()  # ids that we have had
        self._looked_at = 0.0

    def look(self, now: float) -> None:
        """Kill those whose runner is gone, now and then."""
        if now - self._looked_at >= LOOK_EVERY_S:
            self._looked_at = now
            self.end()

    def end(self, *ours: str) -> None:
        """Kill those whose runner is gone; ``ours``: ids of supervisors that we were."""
        lives = [(s.life.identity, s) for s in self._crew.seats.values() if s.life]
        self._ours.update(ours, (me.supervisor for me, _ in lives))
        adopted = [
            pid for pid in proc.our_children() if not (pid in self._crew.by_pid or self._known(pid))
        ]
        if not adopted:
            return
        alive = {mark(me.supervisor, s.slot, s.life.incarnation) for me, s in lives if s.life}
        for pid in adopted:
            marked = self._mark_of(pid)
            if marked and marked not in alive:
                self._kill(pid, marked)

    def _mark_of(self, pid: int) -> str | None:
        for marked in (proc.variable(pid, MARK), badge.of(pid)):
            if marked and marked.partition("/")[0] in self._ours:
                return marked
        return None

    def _kill(self, pid: int, marked: str) -> None:
        """Kill a child of ours: its pid can't be another's before we reap it."""
        told = {"pid": pid, "name": proc.name(pid), "left_by": marked}
        self._crew.ways.first.warning(Event.ORPHAN_ENDED, **told)
        linux.kill_group(pid)  # where it leads one
        children.send_signal(pid, signal.SIGKILL)
