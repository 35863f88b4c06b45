"""The keeper: all that the supervisor needs of Redis, so that no network can stop the supervisor.

Delivers deaths, renews the lease, promotes what is due, re-arms wake tokens, retires supervisors
that are gone. Never runs jobs. When its supervisor is gone it performs the last rites (``rites``)
and ends.
"""

from __future__ import annotations

import contextlib
import functools
import os
import select
import socket
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from horus_supervisor import errors, linux, logs, messages
from horus_supervisor.address import parse_url
from horus_supervisor.channel import Channel
from horus_supervisor.events import Event
from horus_supervisor.keeper import rites
from horus_supervisor.keeper.lease import Observer, Pulse
from horus_supervisor.keeper.records import lost_record
from horus_supervisor.keeper.voice import Voice
from horus_supervisor.lifecycle import Cause, Death
from horus_supervisor.messages import Born, Close, Died, Facts, Gone, KeeperBoot, Recorded
from horus_supervisor.scoreboard import Scoreboard
from horus_supervisor.store import operations, pending
from horus_supervisor.store.clients import kill_clients
from horus_supervisor.store.operation import Operation, load_script
from horus_supervisor.store.rows import Slot
from horus_supervisor.store.wire import Wire

T = TypeVar("T")

CALL_TIMEOUT_S = 2.0
PROMOTE_EVERY_S = 0.33
KICK_EVERY_S = 1.0
ROTATE_EVERY_S = 5.0
PROMOTE_MOST = 1000

STARTS_WITHIN_S = 3.0
"""Seconds for an embedded Redis, started when we are, before it counts as away."""

TOGETHER_S = 0.1
"""Duties that are due so soon are done at once: a wake-up costs more than a call."""

_HELD = (
    "{name} brings down runner after runner and is held back, until new code comes or you say:"
    " horus resume --job {name}"
)


class Duty(msgspec.Struct):
    """Something to do every so many seconds; ``due`` is monotonic."""

    do: Callable[[], object]
    every_s: float
    due: float = 0.0


def _names(supervisor: str, facts: dict[str, Any]) -> dict[str, str | None]:
    """Tell the names of another host's runners by their slots, as its last heartbeat had them."""
    return {
        f"{supervisor}/{row.get('slot')}": row.get("runner") for row in facts.get("runners") or ()
    }


def _news(facts: dict[str, object]) -> list[object]:
    """Give what of the facts is told at once where it changed."""
    runners = facts.get("runners")
    pids = [runner.get("pid") for runner in runners] if isinstance(runners, list) else []
    return [facts.get("not_ready"), facts.get("refused"), *pids]


