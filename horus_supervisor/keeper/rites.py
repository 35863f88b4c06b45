"""The end of a supervisor, whichever it was: asked for, sudden, or long ago on this host.

What can't be told to Redis now is written to ``state_dir/spool`` and told by the next keeper
here: ``ID.open`` stands for a supervisor that is not closed in Redis, ``*.call`` for calls of its
runners, ``ID.lines`` for log lines that nobody read any more.
"""

from __future__ import annotations

import contextlib
import select
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from horus_supervisor import errors, linux, messages
from horus_supervisor.address import parse_url
from horus_supervisor.crash_record import CrashRecord, tell_fate
from horus_supervisor.events import Event
from horus_supervisor.keeper.records import lost_record
from horus_supervisor.lifecycle import Cause, Death, Disposition
from horus_supervisor.logs import Logger, Sink
from horus_supervisor.messages import Born, Died
from horus_supervisor.scoreboard import NOBODY_KNOWS, SLOTS, Row
from horus_supervisor.store import operations, pending
from horus_supervisor.store.clients import kill_clients
from horus_supervisor.store.operation import Operation
from horus_supervisor.store.rows import Crash, CrashReply, Slot

if TYPE_CHECKING:
    from horus_supervisor.keeper.main import Keeper

DEAD_WITHIN_S = 0.8


class Known(msgspec.Struct, frozen=True):
    """What the scoreboard showed of one slot when its supervisor ended."""

    slot: str
    executing: int
    death: Death
    record: msgspec.Raw


class Testament(msgspec.Struct, frozen=True):
    """How a supervisor ended, for whoever closes it. ``readable``: ``known`` lists all that ran.

    ``home`` is where Redis knows it; its runners' calls belong there too.
    """

    home: str = ""
    readable: bool = False
    death: Death = Death.LOST
    known: list[Known] = []
    deaths: list[Died] = []


def mark_open(keeper: Keeper) -> None:
    """Note on disk that our supervisor is registered and will have to be closed."""
    _write(keeper, Testament())


def _write(keeper: Keeper, testament: Testament) -> None:
    """Leave a testament; where the disk takes none, whoever retires us knows less."""
    testament = msgspec.structs.replace(testament, home=_home(keeper))
    path = open_file(keeper, keeper.me)
    try:
        pending.write_durably(path, messages.encode(testament))
    except OSError as error:
        why = f"can't be written: {error.strerror}; whoever closes this service in Redis knows less"
        keeper.log.error(Event.SPOOL_FAULT, file=str(path), error=why)


def open_file(keeper: Keeper, supervisor: str) -> Path:
    """Name the file that says that a supervisor will have to be closed."""
    return keeper.spool / f"{supervisor}.open"


def _home(keeper: Keeper) -> str:
    return f"{parse_url(keeper.boot.redis_url).safe}, namespace {keeper.boot.namespace}"


def closed(keeper: Keeper) -> None:
    """Close our own supervisor after an orderly stop: nothing of it runs any more."""
    if not (keeper.registered or keeper.deaths or open_file(keeper, keeper.me).exists()):
        return  # Redis never heard of it
    _execute(keeper, Testament(readable=True, death=Death.INTERRUPTED, deaths=list(keeper.deaths)))


def supervisor_lost(keeper: Keeper) -> None:
    """Our supervisor is gone: see that its runners are dead, then hand in what they held.

    Where a slot has another runner than we were told of, words of our supervisor got lost with it:
    that one's end, and maybe its death. Who holds the slot in Redis is not known: it counts as
    started.
    """
    rows = {born.slot: keeper.board.read(born.slot) for born in keeper.runners.values()}
    for born in keeper.runners.values():
        if born.own_group and rows[born.slot].incarnation == born.incarnation:
            linux.kill_group(born.pid)
    _see_them_dead(list(keeper.pidfds.values()))
    known = []
    for born in keeper.runners.values():
        row = keeper.board.read(born.slot)
        known.append(_known(keeper, born.slot, row, born))
    for number in sorted(set(range(SLOTS)) - rows.keys()):  # a runner that we were not told of yet
        row = keeper.board.read(number)
        if row.executing_seq:
            known.append(_known(keeper, number, row))
    _execute(keeper, Testament(readable=True, known=known, deaths=list(keeper.deaths)))


def _known(keeper: Keeper, number: int, row: Row, born: Born | None = None) -> Known:
    host = keeper.boot.identity.host
    slot = Slot(keeper.me, number, row.incarnation).key
    if born and row.incarnation != born.incarnation:
        record = lost_record(Cause.SUPERVISOR_LOST, host, keeper.me, born)
        return Known(slot, NOBODY_KNOWS, Death.LOST, msgspec.Raw(record))
    record = lost_record(Cause.SUPERVISOR_LOST, host, keeper.me, born, row)
    return Known(slot, row.executing_seq, Death.LOST, msgspec.Raw(record))


def _see_them_dead(pidfds: list[int]) -> None:
    poll = select.poll()
    for fd in pidfds:
        poll.register(fd, select.POLLIN)
    until = time.monotonic() + DEAD_WITHIN_S
    alive = len(pidfds)
    while alive and (left_s := until - time.monotonic()) > 0:
        for fd, _ in poll.poll(left_s * 1000):
            poll.unregister(fd)
            alive -= 1


def _execute(keeper: Keeper, testament: Testament) -> None:
    """Settle it; on disk first, as Redis may hang and we may be ended meanwhile."""
    _write(keeper, testament)
    try:
        settle(keeper, keeper.me, testament)
    except errors.HorusError as error:
        keeper.lost(str(error))


