"""The restart policy: credit, delays, and how they are earned back."""

from __future__ import annotations

import pytest

from horus_supervisor.supervisor.credit import FIRST_DELAY_S, LONGEST_DELAY_S, Credit, Credits


def crash_loop(credit: Credit, times: int, now: float = 100.0) -> list[float]:
    """Charge for something that dies the moment it is started; the delays."""
    delays = []
    for _ in range(times):
        delays.append(credit.charge(now))
        now += delays[-1]
    return delays


@pytest.mark.parametrize("runners", [1, 4])
def test_a_group_has_twice_its_runners_in_immediate_restarts(runners: int) -> None:
    delays = crash_loop(Credit(2 * runners), 2 * runners + 1)
    assert delays == [0.0] * 2 * runners + [FIRST_DELAY_S]


def test_past_that_delays_double_up_to_the_longest() -> None:
    delays = crash_loop(Credit(2), 12)[2:]
    assert delays == [0.5, 1, 2, 4, 8, 16, 30, 30, 30, 30]
    assert delays[-1] == LONGEST_DELAY_S


def test_a_second_of_service_earns_one_restart() -> None:
    credit = Credit(4)
    crash_loop(credit, 4, now=100.0)
    assert credit.charge(101.0) == 0.0
    assert credit.charge(101.5) > 0


def test_no_more_is_earned_than_a_group_may_have() -> None:
    credit = Credit(2)
    credit.charge(0.0)
    assert crash_loop(credit, 3, now=1_000_000.0) == [0.0, 0.0, FIRST_DELAY_S]


def test_the_time_of_a_delay_earns_nothing() -> None:
    credit = Credit(2)
    delays = crash_loop(credit, 8)
    assert all(delay > 0 for delay in delays[2:])


def test_delays_are_short_again_once_all_is_earned_back() -> None:
    credit = Credit(2)
    waited = sum(crash_loop(credit, 7))
    healthy_again = 100.0 + waited + 2.0
    assert crash_loop(credit, 3, now=healthy_again) == [0.0, 0.0, FIRST_DELAY_S]


def test_a_short_recovery_does_not_make_delays_short_again() -> None:
    credit = Credit(4)
    delays = crash_loop(credit, 8)
    now = 100.0 + sum(delays) + 3.0
    assert crash_loop(credit, 4, now) == [0.0, 0.0, 0.0, 2 * delays[-1]]


def test_all_of_a_group_that_die_in_a_delay_wait_for_its_end() -> None:
    credit = Credit(2)
    crash_loop(credit, 2, now=100.0)
    first = credit.charge(100.0)
    others = [credit.charge(100.1), credit.charge(100.2)]
    assert [now + wait for now, wait in zip((100.1, 100.2), others, strict=True)] == [
        pytest.approx(100.0 + first)
    ] * 2


def test_what_is_forgiven_was_never_charged() -> None:
    group_credits = Credits()
    assert [group_credits.charge("g", 1, 100.0) for _ in range(3)] == [0.0, 0.0, FIRST_DELAY_S]
    group_credits.forgive()
    assert [group_credits.charge("g", 1, 100.1) for _ in range(3)] == [0.0, 0.0, FIRST_DELAY_S]


def test_a_group_that_grows_may_restart_more() -> None:
    credit = Credit(2)
    crash_loop(credit, 2, now=100.0)
    credit.most = 20
    assert crash_loop(credit, 11, now=110.0) == [0.0] * 10 + [FIRST_DELAY_S]


def test_one_groups_trouble_slows_no_other() -> None:
    groups = Credits()
    assert [groups.charge("bad", 1, 100.0) for _ in range(3)] == [0.0, 0.0, FIRST_DELAY_S]
    assert groups.charge("good", 1, 100.0) == 0.0


def test_what_never_served_earns_nothing_while_it_starts() -> None:
    credit = Credit(2)
    now, delays = 100.0, []
    for _ in range(6):
        now += 3.0  # an import that takes so long, and fails
        credit.forfeit(now)
        delays.append(credit.charge(now))
        now += delays[-1]
    assert delays == [0.0, 0.0, 0.5, 1.0, 2.0, 4.0]


def test_a_forfeit_does_not_cut_a_delay_short() -> None:
    credit = Credit(1)
    credit.charge(100.0)
    credit.charge(100.0)
    credit.forfeit(100.1)
    assert credit.charge(100.2) == pytest.approx(FIRST_DELAY_S - 0.2)
