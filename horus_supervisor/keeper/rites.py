"""The end of a supervisor, whichever it was: asked for, sudden, or long ago on this host.

What can't be told to Redis now is written to ``state_dir/spool`` and told by the next keeper
here: ``ID.open`` stands for a supervisor that is not closed in Redis, ``*.call`` for calls of its
runners, ``ID.lines`` for log lines that nobody read any more.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from horus_supervisor import errors, messages
from horus_supervisor.crash_record import CrashRecord, tell_fate
from horus_supervisor.events import Event
from horus_supervisor.keeper.charges import Charges
from horus_supervisor.keeper.reach import Reach
from horus_supervisor.keeper.records import forgotten, lost_record
from horus_supervisor.lifecycle import Cause, Death, Disposition, Fate
from horus_supervisor.logs import Sink
from horus_supervisor.messages import Born, Died
from horus_supervisor.scoreboard import NOBODY_KNOWS, SLOTS, Row
from horus_supervisor.store import operations, pending, server
from horus_supervisor.store.rows import Settled, Slot


class Known(msgspec.Struct, frozen=True):
    """What the scoreboard showed of one slot when its supervisor ended."""

    slot: str
    executing: int
    death: Death
    record: msgspec.Raw


class Testament(msgspec.Struct, frozen=True):
    """How a supervisor ended, for whoever closes it. ``readable``: ``known`` lists all that ran.

    ``home`` is where Redis knows it; its runners' calls belong there too. ``lock`` is the inode of
    the lock that it held, 0 where that is not known.
    """

    home: str = ""
    lock: int = 0
    readable: bool = False
    death: Death = Death.LOST
    known: list[Known] = []
    deaths: list[Died] = []


def mark_open(reach: Reach) -> None:
    """Note on disk that our supervisor is registered and will have to be closed."""
    _write(reach, Testament())


def _write(reach: Reach, testament: Testament) -> None:
    """Leave a testament; where the disk takes none, whoever retires us knows less."""
    testament = msgspec.structs.replace(testament, home=reach.home, lock=_lock(reach))
    path = open_file(reach, reach.me)
    try:
        pending.write_durably(path, messages.encode(testament))
    except OSError as error:
        why = f"can't be written: {error.strerror}; whoever closes this service in Redis knows less"
        reach.log.error(Event.SPOOL_FAULT, file=str(path), error=why)


def open_file(reach: Reach, supervisor: str) -> Path:
    """Name the file that says that a supervisor will have to be closed."""
    return reach.spool / f"{supervisor}.open"


def closed(reach: Reach, deaths: Iterable[Died], charges: Charges) -> None:
    """Close our own supervisor after an orderly stop: nothing of it runs any more.

    ``deaths``: those that Redis was not told of yet. Who is in ``charges`` is a ``start_runner`` of
    which nobody tells: an exception may have ended it in mid-job.
    """
    deaths = list(deaths)
    if not (reach.registered or deaths or os.path.exists(open_file(reach, reach.me))):
        return  # Redis never heard of it
    how = Death.INTERRUPTED
    known = [_known(reach, b.slot, reach.board.read(b.slot), b, how) for b in charges.born]
    _execute(reach, Testament(readable=True, death=how, known=known, deaths=deaths))


def supervisor_lost(reach: Reach, deaths: Iterable[Died], charges: Charges) -> None:
    """Our supervisor is gone: see that its runners are dead, then hand in what they held.

    Where a slot has another runner than we were told of, words of our supervisor got lost with it:
    that one's end, and maybe its death. Who holds the slot in Redis is not known: it counts as
    started.
    """
    charges.end(reach.board)
    known = [_known(reach, born.slot, reach.board.read(born.slot), born) for born in charges.born]
    told_of = {born.slot for born in charges.born}
    for number in sorted(set(range(SLOTS)) - told_of):  # a runner that we were not told of yet
        row = reach.board.read(number)
        if row.executing_seq:
            known.append(_known(reach, number, row))
    _execute(reach, Testament(readable=True, known=known, deaths=list(deaths)))


def _known(
    reach: Reach, number: int, row: Row, born: Born | None = None, death: Death = Death.LOST
) -> Known:
    slot = Slot(reach.me, number, row.incarnation).key
    if born and row.incarnation != born.incarnation:
        record = lost_record(Cause.SUPERVISOR_LOST, reach.host, reach.me, born)
        return Known(slot, NOBODY_KNOWS, death, msgspec.Raw(record))
    record = lost_record(Cause.SUPERVISOR_LOST, reach.host, reach.me, born, row)
    return Known(slot, row.executing_seq, death, msgspec.Raw(record))


def _execute(reach: Reach, testament: Testament) -> None:
    """Settle it; on disk first, as Redis may hang and we may be ended meanwhile."""
    _write(reach, testament)
    reach.wire.close()  # it may have broken unnoticed, and there is no next time
    try:
        settle(reach, reach.me, testament)
    except errors.HorusError as error:
        reach.lost(str(error))


def _lock(reach: Reach) -> int:
    try:
        return (reach.spool.parent / "lock").stat().st_ino
    except OSError:
        return 0


def leftover(reach: Reach, supervisor: str) -> None:
    """Close a predecessor on this host; we hold its lock, so it is dead for certain.

    Unless the folder is a copy: whose lock is another one, and who left no word of its end, may
    live. Its lease decides.
    """
    try:
        text = open_file(reach, supervisor).read_bytes()
        testament = msgspec.json.decode(text, type=Testament)
    except (OSError, msgspec.DecodeError):
        testament = Testament()
    if _at_home(reach, supervisor, testament):
        dead = testament.readable or testament.lock in (0, _lock(reach))
        settle(reach, supervisor, testament, dead=dead)
        return
    files = sorted(path.name for path in reach.spool.glob(f"{supervisor}.*"))
    names = ", ".join(files)
    reach.log.warning(Event.SPOOL_KEPT, files=names, folder=str(reach.spool), home=testament.home)


def _at_home(reach: Reach, supervisor: str, testament: Testament) -> bool:
    """Tell whether it is our Redis that knows a supervisor: elsewhere it would count as gone."""
    if testament.home in ("", reach.home):
        return True  # under another address it may be the same one all the same
    rows = reach.ask(operations.supervisors(reach.namespace))
    return any(row.supervisor == supervisor for row in rows)


def settle(reach: Reach, supervisor: str, testament: Testament, *, dead: bool = True) -> None:
    """Tell Redis a supervisor's end: its runners' last calls, deaths, then the supervisor's own.

    Safe to repeat. Raises what the connection raises while Redis is away.
    """
    calls = sorted(reach.spool.glob(f"{supervisor}.*.call"))
    for path in calls:
        hand_in(reach, path)
    for death in testament.deaths:
        _tell_death(reach, death, deliver(reach, death))
    if dead:
        _retire(reach, supervisor, testament)
    halves = reach.spool.glob(f"{supervisor}.*{pending.SCRATCH}")  # whoever wrote them is dead
    for path in (*calls, open_file(reach, supervisor), *halves):
        with contextlib.suppress(OSError):
            path.unlink()


def _retire(reach: Reach, supervisor: str, testament: Testament) -> None:
    host, known = reach.host, testament.known
    operation = operations.retire(
        reach.namespace,
        supervisor,
        beat=None,
        death=testament.death,
        record=lost_record(Cause.SUPERVISOR_LOST, host, supervisor),
        readable=testament.readable,
        known=[(k.slot, k.executing, k.death, bytes(k.record)) for k in known],
    )
    word, lost = reach.ask(operation)
    if word == "ok" and testament.death == Death.LOST:
        names = {k.slot: msgspec.json.decode(k.record, type=CrashRecord).runner for k in known}
        see_off(reach, supervisor, lost, names, host, Cause.SUPERVISOR_LOST)


def deliver(reach: Reach, death: Died) -> Fate:
    """Hand in a death. They come in order: where Redis waits for an earlier one, it has lost it."""
    fate = _crash(reach, death)
    if fate.word != "wait":
        return fate
    earlier = forgotten(death, fate.earlier)
    _tell_death(reach, earlier, _crash(reach, earlier))
    return _crash(reach, death)


def _crash(reach: Reach, died: Died) -> Fate:
    call = operations.crash(
        reach.namespace,
        Slot(died.supervisor, died.slot, died.incarnation),
        died.executing,
        died.death,
        bytes(died.record),
        hold_after=died.hold_after,
        code=died.code,
    )
    fate = reach.ask(call)
    return msgspec.structs.replace(fate, args=reach.args_of(fate.job_id))


def _tell_death(reach: Reach, death: Died, fate: Fate) -> None:
    """Log what became of the job of a death that the supervisor can't tell."""
    record = msgspec.json.decode(death.record, type=CrashRecord)
    tell_fate(reach.log, death.death, record, fate)


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


