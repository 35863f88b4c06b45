"""What to do next, rule by rule, without a process."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from msgspec.structs import replace

from horus_supervisor.config.schema import GroupConfig
from horus_supervisor.lifecycle import Cause
from horus_supervisor.supervisor.plan import (
    SILENT_AT_WORK_S,
    SILENT_S,
    SPAWN_WITHIN_S,
    STACK_WITHIN_S,
    Action,
    Do,
    SeatSeen,
    Wanted,
    plan,
)

GROUP = GroupConfig(
    name="q",
    queues=("q",),
    weights=(1,),
    runners=0,
    job_timeout_s=None,
    kill_after_s=5.0,
    max_jobs=None,
    max_memory=None,
    hard_memory=None,
    max_crashes=3,
    hold_after=10,
    crash_delay_s=15.0,
    unknown_job_after_s=3600.0,
)
OTHER = dataclasses.replace(GROUP, max_jobs=7)
RUN = Wanted({"q/1": GROUP})
STOP = Wanted({"q/1": GROUP}, stopping=True, interrupt_at=100.0)


def seat(**seen: Any) -> SeatSeen:
    return SeatSeen("q/1", GROUP, **seen)


def done(seen: SeatSeen, wanted: Wanted, now: float = 50.0) -> list[Do]:
    return [action.do for action in plan([seen], wanted, now)]


# --- empty seats -------------------------------------------------------------------------------


def test_an_empty_seat_that_is_wanted_gets_a_runner() -> None:
    assert done(seat(), RUN) == [Do.SPAWN]


def test_a_seat_waits_for_its_restart_delay() -> None:
    assert done(seat(ready_at=50.1), RUN, now=50.0) == []
    assert done(seat(ready_at=50.1), RUN, now=50.1) == [Do.SPAWN]


def test_no_runner_is_asked_for_before_template_and_keeper_are_ready() -> None:
    assert done(seat(), replace(RUN, may_spawn=())) == []


def test_a_runner_that_was_asked_for_is_not_asked_for_again() -> None:
    assert done(seat(awaited_since=49.0), RUN) == []


@pytest.mark.parametrize("wanted", [Wanted({}), Wanted({"q/2": GROUP}), STOP])
def test_an_empty_seat_that_nobody_wants_is_forgotten(wanted: Wanted) -> None:
    assert done(seat(), wanted) == [Do.FORGET]


def test_an_empty_seat_is_forgotten_in_its_delay_too() -> None:
    assert done(seat(ready_at=1000.0), STOP) == [Do.FORGET]


def test_a_seat_of_a_group_with_new_settings_is_filled_by_them() -> None:
    assert done(seat(), Wanted({"q/1": OTHER})) == [Do.SPAWN]


# --- runners -----------------------------------------------------------------------------------


def test_a_runner_that_is_wanted_is_left_alone() -> None:
    assert done(seat(pid=7), RUN) == []


@pytest.mark.parametrize("wanted", [Wanted({}), Wanted({"q/1": OTHER}), STOP])
def test_a_runner_that_is_not_wanted_as_it_is_leaves_after_its_job(wanted: Wanted) -> None:
    assert done(seat(pid=7), wanted) == [Do.DRAIN]
    assert done(seat(pid=7, draining=True), wanted) == []


def test_a_runner_that_was_asked_to_leave_leaves_though_it_is_wanted_again() -> None:
    assert done(seat(pid=7, draining=True), RUN) == []


def test_only_what_changed_is_touched() -> None:
    seen = [replace(seat(pid=n), runner=f"q/{n}") for n in (1, 2, 3)]
    wanted = Wanted({"q/1": GROUP, "q/2": OTHER, "q/3": GROUP})
    assert plan(seen, wanted, 50.0) == [Action(Do.DRAIN, "q/2")]


def test_a_runner_that_the_template_never_told_of_is_given_up() -> None:
    unborn = seat(awaited_since=10.0)
    assert done(unborn, RUN, now=10.0 + SPAWN_WITHIN_S) == []
    actions = plan([unborn], RUN, 10.1 + SPAWN_WITHIN_S)
    assert actions == [Action(Do.KILL, "q/1", Cause.STUCK)]


def test_who_was_killed_is_waited_for() -> None:
    late = seat(pid=7, killed=True, draining=True, interrupted_at=1.0, overdue_since=1.0)
    assert done(late, STOP, now=1000.0) == []


# --- a stop that can't wait --------------------------------------------------------------------


def test_running_jobs_may_finish_until_the_shutdown_timeout() -> None:
    assert done(seat(pid=7, draining=True), STOP, now=99.9) == []
    assert done(seat(pid=7, draining=True), STOP, now=100.0) == [Do.INTERRUPT]


def test_an_interrupted_runner_is_reminded_and_then_killed_uncounted() -> None:
    interrupted = seat(pid=7, draining=True, interrupted_at=100.0)
    assert done(interrupted, STOP, now=104.9) == []
    executing = replace(interrupted, executing=True)
    assert done(executing, STOP, now=104.9) == [Do.REMIND]
    assert plan([interrupted], STOP, 105.0) == [Action(Do.KILL, "q/1", None)]


def test_a_stop_that_is_urgent_at_once_drains_and_interrupts() -> None:
    assert done(seat(pid=7), STOP, now=100.0) == [Do.DRAIN, Do.INTERRUPT]


def test_a_runner_that_is_not_born_yet_is_stopped_too() -> None:
    assert done(seat(awaited_since=99.0), STOP, now=100.0) == [Do.DRAIN, Do.INTERRUPT]


def test_an_interruption_goes_before_a_timeout() -> None:
    both = seat(pid=7, draining=True, overdue_since=10.0, dumped_at=15.0, stack_left=True)
    assert done(both, STOP, now=100.0) == [Do.INTERRUPT]


# --- timeouts ----------------------------------------------------------------------------------


def test_a_late_job_is_told_so_until_it_has_had_its_time() -> None:
    assert done(seat(pid=7, overdue_since=50.0), RUN, now=50.0) == [Do.REMIND]
    assert done(seat(pid=7, overdue_since=50.0), RUN, now=54.9) == [Do.REMIND]


def test_then_its_stack_is_asked_for_and_waited_for_a_moment() -> None:
    assert done(seat(pid=7, overdue_since=50.0), RUN, now=55.0) == [Do.DUMP]
    dumped = seat(pid=7, overdue_since=50.0, dumped_at=55.0)
    assert done(dumped, RUN, now=55.0 + STACK_WITHIN_S - 0.01) == [Do.REMIND]


@pytest.mark.parametrize(("stack_left", "now"), [(True, 55.01), (False, 55.0 + STACK_WITHIN_S)])
def test_then_it_is_killed(stack_left: bool, now: float) -> None:
    dumped = seat(pid=7, overdue_since=50.0, dumped_at=55.0, stack_left=stack_left)
    assert plan([dumped], RUN, now) == [Action(Do.KILL, "q/1", Cause.TIMEOUT)]


def test_the_time_that_a_late_job_has_is_that_of_its_own_group() -> None:
    patient = dataclasses.replace(GROUP, kill_after_s=60.0)
    late = SeatSeen("q/1", patient, pid=7, draining=True, overdue_since=50.0)
    assert done(late, RUN, now=100.0) == [Do.REMIND]


def test_a_late_job_of_a_runner_that_leaves_is_not_forgotten() -> None:
    assert done(seat(pid=7, draining=True, overdue_since=50.0), Wanted({}), now=55.0) == [Do.DUMP]


# --- new code ----------------------------------------------------------------------------------

THREE = {f"q/{at}": GROUP for at in (1, 2, 3)}
ROLL = Wanted(THREE, generation=2, proven=False, may_spawn=(1, 2))
BACK = replace(ROLL, generation=1, proven=True, may_spawn=(1,))


def runner(at: int, code: int, **seen: Any) -> SeatSeen:
    """A runner that serves; ``generation`` where it is to run other code next."""
    state = {"generation": code, "pid": at, "served": True, **seen}
    return SeatSeen(f"q/{at}", GROUP, code=code, **state)


def empty(at: int, generation: int, **seen: Any) -> SeatSeen:
    return SeatSeen(f"q/{at}", GROUP, generation, **seen)


def did(seen: list[SeatSeen], wanted: Wanted, now: float = 50.0) -> list[tuple[Do, str]]:
    return [(action.do, action.runner) for action in plan(seen, wanted, now)]


def test_without_new_code_nobody_has_a_turn() -> None:
    everyone = [runner(at, 1) for at in (1, 2, 3)]
    assert did(everyone, BACK) == []


def test_new_code_is_taken_by_one_of_a_group_after_its_job() -> None:
    everyone = [runner(at, 1) for at in (1, 2, 3)]
    assert plan(everyone, ROLL, 50.0) == [
        Action(Do.ROLL, "q/1", generation=2),
        Action(Do.DRAIN, "q/1"),
    ]


def test_each_group_has_its_own_turn() -> None:
    other = dataclasses.replace(GROUP, name="other")
    wanted = replace(ROLL, seats={"q/1": GROUP, "q/2": GROUP, "other/1": other})
    alone = SeatSeen("other/1", other, generation=1, code=1, pid=9, served=True)
    assert {name for _, name in did([runner(1, 1), runner(2, 1), alone], wanted)} == {
        "q/1",
        "other/1",
    }


@pytest.mark.parametrize(
    "first",
    [
        runner(1, 1, generation=2, draining=True),
        empty(1, 2, code=2, awaited_since=49.0),
        runner(1, 2, served=False, born_at=49.0),
        runner(1, 2, draining=True),
        runner(1, 2, killed=True),
    ],
)
def test_nobody_has_a_turn_before_who_had_it_serves(first: SeatSeen) -> None:
    assert did([first, runner(2, 1), runner(3, 1)], ROLL) == []


def test_who_waits_by_the_restart_policy_keeps_nobody_waiting() -> None:
    first, _ = did([empty(1, 2, ready_at=99.0), runner(2, 1), runner(3, 1)], ROLL)
    assert first == (Do.ROLL, "q/2")


def test_then_the_next_one_has_it() -> None:
    seen = [runner(1, 2), runner(2, 1), runner(3, 1)]
    assert did(seen, ROLL) == [(Do.ROLL, "q/2"), (Do.DRAIN, "q/2")]


@pytest.mark.parametrize("idle", [empty(3, 1, ready_at=99.0), runner(3, 1, served=False)])
def test_who_does_not_serve_goes_first_and_waits_for_no_delay(idle: SeatSeen) -> None:
    first, then = did([runner(1, 1), runner(2, 1), idle], ROLL)
    assert first == (Do.ROLL, "q/3")
    assert then in ((Do.SPAWN, "q/3"), (Do.DRAIN, "q/3"))


def test_who_has_no_job_goes_before_who_has_one() -> None:
    seen = [runner(1, 1, executing=True), runner(2, 1), runner(3, 1, executing=True)]
    assert did(seen, ROLL) == [(Do.ROLL, "q/2"), (Do.DRAIN, "q/2")]


def test_who_crashes_before_new_code_has_served_gets_the_old_code() -> None:
    seen = [runner(1, 1, generation=2, draining=True), empty(2, 1), runner(3, 1)]
    assert did(seen, ROLL) == [(Do.SPAWN, "q/2")]


def test_who_crashes_once_it_has_served_gets_the_new_code_at_once() -> None:
    seen = [runner(1, 2), runner(2, 1, generation=2, draining=True), empty(3, 1)]
    assert did(seen, ROLL) == [(Do.ROLL, "q/3"), (Do.SPAWN, "q/3")]


def test_a_runner_waits_for_the_template_of_its_code() -> None:
    assert did([empty(1, 1)], replace(BACK, may_spawn=(2,))) == []


def test_going_back_is_one_at_a_time_too_but_for_who_is_not_there() -> None:
    seen = [runner(1, 2), empty(2, 2), empty(3, 2)]
    assert did(seen, BACK) == [
        (Do.ROLL, "q/2"),
        (Do.ROLL, "q/3"),
        (Do.SPAWN, "q/2"),
        (Do.SPAWN, "q/3"),
    ]
    seen = [runner(1, 2), runner(2, 1, served=False), runner(3, 2)]
    assert did(seen, BACK) == []


def test_a_seat_that_nobody_wants_has_no_turn() -> None:
    unwanted = replace(ROLL, seats={"q/1": GROUP})
    assert did([runner(1, 2), runner(2, 1, draining=True)], unwanted) == []


def test_a_stop_goes_before_new_code() -> None:
    stopping = replace(ROLL, stopping=True)
    assert did([runner(1, 1), empty(2, 2)], stopping) == [(Do.DRAIN, "q/1"), (Do.FORGET, "q/2")]


def test_new_code_that_keeps_a_runner_from_its_first_claim_is_not_waited_for_for_ever() -> None:
    young = runner(1, 2, served=False, born_at=50.0)
    assert did([young], ROLL, now=50.0 + ROLL.claim_within_s) == []
    late = plan([young], ROLL, 50.1 + ROLL.claim_within_s)
    assert late == [Action(Do.KILL, "q/1", Cause.STUCK)]
    assert did([replace(young, generation=1, code=1)], BACK, now=1e6) == []


# --- limits ------------------------------------------------------------------------------------


@pytest.mark.parametrize("wanted", [RUN, STOP])
def test_a_runner_past_hard_memory_is_killed_at_once_and_once(wanted: Wanted) -> None:
    [action] = plan([seat(pid=7, too_large=True, executing=True)], wanted, 150.0)
    assert (action.do, action.cause) == (Do.KILL, Cause.MEMORY)
    assert done(seat(pid=7, too_large=True, killed=True), wanted) == []


def test_a_silent_runner_is_poked_when_that_is_due() -> None:
    assert done(seat(pid=7, silent_s=20.0), RUN) == []
    assert done(seat(pid=7, silent_s=20.0, to_be_poked=True), RUN) == [Do.POKE]


def test_a_runner_without_a_sign_of_life_leaves_its_stack_and_is_killed_as_stuck() -> None:
    silent = seat(pid=7, silent_s=SILENT_S + 1, idle=True)
    assert done(silent, RUN) == [Do.DUMP]
    dumped = replace(silent, dumped_at=50.0)
    assert done(dumped, RUN, now=50.1) == [Do.REMIND]
    for seen, now in ((replace(dumped, stack_left=True), 50.1), (dumped, 50.6)):
        [action] = plan([seen], RUN, now)
        assert (action.do, action.cause) == (Do.KILL, Cause.STUCK)


def test_a_runner_that_starts_or_hands_in_is_borne_for_longer() -> None:
    silent = seat(pid=7, silent_s=SILENT_S + 1)
    assert done(silent, RUN) == []
    longer = replace(silent, silent_s=SILENT_AT_WORK_S + 1)
    assert done(longer, RUN) == [Do.DUMP]
