"""The parent: owns every child, opens no connection, imports no job code.

Why it can be trusted: it waits in one place (``Inbox.wait``), ``plan`` decides without side
effects, and nothing that it applies can block: sockets and standard output are written without
waiting, and everything slow (Redis, imports) lives in a child that it can do without.
"""

from __future__ import annotations

import dataclasses
import os
import signal
from collections.abc import Callable

from horus_supervisor import __version__, linux, logs, messages
from horus_supervisor.clock import Clock, rfc3339
from horus_supervisor.config.schema import Config, GroupConfig
from horus_supervisor.errors import ConfigError
from horus_supervisor.events import Event
from horus_supervisor.scoreboard import Scoreboard
from horus_supervisor.supervisor import boots, children, deaths, reload
from horus_supervisor.supervisor.credit import Credit
from horus_supervisor.supervisor.crew import Crew, Seat, ask_template
from horus_supervisor.supervisor.inbox import Inbox
from horus_supervisor.supervisor.output import Outlet
from horus_supervisor.supervisor.plan import Do, Wanted, plan
from horus_supervisor.supervisor.programs import Program, Programs

TURN_S = 0.25
"""Longest wait of the loop while jobs run: how late a timeout may be noticed."""

IDLE_TURN_S = 0.5
"""Longest wait while none runs: how late an edited file may be noticed."""

FACTS_EVERY_S = 5.0


@dataclasses.dataclass(slots=True)
class Stop:
    """A stop that was asked for. Times are monotonic seconds."""

    asked_at: float
    interrupt_at: float
    goodbye_at: float | None = None


