"""How often the keeper is told what the runners do, and what a snapshot says of them."""

from __future__ import annotations

import json
import os
import time
from types import SimpleNamespace
from typing import Any, cast

from horus_supervisor import linux, proc
from horus_supervisor.logs import bind
from horus_supervisor.scoreboard import Scoreboard, SlotWriter
from horus_supervisor.supervisor.crew import Crew
from horus_supervisor.supervisor.roster import EVERY_S, SOON_S, Due, snapshot


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


def test_a_snapshot_tells_of_each_runner_its_process_its_job_and_its_memory() -> None:
    board, lines = Scoreboard(linux.memory_file("horus-scoreboard")), list[dict[str, Any]]()
    SlotWriter(board, 0).executing(1, 2, 3, time.monotonic_ns(), 0, 0, b"id\0shop.Pack\0parcels")
    group = SimpleNamespace(name="g", queues=("parcels",))
    life = SimpleNamespace(pid=os.getpid(), app_version=None, draining=False)
    at_work = SimpleNamespace(runner="g/1", slot=0, group=group, life=life)
    empty = SimpleNamespace(runner="g/2", slot=1, group=group, life=None)
    log = bind(lambda line: lines.append(json.loads(line)), {})
    ways = SimpleNamespace(log=log)
    crew = SimpleNamespace(board=board, ways=ways, seats={0: at_work, 1: empty})
    snapshot(cast(Crew, crew))
    job = {"job_id": "id", "job": "shop.Pack", "queue": "parcels", "attempt": 2}
    told = {"runner": "g/1", "pid": os.getpid(), "state": "executing", **job}
    assert told.items() <= lines[0].items()
    resident = (proc.memory_use(os.getpid()) or (0, 0))[1]
    assert resident / 2 < lines[0]["rss_bytes"] < resident * 2
    assert (lines[1]["state"], lines[1]["rss_bytes"]) == ("backoff", None)
    assert "job_id" not in lines[1]
