"""A keeper that makes no sign of life: how long that is borne, and what does not count."""

from __future__ import annotations

import pytest

from horus_supervisor.lifecycle import LEASE_S
from horus_supervisor.supervisor.silence import LEAST_S, Silence, patience_s


def silent_s(silence: Silence, since: float, until: float, ticks: int = 7) -> float:
    """Look twice a second, and see the same count each time."""
    silent = silence.look(ticks, since)
    for half in range(1, int((until - since) * 2) + 1):
        silent = silence.look(ticks, since + half / 2)
    return silent


def test_silence_is_as_long_as_the_count_stands_still() -> None:
    silence = Silence()
    assert silent_s(silence, 100, 115) == 15
    assert silence.look(8, 115.5) == 0


def test_a_pause_of_ours_is_hardly_silence() -> None:
    silence = Silence()
    silence.look(7, 100)
    assert silence.look(7, 5000) == 1
    assert silent_s(silence, 5000, 5010) == 11


@pytest.mark.parametrize("lease_s", [LEASE_S, 20, 60, 600])
def test_a_keeper_is_replaced_well_before_the_lease_runs_out(lease_s: float) -> None:
    assert LEAST_S <= patience_s(lease_s) <= lease_s / 2


def test_a_short_lease_kills_no_keeper_that_waits_for_redis() -> None:
    assert patience_s(1) == LEAST_S
