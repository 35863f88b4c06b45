"""An outage that the keeper has told is told by no runner."""

from __future__ import annotations

import os
import time

import pytest

from horus_supervisor.errors import RedisAway, RedisRefused
from horus_supervisor.messages import Identity
from horus_supervisor.runner import outage
from horus_supervisor.runner.outage import Outage
from horus_supervisor.runner.voice import Voice
from horus_supervisor.scoreboard import Scoreboard, SlotWriter

ME = Identity(service="s", host="h", supervisor="a", level="info")


def test_the_next_try_is_soon_however_long_an_outage_lasts(board: Scoreboard) -> None:
    board.redis_away(True)  # so it tells nothing
    with open(os.devnull, "wb") as null:
        spell = Outage(Voice(null.fileno(), ME, "q/1", "q"), SlotWriter(board, 0))
        waits = [spell.next_try_s(RedisAway("gone")) for _ in range(1000)]
    assert 0 < max(waits) < 0.5


def test_a_runner_tells_of_an_outage_that_the_keeper_does_not_see(
    board: Scoreboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outage, "TOLD_AFTER_S", -1.0)  # any has lasted long enough
    reading, writing = os.pipe()
    spell = Outage(Voice(writing, ME, "q/1", "q"), SlotWriter(board, 0))
    board.redis_away(True)
    for error in (RedisAway("gone"), RedisRefused("no")):
        spell.next_try_s(error)
    spell.over()
    board.redis_away(False)
    for _ in range(2):
        spell.next_try_s(RedisAway("only ours"))
    spell.over()
    os.close(writing)
    with open(reading, "rb") as lines:
        told = lines.read().splitlines()
    assert len(told) == 2
    assert b"only ours" in told[0]
    assert b"redis.restored" in told[1]


def test_a_call_that_hung_under_the_mark_is_no_trouble_of_ours(
    board: Scoreboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, writing = os.pipe()
    spell = Outage(Voice(writing, ME, "q/1", "q"), SlotWriter(board, 0))
    for now, away, error in ((0, True, "gone"), (20, False, "late"), (31, False, "only ours")):
        monkeypatch.setattr(time, "monotonic", lambda now=now: now)
        board.redis_away(away)
        spell.next_try_s(RedisAway(error))
    monkeypatch.undo()
    os.close(writing)
    with open(reading, "rb") as lines:
        [told] = lines.read().splitlines()
    assert b"only ours" in told


def test_only_a_runner_that_the_keeper_does_better_than_is_alone(
    board: Scoreboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outage, "ALONE_S", -1.0)  # any has lasted long enough
    with open(os.devnull, "wb") as null:
        spell = Outage(Voice(null.fileno(), ME, "q/1", "q"), SlotWriter(board, 0))
        seen = [spell.ours_alone]
        for error in (RedisRefused("no, and the keeper neither"), RedisAway("gone")):
            spell.next_try_s(error)
            seen.append(spell.ours_alone)
        for away in (True, False):
            board.redis_away(away)
            seen.append(spell.ours_alone)
        spell.over()
        seen.append(spell.ours_alone)
    assert seen == [False, False, True, False, True, False]
