"""The runners: a seat for each that the file wants, and the life that sits in it.

Owns slots, pipes and memory files of runners. Applies what ``plan`` decided; decides nothing.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from horus_supervisor import linux
from horus_supervisor.clock import rfc3339
from horus_supervisor.config.schema import GroupConfig
from horus_supervisor.events import Event
from horus_supervisor.lifecycle import Cause
from horus_supervisor.logs import Logger
from horus_supervisor.messages import Identity, Spawn
from horus_supervisor.scoreboard import SLOTS, Control, Phase, Row, Scoreboard
from horus_supervisor.supervisor import boots, children
from horus_supervisor.supervisor.inbox import Inbox
from horus_supervisor.supervisor.output import PIPE_BYTES, LinePipe, Outlet, OutputPipe, make_pipe
from horus_supervisor.supervisor.plan import Action, Do, SeatSeen
from horus_supervisor.supervisor.programs import Template

_STACKS_MAX = 32 * 1024
_FAULT_S = 1.0
"""Seconds without a request after one that failed for want of descriptors or memory."""


@dataclass(slots=True)
class Life:
    """One runner process, from the request to its reaping."""

    identity: Identity
    template: Template
    app_version: str | None
    incarnation: int
    group: GroupConfig
    asked_at: float
    asked_ns: int
    lines: LinePipe
    output: OutputPipe
    stacks_fd: int
    pid: int | None = None
    born_at: float = 0.0  # it was first seen then
    served: bool = False  # it was seen to make a claim, or about to
    untold: bool = False  # the template ended before it told the pid
    draining: bool = False
    interrupted_at: float | None = None
    overdue_seq: int = 0
    overdue_since: float | None = None
    dumped_at: float | None = None
    killed: bool = False
    killed_for: Cause | None = None
    done_unheard: int = 0  # jobs done when all that was written before had been read
    done_then: int = 0  # jobs done at the end of the last turn


@dataclass(slots=True)
class Seat:
    """A place for one runner: its name and its slot stay, lives come and go.

    ``generation`` is that of the code which the next life gets.
    """

    runner: str
    group: GroupConfig
    slot: int
    generation: int = 0
    ready_at: float = 0.0
    life: Life | None = None


@dataclass(slots=True)
class Crew:
    """All seats, and the lives in them."""

    board: Scoreboard
    inbox: Inbox
    outlet: Outlet
    log: Logger
    request: Callable[[int, Spawn, list[int]], Template | None]
    """Asks the template of a generation; None: it can't be asked now."""
    seats: dict[str, Seat] = field(default_factory=dict)
    by_pid: dict[int, Seat] = field(default_factory=dict)
    _spawn_from: float = 0.0  # no request before
    _refused_at: float = -1.0  # the template had no room in this turn
    _lives: dict[int, int] = field(default_factory=dict)  # of a slot: it goes from seat to seat
    _free: list[int] = field(default_factory=lambda: list(range(SLOTS - 1, -1, -1)))

    # --- seats ---------------------------------------------------------------------------------

    def seat(self, wanted: dict[str, GroupConfig], generation: int) -> None:
        """Make a seat for each runner that is wanted and has none; of the code in force."""
        for runner, group in wanted.items():
            seat = self.seats.get(runner)
            if seat is None and self._free:
                self.seats[runner] = Seat(runner, group, self._free.pop(), generation)
            elif seat and seat.life is None:
                seat.group = group

    def seen(self, now: float) -> list[SeatSeen]:
        """Tell how every seat is, for ``plan``."""
        now_ns = time.monotonic_ns()
        return [self._see(seat, now, now_ns) for seat in self.seats.values()]

    def _see(self, seat: Seat, now: float, now_ns: int) -> SeatSeen:
        life = seat.life
        if life is None:
            return SeatSeen(seat.runner, seat.group, seat.generation, ready_at=seat.ready_at)
        life.served = life.served or self.board.phase(seat.slot) >= Phase.IDLE
        life.born_at = life.born_at or (now if life.pid else 0.0)
        overdue = self.board.executing_past(seat.slot, now_ns) if life.pid else 0
        if overdue != life.overdue_seq:
            if life.dumped_at:
                _empty(life.stacks_fd)  # that job gave way in the end: its stack is no crash's
            life.overdue_seq, life.dumped_at = overdue, None
            life.overdue_since = now if overdue else None
        return SeatSeen(
            seat.runner,
            life.group,
            seat.generation,
            life.template.generation,
            pid=life.pid,
            born_at=life.born_at,
            served=life.served,
            asked_at=life.asked_at if life.pid is None else None,
            executing=self.board.executing(seat.slot),
            draining=life.draining,
            interrupted_at=life.interrupted_at,
            overdue_since=life.overdue_since,
            dumped_at=life.dumped_at,
            stack_left=life.dumped_at is not None and os.fstat(life.stacks_fd).st_size > 0,
            killed=life.killed,
        )

    # --- applying ------------------------------------------------------------------------------

    def apply(self, action: Action, now: float, identity: Identity) -> None:
        """Do one thing."""
        seat = self.seats[action.runner]
        match action.do:
            case Do.ROLL:
                seat.generation, seat.ready_at = action.generation, 0.0
            case Do.SPAWN:
                self._spawn(seat, now, identity)
            case Do.FORGET:
                self._free.append(self.seats.pop(action.runner).slot)
            case Do.DRAIN | Do.INTERRUPT | Do.REMIND | Do.DUMP | Do.KILL:
                assert seat.life is not None
                self._handle(seat, seat.life, action, now)

    def _handle(self, seat: Seat, life: Life, action: Action, now: float) -> None:
        if action.do == Do.DRAIN:
            life.draining = True
            self.board.control(seat.slot, Control.DRAIN)
        elif action.do == Do.INTERRUPT:
            life.interrupted_at = now
            self.board.control(seat.slot, Control.INTERRUPT)
        elif action.do == Do.DUMP:
            life.dumped_at = now
        elif action.do == Do.KILL:
            self._kill(seat, life, action.cause)
        if life.pid and action.do != Do.KILL:
            children.send_signal(
                life.pid, linux.DUMP_SIGNAL if action.do == Do.DUMP else linux.WAKE_SIGNAL
            )

    def _kill(self, seat: Seat, life: Life, cause: Cause | None) -> None:
        def still() -> bool:
            return (
                cause != Cause.TIMEOUT
                or self.board.executing_past(seat.slot, time.monotonic_ns()) == overdue
            )

        overdue = life.overdue_seq
        if life.pid and children.kill_if_still(life.pid, still):
            life.killed, life.killed_for = True, cause

    def _spawn(self, seat: Seat, now: float, identity: Identity) -> None:
        if now < self._spawn_from or now == self._refused_at:
            return
        ours: list[int] = []
        theirs: list[int] = []
        asked = False
        try:
            for size in (PIPE_BYTES, None):
                reading, writing = make_pipe(size)
                ours.append(reading)
                theirs.append(writing)
            ours.append(linux.memory_file("horus-stacks"))
            asked = self._ask(seat, now, identity, ours, [*theirs, ours[-1]])
        except OSError as error:  # no descriptors left, or no memory
            self._spawn_from = now + _FAULT_S
            self.log.error(Event.SUPERVISOR_STARVED, error=f"no runner can be asked for: {error}")
        finally:
            for fd in theirs if asked else theirs + ours:
                os.close(fd)

    def _ask(
        self, seat: Seat, now: float, identity: Identity, ours: list[int], theirs: list[int]
    ) -> bool:
        """Ask the template for a runner and seat it; False where it has no room, or is gone."""
        incarnation = self._lives[seat.slot] = self._lives.get(seat.slot, 0) + 1
        self.board.clear(seat.slot, incarnation)
        group, place = seat.group, (seat.runner, seat.slot, incarnation)
        spec = boots.runner(identity, group, *place)
        if (template := self.request(seat.generation, spec, theirs)) is None:
            self._refused_at = now
            return False
        log_r, out_r, stacks = ours
        output = OutputPipe(out_r, self.outlet, self.log, lambda: self._about(seat))
        lines = LinePipe(log_r, self.outlet, lambda rest: output.say(rest, cut=True))
        since = (now, time.monotonic_ns())
        version = template.app_version
        life = Life(identity, template, version, incarnation, group, *since, lines, output, stacks)
        seat.life = life
        self.inbox.watch_bulk(log_r, lambda: self._drain(lines))
        self.inbox.watch_bulk(out_r, lambda: self._drain(output))
        return True

    def _about(self, seat: Seat) -> dict[str, object]:
        row = self.board.read(seat.slot)
        about: dict[str, object] = {"runner": seat.runner, "group": seat.group.name}
        if seat.life and seat.life.pid:
            about["pid"] = seat.life.pid
        if seat.life and self._speaks(seat.life, row):
            about |= {
                "job_id": row.job_id,
                "job": row.job,
                "queue": row.queue,
                "attempt": row.attempt,
            }
        return about

    def _speaks(self, life: Life, row: Row) -> bool:
        """Whether what is read now is the row's job's: no other ended unheard in between."""
        ended = row.jobs_done - life.done_unheard
        return ended == 0 if row.phase == Phase.EXECUTING else ended == 1 and bool(row.job_id)

    def seats_of(self, runners: Collection[str]) -> list[Seat]:
        """Give the seats of these runners."""
        return [seat for name, seat in self.seats.items() if name in runners]

    def how_far(self, seat: Seat) -> tuple[Template, bool]:
        """Tell whose code a seat's runner runs, and whether it got as far as its first claim.

        A row tells that after the runner's end too.
        """
        life = seat.life
        assert life is not None
        return life.template, life.served or self.board.phase(seat.slot) >= Phase.IDLE

    def young(self) -> bool:
        """Whether a runner is on its way to its first claim."""
        return any(s.life and s.life.pid and not s.life.served for s in self.seats.values())

    def busy(self) -> bool:
        """Whether any runner executes a job, or is on its way in or out."""
        return any(
            seat.life is None
            or seat.life.pid is None
            or seat.life.draining
            or self.board.executing(seat.slot)
            for seat in self.seats.values()
        )

    def heard(self) -> None:
        """Note, at the end of a turn, that what was written before it has been read."""
        for seat in self.seats.values():
            if seat.life:
                seat.life.done_unheard = seat.life.done_then
                seat.life.done_then = self.board.jobs_done(seat.slot)

    def _drain(self, pipe: LinePipe | OutputPipe) -> None:
        pipe.drain()
        if pipe.ended and not pipe.closed:
            self.inbox.forget(pipe.fd)

    # --- births and deaths ---------------------------------------------------------------------

    def born(self, slot: int, incarnation: int, pid: int) -> Seat | None:
        """Note that a runner was forked; None where nobody waits for it any more."""
        seat = self.find_unborn(slot, incarnation)
        if seat and seat.life:
            seat.life.pid = pid
            self.by_pid[pid] = seat
            if seat.life.draining:  # asked to leave before it had a pid
                children.send_signal(pid, linux.WAKE_SIGNAL)
        return seat

    def stillborn(self, seat: Seat) -> None:
        """Note that no runner came of a request."""
        if seat.life:
            self._close(seat.life)
            seat.life = None

    def find_unborn(self, slot: int, incarnation: int) -> Seat | None:
        """Find the seat that waits for this very runner."""
        for seat in self.unborn():
            if seat.slot == slot and seat.life and seat.life.incarnation == incarnation:
                return seat
        return None

    def template_answered(self, template: Template, now: float) -> None:
        """Note a sign of a template's life: it has others to fork first."""
        for seat in self.unborn():
            if seat.life and seat.life.template is template and not seat.life.untold:
                seat.life.asked_at = now

    def unborn(self) -> list[Seat]:
        """Give the seats whose runner was asked for and has not been told of."""
        return [seat for seat in self.seats.values() if seat.life and seat.life.pid is None]

    def last_words(self, life: Life) -> str:
        """Read what a dead runner left in its pipes, and its stacks. Never waits for their end."""
        life.lines.drain(last=True)
        life.output.drain(last=True)
        size = os.fstat(life.stacks_fd).st_size
        stacks = os.pread(life.stacks_fd, _STACKS_MAX, 0).decode("utf-8", "replace")
        return stacks if size <= _STACKS_MAX else stacks + "\n  [...]"

    def bury(self, seat: Seat) -> Row:
        """Empty a seat whose runner was reaped; give its last row."""
        assert seat.life is not None
        if seat.life.pid:
            self.by_pid.pop(seat.life.pid, None)
        row = self.board.read(seat.slot)
        self._close(seat.life)
        seat.life = None
        return row

    def _close(self, life: Life) -> None:
        for pipe in (life.lines, life.output):
            self.inbox.forget(pipe.fd)
            pipe.close()
        os.close(life.stacks_fd)

    # --- telling -------------------------------------------------------------------------------

    def rows(self) -> list[dict[str, object]]:
        """Tell what every runner does, for heartbeats and snapshots."""
        return [self._tell(seat) for seat in self.seats.values()]

    def _tell(self, seat: Seat) -> dict[str, object]:
        life = seat.life
        row = self.board.read(seat.slot)
        state = (
            "backoff"
            if life is None
            else "starting"
            if row.phase == Phase.EMPTY
            else row.phase.name.lower()
        )
        if life and life.draining:
            state = "stopping"
        since_s = (
            time.time() - max(0, time.monotonic_ns() - row.since_ns) / 1e9
            if row.since_ns
            else time.time()
        )
        return {
            "runner": seat.runner,
            "slot": seat.slot,
            "group": seat.group.name,
            "queues": list(seat.group.queues),
            "pid": life.pid if life else None,
            "app_version": life.app_version if life else None,
            "state": state,
            "since": rfc3339(since_s),
        }

    def snapshot(self) -> None:
        """Log what every runner does."""
        for seat in self.seats.values():
            row = self.board.read(seat.slot)
            flying = {"job_id": row.job_id, "job": row.job} if row.executing_seq else {}
            self.log.info(Event.SNAPSHOT, **self._tell(seat), jobs_done=row.jobs_done, **flying)


def _empty(fd: int) -> None:
    """Forget what was written to a file that another process goes on writing to."""
    os.ftruncate(fd, 0)
    os.lseek(fd, 0, os.SEEK_SET)