class Keeper:
    """One keeper's state: its wire, its duties' next times, the deaths to deliver."""

    def __init__(
        self,
        boot: KeeperBoot,
        channel: Channel[messages.ToKeeper],
        board: Scoreboard,
        log: logs.Logger,
    ) -> None:
        self.boot = boot
        self.channel = channel
        self.board = board
        self.log = log
        self.spool = Path(boot.state_dir) / "spool"
        self.wire = Wire(
            parse_url(boot.redis_url),
            timeout_s=CALL_TIMEOUT_S,
            name=f"horus:{self.me}:keeper",
            check_version=True,
        )
        self.deaths: deque[Died] = deque()
        self.runners: dict[tuple[int, int], Born] = {}
        self.pidfds: dict[tuple[int, int], int] = {}
        self.closing = False
        self.registered = False
        self._waiting = False  # what is left in `deaths` waits for an earlier one
        self._facts = boot.facts
        self._held: set[str] = set()
        self._tried: set[tuple[str, str]] = set()
        self._mark(away=False)
        embedded = boot.redis_url.startswith("embedded:")
        self._quiet_until = time.monotonic() + STARTS_WITHIN_S if embedded else 0.0
        self._observer = Observer()
        self._pulse = Pulse(boot.lease_s / 2)
        self._leftovers = list(boot.leftovers)
        beat_s = boot.lease_s / 6
        duties: tuple[tuple[Callable[[], object], float], ...] = (
            (self._promote, PROMOTE_EVERY_S),
            (self._kick, KICK_EVERY_S),
            (self._rotate, ROTATE_EVERY_S),
            (self._beat, beat_s),
            (self._observe, min(beat_s, 2.0)),
        )
        self._duties = [Duty(duty, every_s) for duty, every_s in duties]

    @property
    def me(self) -> str:
        """The supervisor's id."""
        return self.boot.identity.supervisor

    # --- the loop ------------------------------------------------------------------------------

    def run(self) -> None:
        """Serve until the supervisor closes us, or is gone."""
        while not (self.channel.closed or (self.closing and (self._away or not self.deaths))):
            if self._in_reach(self._settle):
                self._serve()
            self._listen(self._until_due())
        if self.channel.closed and not self.closing:
            rites.supervisor_lost(self)
        else:
            rites.closed(self)

    def _settle(self) -> None:
        """Before anything else: finish off our dead predecessors, and register."""
        while self._leftovers:
            rites.leftover(self, self._leftovers[0])
            self._leftovers.pop(0)
        if not self.registered:
            self._register()

    def _serve(self) -> None:
        if not self._in_reach(self._deliver) or self.closing:
            return
        now = time.monotonic()
        for duty in self._duties:
            if now + TOGETHER_S >= duty.due and self.registered:
                duty.due = now + duty.every_s
                if not self._in_reach(duty.do):
                    return  # Redis may hang: hear the supervisor before the next call

    def _until_due(self) -> float:
        if self._away or not self.registered:
            return 0.2
        if self.deaths and self._waiting:
            return 0.02
        return max(0.0, min(duty.due for duty in self._duties) - time.monotonic())

    def _listen(self, wait_s: float) -> None:
        poll = select.poll()
        poll.register(self.channel, select.POLLIN | (select.POLLOUT if self.channel.writing else 0))
        poll.poll(wait_s * 1000)
        self.board.keeper_tick()
        self.channel.flush()
        for message in self.channel.receive():
            self._hear(message)

    def _hear(self, message: messages.ToKeeper) -> None:
        match message:
            case Born():
                self.runners[message.slot, message.incarnation] = message
                if (pidfd := linux.open_pidfd(message.pid)) is not None:
                    self.pidfds[message.slot, message.incarnation] = pidfd
            case Gone() | Died():
                life = message.slot, message.incarnation
                self.runners.pop(life, None)
                if (pidfd := self.pidfds.pop(life, None)) is not None:
                    os.close(pidfd)
                if isinstance(message, Died):
                    self.deaths.append(message)
            case Facts():
                self._take_facts(message.facts)
            case Close():
                self.closing = True
            case KeeperBoot():
                pass  # heard once, before the loop

    def _take_facts(self, facts: dict[str, object]) -> None:
        """Keep what the next heartbeat tells; tell it at once where runners came or went."""
        if _news(facts) != _news(self._facts):
            for duty in self._duties:
                if duty.do == self._beat:
                    duty.due = 0.0
        self._facts = facts

    # --- Redis, and its being away -------------------------------------------------------------

    def _in_reach(self, duty: Callable[[], object]) -> bool:
        """Do a duty; note and tell when Redis goes away and comes back. False: it is away."""
        try:
            duty()
        except errors.RedisRefused as error:
            self.lost(str(error))
            self.channel.send(messages.RedisRefusedUs(error=str(error)))
            return False
        except errors.HorusError as error:
            self.lost(str(error))
            return False
        return True

    def lost(self, why: str) -> None:
        """Note that Redis is away; tell it once."""
        self._observer.forget()
        if not self._away and time.monotonic() >= self._quiet_until:
            self._mark(away=True)
            self.log.error(Event.REDIS_LOST, error=why)
            self.channel.send(messages.RedisLost(error=why))

    def _mark(self, *, away: bool) -> None:
        self._away = away
        self.board.redis_away(away)

    def ask(self, operation: Operation[T]) -> T:
        """Run an operation; raises while Redis is away: the duty is simply done again later."""
        self.board.keeper_tick()  # a slow Redis is not our silence
        reply = self.wire.run(operation)
        self._quiet_until = 0.0
        if self._away:
            self._mark(away=False)
            self.log.info(Event.REDIS_RESTORED)
            if self.registered:  # the supervisor has been told that Redis is away
                self.channel.send(messages.Registered(supervisor=self.me))
        return reply

    # --- duties --------------------------------------------------------------------------------

    def _register(self) -> None:
        lease_ms = int(self.boot.lease_s * 1000)
        word = self.ask(
            operations.register(self.boot.namespace, self.me, lease_ms, self._facts_json())
        )
        if word == "retired":
            self._expelled()
            return
        self.teach()
        rites.mark_open(self)
        self.registered = True
        self.channel.send(messages.Registered(supervisor=self.me))

    def teach(self) -> None:
        """Load what runners call: many start at once, and each would send what Redis lacks."""
        with contextlib.suppress(errors.RedisRefused):  # a user who may not: then they do
            for name in operations.OF_RUNNERS:
                self.wire.send_raw("SCRIPT", "LOAD", load_script(name).source)
                self.wire.receive_reply()

    def _expelled(self) -> None:
        self.registered = False
        with contextlib.suppress(OSError):
            rites.open_file(self, self.me).unlink()  # Redis has closed it
        self.channel.send(messages.Expelled(supervisor=self.me))
        while not (self.channel.closed or self.closing):
            self._listen(1.0)  # the supervisor ends us; an emptied Redis would take the id again

    def _facts_json(self) -> bytes:
        return messages.encode(self._facts)

    def _deliver(self) -> None:
        """Hand in deaths, in order: a successor waits for its predecessor's."""
        self._waiting = False
        for _ in range(len(self.deaths)):
            death = self.deaths[0]
            slot = Slot(death.supervisor, death.slot, death.incarnation)
            last_call = self.spool / pending.file_name(slot)
            if last_call.exists():  # it left while Redis was away: what it had to say comes first
                rites.hand_in(self, last_call)
            reply = self.ask(rites.death_of(self.boot.namespace, death))
            with contextlib.suppress(OSError):
                last_call.unlink(missing_ok=True)
            self.deaths.popleft()
            if reply.word == "wait":  # an earlier death in this slot is still on its way
                self.deaths.append(death)
                self._waiting = True
                continue
            if reply.job_id:
                self.board.alarm()
            self.channel.send(
                Recorded(
                    slot=death.slot,
                    incarnation=death.incarnation,
                    supervisor=death.supervisor,
                    word=reply.word,
                    disposition=reply.disposition,
                    job_id=reply.job_id,
                    queue=reply.queue,
                    attempt=reply.attempt,
                )
            )

    def _promote(self) -> None:
        while self.ask(operations.promote(self.boot.namespace, PROMOTE_MOST)) >= PROMOTE_MOST:
            self._in_reach(self._deliver)

    def _kick(self) -> None:
        told = self.ask(operations.kick(self.boot.namespace))
        if told.crashing:
            self.board.alarm()  # it may have crashed on another host
        for name in told.held:
            if name not in self._held:
                self.log.error(Event.CRASH_LOOP, job=name, message=_HELD.format(name=name))
                self.channel.send(messages.Held(job=name))
            self._let_go(name)
        self._held = set(told.held)

    def _let_go(self, name: str) -> None:
        """Try a class that is held for other code with ours; once: another host may have that."""
        jobs, code = self._facts.get("jobs"), str(self._facts.get("code") or "")
        if not (code and isinstance(jobs, list) and name in jobs) or (name, code) in self._tried:
            return
        word, _, more = self.ask(operations.unhold(self.boot.namespace, name, code))
        while more:
            word, _, more = self.ask(operations.unhold(self.boot.namespace, name, code))
        if word == "ok":
            self._tried.add((name, code))
            self.log.info(Event.CLASS_RESUMED, job=name)

    def _rotate(self) -> None:
        self.ask(operations.rotate(self.boot.namespace))

    def _beat(self) -> None:
        if self.boot.ticking and not self._pulse.alive(self.board.ticks, time.monotonic()):
            return
        if (
            self.ask(operations.beat(self.boot.namespace, self.me, self._facts_json()))
            == "no member"
        ):
            self._expelled()

    def _observe(self) -> None:
        if self._away:  # a full disk or a replica lets us read: that is no end of an outage
            return
        rows = self.ask(operations.supervisors(self.boot.namespace))
        now = time.monotonic()
        for row in self._observer.look((r for r in rows if r.supervisor != self.me), now):
            host = str(row.facts.get("host", "?"))
            record = lost_record(Cause.HOST_LOST, host, row.supervisor)
            operation = operations.retire(
                self.boot.namespace,
                row.supervisor,
                beat=row.beat,
                death=Death.LOST,
                record=record,
                readable=False,
            )
            word, lost = self.ask(operation)
            if word == "ok":
                kill_clients(self.wire, f"horus:{row.supervisor}:")
                names = _names(row.supervisor, row.facts)
                for crash in lost:
                    told = (names.get(crash.slot), host, row.supervisor)
                    rites.tell_lost(self.log, crash, *told, Cause.HOST_LOST)


def main(channel_fd: int, board_fd: int, log_fd: int, *_held: int) -> None:
    """Be a keeper until the supervisor ends it or is gone; ``_held``: lock, lifeline, kept open."""
    linux.name_process("horus-keeper")
    channel: Channel[messages.ToKeeper] = Channel(
        socket.socket(fileno=channel_fd), messages.to_keeper
    )
    rest: list[messages.ToKeeper] = []
    while not rest and not channel.closed:
        rest = channel.wait(60.0)
    if not rest:
        return
    boot, *rest = rest
    assert isinstance(boot, KeeperBoot)

    spool = Path(boot.state_dir) / "spool"
    unheard = functools.partial(rites.leave_line, spool, boot.identity.supervisor)
    voice = Voice(log_fd, boot.identity, unheard)
    keeper = Keeper(boot, channel, Scoreboard(board_fd), voice.log)
    for message in rest:
        keeper._hear(message)
    rites.pass_lines_on(spool, voice.say)
    keeper.run()
    voice.finish()