class Supervisor:
    """One service: its file, its children, what it wants of them."""

    def __init__(self, config: Config, lock_fd: int, clock: Clock, log_format: str) -> None:
        linux.adopt_orphans()
        self.config = config
        self._clock = clock
        self._lock_fd = lock_fd
        self._seats_of: Config | None = None
        self._seats: dict[str, GroupConfig] = {}
        self._board = Scoreboard(linux.memory_file("horus-scoreboard"))
        self._inbox = Inbox()
        self._outlet = Outlet(1, console=log_format == "console")
        self._name_ourselves()
        self._programs = Programs(self._inbox, self._outlet, self._log)
        self._crew = Crew(self._board, self._inbox, self._outlet, self._log, self._request)
        self._deaths = deaths.Deaths(self._crew, self._programs, self._log_first)
        self._watch = reload.Watch(config.file)
        self._credits: dict[str, Credit] = {}
        self._leftovers = deaths.left_open(config.supervisor.state_dir)
        self._lifeline = os.pipe() if config.redis.url.startswith("embedded:") else None
        self._template_ready = False
        self._registered = False
        self._told_ready = False
        self._facts_at = 0.0
        self._app_version: str | None = None
        self._started_at = rfc3339(clock.wall())
        self._stop: Stop | None = None
        self._failed = False

    def _name_ourselves(self) -> None:
        self.identity = me = boots.identity(self.config)
        who = {"service": me.service, "host": me.host, "supervisor": me.supervisor}
        base = {**who, "pid": os.getpid()}
        self._log = logs.bind(self._outlet.put, base, me.level)
        self._log_first = logs.bind(self._outlet.put_first, base, me.level)

    # --- the loop ------------------------------------------------------------------------------

    def run(self) -> int:
        """Turn until asked to stop and childless; tell the exit status."""
        self._log.info(Event.SUPERVISOR_STARTED, version=__version__, config=str(self.config.file))
        self.turn([])  # programs first: they take longest
        while not self._over():
            self.turn(self._inbox.wait(self._turn_s(), bulk=not self._outlet.full))
        if not self._failed:
            self._log.info(Event.SUPERVISOR_STOPPED)
        self._outlet.flush()
        return 1 if self._failed else 0

    def turn(self, arrived: list[Callable[[], object]]) -> None:
        """Hear, reap, plan, apply, tell."""
        self._board.tick()
        now = self._clock.monotonic()
        for handle in arrived:
            handle()
        for number in self._inbox.signals():
            self._hear_signal(number, now)
        for pid in children.ended():
            self._bury(pid, now)
        self._look_at_file(now)
        self._crew.seat(self._wanted_seats())
        for action in plan(self._crew.seen(now), self._wanted(), now):
            seat = self._crew.seats[action.runner]
            if action.do == Do.KILL and seat.life and seat.life.pid is None:
                self._settle_unborn(seat, now)
            else:
                self._crew.apply(action, now, self.identity)
        if not self._crew.unborn():
            self._deaths.unnamed.clear()  # orphans that some job left behind
        self._tend_programs(now)
        self._crew.heard()
        self._tell(now)

    def _turn_s(self) -> float:
        busy = self._stop or self._watch.unsettled or self._crew.busy()
        return TURN_S if busy else IDLE_TURN_S

    def _over(self) -> bool:
        return (
            self._stop is not None
            and not self._crew.seats
            and not any(
                p.running
                for p in (self._programs.template, self._programs.keeper, self._programs.guard)
            )
        )

    # --- what is wanted ------------------------------------------------------------------------

    def _wanted_seats(self) -> dict[str, GroupConfig]:
        if self._stop:
            return {}
        if self._seats_of is not self.config:  # a hundred seats, four times a second
            self._seats_of, self._seats = self.config, self._seats_wanted()
        return self._seats

    def _seats_wanted(self) -> dict[str, GroupConfig]:
        groups = self.config.groups
        return {
            f"{g.name}/{at}": dataclasses.replace(g, runners=0)
            for g in groups
            for at in range(1, g.runners + 1)
        }

    def _wanted(self) -> Wanted:
        stop = self._stop
        return Wanted(
            self._wanted_seats(),
            may_spawn=self._template_ready and self._registered,
            stopping=stop is not None,
            interrupt_at=stop.interrupt_at if stop else None,
        )

    def _look_at_file(self, now: float, *, at_once: bool = False) -> None:
        if self._stop or not (self.config.supervisor.reload_on_save or at_once):
            return
        if not self._watch.look(now, at_once=at_once):
            return
        try:
            config, restart = reload.read(self.config.file, self.config)
        except ConfigError as error:
            self._log.warning(
                Event.CONFIG_REJECTED, config=str(self.config.file), mistakes=error.mistakes
            )
            return
        before = self.config
        kept = {name: getattr(before, name) for name in restart}
        self.config = dataclasses.replace(config, **kept)
        fields = {"needs_restart": restart} if restart else {}
        told = reload.changes(before, self.config)
        self._log.info(Event.SUPERVISOR_RELOADED, config=str(config.file), changes=told, **fields)
        self._facts_at = 0.0

    def _hear_signal(self, number: int, now: float) -> None:
        if number in (signal.SIGTERM, signal.SIGINT):
            self.stop(signal.Signals(number).name, now)
        elif number == signal.SIGHUP:
            self._look_at_file(now, at_once=True)
        elif number == signal.SIGUSR1:
            self._crew.snapshot()

    def stop(self, why: str, now: float) -> None:
        """Stop in order; a second call skips the wait for running jobs."""
        timeout_s = self.config.supervisor.shutdown_timeout_s
        if self._stop is None:
            self._stop = Stop(now, now + timeout_s)
            self._log.info(Event.SUPERVISOR_STOPPING, signal=why, shutdown_timeout_s=timeout_s)
        else:
            self._stop.interrupt_at = min(self._stop.interrupt_at, now)

    # --- deaths --------------------------------------------------------------------------------

    def _bury(self, pid: int, now: float) -> None:
        if program := self._programs.by_pid(pid):
            self._bury_program(program, pid, now)
        elif seat := self._crew.by_pid.get(pid):
            self._bury_runner(seat, pid, now)
        elif self._crew.unborn():
            self._deaths.unnamed[pid] = children.reap(
                pid
            )  # the template is about to tell whose it was
        else:
            children.reap(pid)  # an orphan that some job left behind

    def _bury_runner(
        self, seat: Seat, pid: int, now: float, reaped: children.Reaped | None = None
    ) -> None:
        end = self._deaths.of_runner(seat, pid, reaped, self._app_version)
        self._facts_at = 0.0
        if end.free:
            seat.ready_at = now
            return
        wait_s = self._charge(seat.group, now)
        seat.ready_at = now + wait_s
        if wait_s:
            self._log.error(
                Event.CRASH_LOOP, group=seat.group.name, runner=seat.runner, delay_s=wait_s
            )

    def _charge(self, group: GroupConfig, now: float) -> float:
        runners = next((g.runners for g in self.config.groups if g.name == group.name), 1)
        credit = self._credits.setdefault(group.name, Credit(1))
        credit.most = 2 * max(runners, 1)
        return credit.charge(now)

    def _settle_unborn(self, seat: Seat, now: float) -> None:
        """Nobody will tell of a runner that was asked for: adopt it, or close what it began.

        Its slot's pid is a hint only: the process must be our child.
        """
        assert seat.life is not None
        incarnation, row = seat.life.incarnation, self._board.read(seat.slot)
        ours = row.pid in self._deaths.unnamed or linux.parent_of(row.pid) == os.getpid()
        if row.incarnation == incarnation and ours:
            pid = row.pid
            self._hear_spawned(messages.Spawned(slot=seat.slot, incarnation=incarnation, pid=pid))
            return
        self._deaths.unborn(seat)
        self._crew.stillborn(seat.slot, incarnation)
        seat.ready_at = now + max(0.1, self._charge(seat.group, now))

    def _bury_program(self, program: Program, pid: int, now: float) -> None:
        reaped = children.reap(pid)
        linux.kill_group(pid)
        tail = self._programs.ended(program)
        if program is self._programs.template:
            self._template_ready = False
            for seat in self._crew.unborn():
                self._settle_unborn(seat, now)
        if program is self._programs.keeper:
            self._registered = False
        program.ready_at = now + program.credit.charge(now)
        if not self._stop:
            how = deaths.in_words(reaped.status)
            wait = round(program.ready_at - now, 1)
            self._log.error(
                Event.CHILD_EXITED,
                child=program.name,
                pid=pid,
                how=how,
                output_tail=tail,
                delay_s=wait,
            )

    # --- programs ------------------------------------------------------------------------------

    def _tend_programs(self, now: float) -> None:
        programs = self._programs
        if self._stop and not self._crew.seats:
            if self._stop.goodbye_at is None:
                self._stop.goodbye_at = now
            programs.say_goodbye(now - self._stop.goodbye_at)
            return
        if self._lifeline and not programs.guard.running and now >= programs.guard.ready_at:
            programs.start_guard(
                self.config.redis.url.removeprefix("embedded:"), self._lifeline[0], self._lock_fd
            )
        if not programs.template.running and now >= programs.template.ready_at and not self._stop:
            boot = boots.template(self.config)
            programs.start_template(boot, self._board.fd, self._lock_fd, self._hear_template)
        if not programs.keeper.running and now >= programs.keeper.ready_at:
            self._start_keeper()

    def _start_keeper(self) -> None:
        fds = [self._board.fd, self._lock_fd, *(self._lifeline[1:] if self._lifeline else ())]
        boot = boots.keeper(self.config, self.identity, self._facts(), self._leftovers)
        self._programs.start_keeper(boot, fds, self._hear_keeper)
        for message in self._deaths.all_again():
            self._programs.tell_keeper(message)

    def _request(self, spec: messages.Spawn, fds: list[int]) -> bool:
        return ask_template(self._programs.template_socket, spec, fds)

    def _hear_template(self, message: messages.FromTemplate) -> None:
        match message:
            case messages.TemplateReady():
                self._template_ready = True
                self._app_version = message.app_version
                facts = {
                    "jobs": len(message.jobs),
                    "job_names": message.jobs,
                    "took_s": message.took_s,
                }
                self._log.info(
                    Event.TEMPLATE_READY,
                    threads=message.threads,
                    app_version=message.app_version,
                    **facts,
                )
            case messages.TemplateFailed():
                self._log.error(Event.TEMPLATE_FAILED, traceback=message.error)
            case messages.Spawned():
                self._hear_spawned(message)
            case messages.SpawnFailed():
                seat = self._crew.stillborn(message.slot, message.incarnation)
                if seat:
                    now = self._clock.monotonic()
                    seat.ready_at = now + max(0.1, self._charge(seat.group, now))
                self._log.error(
                    Event.SUPERVISOR_FAULT, error=f"a runner could not be forked: {message.error}"
                )

    def _hear_spawned(self, message: messages.Spawned) -> None:
        seat = self._crew.born(message.slot, message.incarnation, message.pid)
        if seat is None:
            children.send_signal(message.pid, signal.SIGKILL)  # asked for by nobody any more
            return
        group = seat.group
        born = messages.Born(
            slot=message.slot,
            incarnation=message.incarnation,
            pid=message.pid,
            runner=seat.runner,
            group=group.name,
        )
        self._deaths.born(born)
        self._facts_at = 0.0
        self._log.info(
            Event.RUNNER_STARTED,
            runner=seat.runner,
            group=group.name,
            pid=message.pid,
            queues=", ".join(group.queues),
        )
        if reaped := self._deaths.unnamed.pop(message.pid, None):
            self._bury_runner(seat, message.pid, self._clock.monotonic(), reaped)

    def _hear_keeper(self, message: messages.FromKeeper) -> None:
        match message:
            case messages.Registered():
                self._registered = True
                self._leftovers = []
            case messages.Expelled():
                self._start_anew()
            case messages.RedisLost():
                pass  # the keeper has said it, and runners go on
            case messages.RedisRefusedUs():
                if not self._told_ready:
                    self._failed = True
                    self.stop("Redis refuses us", self._clock.monotonic())
            case messages.Recorded():
                self._deaths.recorded(message)

    def _start_anew(self) -> None:
        """Redis closed or forgot our id: take a new one; runners of the old one leave."""
        self._name_ourselves()
        self._programs.log = self._crew.log = self._log
        self._deaths.log = self._log_first
        self._registered = False
        if self._programs.keeper.pid:
            children.send_signal(self._programs.keeper.pid, signal.SIGKILL)

    # --- telling -------------------------------------------------------------------------------

    def _facts(self) -> dict[str, object]:
        started_at, version = self._started_at, self._app_version
        rows = self._crew.rows()
        return boots.facts(self.config, self.identity, started_at, version, rows)

    def _tell(self, now: float) -> None:
        if now - self._facts_at >= FACTS_EVERY_S and not self._stop:
            self._facts_at = now
            self._programs.tell_keeper(messages.Facts(facts=self._facts()))
        ready = self._registered and all(s.life and s.life.pid for s in self._crew.seats.values())
        if ready and not self._told_ready and not self._stop:
            self._told_ready = True
            self._log.info(Event.SUPERVISOR_READY, runners=len(self._crew.seats))
        if self._outlet.dropped and not self._outlet.full:
            self._log.error(Event.LOG_DROPPED, count=self._outlet.dropped)
            self._outlet.dropped = 0
        self._outlet.flush()
        self._inbox.watch_room(self._outlet.fileno(), self._outlet.flush, self._outlet.writing)
