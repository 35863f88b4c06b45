"""What jobs leave behind: it is ended with its group, and a stranger's is let live."""

from __future__ import annotations

import json
import os
import signal
from types import SimpleNamespace
from typing import Any

from horus_supervisor import logs
from horus_supervisor.messages import MARK, mark
from horus_supervisor.supervisor.orphans import LOOK_EVERY_S, Orphans
from tests.support.waiting import wait_until


def left_by(supervisor: str, script: str, stdout: int) -> int:
    """Start a group of processes, as a runner's job does."""
    marked = {**os.environ, MARK: mark(supervisor, 0, 1)}
    actions = [(os.POSIX_SPAWN_DUP2, stdout, 1)]
    return os.posix_spawnp("sh", ["sh", "-c", script], marked, file_actions=actions, setpgroup=0)


def test_what_is_found_at_a_look_is_ended_with_its_group_if_it_is_ours() -> None:
    lines: list[bytes] = []
    log = logs.bind(lines.append, {})
    crew: Any = SimpleNamespace(seats={}, by_pid={}, ways=SimpleNamespace(first=log))
    orphans = Orphans(crew, lambda _: None)
    orphans.end("ours")
    reading, writing = os.pipe()
    ours = left_by("ours", "sleep 600 & echo; wait", writing)
    theirs = left_by("theirs", "exec sleep 600", 2)
    os.close(writing)
    with open(reading, "rb", buffering=0) as held:
        assert held.read(1) == b"\n"
        orphans.look(LOOK_EVERY_S - 0.1)
        assert lines == []
        orphans.look(LOOK_EVERY_S)
        os.set_blocking(reading, False)
        wait_until(lambda: held.read() == b"", "whoever holds the pipe is gone")
    assert [json.loads(line)["pid"] for line in lines] == [ours]
    os.kill(theirs, signal.SIGKILL)
    for pid in (ours, theirs):
        os.waitpid(pid, 0)
