"""What follows from a runner's death, in order: diagnosis, log, and the record's way to Redis.

Keeps each death until the keeper says that Redis has it; a new keeper is told all of them again.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import msgspec

from horus_supervisor import linux, messages
from horus_supervisor.clock import rfc3339
from horus_supervisor.crash_record import CrashRecord, crash_id, how, tell_fate
from horus_supervisor.events import Event
from horus_supervisor.lifecycle import Cause, Death
from horus_supervisor.logs import shorten
from horus_supervisor.messages import LEFT_STALE, Born, Died, Gone, Recorded
from horus_supervisor.scoreboard import NOBODY_KNOWS, Row
from horus_supervisor.supervisor import children, core_dump
from horus_supervisor.supervisor.crew import Crew
from horus_supervisor.supervisor.diagnose import Ended, death, diagnose, left_with
from horus_supervisor.supervisor.oom import OomWatch
from horus_supervisor.supervisor.orphans import Orphans
from horus_supervisor.supervisor.programs import Programs
from horus_supervisor.supervisor.seat import Life, Seat

_YOUNG_S = 1.0

_ROOM = {"traceback": 8 * 1024, "output_tail": 6 * 1024}
"""Bytes of what may be long in a record that Redis keeps."""


def left_open(spool: Path) -> list[str]:
    """List supervisors here that Redis holds open; we have their lock, so they are dead."""
    paths = spool.glob("*.open*")  # half-written ones too
    return sorted({path.name.partition(".")[0] for path in paths})


def in_words(status: int) -> str:
    """Say an exit status."""
    if os.WIFSIGNALED(status):
        return f"killed by {linux.signal_name(os.WTERMSIG(status))}"
    return f"exited with {os.WEXITSTATUS(status)}"


class Deaths:
    """The deaths that Redis may not know of yet, and the runners that the keeper was told of."""

    def __init__(self, crew: Crew, programs: Programs) -> None:
        self._ways = programs.ways
        self._crew = crew
        self._programs = programs
        self._alive: dict[tuple[int, int], Born] = {}
        self._pending: dict[tuple[str, int, int], tuple[Died, CrashRecord]] = {}
        self._oom = OomWatch()
        self._orphans = Orphans(crew, programs.by_pid)

    def born(self, born: Born) -> None:
        """Tell the keeper of a living runner."""
        self._alive[born.slot, born.incarnation] = born
        self._programs.keeper.tell(born)

    def all_again(self) -> list[messages.ToKeeper]:
        """Give all that a new keeper has to hear."""
        return [*self._alive.values(), *(died for died, _ in self._pending.values())]

    def of_runner(self, seat: Seat, pid: int, reaped: children.Reaped | None) -> bool:
        """See a dead runner off: group, last words, status, slot, log, keeper.

        Tells whether that was asked for, and so costs no restart credit.
        """
        life = seat.life
        assert life is not None
        if reaped is None:  # else its pid may be another's by now
            linux.kill_group(pid)  # a child of the job would outlive it and overlap the retry
        stacks = self._crew.last_words(life)
        tail = tuple(life.output.tail)
        reaped = reaped or children.reap(pid)
        row = self._crew.bury(seat)
        self._alive.pop((seat.slot, life.incarnation), None)
        self._orphans.end(life.identity.supervisor)
        asked = (
            life.draining
            or row.jobs_done > 0
            or time.monotonic_ns() - life.asked_ns > _YOUNG_S * 1e9
        )
        left = left_with(reaped.status, row, life.incarnation)
        if left == 0:
            self._programs.keeper.tell(Gone(slot=seat.slot, incarnation=life.incarnation))
            self._tell_exit(seat, life, pid, row.jobs_done)
            return asked
        oom_kills, others = self._oom_of(reaped.status)
        ended = Ended(
            runner=seat.runner,
            group=life.group.name,
            slot=seat.slot,
            incarnation=life.incarnation,
            pid=pid,
            status=reaped.status,
            rusage=reaped.rusage,
            at_wall=time.time(),
            at_ns=time.monotonic_ns(),
            born_ns=life.asked_ns,
            killed_for=life.killed_for,
            interrupted=(life.killed and life.killed_for is None) or left is not None,
            oom_kills=oom_kills,
            others=others,
            stacks=stacks,
            output_tail=tail,
            app_version=life.app_version,
            **_traces(life, pid, reaped.status),
        )
        self._record(ended, row, life, stale=left == LEFT_STALE)
        if ended.interrupted:  # no crash, and its end all the same
            self._tell_exit(seat, life, pid, row.jobs_done)
        return asked if left == LEFT_STALE else ended.interrupted

    def _tell_exit(self, seat: Seat, life: Life, pid: int, jobs_done: int) -> None:
        self._ways.log.info(  # behind what it said itself; only a death goes before all lines
            Event.RUNNER_EXITED,
            runner=seat.runner,
            group=seat.group.name,
            pid=pid,
            jobs_done=jobs_done,
            uptime_s=round((time.monotonic_ns() - life.asked_ns) / 1e9, 3),
        )

    def _record(self, ended: Ended, row: Row, life: Life, *, stale: bool) -> None:
        identity = life.identity
        record = diagnose(ended, row, identity)
        if not ended.interrupted:
            known = {name: value for name, value in record.fields().items() if value is not None}
            del known["timestamp"]  # the line has its own
            self._ways.first.error(Event.RUNNER_CRASHED, how=how(record), **known)
        readable = row.incarnation == ended.incarnation and not stale
        died = Died(
            slot=ended.slot,
            incarnation=ended.incarnation,
            supervisor=identity.supervisor,
            executing=row.executing_seq if readable else NOBODY_KNOWS,
            death=death(ended, record.cause),
            record=msgspec.Raw(bounded(record)),
            hold_after=life.group.hold_after,
            code=life.code,
        )
        self._hand_over(died, record)

    def unborn(self, seat: Seat, life: Life) -> None:
        """Have Redis close a life that nobody told of: it may have joined, or still try to."""
        me = life.identity
        record = CrashRecord(
            crash_id=crash_id(me.supervisor, seat.slot, life.incarnation),
            timestamp=rfc3339(time.time()),
            host=me.host,
            supervisor=me.supervisor,
            runner=seat.runner,
            group=life.group.name,
            pid=0,
            cause=Cause.EXIT,
        )
        died = Died(
            slot=seat.slot,
            incarnation=life.incarnation,
            supervisor=me.supervisor,
            executing=0,
            death=Death.INTERRUPTED,
            record=msgspec.Raw(messages.encode(record)),
        )
        self._hand_over(died, record)

    def _hand_over(self, died: Died, record: CrashRecord) -> None:
        self._pending[died.supervisor, died.slot, died.incarnation] = died, record
        self._programs.keeper.tell(died)

    def recorded(self, message: Recorded) -> None:
        """Redis has it: tell what became of the job."""
        entry = self._pending.pop((message.supervisor, message.slot, message.incarnation), None)
        if entry is None:
            return
        died, record = entry
        tell_fate(self._ways.first, died.death, record, message.fate)

    def look(self, now: float) -> None:
        """Keep the memory of the kernel's counter fresh; see to what jobs left behind."""
        self._oom.look(now)
        self._orphans.look(now)

    def _oom_of(self, status: int) -> tuple[int, int]:
        """Tell how many kills for memory the kernel counted, and how many deaths may be meant."""
        if not (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL):
            return 0, 0
        return self._oom.died(
            time.monotonic(), lambda: sum(children.killed(pid) for pid in self._crew.by_pid)
        )


def _traces(life: Life, pid: int, status: int) -> dict[str, str | None]:
    """Tell what else was found of a death: what it hung in, its core, how large it was."""
    path, why = None, None
    if life.growth and life.killed_for == Cause.MEMORY:
        why = life.growth.past
    elif os.WIFSIGNALED(status) and os.WCOREDUMP(status):
        born_wall = time.time() - (time.monotonic_ns() - life.asked_ns) / 1e9
        path, why = core_dump.find(pid, os.WTERMSIG(status), born_wall)
    return {"hung_in": life.hung_in, "core_path": path, "why": why}


def bounded(record: CrashRecord) -> bytes:
    """Write a record for Redis, 16 KiB at most: a long stack loses its middle, output its start."""
    fields = record.fields()
    for name, room in _ROOM.items():
        if fields[name]:
            fields |= shorten({name: fields[name]}, room)[0]
    return messages.encode(fields)
