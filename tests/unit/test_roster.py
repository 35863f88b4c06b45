"""How often the keeper is told what the runners do."""

from __future__ import annotations

from horus_supervisor.supervisor.roster import EVERY_S, SOON_S, Due


def test_what_changes_is_told_soon_and_not_each_time() -> None:
    due, told = Due(), 0
    for turn in range(100):  # a second, in which a hundred runners are born
        due.soon()
        told += due.look(now=turn / 100)
    assert told == 1 / SOON_S


def test_what_does_not_change_is_told_now_and_then() -> None:
    due = Due()
    assert due.look(now=0.0)
    assert not due.look(now=EVERY_S - 0.1)
    assert due.look(now=EVERY_S)
