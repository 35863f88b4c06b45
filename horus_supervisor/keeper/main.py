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
from typing import Any

import msgspec

from horus_supervisor import errors, linux, messages
from horus_supervisor.channel import Channel
from horus_supervisor.events import Event
from horus_supervisor.keeper import rites
from horus_supervisor.keeper.charges import Charges
from horus_supervisor.keeper.lease import Observer, Turning
from horus_supervisor.keeper.reach import Reach
from horus_supervisor.keeper.records import lost_record
from horus_supervisor.keeper.voice import Voice
from horus_supervisor.lifecycle import Cause, Death
from horus_supervisor.messages import Born, Close, Died, Facts, Gone, KeeperBoot, Recorded
from horus_supervisor.scoreboard import Scoreboard
from horus_supervisor.store import operations, pending, server
from horus_supervisor.store.operation import load_script
from horus_supervisor.store.rows import Slot

PROMOTE_EVERY_S = 0.33
KICK_EVERY_S = 1.0
ROTATE_EVERY_S = 5.0
PROMOTE_MOST = 1000

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
    """One keeper: what it reaches, whom it has charge of, its duties, the deaths to deliver."""

    def __init__(self, reach: Reach) -> None:
        self.reach = reach
        self.charges = Charges()
        self._ask = reach.ask
        self._me, self._namespace = reach.me, reach.namespace
        self._boot = boot = reach.boot
        self._channel, self._board, self._log = reach.channel, reach.board, reach.log
        self._deaths: deque[Died] = deque()
        self._closing = False
        self._facts = boot.facts
        self._held: set[str] = set()
        self._tried: set[tuple[str, str]] = set()
        self._observer = Observer()
        self._turning = Turning(boot.lease_s / 2)
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

    # --- the loop ------------------------------------------------------------------------------

    def run(self) -> None:
        """Serve until the supervisor closes us, or is gone."""
        while not (self._channel.closed or self._closing):
            if self._in_reach(self._settle):
                self._serve()
            self._listen(self._until_due())
        if self._closing:
            rites.closed(self.reach, self._deaths, self.charges)
        else:
            rites.supervisor_lost(self.reach, self._deaths, self.charges)

    def _in_reach(self, duty: Callable[[], object]) -> bool:
        """Do a duty; False where Redis went away over it."""
        if self.reach.does(duty):
            return True
        self._observer.forget()
        return False

    def _settle(self) -> None:
        """Before anything else: finish off our dead predecessors, and register."""
        while self._leftovers:
            rites.leftover(self.reach, self._leftovers[0])
            self._leftovers.pop(0)
        if not self.reach.registered:
            self._register()

    def _serve(self) -> None:
        """Deliver deaths, then do what is due; hear the supervisor after each call.

        Redis may hang or be slow, and all of it together must hold up neither a death nor a stop.
        """
        if not self._in_reach(self._deliver):
            return
        now = time.monotonic()
        for duty in self._duties:
            if now + TOGETHER_S >= duty.due and self.reach.registered:
                duty.due = now + duty.every_s
                if not self._in_reach(duty.do):
                    return
                self._listen(0.0)
                if self._deaths or self._closing or self._channel.closed:
                    return

    def _until_due(self) -> float:
        if self.reach.away or not self.reach.registered:
            return 0.2
        return max(0.0, min(duty.due for duty in self._duties) - time.monotonic())

    def _listen(self, wait_s: float) -> None:
        poll = select.poll()
        writing = select.POLLOUT if self._channel.writing else 0
        poll.register(self._channel, select.POLLIN | writing)
        poll.poll(wait_s * 1000)
        self._board.keeper_tick()
        self._channel.flush()
        for message in self._channel.receive():
            self._hear(message)

    def _hear(self, message: messages.ToKeeper) -> None:
        match message:
            case Born() | Gone():
                self.charges.hear(message)
            case Died():
                self.charges.hear(message)
                self._deaths.append(message)
            case Facts():
                self._take_facts(message.facts)
            case Close():
                self._closing = True
            case KeeperBoot():
                pass  # heard once, before the loop

    def _take_facts(self, facts: dict[str, object]) -> None:
        """Keep what the next heartbeat tells; tell it at once where runners came or went."""
        if _news(facts) != _news(self._facts):
            self._at_once(self._beat)
        self._facts = facts

    def _at_once(self, do: Callable[[], object]) -> None:
        """Have a duty done again in the next turn."""
        for duty in self._duties:
            if duty.do == do:
                duty.due = 0.0

    # --- duties --------------------------------------------------------------------------------

    def _register(self) -> None:
        lease_ms = int(self._boot.lease_s * 1000)
        word = self._ask(
            operations.register(self._namespace, self._me, lease_ms, self._facts_json())
        )
        if word == "retired":
            self._expelled()
            return
        self.teach()
        self._look_at_eviction()
        rites.mark_open(self.reach)
        self.reach.registered = True
        self._channel.send(messages.Registered(supervisor=self._me))

    def teach(self) -> None:
        """Load what runners call: many start at once, and each would send what Redis lacks."""
        with contextlib.suppress(errors.RedisRefused):  # a user who may not: then they do
            for name in operations.OF_RUNNERS:
                self.reach.wire.send_raw("SCRIPT", "LOAD", load_script(name).source)
                self.reach.wire.receive_reply()

    def _look_at_eviction(self) -> None:
        """Warn of a Redis that would lose jobs without a word: nobody else looks for that."""
        with contextlib.suppress(errors.RedisRefused):  # a user who may not ask
            policy = server.info(self.reach.wire).get("maxmemory_policy", "")
            if policy.startswith("allkeys-"):  # no key of ours has an expiry
                self._log.warning(Event.REDIS_EVICTS, policy=policy)

    def _expelled(self) -> None:
        self.reach.registered = False
        with contextlib.suppress(OSError):
            rites.open_file(self.reach, self._me).unlink()  # Redis has closed it
        self._channel.send(messages.Expelled())
        while not (self._channel.closed or self._closing):
            self._listen(1.0)  # the supervisor ends us; an emptied Redis would take the id again

    def _facts_json(self) -> bytes:
        return messages.encode(self._facts)

    def _deliver(self) -> None:
        """Hand in deaths, in order."""
        while self._deaths:
            death = self._deaths[0]
            slot = Slot(death.supervisor, death.slot, death.incarnation)
            last_call = self.reach.spool / pending.file_name(slot)
            # it left while Redis was away: what it had to say comes first. Not Path's, which raises
            # where we may not look into the spool
            if os.path.exists(last_call):
                rites.hand_in(self.reach, last_call)
            fate = rites.deliver(self.reach, death)
            with contextlib.suppress(OSError):
                last_call.unlink(missing_ok=True)
            self._deaths.popleft()
            if fate.job_id:
                self._board.alarm()
            self._channel.send(
                Recorded(
                    slot=death.slot,
                    incarnation=death.incarnation,
                    supervisor=death.supervisor,
                    fate=fate,
                )
            )

    def _promote(self) -> None:
        if self._ask(operations.promote(self._namespace, PROMOTE_MOST)) >= PROMOTE_MOST:
            self._at_once(self._promote)  # a death that is told meanwhile comes first

    def _kick(self) -> None:
        told = self._ask(operations.kick(self._namespace))
        if told.crashing:
            self._board.alarm()  # it may have crashed on another host
        for name in told.held:
            if name not in self._held:
                self._log.error(Event.CRASH_LOOP, job=name, message=_HELD.format(name=name))
                self._channel.send(messages.Held())
            self._let_go(name)
        self._held = set(told.held)

    def _let_go(self, name: str) -> None:
        """Try a class that is held for other code with ours; once: another host may have that."""
        jobs, code = self._facts.get("jobs"), str(self._facts.get("code") or "")
        if not (code and isinstance(jobs, list) and name in jobs) or (name, code) in self._tried:
            return
        word, _, more = self._ask(operations.unhold(self._namespace, name, code))
        while more:
            word, _, more = self._ask(operations.unhold(self._namespace, name, code))
        if word == "ok":
            self._tried.add((name, code))
            self._log.info(Event.CLASS_RESUMED, job=name)

    def _rotate(self) -> None:
        self._ask(operations.rotate(self._namespace))

    def _beat(self) -> None:
        if self._boot.ticking and not self._turning.alive(self._board.ticks, time.monotonic()):
            return
        beat = operations.beat(self._namespace, self._me, self._facts_json())
        if self._ask(beat) == "no member":
            self._expelled()

    def _observe(self) -> None:
        if self.reach.away:  # a full disk or a replica lets us read: that is no end of an outage
            return
        rows = self._ask(operations.supervisors(self._namespace))
        now = time.monotonic()
        for row in self._observer.look((r for r in rows if r.supervisor != self._me), now):
            host = str(row.facts.get("host", "?"))
            record = lost_record(Cause.HOST_LOST, host, row.supervisor)
            operation = operations.retire(
                self._namespace,
                row.supervisor,
                beat=row.beat,
                death=Death.LOST,
                record=record,
                readable=False,
            )
            word, lost = self._ask(operation)
            if word == "ok":
                names = _names(row.supervisor, row.facts)
                rites.see_off(self.reach, row.supervisor, lost, names, host, Cause.HOST_LOST)


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

    spool = Path(boot.spool)
    unheard = functools.partial(rites.leave_line, spool, boot.identity.supervisor)
    voice = Voice(log_fd, boot.identity, unheard, console=boot.console)
    keeper = Keeper(Reach(boot, channel, Scoreboard(board_fd), voice.log))
    for message in rest:
        keeper._hear(message)
    rites.pass_lines_on(spool, voice.say)
    keeper.run()
    voice.finish()
