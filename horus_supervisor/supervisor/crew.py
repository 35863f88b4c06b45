"""The runners: a seat for each that the file wants, and the life that sits in it.

Owns slots, pipes and memory files of runners. Applies what ``plan`` decided; decides nothing.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from horus_supervisor import linux, proc
from horus_supervisor.config.schema import GroupConfig
from horus_supervisor.events import Event
from horus_supervisor.lifecycle import Cause
from horus_supervisor.messages import Identity, Spawn
from horus_supervisor.scoreboard import SLOTS, Control, Phase, Row, Scoreboard
from horus_supervisor.supervisor import children, growth, killing
from horus_supervisor.supervisor.diagnose import in_reading_order
from horus_supervisor.supervisor.growth import Growth
from horus_supervisor.supervisor.output import PIPE_BYTES, LinePipe, OutputPipe, make_pipe
from horus_supervisor.supervisor.plan import Action, Do, SeatSeen
from horus_supervisor.supervisor.program import Ways
from horus_supervisor.supervisor.programs import Template
from horus_supervisor.supervisor.seat import Life, Seat

_STACKS_READ = 512 * 1024
"""Bytes that a hundred threads' stacks may take, which are as many as Python writes."""

_STACKS_MAX = 32 * 1024
"""Characters of them that are kept until Redis has the record."""

SPARED_FDS = 32
"""Descriptors that runners leave: a keeper or a template that ends must be followed by another."""

_FAULT_S = 1.0
"""Seconds without a request after one that failed for want of descriptors or memory."""


