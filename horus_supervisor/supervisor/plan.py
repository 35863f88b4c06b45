"""What to do next: seen and wanted in, actions out. Pure: no process, no clock, no file.

``plan`` decides; whoever calls applies. Each rule is one line of ``_for_runner`` or ``_for_empty``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto

from horus_supervisor.config.schema import GroupConfig
from horus_supervisor.lifecycle import Cause

SPAWN_WITHIN_S = 30.0
"""Seconds from asking for a runner to its first sign of life."""

STACK_WITHIN_S = 0.5
"""Seconds that a runner about to be killed has to leave its stack."""


class Do(Enum):
    """What can be done to a seat."""

    SPAWN = auto()
    FORGET = auto()  # nobody wants this seat any more
    DRAIN = auto()  # leave after the current job
    INTERRUPT = auto()  # JobInterrupted, now
    REMIND = auto()  # JobTimeout, now
    DUMP = auto()  # write your stacks
    KILL = auto()


@dataclass(frozen=True, slots=True)
class Action:
    """One thing to do to one seat."""

    do: Do
    runner: str
    cause: Cause | None = None


@dataclass(frozen=True, slots=True)
class SeatSeen:
    """A seat as it is: its runner, if any, and how far its request went. Times are monotonic."""

    runner: str
    group: GroupConfig
    pid: int | None = None
    asked_at: float | None = None  # a runner was asked for
    ready_at: float = 0.0  # not before, by the restart policy
    executing: bool = False
    draining: bool = False
    interrupted_at: float | None = None
    overdue_since: float | None = None  # JobTimeout was raised then
    dumped_at: float | None = None
    stack_left: bool = False
    killed: bool = False


@dataclass(frozen=True, slots=True)
class Wanted:
    """What should be: seats by runner name, and whether we stop."""

    seats: dict[str, GroupConfig]
    may_spawn: bool = True
    stopping: bool = False
    interrupt_at: float | None = None


def plan(seen: list[SeatSeen], wanted: Wanted, now: float) -> list[Action]:
    """Tell what to do at ``now`` (monotonic seconds)."""
    actions: list[Action] = []
    for seat in seen:
        group = None if wanted.stopping else wanted.seats.get(seat.runner)
        if seat.pid is None and seat.asked_at is None:
            actions.extend(_for_empty(seat, group, wanted, now))
        elif not seat.killed:
            actions.extend(_for_runner(seat, group, wanted, now))
    return actions


def _for_empty(
    seat: SeatSeen, group: GroupConfig | None, wanted: Wanted, now: float
) -> Iterator[Action]:
    if group is None:
        yield Action(Do.FORGET, seat.runner)
    elif wanted.may_spawn and now >= seat.ready_at:
        yield Action(Do.SPAWN, seat.runner)


def _for_runner(
    seat: SeatSeen, group: GroupConfig | None, wanted: Wanted, now: float
) -> Iterator[Action]:
    if seat.asked_at is not None and now - seat.asked_at > SPAWN_WITHIN_S:
        yield Action(Do.KILL, seat.runner, Cause.STUCK)
        return
    if group != seat.group and not seat.draining:
        yield Action(Do.DRAIN, seat.runner)
    if wanted.interrupt_at is not None and now >= wanted.interrupt_at:
        if seat.interrupted_at is None:
            yield Action(Do.INTERRUPT, seat.runner)
        elif now - seat.interrupted_at >= seat.group.kill_after_s:
            yield Action(Do.KILL, seat.runner)
        elif seat.executing:  # a signal would only disturb who hands in
            yield Action(Do.REMIND, seat.runner)
    elif seat.overdue_since is not None:
        yield _for_overdue(seat, now)


def _for_overdue(seat: SeatSeen, now: float) -> Action:
    assert seat.overdue_since is not None
    if now - seat.overdue_since < seat.group.kill_after_s:
        return Action(Do.REMIND, seat.runner)
    if seat.dumped_at is None:
        return Action(Do.DUMP, seat.runner)
    if seat.stack_left or now - seat.dumped_at >= STACK_WITHIN_S:
        return Action(Do.KILL, seat.runner, Cause.TIMEOUT)
    return Action(Do.REMIND, seat.runner)
