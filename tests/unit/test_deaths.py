"""What the supervisor tells of a death once Redis has it."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from horus_supervisor import logs, messages
from horus_supervisor.crash_record import CrashRecord
from horus_supervisor.lifecycle import Cause, Death, Disposition, Fate
from horus_supervisor.supervisor.deaths import Deaths

US: dict[str, Any] = {"supervisor": "a", "host": "h", "runner": "q/1", "group": "q"}


@pytest.mark.parametrize("word", ["ok", "again"])
def test_what_became_of_the_job_is_told_once_whichever_keeper_brings_the_answer(word: str) -> None:
    lines: list[bytes] = []
    crew: Any = None
    ways = SimpleNamespace(first=logs.bind(lines.append, {}))
    keeper = SimpleNamespace(tell=lambda _: None)
    programs: Any = SimpleNamespace(by_pid=None, keeper=keeper, ways=ways)
    deaths = Deaths(crew, programs)
    record = CrashRecord(crash_id="c", timestamp="t", pid=1, cause=Cause.SIGNAL, **US)
    raw = msgspec.Raw(messages.encode(record))
    died = messages.Died(
        slot=0, incarnation=1, supervisor="a", executing=1, death=Death.CRASHED, record=raw
    )
    deaths._hand_over(died, record)
    for _ in range(2):
        fate = Fate(word, Disposition.REQUEUED, "j", "q", 1, args="{}")
        deaths.recorded(messages.Recorded(slot=0, incarnation=1, supervisor="a", fate=fate))
    [told] = map(json.loads, lines)
    assert (told["event"], told["args"]) == ("job.crashed", "{}")
    assert deaths.all_again() == []