def hand_in(reach: Reach, path: Path) -> None:
    """Make a call that a runner could not make; a file that is none is told and set aside."""
    try:
        call = pending.load(path)
    except (OSError, ValueError) as error:
        aside = path.with_suffix(".unreadable")
        why = f"no call that can be made ({error}); set aside as {aside.name}"
        reach.log.error(Event.SPOOL_FAULT, file=str(path), error=why)
        with contextlib.suppress(OSError):
            path.rename(aside)
        return
    reach.ask(call)


def see_off(
    reach: Reach,
    supervisor: str,
    jobs: Iterable[Settled],
    names: Mapping[str, str | None],
    host: str,
    cause: Cause,
) -> None:
    """Close the connections of a supervisor that is gone; log what became of its jobs.

    ``names``: slot -> runner, as far as they are known.
    """
    server.kill_clients(reach.wire, f"horus:{supervisor}:")
    who = "the supervisor died" if cause == Cause.SUPERVISOR_LOST else f"host {host} was lost"
    lost = {"cause": cause, "lost_host": host, "lost_supervisor": supervisor}
    for job in jobs:
        runner = names.get(job.slot)
        facts = {"job_id": job.job_id, "job": job.job, "queue": job.queue, "attempt": job.attempt}
        facts |= {"runner": runner} if runner else {}
        args = reach.args_of(job.job_id)
        facts |= {"args": args} if args is not None else {}
        where = f"{job.job} ran on {runner}" if runner else f"{job.job} ran"
        text = f"{who} while {where}; the job is {job.disposition}"
        told = {**facts, **lost, "message": text}
        reach.log.error(Event.JOB_CRASHED, disposition=job.disposition, **told)
        if job.disposition in (Disposition.EXHAUSTED, Disposition.QUARANTINED):
            reach.log.error(Event.JOB_DEAD, reason=job.disposition, **facts)
