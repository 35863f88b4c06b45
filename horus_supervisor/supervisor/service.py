"""The parent: owns every child, opens no connection, imports no job code.

Why it can be trusted: it waits in one place (``Inbox.wait``), ``plan`` decides without side
effects, and nothing that it applies can block: sockets and standard output are written without
waiting, and everything slow (Redis, imports) lives in a child that it can do without.
"""

from __future__ import annotations

import functools
import os
import signal
from collections.abc import Callable

from horus_supervisor import __version__, linux, logs, messages
from horus_supervisor.clock import Clock
from horus_supervisor.config.schema import Config, GroupConfig
from horus_supervisor.events import Event
from horus_supervisor.scoreboard import BYTES, Phase, Scoreboard
from horus_supervisor.supervisor import boots, children, deaths, roster
from horus_supervisor.supervisor.births import Births
from horus_supervisor.supervisor.credit import Credit, Credits
from horus_supervisor.supervisor.crew import Crew
from horus_supervisor.supervisor.generations import Generations
from horus_supervisor.supervisor.inbox import Inbox
from horus_supervisor.supervisor.lock import Held
from horus_supervisor.supervisor.outlet import Outlet
from horus_supervisor.supervisor.plan import Do, Wanted, plan
from horus_supervisor.supervisor.program import Program, Ways
from horus_supervisor.supervisor.programs import Programs, Template
from horus_supervisor.supervisor.reload import Settings, Watch
from horus_supervisor.supervisor.seat import Seat
from horus_supervisor.supervisor.standing import Seen, Standing
from horus_supervisor.supervisor.stop import GUARD_GOODBYE_S, Stop

TURN_S = 0.25
"""Longest wait of the loop while jobs run: how late a timeout may be noticed."""

IDLE_TURN_S = 0.75
"""Longest wait while none runs: how late an edited file may be noticed."""

ROLL_TURN_S = 0.05
"""Longest wait while a runner of new code is on its way: how late the next one's turn comes."""

DEATHS_S = 0.010
"""CPU time that deaths may take of one turn: the rest come in the next, at once."""

LAST_LINES_S = 2.0
"""Longest wait at the end for who reads standard output."""


