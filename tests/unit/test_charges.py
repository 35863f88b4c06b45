"""The runners that a keeper has charge of, in a sandbox that refuses pidfd_open."""

from __future__ import annotations

import os

import pytest

from horus_supervisor import proc
from horus_supervisor.keeper.charges import Charges
from horus_supervisor.messages import Born, Gone
from horus_supervisor.scoreboard import Scoreboard
from tests.support.processes import Bounded


def _refuse(_pid: int) -> int:
    raise PermissionError(1, "Operation not permitted")


def test_without_pidfds_runners_are_seen_dead_all_the_same(
    monkeypatch: pytest.MonkeyPatch, board: Scoreboard
) -> None:
    monkeypatch.setattr(os, "pidfd_open", _refuse)
    charges = Charges()
    board.clear(0, 1)
    with Bounded(["sleep", "60"], process_group=0) as runner:
        born = Born(slot=0, incarnation=1, pid=runner.pid, runner="q/1", group="q", own_group=True)
        charges.hear(born)
        assert charges.born == [born]
        charges.end(board)
        assert not proc.lives(runner.pid)
    charges.hear(Gone(slot=0, incarnation=1))
    assert charges.born == []