def leftover(keeper: Keeper, supervisor: str) -> None:
    """Close a predecessor on this host; we hold its lock, so it is dead for certain."""
    try:
        text = open_file(keeper, supervisor).read_bytes()
        testament = msgspec.json.decode(text, type=Testament)
    except (OSError, msgspec.DecodeError):
        testament = Testament()
    if _at_home(keeper, supervisor, testament):
        settle(keeper, supervisor, testament)
        return
    files = sorted(path.name for path in keeper.spool.glob(f"{supervisor}.*"))
    names = ", ".join(files)
    keeper.log.warning(Event.SPOOL_KEPT, files=names, folder=str(keeper.spool), home=testament.home)


def _at_home(keeper: Keeper, supervisor: str, testament: Testament) -> bool:
    """Tell whether it is our Redis that knows a supervisor: elsewhere it would count as gone."""
    if testament.home in ("", _home(keeper)):
        return True  # under another address it may be the same one all the same
    rows = keeper.ask(operations.supervisors(keeper.boot.namespace))
    return any(row.supervisor == supervisor for row in rows)


def settle(keeper: Keeper, supervisor: str, testament: Testament) -> None:
    """Tell Redis a supervisor's end: its runners' last calls, deaths, then the supervisor's own.

    Safe to repeat. Raises what the connection raises while Redis is away.
    """
    namespace, host = keeper.boot.namespace, keeper.boot.identity.host
    known = testament.known
    calls = sorted(keeper.spool.glob(f"{supervisor}.*.call"))
    for path in calls:
        hand_in(keeper, path)
    for death in testament.deaths:
        reply = keeper.ask(death_of(namespace, death))
        _tell_death(keeper.log, death, reply)
    operation = operations.retire(
        namespace,
        supervisor,
        beat=None,
        death=testament.death,
        record=lost_record(Cause.SUPERVISOR_LOST, host, supervisor),
        readable=testament.readable,
        known=[(k.slot, k.executing, k.death, bytes(k.record)) for k in known],
    )
    word, lost = keeper.ask(operation)
    if word == "ok" and testament.death == Death.LOST:
        kill_clients(keeper.wire, f"horus:{supervisor}:")
        names = {k.slot: msgspec.json.decode(k.record, type=CrashRecord).runner for k in known}
        for crash in lost:
            told = (names.get(crash.slot), host, supervisor)
            tell_lost(keeper.log, crash, *told, Cause.SUPERVISOR_LOST)
    halves = keeper.spool.glob(f"{supervisor}.*{pending.SCRATCH}")  # whoever wrote them is dead
    for path in (*calls, open_file(keeper, supervisor), *halves):
        with contextlib.suppress(OSError):
            path.unlink()


def death_of(namespace: str, died: Died) -> Operation[CrashReply]:
    """Make the call that hands a death in."""
    return operations.crash(
        namespace,
        Slot(died.supervisor, died.slot, died.incarnation),
        died.executing,
        died.death,
        bytes(died.record),
        hold_after=died.hold_after,
        code=died.code,
    )


def _tell_death(log: Logger, death: Died, reply: CrashReply) -> None:
    if reply.word in ("ok", "again"):
        record = msgspec.json.decode(death.record, type=CrashRecord)
        job = (reply.job_id, reply.queue, reply.attempt)
        tell_fate(log, death.death, record, reply.disposition, *job)


def leave_line(spool: Path, supervisor: str, line: bytes) -> None:
    """Keep a line whose reader is gone, for the next keeper here to pass on."""
    with contextlib.suppress(OSError):  # a full disk must not end the rites
        pending.make_spool(spool)
        with open(spool / f"{supervisor}.lines", "ab", opener=pending.only_ours) as file:
            file.write(line)


def pass_lines_on(spool: Path, sink: Sink) -> None:
    """Log what our predecessors could not."""
    for path in sorted(spool.glob("*.lines")):
        with contextlib.suppress(OSError):
            for line in path.read_bytes().splitlines(keepends=True):
                sink(line)
            path.unlink()


def hand_in(keeper: Keeper, path: Path) -> None:
    """Make a call that a runner could not make; a file that is none is told and set aside."""
    try:
        call = pending.load(path)
    except (OSError, ValueError) as error:
        aside = path.with_suffix(".unreadable")
        why = f"no call that can be made ({error}); set aside as {aside.name}"
        keeper.log.error(Event.SPOOL_FAULT, file=str(path), error=why)
        with contextlib.suppress(OSError):
            path.rename(aside)
        return
    keeper.ask(call)


def tell_lost(
    log: Logger, crash: Crash, runner: str | None, host: str, supervisor: str, cause: Cause
) -> None:
    """Log what became of a job whose supervisor is gone; ``runner`` where its name is known."""
    facts = {
        "job_id": crash.job_id,
        "job": crash.job,
        "queue": crash.queue,
        "attempt": crash.attempt,
    }
    facts |= {"runner": runner} if runner else {}
    who = "the supervisor died" if cause == Cause.SUPERVISOR_LOST else f"host {host} was lost"
    where = f"{crash.job} ran on {runner}" if runner else f"{crash.job} ran"
    text = f"{who} while {where}; the job is {crash.disposition}"
    lost = {"cause": cause, "lost_host": host, "lost_supervisor": supervisor, "message": text}
    log.error(Event.JOB_CRASHED, disposition=crash.disposition, **facts, **lost)
    if crash.disposition in (Disposition.EXHAUSTED, Disposition.QUARANTINED):
        log.error(Event.JOB_DEAD, reason=crash.disposition, **facts)