class Supervisor:
    """One service: its file, its children, what it wants of them."""

    def __init__(
        self, config: Config, watch: Watch, held: Held, clock: Clock, log_format: str
    ) -> None:
        linux.adopt_orphans()
        linux.allow_descriptors()
        self._settings = Settings(config, watch)
        self._clock = clock
        self._lock_fd, self._folder_fd = held.lock_fd, held.folder_fd
        self._board = Scoreboard(linux.memory_file("horus-scoreboard", BYTES))
        self._inbox = Inbox()
        self._outlet = Outlet(1, console=log_format == "console")
        self.identity = boots.identity(config)
        self._ways = Ways(self._inbox, self._outlet, *self._logs())
        self._programs = Programs(self._ways)
        self._generations = Generations(self._programs, boots.template(config))
        self._crew = Crew(self._board, self._ways, self._generations.ask)
        self._deaths = deaths.Deaths(self._crew, self._programs)
        self._births = Births(self._crew, self._deaths, self._programs, self._bury_runner)
        self._credits = Credits()
        self._leftovers = deaths.left_open(config.supervisor.spool)
        self._lifeline = None if held.folder_fd is None else os.pipe()
        self._registered = self._was_registered = False
        self._standing = Standing(config.supervisor.state_dir, clock)
        self._faults = Credit(10)
        self._facts_due = roster.Due()
        self._stop: Stop | None = None
        self._failed = False

    @property
    def config(self) -> Config:
        """The settings in force."""
        return self._settings.config

    def _logs(self) -> list[logs.Logger]:
        me, sinks = self.identity, (self._outlet.put, self._outlet.put_first)
        return [logs.bind(sink, me.signature(), me.level) for sink in sinks]

    # --- the loop ------------------------------------------------------------------------------

    def run(self) -> int:
        """Turn until asked to stop and childless; tell the exit status."""
        about = {"version": __version__, "config": str(self.config.file), **boots.rights()}
        self._ways.log.info(Event.SUPERVISOR_STARTED, **about)
        if os.geteuid() == 0:
            self._ways.log.warning(Event.SUPERVISOR_AS_ROOT)
        try:
            self._try_turn([])  # programs first: they take longest
            while not self._over():
                self._try_turn(self._inbox.wait(self._turn_s(), bulk=not self._outlet.full))
            if not self._failed:
                self._ways.log.info(Event.SUPERVISOR_STOPPED)
        finally:
            self._say_the_rest()
        return 1 if self._failed else 0

    def _try_turn(self, arrived: list[Callable[[], object]]) -> None:
        """Turn; what can't happen is logged and outlived, unless it happens again and again."""
        try:
            self.turn(arrived)
        except Exception:
            if self._faults.charge(self._clock.monotonic()):
                raise
            self._ways.first.error(Event.SUPERVISOR_FAULT, exc_info=True)

    def turn(self, arrived: list[Callable[[], object]]) -> None:
        """Hear, reap, plan, apply, tell."""
        self._board.tick()
        now = self._clock.monotonic()
        for handle in arrived:
            handle()
        for number in self._inbox.signals():
            self._hear_signal(number, now)
        for pid in children.ended(DEATHS_S):
            self._bury(pid, now)
        self._deaths.look(now)
        self._births.look()
        self._look_at_file(now)
        self._crew.seat(self._wanted_seats(), self._generations.in_force.generation)
        for action in plan(self._crew.seen(now), self._wanted(), now):
            seat = self._crew.seats[action.runner]
            if action.do == Do.KILL and seat.life and seat.life.pid is None:
                self._births.overdue(seat, now)
            else:
                self._crew.apply(action, now, self.identity)
        if self._generations.busy and not self._stop:
            self._generations.look(self._crew.seats_of(self._settings.seats), now)
        self._tend_programs(now)
        self._crew.heard()
        self._tell(now)

    def _turn_s(self) -> float:
        if children.any_ended():
            return 0.0
        if self._generations.busy and self._crew.young():
            return ROLL_TURN_S
        busy = self._stop or self._settings.unsettled or self._crew.busy()
        return TURN_S if busy else IDLE_TURN_S

    def _over(self) -> bool:
        running = any(program.running for program in self._programs.all())
        return self._stop is not None and not (self._crew.seats or running)

    # --- what is wanted ------------------------------------------------------------------------

    def _wanted_seats(self) -> dict[str, GroupConfig]:
        return {} if self._stop else self._settings.seats

    def _wanted(self) -> Wanted:
        stop, may_spawn = self._stop, self._registered and not self._outlet.full
        return Wanted(
            self._wanted_seats(),
            self._generations.wanted,
            self._generations.proven,
            self.config.supervisor.import_timeout_s,
            may_spawn=self._generations.ready if may_spawn else (),
            stopping=stop is not None,
            interrupt_at=stop.interrupt_at if stop else None,
        )

    def _look_at_file(self, now: float, *, at_once: bool = False) -> bool:
        code, log = self._generations.boot, self._ways.log
        if taken := not self._stop and self._settings.look(now, log, code, at_once=at_once):
            self._facts_due.soon()
        return taken

    def _hear_signal(self, number: int, now: float) -> None:
        if number in (signal.SIGTERM, signal.SIGINT):
            self.stop(signal.Signals(number).name, now)
        elif number == signal.SIGHUP and not self._stop:
            self._standing.reload_begins()
            if self._look_at_file(now, at_once=True):
                within_s = self.config.supervisor.import_timeout_s
                self._generations.begin(boots.template(self.config), within_s, now)
        elif number == signal.SIGUSR1:
            roster.snapshot(self._crew)

    def stop(self, why: str, now: float) -> None:
        """Stop in order; a second call skips the wait for running jobs."""
        timeout_s = self.config.supervisor.shutdown_timeout_s
        if self._stop is None:
            self._stop = Stop(now + timeout_s)
            self._standing.stop_begins()
            self._ways.log.info(Event.SUPERVISOR_STOPPING, signal=why, shutdown_timeout_s=timeout_s)
        else:
            self._stop.interrupt_at = min(self._stop.interrupt_at, now)

    # --- deaths --------------------------------------------------------------------------------

    def _bury(self, pid: int, now: float) -> None:
        if program := self._programs.by_pid(pid):
            self._bury_program(program, pid, now)
        elif seat := self._crew.by_pid.get(pid):
            self._bury_runner(seat, pid)
        else:
            self._births.reap(pid)

    def _bury_runner(self, seat: Seat, pid: int, reaped: children.Reaped | None = None) -> None:
        now = self._clock.monotonic()
        template, served = self._crew.how_far(seat)
        free = self._deaths.of_runner(seat, pid, reaped)
        self._facts_due.soon()
        if served:
            self._generations.served(template, seat.runner)
        if free:
            seat.ready_at = 0.0  # in this turn, which began before now
            return
        if not served and self._board.phase(seat.slot) != Phase.LEFT:  # Redis sent it away
            self._generations.died_young(template, seat.runner, pid)
        wait_s = self._charge(seat.group, now)
        seat.ready_at = now + wait_s if wait_s else 0.0
        if wait_s:
            about = {"group": seat.group.name, "runner": seat.runner}
            self._ways.log.error(Event.CRASH_LOOP, **about, delay_s=round(wait_s, 1))

    def _charge(self, group: GroupConfig, now: float) -> float:
        runners = next((g.runners for g in self.config.groups if g.name == group.name), 1)
        return self._credits.charge(group.name, runners, now)

    def _bury_program(self, program: Program, pid: int, now: float) -> None:
        linux.kill_group(pid)  # before its pid may be another's
        reaped = children.reap(pid)
        tail = program.let_go()
        how = deaths.in_words(reaped.status)
        if program is self._programs.keeper:
            self._registered = False
            if self._stop and self._stop.goodbye_at:
                self._stop.closed = reaped.status == 0
        if isinstance(program, Template):
            another = self._generations.ended(program, how, tail, now)
            self._births.template_ended(program, now)
        else:
            another, program.dismissed = not program.dismissed, False
            program.ready_at = now + program.credit.charge(now) if another else now
        if another and not self._stop:
            about = {"child": program.name, "pid": pid, "how": how, "output_tail": tail}
            wait_s = round(program.ready_at - now, 1)
            self._ways.log.error(Event.CHILD_EXITED, delay_s=wait_s, **about)

    # --- programs ------------------------------------------------------------------------------

    def _tend_programs(self, now: float) -> None:
        programs = self._programs
        programs.keeper.look(self._board.keeper_ticks, now)
        for template in programs.templates:
            template.look(now)
        if self._stop and not self._crew.seats:
            self._say_goodbye(self._stop, now)
            return
        if self._lifeline:
            self._start(programs.guard, self._start_guard, now)
        for template in [] if self._stop else programs.templates:
            self._start(template, functools.partial(self._start_template, template), now)
        self._start(programs.keeper, self._start_keeper, now)

    def _start(self, program: Program, start: Callable[[], None], now: float) -> None:
        if program.running or now < program.ready_at:
            return
        try:
            start()
        except OSError as error:  # no descriptors left, or no memory
            program.ready_at = now + max(1.0, program.credit.charge(now))
            text = f"the {program.name} process can't be started: {error}"
            self._ways.log.error(Event.SUPERVISOR_STARVED, error=text)

    def _start_guard(self) -> None:
        assert self._lifeline is not None
        assert self._folder_fd is not None
        fds = [self._lifeline[0], self._lock_fd, self._folder_fd]
        self._programs.start_guard(str(self.config.redis.address.folder), fds)

    def _start_template(self, template: Template) -> None:
        hear = functools.partial(self._hear_template, template)
        template.begin([self._board.fd, self._lock_fd], hear)

    def _start_keeper(self) -> None:
        fds = [self._board.fd, self._lock_fd, *(self._lifeline[1:] if self._lifeline else ())]
        boot = boots.keeper(self.config, self.identity, self._facts(), self._leftovers)
        self._programs.keeper.begin(boot, fds, self._hear_keeper)
        for message in self._deaths.all_again():
            self._programs.keeper.tell(message)
        if self._stop and self._stop.goodbye_at:
            self._programs.keeper.tell(messages.Close())

    def _say_goodbye(self, stop: Stop, now: float) -> None:
        """All runners are gone: the keeper, or another one, hands in the rest; Redis ends last."""
        keeper, guard = self._programs.keeper, self._programs.guard
        if stop.begin_goodbye(now):
            keeper.tell(messages.Close())
            for template in self._programs.templates:
                template.dismiss()
        owing = self._was_registered and not stop.closed
        if owing and stop.keepers and not keeper.running:
            stop.another_keeper(now)
            keeper.ready_at = now
            self._start(keeper, self._start_keeper, now)
        if keeper.pid and now > stop.keeper_by:
            children.send_signal(keeper.pid, signal.SIGKILL)
        if guard.pid and not keeper.running:
            hangs = now - stop.goodbye_at > GUARD_GOODBYE_S
            children.send_signal(guard.pid, signal.SIGKILL if hangs else signal.SIGTERM)

    def _hear_template(self, template: Template, message: messages.FromTemplate) -> None:
        now = self._clock.monotonic()
        message = self._births.checked(message)
        match message:
            case messages.TemplateReady():
                self._generations.imported(template, message)
            case messages.TemplateFailed():
                self._generations.failed(template, message.error, message.traceback)
            case messages.Spawned():
                self._crew.template_answered(template, now)
                self._births.hear(message)
                self._facts_due.soon()
            case messages.SpawnFailed():
                self._crew.template_answered(template, now)
                self._generations.not_forked(template, message.error)
                if seat := self._births.failed(message, now):
                    seat.ready_at = now + max(0.1, self._charge(seat.group, now))
                text = f"a runner could not be forked: {message.error}"
                self._ways.log.error(Event.SUPERVISOR_STARVED, error=text)

    def _hear_keeper(self, message: messages.FromKeeper) -> None:
        match message:
            case messages.Registered() if message.supervisor == self.identity.supervisor:
                self._registered = self._was_registered = True
                self._leftovers = []
                self._standing.redis_answers()
            case messages.Expelled():
                self._start_anew()
            case messages.RedisLost():
                self._standing.redis_lost(message.error)  # logged by the keeper; runners go on
            case messages.RedisRefusedUs():
                if not self._standing.was_ready:
                    self._failed = True
                    self.stop("Redis refuses us", self._clock.monotonic())
            case messages.Held():
                self._credits.forgive()
                self._crew.ready()
            case messages.Recorded():
                self._deaths.recorded(message)

    def _start_anew(self) -> None:
        """Redis closed or forgot our id: take a new one; runners of the old one leave."""
        self.identity = boots.identity(self.config)
        self._ways.log, self._ways.first = self._logs()
        self._registered = False
        self._programs.keeper.dismiss()

    # --- telling -------------------------------------------------------------------------------

    def _facts(self) -> dict[str, object]:
        told = self._generations.in_force, roster.rows(self._crew), self._crew.code()
        return boots.facts(self.config, self.identity, self._standing, *told)

    def _tell(self, now: float) -> None:
        seen = Seen(
            registered=self._registered,
            imported=bool(self._generations.ready),
            alive=self._crew.alive(self._wanted_seats()),
            wanted=len(self._wanted_seats()),
            stopping=self._stop is not None,
            reloading=self._generations.busy,
            refused=self._generations.refused,
            log_full=self._outlet.full,
        )
        if self._standing.look(seen, self.identity.supervisor, self._ways.log, now):
            self._facts_due.soon()
        if not self._programs.keeper.lags and self._facts_due.look(now):
            self._programs.keeper.tell(messages.Facts(facts=self._facts()))
        if count := self._outlet.take_dropped():
            self._ways.log.error(Event.LOG_DROPPED, count=count)
        self._outlet.flush()
        self._watch_outlet()

    def _watch_outlet(self) -> None:
        self._inbox.watch_room(self._outlet.fileno(), self._outlet.flush, self._outlet.writing)

    def _say_the_rest(self) -> None:
        """Give a slow reader of standard output a moment for the last lines."""
        until = self._clock.monotonic() + LAST_LINES_S
        self._outlet.flush()
        while self._outlet.writing and self._clock.monotonic() < until:
            self._watch_outlet()
            self._inbox.wait(TURN_S, bulk=False)
            self._outlet.flush()
