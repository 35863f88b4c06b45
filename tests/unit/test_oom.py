"""Whether a SIGKILL was the kernel's, for memory."""

from __future__ import annotations

import pytest

from horus_supervisor.supervisor.oom import AT_ONCE_S, LOOK_EVERY_S, OomWatch

NOTHING, SURE = (0, 0), (1, 0)


class Kernel:
    """A counter that a test raises, and the watch over it."""

    def __init__(self) -> None:
        self.count = 7
        self.watch = OomWatch(lambda: self.count)
        self.turn(100.0)

    def turn(self, now: float) -> None:
        self.watch.look(now)

    def idle(self, since: float, until: float) -> None:
        while since < until:
            self.turn(since)
            since += 0.25


@pytest.fixture
def kernel() -> Kernel:
    return Kernel()


def test_a_kill_that_was_not_counted_is_somebody_elses(kernel: Kernel) -> None:
    assert kernel.watch.died(101.0) == NOTHING


def test_a_kill_that_was_counted_is_the_kernels(kernel: Kernel) -> None:
    kernel.count += 1
    assert kernel.watch.died(101.0) == SURE


def test_a_count_is_used_up_by_the_death_that_it_explains(kernel: Kernel) -> None:
    kernel.count += 1
    kernel.watch.died(101.0)
    assert kernel.watch.died(101.0 + 2 * AT_ONCE_S) == NOTHING


def test_a_kill_of_some_other_process_long_ago_explains_nothing(kernel: Kernel) -> None:
    kernel.count += 1
    kernel.idle(101.0, 101.0 + 3 * LOOK_EVERY_S)
    assert kernel.watch.died(110.0) == NOTHING


def test_a_count_that_was_read_just_before_the_death_was_told_is_not_lost(kernel: Kernel) -> None:
    kernel.idle(100.0, 110.0)
    kernel.count += 1
    kernel.turn(110.0 + LOOK_EVERY_S)
    assert kernel.watch.died(110.0 + LOOK_EVERY_S + 0.01) == SURE


def test_where_more_died_at_once_than_were_counted_each_is_unsure(kernel: Kernel) -> None:
    kernel.count += 1
    assert kernel.watch.died(101.0, lambda: 1) == (1, 1)
    assert kernel.watch.died(101.001) == (1, 1)
    kernel.count += 1
    assert kernel.watch.died(102.0) == SURE


def test_where_all_that_died_at_once_were_counted_each_is_sure(kernel: Kernel) -> None:
    kernel.count += 2
    assert kernel.watch.died(101.0, lambda: 1) == (2, 0)
    assert kernel.watch.died(101.001) == (2, 0)


def test_others_are_looked_at_only_where_the_kernel_killed(kernel: Kernel) -> None:
    def look() -> int:
        raise AssertionError("a call for each runner")

    assert kernel.watch.died(101.0, look) == NOTHING


def test_a_counter_that_starts_over_explains_nothing(kernel: Kernel) -> None:
    kernel.count = 0
    assert kernel.watch.died(101.0) == NOTHING
