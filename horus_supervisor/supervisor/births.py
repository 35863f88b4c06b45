"""Runners that were asked for, until it is known which process each is, or that none came of it.

The template tells. Where it ends before it has told, the runner's row and log pipe do: the row has
its pid (a hint only: it must be a child of ours), and the pipe's end says that nobody lives.
"""

from __future__ import annotations

import signal
from collections.abc import Callable

from horus_supervisor import linux, messages
from horus_supervisor.events import Event
from horus_supervisor.supervisor import children
from horus_supervisor.supervisor.crew import Crew
from horus_supervisor.supervisor.deaths import Deaths
from horus_supervisor.supervisor.programs import Programs, Template
from horus_supervisor.supervisor.seat import Life, Seat


class Births:
    """What is known of runners that are not known yet."""

    def __init__(
        self,
        crew: Crew,
        deaths: Deaths,
        programs: Programs,
        bury: Callable[[Seat, int, children.Reaped], None],
    ) -> None:
        self._crew = crew
        self._deaths = deaths
        self._programs = programs
        self._bury = bury
        self._strangers: dict[int, children.Reaped] = {}
        self._ended = 0  # pid of a template that fell silent

    def checked(self, message: messages.FromTemplate) -> messages.FromTemplate:
        """Give what a template says, but for a runner that is no child of ours: none was forked.

        By then we have adopted it, and may have reaped it. But an import may have given what the
        template forks pids of its own, or another parent: whoever has that pid here must not be
        signalled, and its end would be waited for in vain.
        """
        if not isinstance(message, messages.Spawned) or self._may_be_it(message.pid):
            return message
        why = f"process {message.pid}, as the template calls it, is no child of the supervisor"
        error = f"{why}; an import may have called unshare or prctl"
        slot, incarnation = message.slot, message.incarnation
        return messages.SpawnFailed(slot=slot, incarnation=incarnation, error=error)

    def hear(self, message: messages.Spawned) -> None:
        """Note a runner's pid; it may be dead already."""
        pid = message.pid
        seat = self._crew.born(message.slot, message.incarnation, pid)
        if seat is None or seat.life is None:  # nobody waits for it any more
            if children.is_ours(pid):
                linux.kill_group(pid)
                children.send_signal(pid, signal.SIGKILL)
            return
        runner, group, queues = seat.runner, seat.group.name, ", ".join(seat.group.queues)
        life = message.incarnation
        self._deaths.born(
            messages.Born(slot=seat.slot, incarnation=life, pid=pid, runner=runner, group=group)
        )
        code = {"app_version": seat.life.app_version, "generation": seat.life.template.generation}
        about = {"runner": runner, "group": group, "pid": pid, "queues": queues}
        self._crew.ways.log.info(Event.RUNNER_STARTED, **about, **code)
        if reaped := self._strangers.pop(pid, None):
            self._bury(seat, pid, reaped)

    def reap(self, pid: int) -> None:
        """Reap a child that nobody knows: a job's orphan, or a runner that is told of next."""
        if any(self._crew.board.read(seat.slot).pid == pid for seat in self._crew.unborn()):
            linux.kill_group(pid)  # while the pid is its own; it ran no job unless its row has it
        self._strangers[pid] = children.reap(pid)

    def failed(self, message: messages.SpawnFailed, now: float) -> Seat | None:
        """Note that the template knows of no runner; that one lives is found out all the same."""
        seat = self._crew.find_unborn(message.slot, message.incarnation)
        if seat and seat.life:
            _leave_untold(seat.life, now)
        return seat

    def template_ended(self, template: Template, now: float) -> None:
        """Note that nobody will tell of the runners that were asked of it."""
        for seat in self._crew.unborn():
            if seat.life and seat.life.template is template:
                _leave_untold(seat.life, now)

    def look(self) -> None:
        """Find out about those that nobody tells of."""
        for seat in self._crew.unborn():
            if seat.life and seat.life.untold:
                self._find_out(seat)
        if not self._crew.unborn():
            self._strangers.clear()

    def _find_out(self, seat: Seat) -> None:
        life = seat.life
        assert life is not None
        pid = self._crew.board.read(seat.slot).pid
        if self._may_be_it(pid):
            told = messages.Spawned(slot=seat.slot, incarnation=life.incarnation, pid=pid)
            self.hear(told)
            return
        life.lines.drain()
        if life.lines.ended:
            self._give_up(seat)

    def _may_be_it(self, pid: int) -> bool:
        if pid in self._strangers:
            return True
        known = pid in self._crew.by_pid or self._programs.by_pid(pid)
        return not known and children.is_ours(pid)

    def overdue(self, seat: Seat, now: float) -> None:
        """End the wait: for a template that does not tell, or for one that nobody tells of."""
        life = seat.life
        if life and life.untold:
            self._give_up(seat)
        elif life and (pid := life.template.pid):
            if pid != self._ended:  # others wait for it too
                self._ended, silent_s = pid, round(now - life.awaited_since, 1)
                about = {"child": "template", "pid": pid, "silent_s": silent_s}
                self._crew.ways.log.error(Event.CHILD_STUCK, **about)
            children.send_signal(pid, signal.SIGKILL)

    def _give_up(self, seat: Seat) -> None:
        """Free the seat for another runner; Redis hears that this one is gone."""
        if seat.life:
            self._deaths.unborn(seat, seat.life)
            self._crew.bury(seat)


def _leave_untold(life: Life, now: float) -> None:
    """Note that nobody will tell of a life; it has its time anew to be found."""
    life.untold, life.awaited_since = True, now