@dataclass(slots=True)
class Crew:
    """All seats, and the lives in them."""

    board: Scoreboard
    ways: Ways
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
        lives = [seat.life for seat in self.seats.values() if seat.life]
        growth.look([life.growth for life in lives if life.growth], now)
        return [self._see(seat, now, now_ns) for seat in self.seats.values()]

    def _see(self, seat: Seat, now: float, now_ns: int) -> SeatSeen:
        life = seat.life
        if life is None:
            return SeatSeen(seat.runner, seat.group, seat.generation, ready_at=seat.ready_at)
        life.served = life.served or self._serves(seat.slot)
        life.born_at = life.born_at or (now if life.pid else 0.0)
        phase = self.board.phase(seat.slot)
        overdue = self.board.executing_past(seat.slot, now_ns) if life.pid else 0
        poke = life.pid is not None and self._feel(seat, life, life.pid, phase, now)
        if overdue != life.overdue_seq or not (overdue or life.pulse.silent_s):
            if life.dumped_at:
                _empty(life.stacks_fd)  # it went on in the end: its stack is no crash's
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
            awaited_since=life.awaited_since if life.pid is None else None,
            executing=phase == Phase.EXECUTING,
            draining=life.draining,
            interrupted_at=life.interrupted_at,
            overdue_since=life.overdue_since,
            dumped_at=life.dumped_at,
            stack_left=life.dumped_at is not None and os.fstat(life.stacks_fd).st_size > 0,
            idle=phase == Phase.IDLE,
            silent_s=life.pulse.silent_s,
            to_be_poked=poke,
            too_large=life.growth is not None and life.growth.past is not None,
            killed=life.killed,
        )

    def _feel(self, seat: Seat, life: Life, pid: int, phase: int, now: float) -> bool:
        if life.killed:
            if killing.outlives_it(life, pid, now):
                doing = proc.doing(pid)
                self.ways.log.error(Event.RUNNER_UNKILLABLE, doing=doing, **self._about(seat))
            return False
        beats = self.board.beats(seat.slot)
        excused = self.ways.outlet.full or self.board.redis_is_away
        return life.pulse.look(beats, phase, now, excused=excused)

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
            case Do.DRAIN | Do.INTERRUPT | Do.REMIND | Do.POKE | Do.DUMP | Do.KILL:
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
            self._kill(seat, life, action.cause, now)
        if life.pid and action.do != Do.KILL:
            children.send_signal(
                life.pid, linux.DUMP_SIGNAL if action.do == Do.DUMP else linux.WAKE_SIGNAL
            )

    def _kill(self, seat: Seat, life: Life, cause: Cause | None, now: float) -> None:
        killed = killing.kill(life, seat.slot, self.board, cause, now)
        if killed and cause == Cause.STUCK:
            silent_s = round(life.pulse.silent_s)
            self.ways.log.error(Event.RUNNER_STUCK, silent_s=silent_s, **self._about(seat))

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
            if max(*ours, *theirs) >= linux.most_descriptors() - SPARED_FDS:  # the lowest are given
                why = f"the last {SPARED_FDS} are for a keeper or a template"
                raise OSError(errno.EMFILE, f"{os.strerror(errno.EMFILE)}: {why}")
            asked = self._ask(seat, now, identity, ours, [*theirs, ours[-1]])
        except OSError as error:  # no descriptors left, or no memory
            self._spawn_from = now + _FAULT_S
            text = f"no runner can be asked for: {error}"
            self.ways.log.error(Event.SUPERVISOR_STARVED, error=text)
        finally:
            for fd in theirs if asked else theirs + ours:
                self.ways.inbox.forget(fd)
                os.close(fd)

    def _ask(
        self, seat: Seat, now: float, identity: Identity, ours: list[int], theirs: list[int]
    ) -> bool:
        """Ask the template for a runner and seat it; False where it has no room, or is gone."""
        incarnation = self._lives[seat.slot] = self._lives.get(seat.slot, 0) + 1
        self.board.clear(seat.slot, incarnation)
        group, ways = seat.group, self.ways
        me = {"slot": seat.slot, "incarnation": incarnation}
        spec = Spawn(runner=seat.runner, group=group, identity=identity, **me)
        log_r, out_r, stacks = ours
        output = OutputPipe(out_r, ways.outlet, ways.log, lambda: self._about(seat))
        lines = LinePipe(log_r, ways.outlet, output.say)
        ways.inbox.watch_pipe(lines)  # first, as the kernel may have no room for that: epoll_ctl(2)
        ways.inbox.watch_pipe(output)
        if (template := self.request(seat.generation, spec, theirs)) is None:
            self._refused_at = now
            return False
        since = (now, time.monotonic_ns())
        code = template.app_version, template.code
        life = Life(identity, template, *code, incarnation, group, *since, lines, output, stacks)
        seat.life = life
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

    def ready(self) -> None:
        """Have no seat wait by the restart policy any longer."""
        for seat in self.seats.values():
            seat.ready_at = 0.0

    def seats_of(self, runners: Collection[str]) -> list[Seat]:
        """Give the seats of these runners."""
        return [seat for name, seat in self.seats.items() if name in runners]

    def alive(self, runners: Collection[str]) -> int:
        """Count those of these runners that live, as far as we know."""
        lives = (seat.life for seat in self.seats_of(runners))
        return sum(life is not None and life.pid is not None for life in lives)

    def how_far(self, seat: Seat) -> tuple[Template, bool]:
        """Tell whose code a seat's runner runs, and whether it got as far as its first claim.

        A row tells that after the runner's end too.
        """
        life = seat.life
        assert life is not None
        return life.template, life.served or self._serves(seat.slot)

    def _serves(self, slot: int) -> bool:
        """Whether a row says so; who has left may have done so before its first claim."""
        phase = self.board.phase(slot)
        return Phase.IDLE <= phase < Phase.LEFT or self.board.jobs_done(slot) > 0

    def code(self) -> str:
        """Tell which code all runners run that live; nothing where they differ, or none does."""
        codes = {seat.life.code for seat in self.seats.values() if seat.life and seat.life.pid}
        return codes.pop() if len(codes) == 1 else ""

    def young(self) -> bool:
        """Whether a runner is on its way to its first claim."""
        return any(s.life and s.life.pid and not s.life.served for s in self.seats.values())

    def busy(self) -> bool:
        """Whether any runner executes a job, or is on its way in or out."""
        return any(
            seat.life is None
            or seat.life.pid is None
            or seat.life.draining
            or self.board.phase(seat.slot) == Phase.EXECUTING
            for seat in self.seats.values()
        )

    def heard(self) -> None:
        """Note, at the end of a turn, that what was written before it has been read."""
        for seat in self.seats.values():
            if life := seat.life:
                done = self.board.jobs_done(seat.slot)  # first: their words lie in the pipe by now
                if done != life.done_unheard:
                    life.done_unheard = done if life.output.empty() else life.done_then
                life.done_then = done

    # --- births and deaths ---------------------------------------------------------------------

    def born(self, slot: int, incarnation: int, pid: int) -> Seat | None:
        """Note that a runner was forked; None where nobody waits for it any more."""
        seat = self.find_unborn(slot, incarnation)
        if seat and seat.life:
            seat.life.pid = pid
            self.by_pid[pid] = seat
            if seat.life.group.hard_memory is not None:
                seat.life.growth = Growth(pid, seat.life.group.hard_memory)
            if seat.life.draining:  # asked to leave before it had a pid
                children.send_signal(pid, linux.WAKE_SIGNAL)
        return seat

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
                seat.life.awaited_since = now

    def unborn(self) -> list[Seat]:
        """Give the seats whose runner was asked for and has not been told of."""
        return [seat for seat in self.seats.values() if seat.life and seat.life.pid is None]

    def last_words(self, life: Life) -> str:
        """Read what a dead runner left in its pipes, and its stacks. Never waits for their end."""
        life.lines.drain(last=True)
        life.output.drain(last=True)
        text = os.pread(life.stacks_fd, _STACKS_READ, 0).decode("utf-8", "replace")
        stacks = in_reading_order(text)
        return stacks if len(stacks) <= _STACKS_MAX else stacks[:_STACKS_MAX] + "\n  [...]"

    def bury(self, seat: Seat) -> Row:
        """Empty a seat whose runner was reaped, or never came; give its last row."""
        life = seat.life
        assert life is not None
        if life.pid:
            self.by_pid.pop(life.pid, None)
        for pipe in (life.lines, life.output):
            self.ways.inbox.forget(pipe.fd)
            pipe.close()
        os.close(life.stacks_fd)
        seat.life = None
        return self.board.read(seat.slot)


def _empty(fd: int) -> None:
    """Forget what was written to a file that another process goes on writing to."""
    os.ftruncate(fd, 0)
    os.lseek(fd, 0, os.SEEK_SET)
