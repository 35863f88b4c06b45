"""Seats: what is written into them, and when."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from horus_supervisor.supervisor.crew import Crew
from tests.unit.test_plan import GROUP


def test_an_empty_seat_takes_new_settings_and_one_that_is_taken_keeps_its_own() -> None:
    nothing: Any = None
    crew = Crew(nothing, nothing, nothing)
    edited = replace(GROUP, max_jobs=7)
    for wanted in (GROUP, edited):
        crew.seat({"q/1": wanted}, 1)
        assert crew.seats["q/1"].group is wanted
    life: Any = "somebody"
    crew.seats["q/1"].life = life
    crew.seat({"q/1": GROUP}, 1)
    assert crew.seats["q/1"].group is edited


def test_more_seats_than_slots_wait_for_one() -> None:
    nothing: Any = None
    crew = Crew(nothing, nothing, nothing)
    del crew._free[1:]
    crew.seat({"q/1": GROUP, "q/2": GROUP}, 1)
    assert list(crew.seats) == ["q/1"]
