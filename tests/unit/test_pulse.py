"""Signs of life of a runner outside of jobs: who makes none is poked, and then told apart."""

from __future__ import annotations

import pytest

from horus_supervisor.scoreboard import Phase
from horus_supervisor.supervisor.pulse import POKE_AFTER_S, POKE_EVERY_S, Pulse

TURN_S = 0.5


def turns(pulse: Pulse, since: float, until: float, *, beats: int = 7, **how: bool) -> list[float]:
    """Look twice a second; the times at which a poke was wanted."""
    pokes = []
    while since <= until:
        if pulse.look(beats, Phase.IDLE, since, excused=how.get("excused", False)):
            pokes.append(since)
        since += TURN_S
    return pokes


def test_who_is_silent_is_poked_now_and_then_and_not_before() -> None:
    pulse = Pulse()
    assert turns(pulse, 0, POKE_AFTER_S - TURN_S) == []
    pokes = turns(pulse, POKE_AFTER_S, POKE_AFTER_S + 3 * POKE_EVERY_S - TURN_S)
    assert pokes == [POKE_AFTER_S + n * POKE_EVERY_S for n in range(3)]


def test_silence_grows_until_there_is_a_sign() -> None:
    pulse = Pulse()
    turns(pulse, 0, 12, beats=7)
    assert pulse.silent_s == 12
    turns(pulse, 12.5, 12.5, beats=8)
    assert pulse.silent_s == 0


@pytest.mark.parametrize(
    ("phase", "excused"), [(Phase.EXECUTING, False), (Phase.IDLE, True), (Phase.FINISHING, True)]
)
def test_a_job_and_a_full_log_are_no_silence(phase: Phase, excused: bool) -> None:
    pulse = Pulse()
    turns(pulse, 0, 20)
    assert not pulse.look(7, phase, 20.5, excused=excused)
    assert pulse.silent_s == 0
    turns(pulse, 21, 25)
    assert pulse.silent_s == 4


def test_a_pause_of_the_supervisor_is_no_silence_of_its_runners() -> None:
    pulse = Pulse()
    pulse.look(7, Phase.IDLE, 0.0, excused=False)
    pulse.look(7, Phase.IDLE, 3600.0, excused=False)
    assert pulse.silent_s <= 1
