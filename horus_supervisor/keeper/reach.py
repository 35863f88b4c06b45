"""What a keeper's duties and its last rites work with: Redis, and whether that is away."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from horus_supervisor import errors, logs, messages
from horus_supervisor.address import parse_url
from horus_supervisor.channel import Channel
from horus_supervisor.events import Event
from horus_supervisor.messages import KeeperBoot
from horus_supervisor.scoreboard import Scoreboard
from horus_supervisor.store import operations
from horus_supervisor.store.operation import Operation
from horus_supervisor.store.wire import Wire

T = TypeVar("T")

CALL_TIMEOUT_S = 2.0

STARTS_WITHIN_S = 3.0
"""Seconds for an embedded Redis, started when we are, before it counts as away."""

REFUSED_S = 10.0
"""Seconds after which one script's refusal is over though it was not called again. Till then others
that work are no end of it: a user who may not do all would be told at each call."""


class Reach:
    """A keeper's wire, log, scoreboard and way to its supervisor; tells an outage once."""

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
        self.me = boot.identity.supervisor
        self.namespace = boot.namespace
        self.host = boot.identity.host
        address = parse_url(boot.redis_url)
        self.home = f"{address.safe}, namespace {boot.namespace}"
        """Where Redis knows our supervisor, in words that may be told."""
        name = f"horus:{self.me}:keeper"
        self.wire = Wire(address, timeout_s=CALL_TIMEOUT_S, name=name, check_version=True)
        self.spool = Path(boot.spool)
        self.registered = False
        self.away = False
        self._told = board.redis_is_away  # by a predecessor: runners and the log know
        self._told_refusal = False
        self._refused, self._refused_at = "", -REFUSED_S  # the script that it refused last
        embedded = boot.redis_url.startswith("embedded:")
        self._quiet_until = time.monotonic() + STARTS_WITHIN_S if embedded else 0.0

    def ask(self, operation: Operation[T]) -> T:
        """Run an operation; raises while Redis is away: the duty is simply done again later."""
        self.board.keeper_tick()  # a slow Redis is not our silence
        name, now = operation.script.name, time.monotonic()
        try:
            reply = self.wire.run(operation)
        except errors.RedisRefused:
            self._refused, self._refused_at = name, now
            raise
        self._quiet_until = 0.0
        self.away = False
        refuses = name != self._refused and now < self._refused_at + REFUSED_S
        if self._told and not refuses:
            self._told = self._told_refusal = False
            self._refused_at = -REFUSED_S
            self.board.redis_away(False)
            self.log.info(Event.REDIS_RESTORED)
            if self.registered:  # the supervisor has been told that Redis is away
                self.channel.send(messages.Registered(supervisor=self.me))
        return reply

    def args_of(self, job_id: str | None) -> str | None:
        """Give a job's arguments for a line of the log; None where that may not have them.

        Nor where Redis goes away over it: the line, of a death that it has, is told without.
        """
        job = None
        if self.boot.identity.args and job_id:
            with contextlib.suppress(errors.HorusError):
                job = self.ask(operations.find(self.namespace, job_id)).job
        return job.payload.decode("utf-8", "replace") if job else None

    def does(self, duty: Callable[[], object]) -> bool:
        """Do a duty; False where Redis went away over it, which is noted and told."""
        try:
            duty()
        except errors.RedisRefused as error:
            self.lost(str(error), refused=True)
            self.channel.send(messages.RedisRefusedUs(error=str(error)))
            return False
        except errors.HorusError as error:
            self.lost(str(error))
            return False
        return True

    def lost(self, why: str, *, refused: bool = False) -> None:
        """Note that Redis is away; tell it once, and once more where it is there and refuses us."""
        if time.monotonic() < self._quiet_until:
            return
        if not refused:  # an outage: what was refused before it may be granted after
            self._refused_at = -REFUSED_S
        self.away = True
        if not self._told or (refused and not self._told_refusal):
            self._told, self._told_refusal = True, refused
            self.board.redis_away(True)
            self.log.error(Event.REDIS_LOST, error=why)
            self.channel.send(messages.RedisLost(error=why))
