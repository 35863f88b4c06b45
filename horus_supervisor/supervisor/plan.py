"""What to do next: seen and wanted in, actions out. Pure: no process, no clock, no file.

``plan`` decides; whoever calls applies. Each rule is one line of ``_for_runner`` or ``_for_empty``;
whose turn it is to take new code is said by ``in_turn``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from enum import Enum, auto

import msgspec
from msgspec.structs import replace

from horus_supervisor.config.schema import GroupConfig
from horus_supervisor.lifecycle import Cause

SPAWN_WITHIN_S = 30.0
"""Seconds from asking for a runner to its first sign of life."""

STACK_WITHIN_S = 0.5
"""Seconds that a runner about to be killed has to leave its stack."""


SILENT_S = 30.0
"""Seconds without a sign of life after which a runner that waits for work is stuck."""

SILENT_AT_WORK_S = 120.0
"""The same for one that starts, hands in or leaves: hooks and name servers may be slow, and a job
that was being handed in would run once more."""


class Do(Enum):
    """What can be done to a seat."""

    ROLL = auto()  # take the wanted code, after the current job
    SPAWN = auto()
    FORGET = auto()  # nobody wants this seat any more
    DRAIN = auto()  # leave after the current job
    INTERRUPT = auto()  # JobInterrupted, now
    REMIND = auto()  # JobTimeout, now
    POKE = auto()  # show that you live
    DUMP = auto()  # write your stacks
    KILL = auto()


class Action(msgspec.Struct, frozen=True):
    """One thing to do to one seat."""

    do: Do
    runner: str
    cause: Cause | None = None
    generation: int = 0


class SeatSeen(msgspec.Struct, frozen=True):
    """A seat as it is: its runner, if any, and how far its request went. Times are monotonic.

    ``generation`` is that of the code which the next runner gets, ``code`` what this one runs.
    """

    runner: str
    group: GroupConfig
    generation: int = 0
    code: int = 0
    pid: int | None = None
    born_at: float = 0.0
    served: bool = False  # it made a claim, or was about to
    awaited_since: float | None = None  # a runner was asked for, and has no pid yet
    ready_at: float = 0.0  # not before, by the restart policy
    executing: bool = False
    draining: bool = False
    interrupted_at: float | None = None
    overdue_since: float | None = None  # JobTimeout was raised then
    dumped_at: float | None = None
    stack_left: bool = False
    idle: bool = False
    silent_s: float = 0.0  # it has made no sign of life for so long, outside of jobs
    to_be_poked: bool = False
    too_large: bool = False  # past hard_memory
    killed: bool = False


class Wanted(msgspec.Struct, frozen=True):
    """What should be: seats by runner name, the code that they run, and whether we stop."""

    seats: dict[str, GroupConfig]
    generation: int = 0
    proven: bool = True  # that generation has served here before
    claim_within_s: float = 120.0  # from the birth of a runner of code that has not
    may_spawn: Collection[int] = (0,)  # generations of which a runner can be born now
    stopping: bool = False
    interrupt_at: float | None = None


def plan(seen: list[SeatSeen], wanted: Wanted, now: float) -> list[Action]:
    """Tell what to do at ``now`` (monotonic seconds)."""
    generation = wanted.generation
    turns = set() if wanted.stopping else set(in_turn(seen, wanted))
    actions = [Action(Do.ROLL, runner, generation=generation) for runner in sorted(turns)]
    for seat in seen:
        if seat.runner in turns:
            seat = replace(seat, generation=generation, ready_at=0.0)
        group = None if wanted.stopping else wanted.seats.get(seat.runner)
        if _is_empty(seat):
            actions.extend(_for_empty(seat, group, wanted, now))
        elif not seat.killed:
            actions.extend(_for_runner(seat, group, wanted, now))
    return actions


def in_turn(seen: list[SeatSeen], wanted: Wanted) -> Iterator[str]:
    """Tell whose turn it is to take the wanted code.

    It is one of each group, once those before it serve; and who is not there, as soon as that code
    has served here. First who does no work, so that a long job keeps nobody else on old code.
    """
    if all(seat.generation == wanted.generation for seat in seen):
        return
    groups: dict[str, list[SeatSeen]] = {}
    for seat in seen:
        if group := wanted.seats.get(seat.runner):
            groups.setdefault(group.name, []).append(seat)
    for seats in groups.values():
        left = [seat for seat in seats if seat.generation != wanted.generation]
        own = [seat for seat in seats if seat.generation == wanted.generation]
        absent = [seat.runner for seat in left if _is_empty(seat)]
        if absent and (wanted.proven or any(map(_serves, own))):
            yield from absent
        elif left and all(_serves(seat) or _is_held_back(seat) for seat in own):
            yield min(left, key=_usefulness).runner


def _is_empty(seat: SeatSeen) -> bool:
    return seat.pid is None and seat.awaited_since is None


def _is_held_back(seat: SeatSeen) -> bool:
    """Whether it waits by the restart policy: its jobs may go on killing it, whatever the code."""
    return _is_empty(seat) and seat.ready_at > 0


def _serves(seat: SeatSeen) -> bool:
    own = seat.pid is not None and seat.code == seat.generation
    return own and seat.served and not (seat.draining or seat.killed)


def _usefulness(seat: SeatSeen) -> tuple[bool, bool, bool]:
    return not _is_empty(seat), _serves(seat), seat.executing


def _for_empty(
    seat: SeatSeen, group: GroupConfig | None, wanted: Wanted, now: float
) -> Iterator[Action]:
    if group is None:
        yield Action(Do.FORGET, seat.runner)
    elif seat.generation in wanted.may_spawn and now >= seat.ready_at:
        yield Action(Do.SPAWN, seat.runner)


def _for_runner(
    seat: SeatSeen, group: GroupConfig | None, wanted: Wanted, now: float
) -> Iterator[Action]:
    if _is_late(seat, wanted, now):
        yield Action(Do.KILL, seat.runner, Cause.STUCK)
        return
    if seat.too_large:
        yield Action(Do.KILL, seat.runner, Cause.MEMORY)
        return
    if seat.silent_s > (SILENT_S if seat.idle else SILENT_AT_WORK_S):
        yield _kill_with_a_stack(seat, Cause.STUCK, now)
        return
    if seat.to_be_poked:
        yield Action(Do.POKE, seat.runner)
    if (group != seat.group or seat.code != seat.generation) and not seat.draining:
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


def _is_late(seat: SeatSeen, wanted: Wanted, now: float) -> bool:
    """Whether it was not born in time, or the wanted code keeps it, and the roll, from a claim."""
    if seat.awaited_since is not None:
        return now - seat.awaited_since > SPAWN_WITHIN_S
    if seat.served or seat.code != wanted.generation or wanted.proven or wanted.stopping:
        return False
    return now - seat.born_at > wanted.claim_within_s


def _for_overdue(seat: SeatSeen, now: float) -> Action:
    assert seat.overdue_since is not None
    if now - seat.overdue_since < seat.group.kill_after_s:
        return Action(Do.REMIND, seat.runner)
    return _kill_with_a_stack(seat, Cause.TIMEOUT, now)


def _kill_with_a_stack(seat: SeatSeen, cause: Cause, now: float) -> Action:
    if seat.dumped_at is None:
        return Action(Do.DUMP, seat.runner)
    if seat.stack_left or now - seat.dumped_at >= STACK_WITHIN_S:
        return Action(Do.KILL, seat.runner, cause)
    return Action(Do.REMIND, seat.runner)
