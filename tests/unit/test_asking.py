"""Asking for runners: without room, without descriptors, and which life a seat has next."""

from __future__ import annotations

import pytest

from horus_supervisor import linux
from horus_supervisor.scoreboard import Phase, SlotWriter
from horus_supervisor.supervisor.inbox import Inbox
from horus_supervisor.supervisor.plan import Action, Do
from tests.support.descriptors import open_descriptors
from tests.unit.test_births import ME, House, house, runner
from tests.unit.test_plan import GROUP

__all__ = ["house", "runner"]  # fixtures


def test_a_template_without_room_is_asked_again_at_the_next_turn_and_nothing_stays_open(
    house: House,
) -> None:
    house.crew.bury(house.seat)
    house.let_go()
    house.room = False
    before = len(open_descriptors())
    house.ask(11.0)
    assert house.seat.life is None
    assert len(open_descriptors()) == before
    house.room = True
    house.ask(11.0)
    assert len(house.asked) == 1, "the same turn"
    house.ask(11.1)
    assert [spec.incarnation for spec in house.asked][1:] != [1]


@pytest.mark.parametrize(
    ("where", "what"), [(linux, "memory_file"), (Inbox, "watch_bulk")], ids=["file", "watch"]
)
def test_a_want_of_descriptors_costs_a_moment_and_leaks_none(
    house: House, monkeypatch: pytest.MonkeyPatch, where: object, what: str
) -> None:
    def none_left(*_: object) -> int:
        raise OSError(24, "Too many open files")

    house.crew.bury(house.seat)
    house.let_go()
    before = len(open_descriptors())
    monkeypatch.setattr(where, what, none_left)
    house.ask(11.0)
    assert house.seat.life is None
    assert len(open_descriptors()) == before
    [told] = house.told_lines("supervisor.starved")
    assert told["message"].startswith("no runner can be asked for: [Errno 24]")
    monkeypatch.undo()
    house.ask(11.5)
    assert house.seat.life is None
    house.ask(12.1)
    assert house.seat.life


def test_a_life_has_a_number_that_no_other_in_its_slot_had(house: House) -> None:
    house.crew.bury(house.seat)
    house.crew.apply(Action(Do.FORGET, "q/1"), 11.0, ME)
    house.crew.seat({"q/1": GROUP}, 1)
    house.ask(12.0)
    first, second = house.asked
    assert (first.slot, second.slot) == (second.slot, first.slot)
    assert second.incarnation > first.incarnation


def test_one_that_left_before_its_first_claim_has_not_served(house: House, runner: int) -> None:
    house.births.hear(house.told(runner))
    row = SlotWriter(house.board, house.seat.slot)
    row.phase(Phase.LEFT, 1)  # told stale, or its predecessor's death was not recorded in time
    [seen] = house.crew.seen(10.0)
    assert (seen.served, house.crew.how_far(house.seat)) == (False, (house.template, False))
    row.finishing(1)
    row.phase(Phase.LEFT, 2)
    assert house.crew.how_far(house.seat) == (house.template, True)
