"""Wall time is told to people and written into records; it decides nothing, as it may jump."""

from __future__ import annotations

import re
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "horus_supervisor"

TOLD = {
    "logs.py",  # the time of each line
    "ids.py",  # ids that sort by time
    "enqueue.py",  # an example in a sentence
    "clock.py",
    "keeper/records.py",
    "runner/alone.py",  # when a job of `horus run` started
    "runner/foreground.py",
    "supervisor/standing.py",
    "supervisor/roster.py",
    "supervisor/deaths.py",  # and to tell a new core file from an old one
}
"""Where wall time is asked for, beside the commands for people."""

WALL = re.compile(r"\btime\.time(_ns)?\(|\.wall\(|\bdatetime\.now\(|\butcnow\(")


def test_wall_time_is_asked_for_where_it_is_told_only() -> None:
    found = {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        if WALL.search(path.read_text())
    }
    assert {name for name in found if not name.startswith("cli/")} == TOLD
